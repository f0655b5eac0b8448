// Results of one bank: its lane of the pooling unit, and up to four words that wait to be written, shifted out one per
// cycle, from there or from the drain. Data only; array_ctrl.sv and plane_writer_ctrl.sv.
//
// Pooling finds the largest code of a window, for all channels of a block at once, on plane words that arrive from the
// most significant pair of planes down. Two codes compare plane by plane: the first plane in which they differ decides.
// With 1 bit, a word holds 64 channels of one plane and the largest code is their OR. Complete one cycle after the
// window's last word. Functions, so that simulation evaluates them only in cycles that pool.
module result_lane #(
  parameter int Granule = 8
) (
  input  logic        clk_i,
  // pooling
  input  logic        pool_valid_i,
  input  logic        first_tap_i,   // a word of the window's first position
  input  logic        last_pair_i,   // the position's last word
  input  logic        one_bit_i,
  input  logic [1:0]  index_i,       // of the word within the position, from the most significant
  input  logic [63:0] word_i,
  // writing
  input  logic        drain_load_i,  // words of a drained result, least significant first
  input  logic [63:0] drain0_i,
  input  logic [63:0] drain1_i,
  input  logic [63:0] drain2_i,
  input  logic [63:0] drain3_i,
  input  logic [64/Granule-1:0] drain_mask_i,  // which granules of them
  input  logic        pool_load_i,   // words of a pooled block
  input  logic [2:0]  pool_words_i,
  input  logic        we_i,          // the present word is written
  output logic [63:0] word_o,
  output logic [64/Granule-1:0] mask_o
);
  logic [63:0] best0_q, best1_q, best2_q, best3_q;  // in the order of arrival
  logic [63:0] seen0_q, seen1_q, seen2_q;
  logic [63:0] word1_q, word2_q, word3_q;           // to be written after `word_o`
  // of the words so far: channels whose new code is the greater, and those where it is equal
  logic [31:0] greater_q, equal_q;

  // channels whose new code is the greater once this word is seen; the upper half is the more significant plane
  function automatic logic [31:0] greater(input logic [31:0] so_far, input logic [31:0] level,
                                          input logic [63:0] word, input logic [63:0] best);
    logic [31:0] new_high, new_low, old_high, old_low;
    {new_high, new_low} = word;
    {old_high, old_low} = best;
    greater = so_far | (level & new_high & ~old_high) | (level & ~(new_high ^ old_high) & new_low & ~old_low);
  endfunction
  function automatic logic [31:0] equal(input logic [31:0] level, input logic [63:0] word, input logic [63:0] best);
    logic [31:0] high, low;
    {high, low} = word ^ best;
    equal = level & ~high & ~low;
  endfunction
  function automatic logic [63:0] choose(input logic [31:0] wins, input logic [63:0] word, input logic [63:0] best);
    choose = (word & {2{wins}}) | (best & {2{~wins}});
  endfunction

`ifdef VERILATOR
  logic [31:0] new_wins, still_equal;  // with this word

  always_comb begin
    new_wins    = 32'd0;
    still_equal = 32'd0;
    if (pool_valid_i) begin
      case (index_i)
        2'd0: begin
          new_wins    = greater(32'd0, ~32'd0, word_i, best0_q);
          still_equal = equal(~32'd0, word_i, best0_q);
        end
        2'd1: begin
          new_wins    = greater(greater_q, equal_q, word_i, best1_q);
          still_equal = equal(equal_q, word_i, best1_q);
        end
        2'd2: begin
          new_wins    = greater(greater_q, equal_q, word_i, best2_q);
          still_equal = equal(equal_q, word_i, best2_q);
        end
        default: begin
          new_wins    = greater(greater_q, equal_q, word_i, best3_q);
          still_equal = equal(equal_q, word_i, best3_q);
        end
      endcase
    end
  end

  always_ff @(posedge clk_i) begin
    if (we_i) begin
      word_o  <= word1_q;
      word1_q <= word2_q;
      word2_q <= word3_q;
    end
    if (pool_load_i) begin
      mask_o <= '1;
      if (pool_words_i == 3'd4) begin
        word_o  <= best3_q;
        word1_q <= best2_q;
        word2_q <= best1_q;
        word3_q <= best0_q;
      end else if (pool_words_i == 3'd2) begin
        word_o  <= best1_q;
        word1_q <= best0_q;
      end else begin
        word_o <= best0_q;
      end
    end
    if (drain_load_i) begin
      mask_o  <= drain_mask_i;
      word_o  <= drain0_i;
      word1_q <= drain1_i;
      word2_q <= drain2_i;
      word3_q <= drain3_i;
    end

    if (pool_valid_i) begin
      if (!first_tap_i && (one_bit_i || last_pair_i)) begin
        best0_q <= one_bit_i ? best0_q | word_i : choose(new_wins, (index_i == 2'd0) ? word_i : seen0_q, best0_q);
        best1_q <= choose(new_wins, (index_i == 2'd1) ? word_i : seen1_q, best1_q);
        best2_q <= choose(new_wins, (index_i == 2'd2) ? word_i : seen2_q, best2_q);
        best3_q <= choose(new_wins, word_i, best3_q);
      end
      if (first_tap_i) begin
        if (index_i == 2'd0) best0_q <= word_i;
        if (index_i == 2'd1) best1_q <= word_i;
        if (index_i == 2'd2) best2_q <= word_i;
        if (index_i == 2'd3) best3_q <= word_i;
      end
      greater_q <= new_wins;
      equal_q   <= still_equal;
      if (index_i == 2'd0) seen0_q <= word_i;
      if (index_i == 2'd1) seen1_q <= word_i;
      if (index_i == 2'd2) seen2_q <= word_i;
    end
  end
`else
  // The same, each register's sources as one expression of at most six inputs, and its enable apart.
  logic [31:0] wins, level;  // as new_wins and still_equal, while pooling
  logic [63:0] best;
  logic        first_word;
  assign best = index_i[1] ? (index_i[0] ? best3_q : best2_q) : (index_i[0] ? best1_q : best0_q);
  assign first_word = index_i == 2'd0;
  assign wins    = greater(first_word ? 32'd0 : greater_q, first_word ? ~32'd0 : equal_q, word_i, best);
  assign level = equal(first_word ? ~32'd0 : equal_q, word_i, best);

  logic        pool4, pool2, replace;
  logic [63:0] take, pooled;
  assign pool4   = pool_load_i && pool_words_i == 3'd4;
  assign pool2   = pool_load_i && pool_words_i == 3'd2;
  assign pooled  = pool4 ? best3_q : pool2 ? best1_q : best0_q;
  assign replace = !first_tap_i && (one_bit_i || last_pair_i);
  assign take    = {2{wins | {32{first_tap_i}}}};

  function automatic logic [63:0] merged(input logic [63:0] take, input logic now, input logic [63:0] word,
                                         input logic [63:0] seen, input logic [63:0] best);
    merged = (take & (now ? word : seen)) | (~take & best);
  endfunction

  always_ff @(posedge clk_i) begin
    if (drain_load_i || pool_load_i || we_i) word_o <= drain_load_i ? drain0_i : pool_load_i ? pooled : word1_q;
    if (drain_load_i || pool4 || pool2 || we_i) begin
      word1_q <= drain_load_i ? drain1_i : pool4 ? best2_q : pool2 ? best0_q : word2_q;
    end
    if (drain_load_i || pool4 || we_i) word2_q <= drain_load_i ? drain2_i : pool4 ? best1_q : word3_q;
    if (drain_load_i || pool4) word3_q <= drain_load_i ? drain3_i : best0_q;
    if (drain_load_i || pool_load_i) mask_o <= drain_load_i ? drain_mask_i : '1;

    if (pool_valid_i) begin
      if (replace || (first_tap_i && index_i == 2'd0)) begin
        best0_q <= (one_bit_i && !first_tap_i) ? best0_q | word_i
                                               : merged(take, first_tap_i || index_i == 2'd0, word_i, seen0_q, best0_q);
      end
      if (replace || (first_tap_i && index_i == 2'd1)) begin
        best1_q <= merged(take, first_tap_i || index_i == 2'd1, word_i, seen1_q, best1_q);
      end
      if (replace || (first_tap_i && index_i == 2'd2)) begin
        best2_q <= merged(take, first_tap_i || index_i == 2'd2, word_i, seen2_q, best2_q);
      end
      if (replace || (first_tap_i && index_i == 2'd3)) best3_q <= merged(take, 1'b1, word_i, word_i, best3_q);
      greater_q <= wins;
      equal_q   <= level;
      if (index_i == 2'd0) seen0_q <= word_i;
      if (index_i == 2'd1) seen1_q <= word_i;
      if (index_i == 2'd2) seen2_q <= word_i;
    end
  end
`endif
endmodule
