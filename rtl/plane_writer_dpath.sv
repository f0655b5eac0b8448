// Words that wait to be written into the activation banks: up to four per bank, shifted out one per cycle.
// Data only; plane_writer_ctrl.sv.
module plane_writer_dpath #(
  parameter int P       = 8,
  parameter int Granule = 8
) (
  input  logic                  clk_i,
  input  logic [P-1:0]          drain_load_i,   // words of a drained result into this lane
  input  logic [255:0]          drain_words_i,
  input  logic [64/Granule-1:0] drain_mask_i,
  input  logic                  pool_load_i,    // words of a pooled block into all lanes
  input  logic [2:0]            pool_words_i,
  input  logic [P*256-1:0]      pool_best_i,    // most significant word first
  input  logic [P-1:0]          we_i,
  output logic [P*64-1:0]       word_o,
  output logic [64/Granule-1:0] mask_o
);
  logic [63:0] words_q[P*4];

  for (genvar p = 0; p < P; p++) begin : g_bank
    assign word_o[64*p+:64] = words_q[4*p];
    always_ff @(posedge clk_i) begin
      if (drain_load_i[p]) begin
        for (int k = 0; k < 4; k++) words_q[4*p+k] <= drain_words_i[64*k+:64];
      end else if (pool_load_i) begin
        // the least significant word is written first
        if (pool_words_i == 3'd4) begin
          for (int k = 0; k < 4; k++) words_q[4*p+k] <= pool_best_i[256*p+64*(3-k)+:64];
        end else if (pool_words_i == 3'd2) begin
          for (int k = 0; k < 2; k++) words_q[4*p+k] <= pool_best_i[256*p+64*(1-k)+:64];
        end else begin
          words_q[4*p] <= pool_best_i[256*p+:64];
        end
      end else if (we_i[p]) begin
        for (int k = 0; k < 3; k++) words_q[4*p+k] <= words_q[4*p+k+1];
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (drain_load_i != '0) mask_o <= drain_mask_i;
    else if (pool_load_i) mask_o <= '1;
  end
endmodule
