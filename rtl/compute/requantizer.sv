// SPDX-License-Identifier: Apache-2.0
// F requantization lanes, up to the shift: (d*M + B) >>> s, with the bit below the unit. d is alpha*acc - beta*rowsum, with
// (alpha, beta) by weight width: 1 bit (2,1), 2 bits (2,3), 4 bits (1,8), 8 bits (1,128); or a channelwise sum of 22 bits,
// or a byte of it.
// Two rows that follow each other may give one result: the second adds its product to the first one's sum (`sum_on_i`),
// or replaces the result in those lanes where the first one's d*M + B - 2^(s-1) was negative (`choose_i`).
// Latency 4 cycles, one row per cycle while `stage_i[0]`; what a stage needs comes with the row in that stage. Data only.
//
// Registers are flat vectors of 64-bit lanes, written in plain loops under one enable per stage, last stage first: what
// simulates fastest. Synthesis trims the copies of sign bits. In sums, the operand that needs no LUT of its own (shared by
// all lanes, or a register) stands first and is no wider than the second: Yosys then takes one LUT per bit.
module requantizer #(
  parameter int F = 16
) (
  input  logic            clk_i,
  input  logic            rst_i,         // for assertions
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
  input  logic [F*72-1:0] parameters_i,  // s, M and B: 6, 16 and 50 bits; M counts
  // stage 2
  input  logic            sum_on_i,
  input  logic [F*50-1:0] bias_i,        // B, signed
  // stage 3
  input  logic            choose_i,
  input  logic [F*6-1:0]  shift_i,       // s, 1..47
  output logic [F*64-1:0] halves_o       // 52 bits, signed
);
  // |d| < 2^33: acc < 2^32 doubled, minus beta*rowsum, which is at most as large as acc could be; products and sums have
  // 51 bits
  logic [F*64-1:0] d_q, product_q, sum_q;

  // -beta*rowsum - 1, the same in all lanes
  function automatic logic [32:0] correction(input logic [1:0] log2_weight_bits, input logic [31:0] rowsum);
    logic [32:0] subtrahend;
    case (log2_weight_bits)
      2'd0:    subtrahend = {1'b0, rowsum};
      2'd1:    subtrahend = {rowsum, 1'b0} + {1'b0, rowsum};
      2'd2:    subtrahend = {rowsum[29:0], 3'b0};
      default: subtrahend = {rowsum[25:0], 7'b0};
    endcase
    correction = ~subtrahend;
  endfunction

  function automatic logic signed [33:0] channel(input logic [21:0] sum, input logic high_byte, input logic low_byte);
    channel[7:0]  = high_byte ? sum[15:8] : sum[7:0];
    channel[33:8] = (high_byte || low_byte) ? 26'd0 : {{12{sum[21]}}, sum[21:8]};
  endfunction

  function automatic logic signed [33:0] scaled(input logic twice, input logic [31:0] acc);
    scaled = twice ? {1'b0, acc, 1'b0} : {2'b0, acc};
  endfunction

  function automatic logic signed [33:0] plus_one_and(input logic signed [32:0] offset, input logic signed [33:0] value);
    logic unused_bit;
    {plus_one_and, unused_bit} = 35'($signed({offset, 1'b1})) + {value, 1'b1};
  endfunction

  logic signed [32:0] offset;
  assign offset = direct_i ? '1 : correction(log2_weight_bits_i, rowsum_i);

  // in the form of two DSPs, the second of which adds what the first one carries
  function automatic logic signed [50:0] times(input logic [33:0] d, input logic [15:0] multiplier);
    logic        [32:0] low;
    logic signed [33:0] high;
    low   = 33'(d[16:0]) * 33'(multiplier);
    high  = 34'($signed(d[33:17])) * $signed({18'd0, multiplier}) + $signed({18'd0, low[32:17]});
    times = {high, low[16:0]};
  endfunction

  // twice the sum, shifted: its bit 0 is the bit below the unit
  function automatic logic signed [51:0] halves(input logic [50:0] sum, input logic [5:0] shift);
    halves = $signed({sum, 1'b0}) >>> shift;
  endfunction

  always_ff @(posedge clk_i) begin
    if (stage_i[3]) begin
      for (int f = 0; f < F; f++) begin
        if (!choose_i || $signed(halves_o[64*f+:52]) <= 52'sd0) begin
          halves_o[64*f+:64] <= 64'(halves(sum_q[64*f+:51], shift_i[6*f+:6]));
        end
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
        product_q[64*f+:64] <= {13'd0, times(d_q[64*f+:34], parameters_i[72*f+50+:16])};
      end
    end
    if (stage_i[0]) begin
      for (int f = 0; f < F; f++) begin
        d_q[64*f+:64] <= 64'(plus_one_and(offset, direct_i ? channel(channel_i[32*f+:22], high_byte_i, low_byte_i)
                                                           : scaled(!log2_weight_bits_i[1], acc_i[32*f+:32])));
      end
    end
  end

`ifndef SYNTHESIS
  always @(posedge clk_i) begin
    if (!rst_i) begin
      assert ((stage_i[0] && !direct_i && log2_weight_bits_i >= 2'd2
               && rowsum_i[31:26] > (log2_weight_bits_i == 2'd3 ? 6'd0 : 6'd15)) !== 1'b1)
        else $error("beta * %0d has more than 32 bits", rowsum_i);
      // of filter 0, which every group has
      assert ((stage_i[3] && (shift_i[5:0] == 6'd0 || shift_i[5:0] > 6'd47)) !== 1'b1) else $error("shift %0d", shift_i[5:0]);
    end
  end
`endif
endmodule
