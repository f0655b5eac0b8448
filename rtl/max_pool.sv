// One lane of the pooling unit: the largest code of a window, for all channels of a block at once, on plane words that
// arrive from the most significant pair of planes down. Two codes compare plane by plane: the first plane in which
// they differ decides. With 1 bit, a word holds 64 channels of one plane and the largest code is their OR.
//
// `best0_o` holds the word that arrives first, `best1_o` the second, and so on; complete one cycle after the window's
// last word. Functions, so that simulation evaluates them only in cycles that pool.
module max_pool (
  input  logic         clk_i,
  input  logic         valid_i,
  input  logic         first_tap_i,  // a word of the window's first position
  input  logic         last_pair_i,  // the position's last word
  input  logic         one_bit_i,
  input  logic [1:0]   index_i,      // of the word within the position, from the most significant
  input  logic [63:0]  word_i,
  output logic [63:0]  best0_o,
  output logic [63:0]  best1_o,
  output logic [63:0]  best2_o,
  output logic [63:0]  best3_o
);
  logic [63:0] seen0_q, seen1_q, seen2_q;
  // of the words so far: channels whose new code is the greater, and those where it is equal
  logic [31:0] greater_q, equal_q;

  // channels whose new code is the greater once this word is seen; the upper half is the more significant plane
  function automatic logic [31:0] greater(input logic first, input logic [31:0] so_far, input logic [31:0] level,
                                          input logic [63:0] word, input logic [63:0] best);
    logic [31:0] open;
    open = first ? ~32'd0 : level;
    greater = (first ? 32'd0 : so_far) | (open & word[63:32] & ~best[63:32])
              | (open & ~(word[63:32] ^ best[63:32]) & word[31:0] & ~best[31:0]);
  endfunction
  function automatic logic [31:0] equal(input logic first, input logic [31:0] level, input logic [63:0] word,
                                        input logic [63:0] best);
    equal = (first ? ~32'd0 : level) & ~(word[63:32] ^ best[63:32]) & ~(word[31:0] ^ best[31:0]);
  endfunction
  function automatic logic [63:0] choose(input logic [31:0] new_wins, input logic [63:0] word,
                                         input logic [63:0] best);
    choose = (word & {2{new_wins}}) | (best & {2{~new_wins}});
  endfunction

  always_ff @(posedge clk_i) begin
    if (valid_i) begin
      case (index_i)
        2'd0: begin
          greater_q <= greater(1'b1, greater_q, equal_q, word_i, best0_o);
          equal_q   <= equal(1'b1, equal_q, word_i, best0_o);
          seen0_q   <= word_i;
        end
        2'd1: begin
          greater_q <= greater(1'b0, greater_q, equal_q, word_i, best1_o);
          equal_q   <= equal(1'b0, equal_q, word_i, best1_o);
          seen1_q   <= word_i;
        end
        2'd2: begin
          greater_q <= greater(1'b0, greater_q, equal_q, word_i, best2_o);
          equal_q   <= equal(1'b0, equal_q, word_i, best2_o);
          seen2_q   <= word_i;
        end
        default: ;
      endcase
      if (first_tap_i) begin
        case (index_i)
          2'd0:    best0_o <= word_i;
          2'd1:    best1_o <= word_i;
          2'd2:    best2_o <= word_i;
          default: best3_o <= word_i;
        endcase
      end else if (one_bit_i) begin
        best0_o <= best0_o | word_i;
      end else if (last_pair_i) begin
        case (index_i)
          2'd0: best0_o <= choose(greater(1'b1, greater_q, equal_q, word_i, best0_o), word_i, best0_o);
          2'd1: begin
            best0_o <= choose(greater(1'b0, greater_q, equal_q, word_i, best1_o), seen0_q, best0_o);
            best1_o <= choose(greater(1'b0, greater_q, equal_q, word_i, best1_o), word_i, best1_o);
          end
          default: begin
            best0_o <= choose(greater(1'b0, greater_q, equal_q, word_i, best3_o), seen0_q, best0_o);
            best1_o <= choose(greater(1'b0, greater_q, equal_q, word_i, best3_o), seen1_q, best1_o);
            best2_o <= choose(greater(1'b0, greater_q, equal_q, word_i, best3_o), seen2_q, best2_o);
            best3_o <= choose(greater(1'b0, greater_q, equal_q, word_i, best3_o), word_i, best3_o);
          end
        endcase
      end
    end
  end
endmodule
