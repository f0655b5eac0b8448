// One unit of channelwise_array.sv as synthesis wants it: two carry chains, of 10 and 22 bits, and no multiplexer before
// either.
module channelwise_unit (
  input  logic               clk_i,
  input  logic               valid_i,
  input  logic        [1:0]  from_i,    // what the sum goes on from: nothing, `start`, the sum so far, four times that
  input  logic               lower_i,
  input  logic               upper_i,
  input  logic signed [7:0]  weight_i,
  input  logic        [1:0]  start_i,   // upper bits of `start`: its sign, and the one below
  output logic        [21:0] acc_o
);
  logic [9:0]  term;
  logic [21:0] start, sum;
  logic        below;

  assign term   = ({10{lower_i}} & {{2{weight_i[7]}}, weight_i}) + ({10{upper_i}} & {weight_i[7], weight_i, 1'b0});
  assign start = {{13{start_i[1]}}, start_i[0], ~weight_i[6:0], 1'b0};
  assign sum   = from_i[1] ? (from_i[0] ? {acc_o[19:0], 2'd0} : acc_o) : (from_i[0] ? start : 22'd0);

  // term + sum, as term - ~sum - 1, one bit longer: the carry chain takes its first operand as it is, so that the
  // multiplexer is only in the LUT of the propagate signal.
  always_ff @(posedge clk_i) begin
    if (valid_i) {acc_o, below} <= {{12{term[9]}}, term, 1'b0} - {~sum, 1'b1};
  end

  logic unused;
  assign unused = below;
endmodule
