// One requantization lane: y = clamp(((d*M + B) >>> s) + z, lo, hi) with d = alpha*acc - beta*rowsum.
// Latency 4 cycles, one result per cycle while `valid_i`; parameters must hold still while results are under way.
// (alpha, beta) by weight width: 1 bit (2,1), 2 bits (2,3), 4 bits (1,8), 8 bits (1,128).
module requantizer (
  input  logic               clk_i,
  input  logic [3:0]         stage_i,      // valid_i of each stage, first to last
  input  logic [1:0]         log2_weight_bits_i,
  input  logic [31:0]        acc_i,
  input  logic [31:0]        rowsum_i,
  input  logic [15:0]        multiplier_i,
  input  logic [49:0]        bias_i,       // signed
  input  logic [5:0]         shift_i,      // 1..47
  input  logic [31:0]        zero_i,       // signed, as are the limits
  input  logic [31:0]        low_i,
  input  logic [31:0]        high_i,
  output logic [31:0]        y_o
);
  // |d| < 2^33: acc < 2^32 doubled, minus rowsum times at most 128
  logic signed [33:0] d_q;
  logic signed [50:0] product_q;  // 34 x 17 bits
  logic signed [50:0] sum_q;
  logic signed [33:0] alpha_acc, beta_rowsum;

  logic signed [33:0] acc, rowsum;
  assign acc    = $signed({2'b0, acc_i});
  assign rowsum = $signed({2'b0, rowsum_i});

  always_comb begin
    case (log2_weight_bits_i)
      2'd0: begin
        alpha_acc   = acc <<< 1;
        beta_rowsum = rowsum;
      end
      2'd1: begin
        alpha_acc   = acc <<< 1;
        beta_rowsum = (rowsum <<< 1) + rowsum;
      end
      2'd2: begin
        alpha_acc   = acc;
        beta_rowsum = rowsum <<< 3;
      end
      default: begin
        alpha_acc   = acc;
        beta_rowsum = rowsum <<< 7;
      end
    endcase
  end

  // the clamp compares 52 bits: the shifted sum plus the zero point
  function automatic logic [31:0] clamp(input logic signed [50:0] sum, input logic [5:0] shift,
                                        input logic signed [31:0] zero, input logic signed [31:0] low,
                                        input logic signed [31:0] high);
    logic signed [50:0] shifted;
    logic signed [51:0] value;
    shifted = sum >>> shift;
    value = {shifted[50], shifted} + {{20{zero[31]}}, zero};
    if (value < $signed({{20{low[31]}}, low})) clamp = low;
    else if (value > $signed({{20{high[31]}}, high})) clamp = high;
    else clamp = value[31:0];
  endfunction

  always_ff @(posedge clk_i) begin
    if (stage_i[0]) d_q <= alpha_acc - beta_rowsum;
    if (stage_i[1]) product_q <= $signed({{17{d_q[33]}}, d_q}) * $signed({35'd0, multiplier_i});
    if (stage_i[2]) sum_q <= product_q + $signed({bias_i[49], bias_i});
    if (stage_i[3]) y_o <= clamp(sum_q, shift_i, zero_i, low_i, high_i);
  end
endmodule
