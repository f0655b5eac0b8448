// SPDX-License-Identifier: Apache-2.0
// Watches one AXI4 port and remembers which rules were broken, a bit each (`violations_o`, sticky): those of AXI4, and the
// narrower ones of this accelerator: INCR bursts of at most 16 whole words inside 4 KB, one ID, answers in order.
// Drives nothing. Simulation only; an assertion reports the cycle where Verilator runs with --assert.
module axi_checker #(
  parameter int MaxBeats       = 16,
  parameter int MaxOutstanding = 8    // bursts under way each way
) (
  input  logic        clk_i,
  input  logic        rst_ni,
  input  logic        arvalid_i,
  input  logic        arready_i,
  input  logic [31:0] araddr_i,
  input  logic [7:0]  arlen_i,
  input  logic [2:0]  arsize_i,
  input  logic [1:0]  arburst_i,
  input  logic        rvalid_i,
  input  logic        rready_i,
  input  logic [63:0] rdata_i,
  input  logic [1:0]  rresp_i,
  input  logic        rlast_i,
  input  logic        awvalid_i,
  input  logic        awready_i,
  input  logic [31:0] awaddr_i,
  input  logic [7:0]  awlen_i,
  input  logic [2:0]  awsize_i,
  input  logic [1:0]  awburst_i,
  input  logic        wvalid_i,
  input  logic        wready_i,
  input  logic [63:0] wdata_i,
  input  logic [7:0]  wstrb_i,
  input  logic        wlast_i,
  input  logic        bvalid_i,
  input  logic        bready_i,
  input  logic [1:0]  bresp_i,
  output logic [15:0] violations_o /*verilator public_flat_rd*/
);

  localparam int RuleArStable    = 0;   // an offer stands, unchanged, until it is taken
  localparam int RuleRStable     = 1;
  localparam int RuleAwStable    = 2;
  localparam int RuleWStable     = 3;
  localparam int RuleBStable     = 4;
  localparam int RuleArShape     = 5;   // INCR, 8-byte beats, aligned, at most MaxBeats
  localparam int RuleAwShape     = 6;
  localparam int RuleArBoundary  = 7;   // inside 4 KB
  localparam int RuleAwBoundary  = 8;
  localparam int RuleReadAnswer  = 9;   // a read beat without a request, or RLAST at another beat
  localparam int RuleWlast       = 10;
  localparam int RuleWriteAnswer = 11;  // a response without a complete burst
  localparam int RuleOutstanding = 12;
  localparam int RuleReset       = 13;  // VALID during reset
`ifndef VERILATOR
  localparam int RuleUnknown     = 14;  // X or Z on a wire that means something: four-state simulators only
`endif
  localparam int RuleStrobe      = 15;  // whole words

  function automatic logic shape_bad(input logic [2:0] low_address, input logic [7:0] length, input logic [2:0] size,
                                     input logic [1:0] burst);
    shape_bad = burst != 2'b01 || size != 3'd3 || low_address != 3'd0 || {24'd0, length} >= MaxBeats;
  endfunction

  function automatic logic crosses(input logic [8:0] word_in_page, input logic [7:0] length);
    crosses = {23'd0, word_in_page} + {24'd0, length} >= 32'd512;
  endfunction

  // What was offered and not taken, one cycle ago.
  logic        ar_waits, r_waits, aw_waits, w_waits, b_waits;
  logic [44:0] ar_offer, aw_offer;
  logic [66:0] r_offer;
  logic [72:0] w_offer;
  logic [1:0]  b_offer;
  logic [44:0] ar_payload, aw_payload;
  logic [66:0] r_payload;
  logic [72:0] w_payload;

  assign ar_payload = {araddr_i, arlen_i, arsize_i, arburst_i};
  assign aw_payload = {awaddr_i, awlen_i, awsize_i, awburst_i};
  assign r_payload  = {rdata_i, rresp_i, rlast_i};
  assign w_payload  = {wdata_i, wstrb_i, wlast_i};

  // Bursts, numbered modulo 256. W beats may come before their address.
  logic [7:0] read_length [256];
  logic [7:0] write_length [256];   // as asked for
  logic [7:0] written_length [256]; // as written
  logic [7:0] reads_asked, reads_answered, read_beat;
  logic [7:0] writes_asked, writes_sent, writes_answered, write_beat;
  logic [2:0] reset_cycles;

  initial begin
    violations_o = 16'd0;
    reset_cycles = 3'd0;
  end

  always @(posedge clk_i) begin
    logic [15:0] broken;
    broken = 16'd0;
    if (!rst_ni) begin
      // The accelerator's own reset follows the pin by some cycles.
      if (reset_cycles == 3'd3) broken[RuleReset] = arvalid_i || awvalid_i || wvalid_i;
      else reset_cycles = reset_cycles + 3'd1;
      reads_asked     = 8'd0;
      reads_answered  = 8'd0;
      read_beat       = 8'd0;
      writes_asked    = 8'd0;
      writes_sent     = 8'd0;
      writes_answered = 8'd0;
      write_beat      = 8'd0;
      ar_waits        = 1'b0;
      r_waits         = 1'b0;
      aw_waits        = 1'b0;
      w_waits         = 1'b0;
      b_waits         = 1'b0;
    end else begin
      reset_cycles = 3'd0;
      if (ar_waits && !(arvalid_i && ar_payload == ar_offer)) broken[RuleArStable] = 1'b1;
      if (r_waits && !(rvalid_i && r_payload == r_offer)) broken[RuleRStable] = 1'b1;
      if (aw_waits && !(awvalid_i && aw_payload == aw_offer)) broken[RuleAwStable] = 1'b1;
      if (w_waits && !(wvalid_i && w_payload == w_offer)) broken[RuleWStable] = 1'b1;
      if (b_waits && !(bvalid_i && bresp_i == b_offer)) broken[RuleBStable] = 1'b1;
      ar_waits = arvalid_i && !arready_i;
      r_waits  = rvalid_i && !rready_i;
      aw_waits = awvalid_i && !awready_i;
      w_waits  = wvalid_i && !wready_i;
      b_waits  = bvalid_i && !bready_i;
      ar_offer = ar_payload;
      r_offer  = r_payload;
      aw_offer = aw_payload;
      w_offer  = w_payload;
      b_offer  = bresp_i;

      if (arvalid_i && shape_bad(araddr_i[2:0], arlen_i, arsize_i, arburst_i)) broken[RuleArShape] = 1'b1;
      if (awvalid_i && shape_bad(awaddr_i[2:0], awlen_i, awsize_i, awburst_i)) broken[RuleAwShape] = 1'b1;
      if (arvalid_i && crosses(araddr_i[11:3], arlen_i)) broken[RuleArBoundary] = 1'b1;
      if (awvalid_i && crosses(awaddr_i[11:3], awlen_i)) broken[RuleAwBoundary] = 1'b1;
      if (wvalid_i && wstrb_i != 8'hff) broken[RuleStrobe] = 1'b1;

      // Answers, to what was taken in earlier cycles.
      if (rvalid_i) begin
        if (reads_asked == reads_answered) broken[RuleReadAnswer] = 1'b1;
        else if (rlast_i != (read_beat == read_length[reads_answered])) broken[RuleReadAnswer] = 1'b1;
        if (rready_i) begin
          read_beat = rlast_i ? 8'd0 : read_beat + 8'd1;
          if (rlast_i) reads_answered = reads_answered + 8'd1;
        end
      end
      if (bvalid_i) begin
        if (writes_answered == writes_asked || writes_answered == writes_sent) broken[RuleWriteAnswer] = 1'b1;
        if (bready_i) writes_answered = writes_answered + 8'd1;
      end

      if (arvalid_i && arready_i) begin
        read_length[reads_asked] = arlen_i;
        reads_asked = reads_asked + 8'd1;
      end
      if (awvalid_i && awready_i) begin
        write_length[writes_asked] = awlen_i;
        // All its words went before it, or some: those that did must have had their WLAST in the right place.
        if (writes_sent - writes_asked - 8'd1 < 8'd128 && written_length[writes_asked] != awlen_i)
          broken[RuleWlast] = 1'b1;
        writes_asked = writes_asked + 8'd1;
      end
      if (wvalid_i && wready_i) begin
        if (writes_asked - writes_sent - 8'd1 < 8'd128 && wlast_i != (write_beat == write_length[writes_sent]))
          broken[RuleWlast] = 1'b1;
        if (wlast_i) begin
          written_length[writes_sent] = write_beat;
          writes_sent = writes_sent + 8'd1;
          write_beat  = 8'd0;
        end else begin
          write_beat = write_beat + 8'd1;
          if ({24'd0, write_beat} >= MaxBeats) broken[RuleWlast] = 1'b1;
        end
      end
      if ({24'd0, 8'(reads_asked - reads_answered)} > MaxOutstanding) broken[RuleOutstanding] = 1'b1;
      if ({24'd0, 8'(writes_asked - writes_answered)} > MaxOutstanding) broken[RuleOutstanding] = 1'b1;
`ifndef VERILATOR
      if ((^{arvalid_i, awvalid_i, wvalid_i, rready_i, bready_i}) === 1'bx) broken[RuleUnknown] = 1'b1;
      if (arvalid_i === 1'b1 && (^ar_payload) === 1'bx) broken[RuleUnknown] = 1'b1;
      if (awvalid_i === 1'b1 && (^aw_payload) === 1'bx) broken[RuleUnknown] = 1'b1;
      if (wvalid_i === 1'b1 && (^w_payload) === 1'bx) broken[RuleUnknown] = 1'b1;
`endif
    end
    violations_o <= violations_o | broken;
    assert (broken == 16'd0) else $error("AXI4: rules %b", broken);
  end

endmodule
