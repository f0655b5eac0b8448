// SPDX-License-Identifier: Apache-2.0
// What axi_writer.sv promises its two clients: only the selected one's runs and words are taken; bursts ask for exactly
// the words of the runs, in order; every burst gets its beats and WLAST with the last; no more than Outstanding bursts are
// under way; `done_o` pulses once per run that is an instruction's last, after its response; offers stand.
// `Streams` = 0 keeps only what a cycle decides by itself, which induction proves.
// Assumed: a bus that answers each complete burst once; runs of one or two words (burst_splitter_properties.sv proves how
// longer ones are cut), the n-th at n * 256, so that an address names its run; store words only where there is room.
module axi_writer_properties #(
  parameter bit Streams     = 1'b1,
  parameter int Outstanding = 4
) (
  input logic        clk_i,
  input logic        rst_i,
  input logic        halt_i,
  input logic        select_i,
  input logic        record_valid_i,
  input logic [31:0] record_address_i,
  input logic [31:0] record_words_i,
  input logic        record_word_valid_i,
  input logic [63:0] record_word_i,
  input logic        store_valid_i,
  input logic [31:0] store_address_i,
  input logic [31:0] store_words_i,
  input logic        store_last_i,
  input logic        store_word_valid_i,
  input logic [63:0] store_word_i,
  input logic        awready_i,
  input logic        wready_i,
  input logic        bvalid_i,
  input logic [1:0]  bresp_i
);

  logic        idle, record_ready, record_word_ready, store_ready, store_word_left, done, error, burst, beat;
  logic        awvalid, wvalid, wlast, bready;
  logic [31:0] awaddr;
  logic [7:0]  awlen;
  logic [63:0] wdata;

  axi_writer #(
    .Outstanding(Outstanding)
  ) dut (
    .clk_i,
    .rst_i,
    .halt_i,
    .idle_o             (idle),
    .record_select_i    (select_i),
    .record_valid_i,
    .record_ready_o     (record_ready),
    .record_address_i,
    .record_words_i,
    .record_word_valid_i,
    .record_word_ready_o(record_word_ready),
    .record_word_i,
    .store_valid_i,
    .store_ready_o      (store_ready),
    .store_address_i,
    .store_words_i,
    .store_last_i,
    .store_word_valid_i,
    .store_word_left_o  (store_word_left),
    .store_word_i,
    .done_o             (done),
    .error_o            (error),
    .burst_o            (burst),
    .beat_o             (beat),
    .m_axi_awvalid_o    (awvalid),
    .m_axi_awready_i    (awready_i),
    .m_axi_awaddr_o     (awaddr),
    .m_axi_awlen_o      (awlen),
    .m_axi_wvalid_o     (wvalid),
    .m_axi_wready_i     (wready_i),
    .m_axi_wdata_o      (wdata),
    .m_axi_wlast_o      (wlast),
    .m_axi_bvalid_i     (bvalid_i),
    .m_axi_bready_o     (bready),
    .m_axi_bresp_i      (bresp_i)
  );

  (* hierconn *) wire        \dut.u_bursts.busy_q ;
  (* hierconn *) wire        \dut.u_bursts.run_valid_i ;
  (* hierconn *) wire [31:0] \dut.u_bursts.run_address_i ;
  (* hierconn *) wire [31:0] \dut.u_bursts.run_words_i ;
  (* hierconn *) wire        \dut.u_bursts.run_last_i ;
  (* hierconn *) wire        \dut.u_words.valid_i ;
  (* hierconn *) wire [63:0] \dut.u_words.data_i ;
  (* hierconn *) wire        \dut.run_ready ;
  (* hierconn *) wire        \dut.word_ready ;
  (* hierconn *) wire        \dut.issue ;

  logic seen_q = 1'b0;

  always @(posedge clk_i) begin
    seen_q <= 1'b1;
    assume (seen_q || rst_i);
    assume (!store_word_valid_i || (!select_i && \dut.word_ready ));
    if (seen_q) begin
      assert (!(record_ready && store_ready));
      assert (!(record_word_ready && store_word_left));
      assert (!record_ready || select_i);
      assert (!store_ready || !select_i);
      // Exactly the selected client's offers go in.
      assert ((\dut.run_ready && \dut.u_bursts.run_valid_i ) ==
              ((record_valid_i && record_ready) || (store_valid_i && store_ready)));
      if (record_valid_i && record_ready)
        assert (\dut.u_bursts.run_address_i == record_address_i && \dut.u_bursts.run_words_i == record_words_i &&
                \dut.u_bursts.run_last_i );
      if (store_valid_i && store_ready)
        assert (\dut.u_bursts.run_address_i == store_address_i && \dut.u_bursts.run_words_i == store_words_i &&
                \dut.u_bursts.run_last_i == store_last_i);
      assert ((\dut.word_ready && \dut.u_words.valid_i ) ==
              ((record_word_valid_i && record_word_ready) || store_word_valid_i));
      if (record_word_valid_i && record_word_ready) assert (\dut.u_words.data_i == record_word_i);
      if (store_word_valid_i) assert (\dut.u_words.data_i == store_word_i);
      assert (store_word_left == (!select_i && wvalid && wready_i));
      assert (!\dut.issue || !halt_i);
    end
  end

  if (Streams) begin : g_streams
    logic [31:0] next_q;          // where the next run starts
    logic [31:0] expect_q;        // where the next burst on the bus starts
    logic [3:0]  lengths_q [8];   // AW taken, W not complete
    logic [3:0]  early_q [8];     // W complete, AW not taken
    logic [3:0]  aw_open_q, w_open_q;
    logic [3:0]  beat_q;
    logic [4:0]  answers_q;       // bursts complete and not answered
    logic [4:0]  under_way_q;     // AW taken and not answered
    logic [4:0]  asked_q, done_q; // runs that are last of an instruction
    logic        aw_waits_q, w_waits_q;
    logic [39:0] aw_offer_q;
    logic [64:0] w_offer_q;
    logic        aw_taken, w_taken, w_burst, b_taken, match_early, match_late, run_taken;
    logic [31:0] address, words;

    assign address     = select_i ? record_address_i : store_address_i;
    assign words       = select_i ? record_words_i : store_words_i;
    assign run_taken   = (record_valid_i && record_ready) || (store_valid_i && store_ready);
    assign aw_taken    = awvalid && awready_i;
    assign w_taken     = wvalid && wready_i;
    assign w_burst     = w_taken && wlast;
    assign b_taken     = bvalid_i && bready;
    assign match_early = aw_taken && w_open_q != 4'd0;
    assign match_late  = w_burst && aw_open_q != 4'd0;

    always @(posedge clk_i) begin
      if (run_taken) next_q <= next_q + 32'h100;
      if (aw_taken) expect_q <= expect_q + 32'h100;
      if (w_taken) beat_q <= wlast ? 4'd0 : beat_q + 4'd1;

      // Pairs of AW and W: whichever comes first waits in its list.
      if (match_late) begin
        for (int i = 0; i < 7; i++) lengths_q[i] <= lengths_q[i+1];
      end
      if (match_early) begin
        for (int i = 0; i < 7; i++) early_q[i] <= early_q[i+1];
      end
      if (aw_taken && !match_early && !(w_burst && !match_late)) lengths_q[3'(aw_open_q - 4'(match_late))] <= awlen[3:0];
      if (w_burst && !match_late && !(aw_taken && !match_early)) early_q[3'(w_open_q - 4'(match_early))] <= beat_q;
      if (aw_taken && !match_early && w_burst && !match_late) begin
        aw_open_q <= aw_open_q;
      end else begin
        aw_open_q <= aw_open_q + 4'(aw_taken && !match_early) - 4'(match_late);
        w_open_q  <= w_open_q + 4'(w_burst && !match_late) - 4'(match_early);
      end
      answers_q   <= answers_q + 5'(match_early || match_late || (aw_taken && w_burst)) +
                     5'(match_early && match_late) - 5'(b_taken);
      under_way_q <= under_way_q + 5'(aw_taken) - 5'(b_taken);
      if (run_taken && (select_i || store_last_i)) asked_q <= asked_q + 5'd1;
      if (done) done_q <= done_q + 5'd1;
      aw_waits_q <= awvalid && !awready_i;
      aw_offer_q <= {awaddr, awlen};
      w_waits_q  <= wvalid && !wready_i;
      w_offer_q  <= {wdata, wlast};
      if (rst_i) begin
        next_q      <= 32'd0;
        expect_q    <= 32'd0;
        beat_q      <= 4'd0;
        aw_open_q   <= 4'd0;
        w_open_q    <= 4'd0;
        answers_q   <= 5'd0;
        under_way_q <= 5'd0;
        asked_q     <= 5'd0;
        done_q      <= 5'd0;
        aw_waits_q  <= 1'b0;
        w_waits_q   <= 1'b0;
      end

      assume (address == next_q && words != 32'd0 && words <= 32'd2);
      assume (!bvalid_i || answers_q != 5'd0);
      if (seen_q) begin
        assert (32'(under_way_q) <= Outstanding);
        if (awvalid) begin
          assert (awaddr == expect_q);
          assert (awlen <= 8'd1);
        end
        if (aw_waits_q) assert (awvalid && aw_offer_q == {awaddr, awlen});
        if (w_waits_q) assert (wvalid && w_offer_q == {wdata, wlast});
        // A response is taken whenever one may come.
        if (answers_q != 5'd0) assert (bready);
        // WLAST, against the address if that has been taken, else when it is.
        if (wvalid && aw_open_q != 4'd0) assert (wlast == (beat_q == lengths_q[0]));
        if (aw_taken && w_open_q != 4'd0) assert (awlen[3:0] == early_q[0]);
        // Words stay close to their addresses: behind at most the two that wait in the buffer.
        assert (w_open_q <= 4'd2);
        assert (done_q + 5'(done) <= asked_q);
        if (idle && !done && !\dut.u_bursts.busy_q ) assert (done_q == asked_q);
      end
    end
  end

endmodule
