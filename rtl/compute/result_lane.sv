// SPDX-License-Identifier: Apache-2.0
// Results of one bank: its lane of the pooling unit, and the words of a result, of there or of the drain, one per cycle.
// Data only; array_ctrl.sv and plane_writer_ctrl.sv.
//
// Pooling finds the largest code of a window, for all channels of a block at once, on plane words that arrive from the
// most significant pair of planes down. Two codes compare plane by plane: the first plane in which they differ decides,
// so that each word of the largest code so far is final, for this position, as soon as it has been compared. With 1 bit,
// a word holds 64 channels of one plane and the largest code is their OR. Complete one cycle after the window's last
// word; the next window takes other words of the memory, while these are written.
module result_lane #(
  parameter int F = 16,
  localparam int Granule = (F < 8) ? F : 8
) (
  input  logic        clk_i,
  input  logic        rst_i,
  // pooling
  input  logic        pool_valid_i,
  input  logic        first_tap_i,   // a word of the window's first position
  input  logic        one_bit_i,
  input  logic [1:0]  pair_i,        // of planes: 0 is the least significant and the position's last
  input  logic        window_i,      // which of two windows
  input  logic [63:0] word_i,
  // writing: pair 0 first
  input  logic             drain_load_i,  // a drained result, its pair 0; its pair k k cycles later
  input  logic [2*F-1:0]   pair0_i,       // two planes of F channels, the more significant one above
  input  logic [2*F-1:0]   pair1_i,
  input  logic [2*F-1:0]   pair2_i,
  input  logic [2*F-1:0]   pair3_i,
  input  logic [64/F-1:0]  fields_i,      // where they lie in the word; the rest is zero
  input  logic [64/Granule-1:0] mask_i,   // which granules are written
  input  logic             pool_load_i,   // a pooled block, of the other window than `window_i`
  input  logic             we_i,          // the present word is written
  output logic [63:0]           word_o,
  output logic [64/Granule-1:0] mask_o
);
  logic [63:0] best[8];  // by window and pair
  // channels whose new code, or largest code so far, is not the smaller one by the words so far
  logic [31:0] new_q, best_q;

  // with one more word of both; the upper half is the more significant plane
  function automatic logic [31:0] not_smaller(input logic [31:0] so_far, input logic [31:0] other_so_far,
                                              input logic [63:0] word, input logic [63:0] other);
    logic [31:0] self, against;
    self    = so_far       & ~(other_so_far & other[63:32] & ~word[63:32]);
    against = other_so_far & ~(so_far & word[63:32] & ~other[63:32]);
    not_smaller = self & ~(against & other[31:0] & ~word[31:0]);
  endfunction

  function automatic logic [63:0] larger(input logic [31:0] take, input logic first, input logic either,
                                         input logic [63:0] word, input logic [63:0] old);
    larger = (word & ({2{take}} | {64{first || either}})) | (old & ({2{~take}} | {64{either}}) & ~{64{first}});
  endfunction

  logic [63:0] old;
  assign old = best[{window_i, pair_i}];

  // functions, so that simulation evaluates them only in cycles that pool
  always_ff @(posedge clk_i) begin
    if (pool_valid_i) begin
      best[{window_i, pair_i}] <= larger(not_smaller(new_q, best_q, word_i, old), first_tap_i, one_bit_i, word_i, old);
    end
    if (rst_i || (pool_valid_i && pair_i == 2'd0)) begin
      new_q  <= '1;
      best_q <= '1;
    end else if (pool_valid_i) begin
      new_q  <= not_smaller(new_q, best_q, word_i, old);
      best_q <= not_smaller(best_q, new_q, old, word_i);
    end
  end

  function automatic logic [63:0] placed(input logic [2*F-1:0] pair, input logic [64/F-1:0] fields);
    for (int i = 0; i < 32 / F; i++) begin
      placed[F*i+:F]    = pair[0+:F] & {F{fields[i]}};
      placed[32+F*i+:F] = pair[F+:F] & {F{fields[32/F+i]}};
    end
  endfunction

  logic            pooled_q, pooled;  // words of a pooled block
  logic [1:0]      next_q, next;      // pair of the next word
  logic [64/F-1:0] fields_q;
  logic [2*F-1:0]  later;             // pair of a drained result after its first
  assign pooled = !drain_load_i && (pool_load_i || pooled_q);
  assign next   = (drain_load_i || pool_load_i) ? 2'd0 : next_q;
  assign later  = next_q[1] ? (next_q[0] ? pair3_i : pair2_i) : pair1_i;

  always_ff @(posedge clk_i) begin
    if (drain_load_i || pool_load_i || we_i) begin
      word_o   <= pooled ? best[{!window_i, next}]
                  : placed(drain_load_i ? pair0_i : later, drain_load_i ? fields_i : fields_q);
      next_q   <= next + 2'd1;
      pooled_q <= pooled;
    end
    if (drain_load_i || pool_load_i) mask_o <= drain_load_i ? mask_i : '1;
    if (drain_load_i) fields_q <= fields_i;
  end

`ifndef SYNTHESIS
  logic [1:0] pair_q;  // of the last word
  always @(posedge clk_i) begin
    if (rst_i) pair_q <= 2'd0;
    else if (pool_valid_i) pair_q <= pair_i;
    if (!rst_i) begin
      assert ((pool_valid_i && pair_q != 2'd0 && pair_i != pair_q - 2'd1) !== 1'b1)
        else $error("pair %0d after pair %0d", pair_i, pair_q);
      assert ((drain_load_i && pool_load_i) !== 1'b1) else $error("two results at once");
    end
  end
`endif
endmodule
