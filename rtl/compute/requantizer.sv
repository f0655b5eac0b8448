// F requantization lanes: y = clamp(((d*M + B) >>> s) + z, lo, hi). d is alpha*acc - beta*rowsum, with (alpha, beta) by
// weight width: 1 bit (2,1), 2 bits (2,3), 4 bits (1,8), 8 bits (1,128); or a channelwise sum of 22 bits, or a byte of it.
// Two rows that follow each other may give one result: the second adds its product to the first one's sum (`sum_on_i`),
// or replaces the result in those lanes where the first one's d*M + B - 2^(s-1) was negative (`choose_i`).
// Latency 4 cycles, one row per cycle while `stage_i[0]`; what a stage needs comes with the row in that stage. Data only.
//
// Registers are flat vectors of 64-bit lanes, written in plain loops under one enable per stage, last stage first: what
// simulates fastest. Synthesis trims the copies of sign bits.
module requantizer #(
  parameter int F = 16
) (
  input  logic            clk_i,
  input  logic [3:0]      stage_i,       // valid_i of each stage, first to last
  // stage 0
  input  logic            direct_i,      // d is `channel_i`, else of `acc_i` and `rowsum_i`
  input  logic            high_byte_i,   // d is the sum's byte 1
  input  logic            low_byte_i,    // d is the sum's byte 0
  input  logic [1:0]      log2_weight_bits_i,
  input  logic [F*32-1:0] acc_i,
  input  logic [31:0]     rowsum_i,
  input  logic [F*32-1:0] channel_i,     // 22 bits, signed
  // stage 1
  input  logic [F*16-1:0] multiplier_i,  // M
  // stage 2
  input  logic            sum_on_i,
  input  logic [F*50-1:0] bias_i,        // B, signed
  // stage 3
  input  logic            leaky_i,       // the row's sign will be asked for
  input  logic            choose_i,
  input  logic [F*6-1:0]  shift_i,       // s, 1..47
  input  logic [31:0]     zero_i,        // signed, as are the limits
  input  logic [31:0]     low_i,
  input  logic [31:0]     high_i,
  output logic [F*32-1:0] y_o
);
  // |d| < 2^33: acc < 2^32 doubled, minus rowsum times at most 128; products and sums have 51 bits
  logic [F*64-1:0] d_q, product_q, sum_q;
  logic [F-1:0]    negative_q;

  logic unused;
  assign unused = ^{d_q, product_q, sum_q};  // lanes are wider than what they hold

  // alpha and beta: acc, or twice that; the rowsum's part is the same in all lanes
  function automatic logic [33:0] correction(input logic [1:0] log2_weight_bits, input logic [31:0] rowsum);
    case (log2_weight_bits)
      2'd0:    correction = {2'b0, rowsum};
      2'd1:    correction = {1'b0, rowsum, 1'b0} + {2'b0, rowsum};
      2'd2:    correction = {rowsum[30:0], 3'b0};
      default: correction = {rowsum[26:0], 7'b0};
    endcase
  endfunction

  function automatic logic signed [33:0] corrected(input logic twice, input logic [31:0] acc,
                                                   input logic [33:0] subtrahend);
    corrected = $signed((twice ? {1'b0, acc, 1'b0} : {2'b0, acc}) - subtrahend);
  endfunction

  // twice the sum, shifted: its bit 0 is the bit below the result's unit
  function automatic logic signed [51:0] halves(input logic [50:0] sum, input logic [5:0] shift);
    halves = $signed({sum, 1'b0}) >>> shift;
  endfunction

  // `twice` less its bit 0, plus the zero point; compared in 32 bits, once it is known that they hold it
  function automatic logic [31:0] clamp(input logic signed [51:0] twice, input logic signed [31:0] zero,
                                        input logic signed [31:0] low, input logic signed [31:0] high);
    logic signed [51:0] value;
    logic               fits, unused_bit;
    unused_bit = twice[0];
    value = {twice[51], twice[51:1]} + {{20{zero[31]}}, zero};
    fits  = value[51:31] == {21{value[51]}};
    if (fits ? $signed(value[31:0]) < low : value[51]) clamp = low;
    else if (fits ? $signed(value[31:0]) > high : !value[51]) clamp = high;
    else clamp = value[31:0];
  endfunction

  function automatic logic [21:0] part(input logic [21:0] sum, input logic high_byte, input logic low_byte);
    part = high_byte ? {14'd0, sum[15:8]} : low_byte ? {14'd0, sum[7:0]} : sum;
  endfunction

  always_ff @(posedge clk_i) begin
    if (stage_i[3]) begin
      if (choose_i) begin
        for (int f = 0; f < F; f++) begin
          if (negative_q[f]) y_o[32*f+:32] <= clamp(halves(sum_q[64*f+:51], shift_i[6*f+:6]), zero_i, low_i, high_i);
        end
      end else begin
        for (int f = 0; f < F; f++) begin
          y_o[32*f+:32] <= clamp(halves(sum_q[64*f+:51], shift_i[6*f+:6]), zero_i, low_i, high_i);
        end
      end
      if (leaky_i) begin
        for (int f = 0; f < F; f++) negative_q[f] <= (halves(sum_q[64*f+:51], shift_i[6*f+:6]) <= 52'sd0);
      end
    end
    if (stage_i[2]) begin
      for (int f = 0; f < F; f++) begin
        sum_q[64*f+:64] <= 64'($signed(product_q[64*f+:51])) + (sum_on_i ? 64'($signed(sum_q[64*f+:51]))
                                                               : 64'($signed(bias_i[50*f+:50])));
      end
    end
    if (stage_i[1]) begin
      for (int f = 0; f < F; f++) begin
        product_q[64*f+:64] <= 64'($signed(d_q[64*f+:34])) * $signed({48'd0, multiplier_i[16*f+:16]});
      end
    end
    if (stage_i[0]) begin
      if (direct_i) begin
        for (int f = 0; f < F; f++) begin
          d_q[64*f+:64] <= 64'($signed(part(channel_i[32*f+:22], high_byte_i, low_byte_i)));
        end
      end else begin
        for (int f = 0; f < F; f++) begin
          d_q[64*f+:64] <= 64'(corrected(!log2_weight_bits_i[1], acc_i[32*f+:32], correction(log2_weight_bits_i, rowsum_i)));
        end
      end
    end
  end
endmodule
