// One lane of the pooling unit: the largest code of a window, for all channels of a block at once, on plane words that
// arrive from the most significant pair of planes down. Two codes compare plane by plane: the first plane in which
// they differ decides. With 1 bit, a word holds 64 channels of one plane and the largest code is their OR.
//
// `best_o` holds the i-th word to arrive at bits 64*i; complete one cycle after the window's last word.
module max_pool (
  input  logic         clk_i,
  input  logic         valid_i,
  input  logic         first_tap_i,  // a word of the window's first position
  input  logic         last_pair_i,  // the position's last word
  input  logic         one_bit_i,
  input  logic [1:0]   index_i,      // of the word within the position, from the most significant
  input  logic [63:0]  word_i,
  output logic [255:0] best_o
);
  logic [63:0] best0_q, best1_q, best2_q, best3_q;
  logic [63:0] seen0_q, seen1_q, seen2_q;
  // of the words so far: channels whose new code is the greater, and those where it is equal
  logic [31:0] greater_q, equal_q;

  // channels whose new code is the greater once this word is seen; the upper half is the more significant plane
  function automatic logic [31:0] greater(input logic [31:0] so_far, input logic [31:0] level,
                                          input logic [63:0] word, input logic [63:0] best);
    greater = so_far | (level & word[63:32] & ~best[63:32])
              | (level & ~(word[63:32] ^ best[63:32]) & word[31:0] & ~best[31:0]);
  endfunction
  function automatic logic [31:0] equal(input logic [31:0] level, input logic [63:0] word, input logic [63:0] best);
    equal = level & ~(word[63:32] ^ best[63:32]) & ~(word[31:0] ^ best[31:0]);
  endfunction
  function automatic logic [63:0] choose(input logic [31:0] new_wins, input logic [63:0] word,
                                         input logic [63:0] best);
    choose = (word & {2{new_wins}}) | (best & {2{~new_wins}});
  endfunction
  function automatic logic [63:0] pick(input logic [1:0] index, input logic [63:0] word0, input logic [63:0] word1,
                                       input logic [63:0] word2, input logic [63:0] word3);
    case (index)
      2'd0: pick = word0;
      2'd1: pick = word1;
      2'd2: pick = word2;
      default: pick = word3;
    endcase
  endfunction

  logic [63:0] best_word;
  logic [31:0] so_far, level, new_wins;
  assign best_word = pick(index_i, best0_q, best1_q, best2_q, best3_q);
  assign so_far    = (index_i == 2'd0) ? 32'd0 : greater_q;
  assign level     = (index_i == 2'd0) ? ~32'd0 : equal_q;
  assign new_wins  = greater(so_far, level, word_i, best_word);

  always_ff @(posedge clk_i) begin
    if (valid_i) begin
      greater_q <= new_wins;
      equal_q   <= equal(level, word_i, best_word);
      if (index_i == 2'd0) seen0_q <= word_i;
      if (index_i == 2'd1) seen1_q <= word_i;
      if (index_i == 2'd2) seen2_q <= word_i;
      if (first_tap_i) begin
        if (index_i == 2'd0) best0_q <= word_i;
        if (index_i == 2'd1) best1_q <= word_i;
        if (index_i == 2'd2) best2_q <= word_i;
        if (index_i == 2'd3) best3_q <= word_i;
      end else if (one_bit_i) begin
        best0_q <= best_word | word_i;
      end else if (last_pair_i) begin
        best0_q <= choose(new_wins, (index_i == 2'd0) ? word_i : seen0_q, best0_q);
        best1_q <= choose(new_wins, (index_i == 2'd1) ? word_i : seen1_q, best1_q);
        best2_q <= choose(new_wins, (index_i == 2'd2) ? word_i : seen2_q, best2_q);
        best3_q <= choose(new_wins, word_i, best3_q);
      end
    end
  end
  assign best_o = {best3_q, best2_q, best1_q, best0_q};
endmodule
