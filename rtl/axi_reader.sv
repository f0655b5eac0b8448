// AXI4 read master for two clients: the sequencer's descriptors and the load engine's words.
// Requests are runs of words; bursts of the sequencer go first. At most Outstanding bursts are under way, in order on
// one ID; a tag per burst names the client that its words are for. Words pass without latency. The sequencer must
// only ask for words that it has room for: it cannot refuse them. `halt_i` stops new bursts and drops words.
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
  output logic        error_o,  // this cycle's beat came with an error response
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

  // Address channel: a register, so that a request stands still until it is taken.
  logic        ar_valid_q;
  logic [31:0] ar_address_q;
  logic [3:0]  ar_length_q;
  logic        ar_free;
  logic        tag_ready;
  logic        issue;

  assign ar_free               = (!ar_valid_q || m_axi_arready_i) && tag_ready && !halt_i;
  assign sequencer_burst_ready = ar_free;
  assign load_burst_ready      = ar_free && !sequencer_burst_valid;
  assign issue                 = ar_free && (sequencer_burst_valid || load_burst_valid);

  always_ff @(posedge clk_i) begin
    if (issue) begin
      ar_valid_q   <= 1'b1;
      ar_address_q <= sequencer_burst_valid ? sequencer_burst_address : load_burst_address;
      ar_length_q  <= sequencer_burst_valid ? sequencer_burst_length : load_burst_length;
    end else if (m_axi_arready_i) begin
      ar_valid_q <= 1'b0;
    end
    if (rst_i) ar_valid_q <= 1'b0;
  end

  assign m_axi_arvalid_o = ar_valid_q;
  assign m_axi_araddr_o  = ar_address_q;
  assign m_axi_arlen_o   = {4'd0, ar_length_q};

  // Whose words come back.
  logic tag_valid;
  logic for_sequencer;
  logic beat;

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
    .ready_i(beat && m_axi_rlast_i),
    .data_o (for_sequencer)
  );

  assign m_axi_rready_o         = tag_valid && (halt_i || for_sequencer || load_word_ready_i);
  assign beat                   = m_axi_rvalid_i && m_axi_rready_o;
  assign sequencer_word_valid_o = m_axi_rvalid_i && tag_valid && for_sequencer && !halt_i;
  assign load_word_valid_o      = m_axi_rvalid_i && tag_valid && !for_sequencer && !halt_i;
  assign word_o                 = m_axi_rdata_i;

  assign error_o = beat && m_axi_rresp_i[1];
  assign burst_o = ar_valid_q && m_axi_arready_i;
  assign beat_o  = beat;
  assign idle_o  = !ar_valid_q && !tag_valid;

  logic unused_bits;
  assign unused_bits = m_axi_rresp_i[0];

endmodule
