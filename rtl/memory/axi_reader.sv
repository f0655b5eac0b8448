// SPDX-License-Identifier: Apache-2.0
// AXI4 read master for two clients: the sequencer's descriptors and the load engine's words.
// Requests are runs of words; bursts of the sequencer go first. At most Outstanding bursts are under way, in order on
// one ID; a tag per burst names the client that its words are for. A request stands in a buffer of two, a word in one
// register (latency 1 cycle, one word per cycle) that says whose it is. The sequencer must only ask for words that it has
// room for: it cannot refuse them. `halt_i` stops new bursts and drops words.
module axi_reader #(
  parameter int Outstanding = 8
) (
  input  logic        clk_i,
  input  logic        rst_i,
  input  logic        halt_i,
  output logic        idle_o,

  input  logic        sequencer_valid_i,
  output logic        sequencer_ready_o,
  input  logic [31:0] sequencer_address_i,
  input  logic [31:0] sequencer_words_i,
  output logic        sequencer_word_valid_o,

  input  logic        load_valid_i,
  output logic        load_ready_o,
  input  logic [31:0] load_address_i,
  input  logic [31:0] load_words_i,
  output logic        load_word_valid_o,
  input  logic        load_word_ready_i,

  output logic [63:0] word_o,
  output logic        error_o,  // a word that came in the cycle before had an error response
  output logic        burst_o,  // for counters
  output logic        beat_o,

  output logic        m_axi_arvalid_o,
  input  logic        m_axi_arready_i,
  output logic [31:0] m_axi_araddr_o,
  output logic [7:0]  m_axi_arlen_o,
  input  logic        m_axi_rvalid_i,
  output logic        m_axi_rready_o,
  input  logic [63:0] m_axi_rdata_i,
  input  logic [1:0]  m_axi_rresp_i,
  input  logic        m_axi_rlast_i
);

  // Bursts of both clients.
  logic        sequencer_burst_valid, load_burst_valid;
  logic        sequencer_burst_ready, load_burst_ready;
  logic [31:0] sequencer_burst_address, load_burst_address;
  logic [3:0]  sequencer_burst_length, load_burst_length;
  logic        unused_sequencer_last, unused_load_last;

  burst_splitter u_sequencer_bursts (
    .clk_i,
    .rst_i,
    .run_valid_i    (sequencer_valid_i),
    .run_ready_o    (sequencer_ready_o),
    .run_address_i  (sequencer_address_i),
    .run_words_i    (sequencer_words_i),
    .run_last_i     (1'b0),
    .burst_valid_o  (sequencer_burst_valid),
    .burst_ready_i  (sequencer_burst_ready),
    .burst_address_o(sequencer_burst_address),
    .burst_length_o (sequencer_burst_length),
    .burst_last_o   (unused_sequencer_last)
  );

  burst_splitter u_load_bursts (
    .clk_i,
    .rst_i,
    .run_valid_i    (load_valid_i),
    .run_ready_o    (load_ready_o),
    .run_address_i  (load_address_i),
    .run_words_i    (load_words_i),
    .run_last_i     (1'b0),
    .burst_valid_o  (load_burst_valid),
    .burst_ready_i  (load_burst_ready),
    .burst_address_o(load_burst_address),
    .burst_length_o (load_burst_length),
    .burst_last_o   (unused_load_last)
  );

  // Address channel.
  logic        ar_ready;
  logic        ar_free;
  logic        tag_ready;
  logic        issue;

  assign ar_free               = ar_ready && tag_ready && !halt_i;
  assign sequencer_burst_ready = ar_free;
  assign load_burst_ready      = ar_free && !sequencer_burst_valid;
  assign issue                 = ar_free && (sequencer_burst_valid || load_burst_valid);

  fifo #(
    .Width(36),
    .Depth(2)
  ) u_requests (
    .clk_i,
    .rst_i,
    .valid_i(issue),
    .ready_o(ar_ready),
    .data_i (sequencer_burst_valid ? {sequencer_burst_length, sequencer_burst_address}
                                   : {load_burst_length, load_burst_address}),
    .valid_o(m_axi_arvalid_o),
    .ready_i(m_axi_arready_i),
    .data_o ({m_axi_arlen_o[3:0], m_axi_araddr_o})
  );

  assign m_axi_arlen_o[7:4] = 4'd0;

  // Words come back in the order of the bursts, whose tags are gone with their last ones.
  logic tag_valid;
  logic for_sequencer;
  logic taken;             // a word comes from the bus
  logic sequencer_word_q;  // the word register holds one for the sequencer
  logic load_word_q;       // or one for the load engine

  fifo #(
    .Width(1),
    .Depth(Outstanding)
  ) u_tags (
    .clk_i,
    .rst_i,
    .valid_i(issue),
    .ready_o(tag_ready),
    .data_i (sequencer_burst_valid),
    .valid_o(tag_valid),
    .ready_i(taken && m_axi_rlast_i),
    .data_o (for_sequencer)
  );

  assign m_axi_rready_o         = !load_word_q || load_word_ready_i || halt_i;
  assign taken                  = m_axi_rvalid_i && m_axi_rready_o;
  assign sequencer_word_valid_o = sequencer_word_q && !halt_i;
  assign load_word_valid_o      = load_word_q && !halt_i;

  always_ff @(posedge clk_i) begin
    burst_o <= m_axi_arvalid_o && m_axi_arready_i;
    beat_o  <= taken && !rst_i;
    error_o <= taken && m_axi_rresp_i[1] && !rst_i;
    if (m_axi_rready_o) begin
      sequencer_word_q <= m_axi_rvalid_i && for_sequencer;
      load_word_q      <= m_axi_rvalid_i && !for_sequencer;
      word_o           <= m_axi_rdata_i;
    end
    if (rst_i) begin
      sequencer_word_q <= 1'b0;
      load_word_q      <= 1'b0;
    end
  end

  assign idle_o = !m_axi_arvalid_o && !tag_valid && !sequencer_word_q && !load_word_q;

  logic unused_bits;
  assign unused_bits = m_axi_rresp_i[0];

endmodule
