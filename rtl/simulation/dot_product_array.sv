// SPDX-License-Identifier: Apache-2.0
// P x F bit-plane dot-product units. *Select* picks the half of each weight word, *multiply* counts the ones of
// (activation word AND weight word) half by half, *accumulate* adds count * 2^shift; per lane p, the sum of its
// activation codes as well. Captured accumulators wait here to be drained, a row (position p, all filters) at a time.
// Data only.
//
// Inputs belong to the select stage; accumulators are complete three cycles after its last valid cycle. One pair of
// words per cycle, no back-pressure.
//
// The form for simulation: compute/dot_product_array.sv is what is built. Registers are flat vectors of 32-bit lanes,
// written in plain loops under one enable per stage: Verilator and GCC turn that form into vector instructions (33 ns per
// cycle for 128 units, where unit instances take 112). Stages are written from the last to the first, so that each finds
// what the one before it had and no register needs a second copy.
module dot_product_array #(
  parameter int P = 8,
  parameter int F = 16,
  localparam int LaneWidth = $clog2(P)
) (
  input  logic                 clk_i,
  input  logic                 rst_i,
  input  logic                 valid_i,
  input  logic                 first_i,         // start the accumulators anew
  input  logic                 one_half_i,      // one half of the weight word meets both halves of the activations
  input  logic                 upper_half_i,
  input  logic                 double_upper_i,  // the upper half is a plane of twice the weight
  input  logic [3:0]           shift_i,
  input  logic                 rowsum_i,
  input  logic [2:0]           rowsum_shift_i,
  input  logic                 rowsum_full_i,   // count both halves, else only the lower
  input  logic [P*64-1:0]      activations_i,
  input  logic [F*64-1:0]      weights_i,
  input  logic                 capture_i,
  input  logic                 row_valid_i,
  input  logic [LaneWidth-1:0] row_lane_i,
  output logic [F*32-1:0]      row_acc_o,       // one cycle after row_valid_i
  output logic [31:0]          row_rowsum_o
);
  // select
  logic            valid_q, first_q, double_upper_q, rowsum_q;
  logic [3:0]      shift_q;
  logic [2:0]      rowsum_shift_q;
  logic [P*32-1:0] act_lower_q, act_upper_q, sum_lower_q, sum_upper_q;
  logic [F*32-1:0] wgt_lower_q, wgt_upper_q;
  // multiply
  logic              valid_q2, first_q2, rowsum_q2;
  logic [3:0]        shift_q2;
  logic [P*F*32-1:0] count_q;
  logic [P*32-1:0]   rowsum_count_q;
  // accumulate, capture
  logic [P*F*32-1:0] acc_q, captured_q;
  logic [P*32-1:0]   rowsum_acc_q, captured_rowsum_q;

  /* verilator lint_off BLKSEQ */
  always_ff @(posedge clk_i) begin
    if (row_valid_i) begin
      row_acc_o    <= captured_q[32'(row_lane_i)*F*32+:F*32];
      row_rowsum_o <= captured_rowsum_q[32'(row_lane_i)*32+:32];
    end
    if (capture_i) begin
      captured_q        = acc_q;
      captured_rowsum_q = rowsum_acc_q;
    end

    if (valid_q2) begin
      for (int i = 0; i < P * F; i++) begin
        acc_q[32*i+:32] = (first_q2 ? 32'd0 : acc_q[32*i+:32]) + ({24'd0, count_q[32*i+:8]} << shift_q2);
      end
    end
    if (valid_q2 && rowsum_q2) begin
      for (int p = 0; p < P; p++) begin
        rowsum_acc_q[32*p+:32] = (first_q2 ? 32'd0 : rowsum_acc_q[32*p+:32]) + rowsum_count_q[32*p+:32];
      end
    end

    valid_q2 = valid_q && !rst_i;
    if (valid_q) begin
      first_q2  = first_q;
      shift_q2  = shift_q;
      rowsum_q2 = rowsum_q;
      for (int p = 0; p < P; p++) begin
        for (int f = 0; f < F; f++) begin
          count_q[32*(p*F+f)+:32] = 32'($countones(act_lower_q[32*p+:32] & wgt_lower_q[32*f+:32]))
              + (32'($countones(act_upper_q[32*p+:32] & wgt_upper_q[32*f+:32])) << double_upper_q);
        end
      end
    end
    if (valid_q && rowsum_q) begin
      for (int p = 0; p < P; p++) begin
        rowsum_count_q[32*p+:32] = (32'($countones(sum_lower_q[32*p+:32]))
            + (32'($countones(sum_upper_q[32*p+:32])) << double_upper_q)) << rowsum_shift_q;
      end
    end

    valid_q = valid_i && !rst_i;
    if (valid_i) begin
      first_q        = first_i;
      double_upper_q = double_upper_i;
      shift_q        = shift_i;
      rowsum_q       = rowsum_i;
      rowsum_shift_q = rowsum_shift_i;
      for (int p = 0; p < P; p++) begin
        act_lower_q[32*p+:32] = activations_i[64*p+:32];
        act_upper_q[32*p+:32] = activations_i[64*p+32+:32];
      end
      for (int f = 0; f < F; f++) begin
        wgt_lower_q[32*f+:32] = (one_half_i && upper_half_i) ? weights_i[64*f+32+:32] : weights_i[64*f+:32];
        wgt_upper_q[32*f+:32] = (one_half_i && !upper_half_i) ? weights_i[64*f+:32] : weights_i[64*f+32+:32];
      end
    end
    if (valid_i && rowsum_i) begin
      for (int p = 0; p < P; p++) begin
        sum_lower_q[32*p+:32] = activations_i[64*p+:32];
        sum_upper_q[32*p+:32] = rowsum_full_i ? activations_i[64*p+32+:32] : 32'd0;
      end
    end
  end
  /* verilator lint_on BLKSEQ */
endmodule
