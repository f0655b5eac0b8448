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
// The form for simulation: compute/channelwise_array.sv is what is built. Flat vectors of 32-bit lanes in plain loops, as in
// dot_product_array.sv and for its reasons. A plane's bits lie spread so that no lane finds its own at bit 0: GCC vectorizes
// shifts of 16 lanes only if all are shifts (2.4 times as fast).
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
  localparam int Wide   = Lanes + Lanes / 16 * 16;  // bits of a spread plane

  // select
  logic                  valid_q, first_q, shift_q, unsigned_q, start_q;
  logic [P*Wide-1:0]     lower_q, upper_q;  // spread planes
  logic [Lanes*32-1:0]   weight_q;
  // accumulate: the sums of this pass, and of the pass before; capture
  logic [P*Lanes*32-1:0] acc_q, before_q;
  logic [P*32*32-1:0]    captured_q;

  // the words' channels of this pass
  function automatic logic [Lanes-1:0] lanes_of(input logic [31:0] plane, input logic upper);
    lanes_of = Lanes'(upper ? plane >> (32 - Lanes) : plane);
  endfunction

  // each 16 bits at bits 16..1 of 32
  function automatic logic [Wide-1:0] spread(input logic [Lanes-1:0] plane);
    for (int i = 0; i < Lanes / 16; i++) spread[32*i+:32] = {15'd0, plane[16*i+:16], 1'b0};
  endfunction

  /* verilator lint_off BLKSEQ */
  always_ff @(posedge clk_i) begin
    if (row_valid_i) row_o <= captured_q[(32'(row_lane_i)*Groups+32'(row_group_i))*F*32+:F*32];

    if (capture_i) begin
      for (int p = 0; p < P; p++) begin
        if (Passes == 2) captured_q[1024*p+:512] = before_q[32*Lanes*p+:512];
        captured_q[1024*(p+1)-32*Lanes+:32*Lanes] = acc_q[32*Lanes*p+:32*Lanes];
      end
    end

    if (valid_q) begin
      if (Passes == 2) begin  // the two passes' sums take turns
        logic [P*Lanes*32-1:0] so_far;
        so_far   = before_q;
        before_q = acc_q;
        acc_q    = so_far;
      end
      if (start_q) begin  // signed activations: 2 * -(weight + 1)
        for (int p = 0; p < P; p++) begin
          for (int c = 0; c < Lanes; c++) begin
            acc_q[32*(Lanes*p+c)+:32] = ((~weight_q[32*c+:32] - {24'd0, unsigned_q, 7'd0}) << 1)
                + ({32{lower_q[Wide*p+c+c/16*16+1]}} & weight_q[32*c+:32])
                + ({32{upper_q[Wide*p+c+c/16*16+1]}} & (weight_q[32*c+:32] << 1));
          end
        end
      end else begin
        for (int p = 0; p < P; p++) begin
          for (int c = 0; c < Lanes; c++) begin
            acc_q[32*(Lanes*p+c)+:32] = (first_q ? 32'd0 : acc_q[32*(Lanes*p+c)+:32] << {shift_q, 1'b0})
                + ({32{lower_q[Wide*p+c+c/16*16+1]}} & weight_q[32*c+:32])
                + ({32{upper_q[Wide*p+c+c/16*16+1]}} & (weight_q[32*c+:32] << 1));
          end
        end
      end
    end

    valid_q = valid_i && !rst_i;
    if (valid_i) begin
      first_q    = first_i;
      shift_q    = shift_i;
      unsigned_q = unsigned_i;
      start_q    = start_i;
      for (int p = 0; p < P; p++) begin
        lower_q[Wide*p+:Wide] = spread(lanes_of(activations_i[64*p+:32], upper_i));
        upper_q[Wide*p+:Wide] = one_bit_i ? '0 : spread(lanes_of(activations_i[64*p+32+:32], upper_i));
      end
      if (unit_i || half_i) begin
        weight_q = unit_i ? {Lanes{32'd1}} : {Lanes{32'd64}};
      end else if (product_i) begin  // codes less 128
        logic [7:0] code;
        for (int c = 0; c < Lanes; c++) begin
          for (int i = 0; i < 8; i++) code[i] = weights_i[32*i+(upper_i?32-Lanes:0)+c];
          weight_q[32*c+:32] = {{25{!code[7]}}, code[6:0]};
        end
      end else begin
        logic [255:0] slot;
        slot = weights_i[32'(slot_i)*256+:256] >> (upper_i ? 256 - 8 * Lanes : 0);
        for (int c = 0; c < Lanes; c++) weight_q[32*c+:32] = {{24{slot[8*c+7]}}, slot[8*c+:8]};
      end
    end
  end
  /* verilator lint_on BLKSEQ */
endmodule
