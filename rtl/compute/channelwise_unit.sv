// SPDX-License-Identifier: Apache-2.0
// One unit of channelwise_array.sv: the sums of `Passes` channels that take turns. A LUT for each bit of what the entry adds
// and of the sum, and no multiplexer before the carry chain.
module channelwise_unit #(
  parameter int Passes = 1
) (
  input  logic                  clk_i,
  input  logic                  valid_i,
  input  logic [1:0]            from_i,    // what the sum goes on from: nothing, `start`, the sum so far, four times that
  input  logic                  lower_i,
  input  logic                  upper_i,
  input  logic signed [7:0]     weight_i,
  input  logic signed [9:0]     triple_i,  // three times the weight
  input  logic [1:0]            start_i,   // upper bits of `start`: its sign, and the one below
  output logic [22*Passes-1:0]  sums_o     // of the last passes, the latest one in the upper bits
);
  logic [9:0]  term;
  logic [21:0] start, so_far, from, sum;
  logic        below;

  assign term   = upper_i ? (lower_i ? triple_i : {weight_i[7], weight_i, 1'b0})
                          : (lower_i ? {{2{weight_i[7]}}, weight_i} : 10'd0);
  assign start  = {{13{start_i[1]}}, start_i[0], ~weight_i[6:0], 1'b0};
  assign so_far = sums_o[21:0];
  assign from   = from_i[1] ? (from_i[0] ? {so_far[19:0], 2'd0} : so_far) : (from_i[0] ? start : 22'd0);

  // term + from, as term - ~from - 1, one bit longer: the carry chain takes its first operand as it is, so that the
  // multiplexer is only in the LUT of the propagate signal.
  assign {sum, below} = {{12{term[9]}}, term, 1'b0} - {~from, 1'b1};

  always_ff @(posedge clk_i) begin
    if (valid_i) sums_o <= (22 * Passes)'({sum, sums_o} >> 22);
  end

  logic unused;
  assign unused = below;
endmodule
