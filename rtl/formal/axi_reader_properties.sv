// SPDX-License-Identifier: Apache-2.0
// What axi_reader.sv promises its two clients: one burst per cycle enters the bus, the sequencer's first; each client's
// bursts ask for exactly its words, in order; each word goes to the client that asked for it; no more than Outstanding
// bursts are under way; offers stand. `Streams` = 0 keeps only what a cycle decides by itself, which induction proves.
// Assumed: a bus that answers in order; runs of one or two words (burst_splitter_properties.sv proves how longer ones are
// cut), the n-th of a client at n * 256, the load engine's in the upper half, so that an address names its run.
module axi_reader_properties #(
  parameter bit Streams     = 1'b1,
  parameter int Outstanding = 4
) (
  input logic        clk_i,
  input logic        rst_i,
  input logic        halt_i,
  input logic        sequencer_valid_i,
  input logic [31:0] sequencer_address_i,
  input logic [31:0] sequencer_words_i,
  input logic        load_valid_i,
  input logic [31:0] load_address_i,
  input logic [31:0] load_words_i,
  input logic        load_word_ready_i,
  input logic        arready_i,
  input logic        rvalid_i,
  input logic [63:0] rdata_i,
  input logic [1:0]  rresp_i,
  input logic        rlast_i
);

  logic        idle, sequencer_ready, sequencer_word_valid, load_ready, load_word_valid, error, burst, beat;
  logic [63:0] word;
  logic        arvalid, rready;
  logic [31:0] araddr;
  logic [7:0]  arlen;

  axi_reader #(
    .Outstanding(Outstanding)
  ) dut (
    .clk_i,
    .rst_i,
    .halt_i,
    .idle_o                (idle),
    .sequencer_valid_i,
    .sequencer_ready_o     (sequencer_ready),
    .sequencer_address_i,
    .sequencer_words_i,
    .sequencer_word_valid_o(sequencer_word_valid),
    .load_valid_i,
    .load_ready_o          (load_ready),
    .load_address_i,
    .load_words_i,
    .load_word_valid_o     (load_word_valid),
    .load_word_ready_i,
    .word_o                (word),
    .error_o               (error),
    .burst_o               (burst),
    .beat_o                (beat),
    .m_axi_arvalid_o       (arvalid),
    .m_axi_arready_i       (arready_i),
    .m_axi_araddr_o        (araddr),
    .m_axi_arlen_o         (arlen),
    .m_axi_rvalid_i        (rvalid_i),
    .m_axi_rready_o        (rready),
    .m_axi_rdata_i         (rdata_i),
    .m_axi_rresp_i         (rresp_i),
    .m_axi_rlast_i         (rlast_i)
  );

  (* hierconn *) wire        \dut.sequencer_burst_valid ;
  (* hierconn *) wire        \dut.load_burst_valid ;
  (* hierconn *) wire        \dut.sequencer_burst_ready ;
  (* hierconn *) wire        \dut.load_burst_ready ;
  (* hierconn *) wire        \dut.issue ;
  (* hierconn *) wire        \dut.ar_ready ;
  (* hierconn *) wire        \dut.tag_ready ;
  (* hierconn *) wire        \dut.sequencer_word_q ;
  (* hierconn *) wire        \dut.load_word_q ;
  (* hierconn *) wire [31:0] \dut.sequencer_burst_address ;
  (* hierconn *) wire [31:0] \dut.load_burst_address ;
  (* hierconn *) wire [35:0] \dut.u_requests.data_i ;
  (* hierconn *) wire        \dut.u_tags.data_i ;

  logic seen_q = 1'b0;
  logic sequencer_goes, load_goes;

  assign sequencer_goes = \dut.sequencer_burst_valid && \dut.sequencer_burst_ready ;
  assign load_goes      = \dut.load_burst_valid && \dut.load_burst_ready ;

  always @(posedge clk_i) begin
    seen_q <= 1'b1;
    assume (seen_q || rst_i);
    if (seen_q) begin
      assert (!(sequencer_goes && load_goes));
      assert (\dut.issue == (sequencer_goes || load_goes));
      assert (!load_goes || !\dut.sequencer_burst_valid );
      // Where there is room, somebody goes.
      if (\dut.ar_ready && \dut.tag_ready && !halt_i)
        assert (\dut.issue == (\dut.sequencer_burst_valid || \dut.load_burst_valid ));
      assert (!\dut.issue || (\dut.ar_ready && \dut.tag_ready && !halt_i));
      if (sequencer_goes)
        assert (\dut.u_tags.data_i && \dut.u_requests.data_i [31:0] == \dut.sequencer_burst_address );
      if (load_goes) assert (!\dut.u_tags.data_i && \dut.u_requests.data_i [31:0] == \dut.load_burst_address );
      assert (!(sequencer_word_valid && load_word_valid));
      assert (!(\dut.sequencer_word_q && \dut.load_word_q ));
      assert (!halt_i || !(sequencer_word_valid || load_word_valid));
    end
  end

  if (Streams) begin : g_streams
    logic [31:0] sequencer_next_q, load_next_q;      // where the next run starts
    logic [31:0] sequencer_expect_q, load_expect_q;  // where the next burst on the bus starts
    logic [3:0]  lengths_q [8];                      // bursts under way, oldest first
    logic        owners_q [8];
    logic [3:0]  open_q;
    logic [3:0]  beat_q;
    logic        word_valid_q, word_owner_q;         // the word between bus and client
    logic [63:0] word_q;
    logic        word_goes;
    logic        taken_q;
    logic        ar_waits_q;
    logic [39:0] ar_offer_q;
    logic        ar_taken, r_taken, burst_ends;
    logic [3:0]  place;

    assign ar_taken   = arvalid && arready_i;
    assign r_taken    = rvalid_i && rready;
    assign burst_ends = r_taken && rlast_i;
    assign place      = open_q - 4'(burst_ends);
    assign word_goes  = word_valid_q && (halt_i || word_owner_q || load_word_ready_i);

    always @(posedge clk_i) begin
      if (sequencer_valid_i && sequencer_ready) sequencer_next_q <= sequencer_next_q + 32'h100;
      if (load_valid_i && load_ready) load_next_q <= load_next_q + 32'h100;
      if (ar_taken && !araddr[31]) sequencer_expect_q <= sequencer_expect_q + 32'h100;
      if (ar_taken && araddr[31]) load_expect_q <= load_expect_q + 32'h100;
      if (burst_ends) begin
        for (int i = 0; i < 7; i++) begin
          lengths_q[i] <= lengths_q[i+1];
          owners_q[i]  <= owners_q[i+1];
        end
      end
      if (ar_taken) begin
        lengths_q[place[2:0]] <= arlen[3:0];
        owners_q[place[2:0]]  <= !araddr[31];
      end
      open_q <= place + 4'(ar_taken);
      if (r_taken) beat_q <= rlast_i ? 4'd0 : beat_q + 4'd1;
      if (word_goes) word_valid_q <= 1'b0;
      if (r_taken) begin
        word_valid_q <= 1'b1;
        word_owner_q <= owners_q[0];
        word_q       <= rdata_i;
      end
      taken_q    <= r_taken;
      ar_waits_q <= arvalid && !arready_i;
      ar_offer_q <= {araddr, arlen};
      if (rst_i) begin
        sequencer_next_q   <= 32'd0;
        sequencer_expect_q <= 32'd0;
        load_next_q        <= 32'h8000_0000;
        load_expect_q      <= 32'h8000_0000;
        open_q             <= 4'd0;
        beat_q             <= 4'd0;
        word_valid_q       <= 1'b0;
        ar_waits_q         <= 1'b0;
        taken_q            <= 1'b0;
      end

      assume (sequencer_address_i == sequencer_next_q && load_address_i == load_next_q);
      assume (sequencer_words_i != 32'd0 && sequencer_words_i <= 32'd2);
      assume (load_words_i != 32'd0 && load_words_i <= 32'd2);
      assume (!rvalid_i || (open_q != 4'd0 && rlast_i == (beat_q == lengths_q[0])));
      if (seen_q) begin
        assert (32'(open_q) + 32'(word_valid_q) <= Outstanding + 1 && 32'(open_q) <= Outstanding);
        if (arvalid) begin
          assert (araddr == (araddr[31] ? load_expect_q : sequencer_expect_q));
          assert (arlen <= 8'd1);
        end
        if (ar_waits_q) assert (arvalid && ar_offer_q == {araddr, arlen});
        assert (sequencer_word_valid == (word_valid_q && word_owner_q && !halt_i));
        assert (load_word_valid == (word_valid_q && !word_owner_q && !halt_i));
        if (word_valid_q) assert (word == word_q);
        assert (beat == taken_q);
        // Idle means that nothing can come any more.
        if (idle) assert (!arvalid && open_q == 4'd0 && !word_valid_q);
      end
    end
  end

endmodule
