// SPDX-License-Identifier: Apache-2.0
// P x Lanes channelwise units, for operations without a sum over channels (DEPTHWISE, ADD). *Select* takes the weights of
// the entry's tap, *accumulate* adds code bits times weight, by Horner's rule over the plane pairs from the most
// significant: the sum so far counts four times as much with each further pair. Captured accumulators wait here to be
// drained, a row (one position, F channels) at a time. Data only. F must be at least 4.
//
// An entry's 32 channels take 32 / Lanes passes, the lower channels first: each is a valid cycle with the same words.
//
// Of a product of two tensors the weights are codes x2 as tensors hold them, planes of 32 channels in the first slot, less
// 128: 8 signed bits. Its second and third tap count 64 each, so that with them an unsigned tensor's x2 is whole. Where
// the activations x1 are signed, a sum starts with -2 * (x2 + 1), which becomes -128 * x2 - 128 with the further pairs.
//
// Inputs belong to the select stage; accumulators are complete two cycles after its last valid cycle. One pass per
// cycle, no back-pressure. 22 bits of an accumulator count, signed.
//
// Models for speed take simulation/channelwise_array.sv in its place.
module channelwise_array #(
  parameter int P     = 8,
  parameter int F     = 16,
  parameter int Lanes = 32,  // 32 or 16
  localparam int LaneWidth = $clog2(P)
) (
  input  logic                 clk_i,
  input  logic                 rst_i,
  input  logic                 valid_i,
  input  logic                 upper_i,        // of two passes the second
  input  logic                 first_i,        // start the accumulators anew
  input  logic                 shift_i,        // the first tap of a further pair of planes
  input  logic                 one_bit_i,      // the word's halves are the same plane
  input  logic                 unit_i,         // all weights are one
  input  logic                 product_i,      // they are codes
  input  logic                 half_i,         //   or, in a further tap, 64
  input  logic                 unsigned_i,     //   of an unsigned tensor
  input  logic                 start_i,        // the activations are signed
  input  logic [2:0]           slot_i,         // which F/4 part of the row of weights
  input  logic [P*64-1:0]      activations_i,
  input  logic [F*64-1:0]      weights_i,
  input  logic                 capture_i,
  input  logic                 row_valid_i,
  input  logic [LaneWidth-1:0] row_lane_i,
  input  logic [2:0]           row_group_i,
  output logic [F*32-1:0]      row_o           // one cycle after row_valid_i; 22 bits of each lane
);
  localparam int Groups = 32 / F;
  localparam int Passes = 32 / Lanes;

  // the words' channels of this pass
  function automatic logic [Lanes-1:0] lanes_of(input logic [31:0] plane, input logic upper);
    lanes_of = Lanes'(upper ? plane >> (32 - Lanes) : plane);
  endfunction

  // codes less 128
  function automatic logic [Lanes*8-1:0] codes(input logic [8*32-1:0] planes, input logic upper);
    logic [8*Lanes-1:0] of;
    for (int i = 0; i < 8; i++) of[Lanes*i+:Lanes] = lanes_of(planes[32*i+:32], upper);
    for (int c = 0; c < Lanes; c++) begin
      codes[8*c+:8] = {!of[7*Lanes+c], of[6*Lanes+c], of[5*Lanes+c], of[4*Lanes+c], of[3*Lanes+c], of[2*Lanes+c],
                       of[Lanes+c], of[c]};
    end
  endfunction

  // what the entry's bits are multiplied by, a byte for each lane
  logic [256-1:0]     slot;
  logic [Lanes*8-1:0] weight;
  assign slot   = weights_i[32'(slot_i)*256+:256];
  assign weight = unit_i      ? {Lanes{8'd1}}
                  : half_i    ? {Lanes{8'd64}}
                  : product_i ? codes(weights_i[255:0], upper_i)
                              : (Lanes * 8)'(upper_i ? slot >> (256 - 8 * Lanes) : slot);

  // select
  logic                valid_q, unsigned_q;
  logic [1:0]          from_q;
  logic [P*Lanes-1:0]  lower_q, upper_q;
  logic [Lanes*8-1:0]  weight_q;
  logic [Lanes*10-1:0] triple_q;
  // accumulate, capture
  logic [P*32*32-1:0] sums, captured_q;

  function automatic logic [9:0] triple(input logic signed [7:0] byte_of);
    triple = {{2{byte_of[7]}}, byte_of} + {byte_of[7], byte_of, 1'b0};
  endfunction

  always_ff @(posedge clk_i) begin
    valid_q <= valid_i && !rst_i;
    if (valid_i) begin
      from_q     <= start_i ? 2'd1 : first_i ? 2'd0 : shift_i ? 2'd3 : 2'd2;
      unsigned_q <= unsigned_i;
      for (int p = 0; p < P; p++) begin
        lower_q[Lanes*p+:Lanes] <= lanes_of(activations_i[64*p+:32], upper_i);
        upper_q[Lanes*p+:Lanes] <= one_bit_i ? '0 : lanes_of(activations_i[64*p+32+:32], upper_i);
      end
      weight_q <= weight;
      for (int c = 0; c < Lanes; c++) triple_q[10*c+:10] <= triple(weight[8*c+:8]);
    end
    if (row_valid_i) row_o <= captured_q[(32'(row_lane_i)*Groups+32'(row_group_i))*F*32+:F*32];
    if (capture_i) captured_q <= sums;
  end

  for (genvar c = 0; c < Lanes; c++) begin : g_lane
    logic [1:0] start;
    assign start = {unsigned_q || !weight_q[8*c+7], weight_q[8*c+7] ~^ unsigned_q};
    for (genvar p = 0; p < P; p++) begin : g_unit
      logic [22*Passes-1:0] of;
      channelwise_unit #(.Passes(Passes)) u_unit (
        .clk_i, .valid_i(valid_q), .from_i(from_q), .lower_i(lower_q[Lanes*p+c]), .upper_i(upper_q[Lanes*p+c]),
        .weight_i(weight_q[8*c+:8]), .triple_i(triple_q[10*c+:10]), .start_i(start), .sums_o(of)
      );
      for (genvar pass = 0; pass < Passes; pass++) begin : g_pass
        assign sums[32*(32*p+Lanes*pass+c)+:32] = {10'd0, of[22*pass+:22]};
      end
    end
  end

`ifndef SYNTHESIS
  always @(posedge clk_i) begin
    if (!rst_i) begin
      assert ((capture_i && valid_q && from_q[1]) !== 1'b1) else $error("captured before it is whole");
      assert ((valid_i && upper_i && Passes == 1) !== 1'b1) else $error("a second pass of one");
      assert ((valid_i && slot_i != 3'd0 && 4 * (32'(slot_i) + 1) > F) !== 1'b1) else $error("slot %0d", slot_i);
      assert ((row_valid_i && 32'(row_group_i) >= Groups) !== 1'b1) else $error("group %0d", row_group_i);
    end
  end
`endif
endmodule
