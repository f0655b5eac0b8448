// Words of one bank that wait to be written: up to four, shifted out one per cycle. Data only; plane_writer_ctrl.sv.
module plane_writer_dpath (
  input  logic         clk_i,
  input  logic         drain_load_i,   // words of a drained result, least significant first
  input  logic [63:0]  drain0_i,
  input  logic [63:0]  drain1_i,
  input  logic [63:0]  drain2_i,
  input  logic [63:0]  drain3_i,
  input  logic         pool_load_i,    // words of a pooled block
  input  logic [2:0]   pool_words_i,
  input  logic [63:0]  pool0_i,        // most significant first
  input  logic [63:0]  pool1_i,
  input  logic [63:0]  pool2_i,
  input  logic [63:0]  pool3_i,
  input  logic         we_i,
  output logic [63:0]  word_o
);
  logic [63:0] word1_q, word2_q, word3_q;

  always_ff @(posedge clk_i) begin
    if (drain_load_i) begin
      word_o  <= drain0_i;
      word1_q <= drain1_i;
      word2_q <= drain2_i;
      word3_q <= drain3_i;
    end else if (pool_load_i) begin
      if (pool_words_i == 3'd4) begin
        word_o  <= pool3_i;
        word1_q <= pool2_i;
        word2_q <= pool1_i;
        word3_q <= pool0_i;
      end else if (pool_words_i == 3'd2) begin
        word_o  <= pool1_i;
        word1_q <= pool0_i;
      end else begin
        word_o <= pool0_i;
      end
    end else if (we_i) begin
      word_o  <= word1_q;
      word1_q <= word2_q;
      word2_q <= word3_q;
    end
  end
endmodule
