// SPDX-License-Identifier: Apache-2.0
// AXI4 write master for two clients that never write at the same time: the store engine, and the sequencer with its
// counter records (`record_select_i`).
// A client asks for runs of words, names the last run of an instruction, and streams the words in the same order.
// At most Outstanding bursts are under way; `done_o` pulses when the response to the last burst of an instruction is
// in, while words of later runs keep flowing. A burst's words may go before its address is taken, never before the
// address is offered. `halt_i` stops new bursts; the words of those under way must still be supplied.
// The bus meets registers only: buffers for two addresses and for words, a register for responses. The store engine must
// send a word only while fewer than BufferWords of its words have not left: the writer cannot refuse it.
module axi_writer #(
  parameter int Outstanding = 8,
  parameter int BufferWords = 8
) (
  input  logic        clk_i,
  input  logic        rst_i,
  input  logic        halt_i,
  output logic        idle_o,
  input  logic        record_select_i,

  input  logic        record_valid_i,
  output logic        record_ready_o,
  input  logic [31:0] record_address_i,
  input  logic [31:0] record_words_i,
  input  logic        record_word_valid_i,
  output logic        record_word_ready_o,
  input  logic [63:0] record_word_i,

  input  logic        store_valid_i,
  output logic        store_ready_o,
  input  logic [31:0] store_address_i,
  input  logic [31:0] store_words_i,
  input  logic        store_last_i,
  input  logic        store_word_valid_i,
  output logic        store_word_left_o,
  input  logic [63:0] store_word_i,

  output logic        done_o,
  output logic        error_o,  // a response was an error
  output logic        burst_o,  // for counters
  output logic        beat_o,

  output logic        m_axi_awvalid_o,
  input  logic        m_axi_awready_i,
  output logic [31:0] m_axi_awaddr_o,
  output logic [7:0]  m_axi_awlen_o,
  output logic        m_axi_wvalid_o,
  input  logic        m_axi_wready_i,
  output logic [63:0] m_axi_wdata_o,
  output logic        m_axi_wlast_o,
  input  logic        m_axi_bvalid_i,
  output logic        m_axi_bready_o,
  input  logic [1:0]  m_axi_bresp_i
);

  // Bursts.
  logic        run_ready;
  logic        burst_valid;
  logic        burst_ready;
  logic [31:0] burst_address;
  logic [3:0]  burst_length;
  logic        burst_last;

  assign record_ready_o = run_ready && record_select_i;
  assign store_ready_o  = run_ready && !record_select_i;

  burst_splitter u_bursts (
    .clk_i,
    .rst_i,
    .run_valid_i    (record_select_i ? record_valid_i : store_valid_i),
    .run_ready_o    (run_ready),
    .run_address_i  (record_select_i ? record_address_i : store_address_i),
    .run_words_i    (record_select_i ? record_words_i : store_words_i),
    .run_last_i     (record_select_i || store_last_i),
    .burst_valid_o  (burst_valid),
    .burst_ready_i  (burst_ready),
    .burst_address_o(burst_address),
    .burst_length_o (burst_length),
    .burst_last_o   (burst_last)
  );

  // Address channel. A burst enters three places at once: the addresses, the lengths (for W), the flags (for B).
  logic        aw_ready;
  logic        length_ready;
  logic        flag_ready;
  logic        issue;

  assign burst_ready = aw_ready && length_ready && flag_ready && !halt_i;
  assign issue       = burst_valid && burst_ready;

  fifo #(
    .Width(36),
    .Depth(2)
  ) u_requests (
    .clk_i,
    .rst_i,
    .valid_i(issue),
    .ready_o(aw_ready),
    .data_i ({burst_length, burst_address}),
    .valid_o(m_axi_awvalid_o),
    .ready_i(m_axi_awready_i),
    .data_o ({m_axi_awlen_o[3:0], m_axi_awaddr_o})
  );

  assign m_axi_awlen_o[7:4] = 4'd0;

  // Data channel.
  logic       length_valid;
  logic [3:0] length;
  logic [3:0] beat_q;
  logic       word_ready;
  logic       word_valid;
  logic       beat;

  fifo #(
    .Width(4),
    .Depth(Outstanding)
  ) u_lengths (
    .clk_i,
    .rst_i,
    .valid_i(issue),
    .ready_o(length_ready),
    .data_i (burst_length),
    .valid_o(length_valid),
    .ready_i(beat && m_axi_wlast_o),
    .data_o (length)
  );

  fifo #(
    .Width(64),
    .Depth(BufferWords)
  ) u_words (
    .clk_i,
    .rst_i,
    .valid_i(record_select_i ? record_word_valid_i : store_word_valid_i),
    .ready_o(word_ready),
    .data_i (record_select_i ? record_word_i : store_word_i),
    .valid_o(word_valid),
    .ready_i(length_valid && m_axi_wready_i),
    .data_o (m_axi_wdata_o)
  );

  assign record_word_ready_o = record_select_i && word_ready;
  assign store_word_left_o   = !record_select_i && beat;
  assign m_axi_wvalid_o      = word_valid && length_valid;
  assign m_axi_wlast_o       = beat_q == length;
  assign beat                = m_axi_wvalid_o && m_axi_wready_i;

  always_ff @(posedge clk_i) begin
    beat_o  <= beat;
    burst_o <= m_axi_awvalid_o && m_axi_awready_i;
    if (beat) beat_q <= m_axi_wlast_o ? 4'd0 : beat_q + 4'd1;
    if (rst_i) beat_q <= 4'd0;
  end

  // Response channel.
  logic flag_valid;
  logic flag;

  fifo #(
    .Width(1),
    .Depth(Outstanding)
  ) u_flags (
    .clk_i,
    .rst_i,
    .valid_i(issue),
    .ready_o(flag_ready),
    .data_i (burst_last),
    .valid_o(flag_valid),
    .ready_i(m_axi_bvalid_i),
    .data_o (flag)
  );

  assign m_axi_bready_o = flag_valid;
  assign idle_o         = !m_axi_awvalid_o && !flag_valid;

  always_ff @(posedge clk_i) begin
    done_o  <= m_axi_bvalid_i && flag_valid && flag && !rst_i;
    error_o <= m_axi_bvalid_i && flag_valid && m_axi_bresp_i[1] && !rst_i;
  end

  logic unused_bits;
  assign unused_bits = m_axi_bresp_i[0];

`ifndef SYNTHESIS
  always @(posedge clk_i) begin
    if (!rst_i) begin
      assert ((record_select_i && store_word_valid_i) !== 1'b1) else $error("a word of a STORE among those of a record");
      assert ((store_word_valid_i && !word_ready) !== 1'b1) else $error("no room for a word of a STORE");
    end
  end
`endif

endmodule
