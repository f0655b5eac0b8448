// One lane of the pooling unit: the largest code of a window, for all channels of a block at once, on plane words that
// arrive from the most significant pair of planes down. Two codes compare plane by plane: the first plane in which
// they differ decides. With 1 bit, a word holds 64 channels of one plane and the largest code is their OR.
//
// `best_o` word i is the i-th word to arrive; complete one cycle after the window's last word.
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
  logic [63:0] best_q[4];
  logic [63:0] seen_q[4];
  logic [31:0] greater_q, equal_q;

  logic [63:0] best_word, differ;
  logic [31:0] greater_in, equal_in, greater, equal;
  assign best_word  = best_q[index_i];
  assign greater_in = (index_i == 2'd0) ? 32'd0 : greater_q;
  assign equal_in   = (index_i == 2'd0) ? 32'hffff_ffff : equal_q;
  assign differ     = word_i ^ best_word;
  // the upper half is the more significant plane
  assign greater = greater_in | (equal_in & differ[63:32] & word_i[63:32])
                   | (equal_in & ~differ[63:32] & differ[31:0] & word_i[31:0]);
  assign equal   = equal_in & ~differ[63:32] & ~differ[31:0];

  always_ff @(posedge clk_i) begin
    if (valid_i) begin
      greater_q       <= greater;
      equal_q         <= equal;
      seen_q[index_i] <= word_i;
      if (first_tap_i) begin
        best_q[index_i] <= word_i;
      end else if (one_bit_i) begin
        best_q[0] <= best_word | word_i;
      end else if (last_pair_i) begin
        for (int i = 0; i < 4; i++) begin
          best_q[i] <= ((i == 32'(index_i) ? word_i : seen_q[i]) & {2{greater}}) | (best_q[i] & {2{~greater}});
        end
      end
    end
  end

  for (genvar i = 0; i < 4; i++) begin : g_out
    assign best_o[64*i+:64] = best_q[i];
  end
endmodule
