// Words of one bank that wait to be written: up to four, shifted out one per cycle. Data only; plane_writer_ctrl.sv.
module plane_writer_dpath (
  input  logic         clk_i,
  input  logic         drain_load_i,   // words of a drained result, least significant first
  input  logic [255:0] drain_words_i,
  input  logic         pool_load_i,    // words of a pooled block
  input  logic [2:0]   pool_words_i,
  input  logic [255:0] pool_best_i,    // most significant first
  input  logic         we_i,
  output logic [63:0]  word_o
);
  logic [63:0] word1_q, word2_q, word3_q;

  always_ff @(posedge clk_i) begin
    if (drain_load_i) begin
      {word3_q, word2_q, word1_q, word_o} <= drain_words_i;
    end else if (pool_load_i) begin
      if (pool_words_i == 3'd4) begin
        word_o  <= pool_best_i[255:192];
        word1_q <= pool_best_i[191:128];
        word2_q <= pool_best_i[127:64];
        word3_q <= pool_best_i[63:0];
      end else if (pool_words_i == 3'd2) begin
        word_o  <= pool_best_i[127:64];
        word1_q <= pool_best_i[63:0];
      end else begin
        word_o <= pool_best_i[63:0];
      end
    end else if (we_i) begin
      word_o  <= word1_q;
      word1_q <= word2_q;
      word2_q <= word3_q;
    end
  end
endmodule
