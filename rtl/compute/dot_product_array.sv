// SPDX-License-Identifier: Apache-2.0
// P x F bit-plane dot-product units. *Select* picks the half of each weight word, *multiply* counts the ones of
// (activation word AND weight word) half by half, *accumulate* adds count * 2^shift; per lane p, the sum of its
// activation codes as well. Captured accumulators wait here to be drained, a row (position p, all filters) at a time.
// Data only.
//
// Inputs belong to the select stage; accumulators are complete three cycles after its last valid cycle. One pair of
// words per cycle, no back-pressure.
//
// An accumulator is a unit of its own, one DSP (dot_product_unit.sv); a lane's sum of codes is a unit whose weights are all
// ones. Models for speed take simulation/dot_product_array.sv in its place.
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
  logic            valid_q, first_q, double_upper_q, rowsum_q, rowsum_full_q;
  logic [3:0]      shift_q;
  logic [2:0]      rowsum_shift_q;
  logic [P*32-1:0] act_lower_q, act_upper_q;
  logic [F*32-1:0] wgt_lower_q, wgt_upper_q;
  // multiply
  logic valid_q2, first_q2, rowsum_q2;
  // accumulate, capture
  logic [P*F*32-1:0] acc_q, captured_q;
  logic [P*32-1:0]   rowsum_acc_q, captured_rowsum_q;

  always_ff @(posedge clk_i) begin
    valid_q <= valid_i && !rst_i;
    if (valid_i) begin
      first_q        <= first_i;
      double_upper_q <= double_upper_i;
      shift_q        <= shift_i;
      rowsum_q       <= rowsum_i;
      rowsum_shift_q <= rowsum_shift_i;
      rowsum_full_q  <= rowsum_full_i;
      for (int p = 0; p < P; p++) begin
        act_lower_q[32*p+:32] <= activations_i[64*p+:32];
        act_upper_q[32*p+:32] <= activations_i[64*p+32+:32];
      end
      for (int f = 0; f < F; f++) begin
        wgt_lower_q[32*f+:32] <= (one_half_i && upper_half_i) ? weights_i[64*f+32+:32] : weights_i[64*f+:32];
        wgt_upper_q[32*f+:32] <= (one_half_i && !upper_half_i) ? weights_i[64*f+:32] : weights_i[64*f+32+:32];
      end
    end
    valid_q2 <= valid_q && !rst_i;
    if (valid_q) begin
      first_q2  <= first_q;
      rowsum_q2 <= rowsum_q;
    end
  end

  for (genvar p = 0; p < P; p++) begin : g_row
    for (genvar f = 0; f < F; f++) begin : g_unit
      dot_product_unit u_unit (
        .clk_i, .valid_i(valid_q), .double_upper_i(double_upper_q), .act_lower_i(act_lower_q[32*p+:32]),
        .act_upper_i(act_upper_q[32*p+:32]), .wgt_lower_i(wgt_lower_q[32*f+:32]), .wgt_upper_i(wgt_upper_q[32*f+:32]),
        .plane_weight_i(16'd1 << shift_q), .accumulate_i(valid_q2), .first_i(first_q2),
        .acc_o(acc_q[32*(p*F+f)+:32])
      );
    end
    dot_product_unit u_rowsum (
      .clk_i, .valid_i(valid_q && rowsum_q), .double_upper_i(double_upper_q), .act_lower_i(act_lower_q[32*p+:32]),
      .act_upper_i(act_upper_q[32*p+:32]), .wgt_lower_i(~32'd0), .wgt_upper_i({32{rowsum_full_q}}),
      .plane_weight_i(16'd1 << rowsum_shift_q), .accumulate_i(valid_q2 && rowsum_q2), .first_i(first_q2),
      .acc_o(rowsum_acc_q[32*p+:32])
    );
  end

  always_ff @(posedge clk_i) begin
    if (row_valid_i) begin
      row_acc_o    <= captured_q[32'(row_lane_i)*F*32+:F*32];
      row_rowsum_o <= captured_rowsum_q[32'(row_lane_i)*32+:32];
    end
    if (capture_i) begin
      captured_q        <= acc_q;
      captured_rowsum_q <= rowsum_acc_q;
    end
  end

`ifndef SYNTHESIS
  always @(posedge clk_i) begin
    if (!rst_i) begin
      assert ((capture_i && valid_q2 && !first_q2) !== 1'b1) else $error("captured before it is whole");
      for (int i = 0; i < P * F; i++) begin
        assert ((valid_q2 && !first_q2 && acc_q[32*i+21+:11] == '1) !== 1'b1) else $error("accumulator %0d may overflow", i);
      end
    end
  end
`endif
endmodule
