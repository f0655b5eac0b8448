// SPDX-License-Identifier: Apache-2.0
// One unit of dot_product_array.sv: two 32-bit popcounts, and the weighted accumulation in the form that becomes one DSP
// (count and plane weight in its input registers, the accumulator in its output register).
module dot_product_unit (
  input  logic        clk_i,
  // multiply
  input  logic        valid_i,
  input  logic        double_upper_i,
  input  logic [31:0] act_lower_i,
  input  logic [31:0] act_upper_i,
  input  logic [31:0] wgt_lower_i,
  input  logic [31:0] wgt_upper_i,
  input  logic [15:0] plane_weight_i,  // one-hot, 2^shift
  // accumulate
  input  logic        accumulate_i,
  input  logic        first_i,
  output logic [31:0] acc_o
);
  logic [6:0]  count_q;
  logic [15:0] plane_weight_q;
  logic [5:0]  lower, upper;

  popcount32 u_lower (.a_i(act_lower_i), .b_i(wgt_lower_i), .count_o(lower));
  popcount32 u_upper (.a_i(act_upper_i), .b_i(wgt_upper_i), .count_o(upper));

  always_ff @(posedge clk_i) begin
    if (valid_i) begin
      count_q        <= {1'b0, lower} + (double_upper_i ? {upper, 1'b0} : {1'b0, upper});
      plane_weight_q <= plane_weight_i;
    end
  end

  always_ff @(posedge clk_i) begin
    if (accumulate_i) acc_o <= (first_i ? 32'd0 : acc_o) + count_q * plane_weight_q;
  end
endmodule
