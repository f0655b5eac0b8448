// SPDX-License-Identifier: Apache-2.0
// Watches one AXI4-Lite port and remembers which rules were broken, a bit each (`violations_o`, sticky). Drives nothing.
// Simulation only; an assertion reports the cycle where Verilator runs with --assert.
module axi_lite_checker (
  input  logic        clk_i,
  input  logic        rst_ni,
  input  logic        awvalid_i,
  input  logic        awready_i,
  input  logic [11:0] awaddr_i,
  input  logic        wvalid_i,
  input  logic        wready_i,
  input  logic [31:0] wdata_i,
  input  logic [3:0]  wstrb_i,
  input  logic        bvalid_i,
  input  logic        bready_i,
  input  logic [1:0]  bresp_i,
  input  logic        arvalid_i,
  input  logic        arready_i,
  input  logic [11:0] araddr_i,
  input  logic        rvalid_i,
  input  logic        rready_i,
  input  logic [31:0] rdata_i,
  input  logic [1:0]  rresp_i,
  output logic [7:0]  violations_o /*verilator public_flat_rd*/
);

  localparam int RuleAwStable    = 0;  // an offer stands, unchanged, until it is taken
  localparam int RuleWStable     = 1;
  localparam int RuleBStable     = 2;
  localparam int RuleArStable    = 3;
  localparam int RuleRStable     = 4;
  localparam int RuleWriteAnswer = 5;  // a response without its address and data
  localparam int RuleReadAnswer  = 6;
  localparam int RuleCode        = 7;  // only OKAY and SLVERR; X or Z in four-state simulators

  logic        aw_waits, w_waits, b_waits, ar_waits, r_waits;
  logic [11:0] aw_offer, ar_offer;
  logic [35:0] w_offer;
  logic [1:0]  b_offer;
  logic [33:0] r_offer;
  logic [7:0]  addresses, words, reads;  // taken and not answered

  initial violations_o = 8'd0;

  always @(posedge clk_i) begin
    logic [7:0] broken;
    broken = 8'd0;
    if (!rst_ni) begin
      aw_waits  = 1'b0;
      w_waits   = 1'b0;
      b_waits   = 1'b0;
      ar_waits  = 1'b0;
      r_waits   = 1'b0;
      addresses = 8'd0;
      words     = 8'd0;
      reads     = 8'd0;
    end else begin
      if (aw_waits && !(awvalid_i && awaddr_i == aw_offer)) broken[RuleAwStable] = 1'b1;
      if (w_waits && !(wvalid_i && {wdata_i, wstrb_i} == w_offer)) broken[RuleWStable] = 1'b1;
      if (b_waits && !(bvalid_i && bresp_i == b_offer)) broken[RuleBStable] = 1'b1;
      if (ar_waits && !(arvalid_i && araddr_i == ar_offer)) broken[RuleArStable] = 1'b1;
      if (r_waits && !(rvalid_i && {rdata_i, rresp_i} == r_offer)) broken[RuleRStable] = 1'b1;
      aw_waits = awvalid_i && !awready_i;
      w_waits  = wvalid_i && !wready_i;
      b_waits  = bvalid_i && !bready_i;
      ar_waits = arvalid_i && !arready_i;
      r_waits  = rvalid_i && !rready_i;
      aw_offer = awaddr_i;
      w_offer  = {wdata_i, wstrb_i};
      b_offer  = bresp_i;
      ar_offer = araddr_i;
      r_offer  = {rdata_i, rresp_i};

      if (bvalid_i && (addresses == 8'd0 || words == 8'd0)) broken[RuleWriteAnswer] = 1'b1;
      if (rvalid_i && reads == 8'd0) broken[RuleReadAnswer] = 1'b1;
      if ((bvalid_i && bresp_i[0]) || (rvalid_i && rresp_i[0])) broken[RuleCode] = 1'b1;
`ifndef VERILATOR
      if ((^{awready_i, wready_i, bvalid_i, arready_i, rvalid_i}) === 1'bx) broken[RuleCode] = 1'b1;
      if (rvalid_i === 1'b1 && (^{rdata_i, rresp_i}) === 1'bx) broken[RuleCode] = 1'b1;
      if (bvalid_i === 1'b1 && (^bresp_i) === 1'bx) broken[RuleCode] = 1'b1;
`endif
      addresses = addresses + 8'(awvalid_i && awready_i) - 8'(bvalid_i && bready_i);
      words     = words + 8'(wvalid_i && wready_i) - 8'(bvalid_i && bready_i);
      reads     = reads + 8'(arvalid_i && arready_i) - 8'(rvalid_i && rready_i);
    end
    violations_o <= violations_o | broken;
    assert (broken == 8'd0) else $error("AXI4-Lite: rules %b", broken);
  end

endmodule
