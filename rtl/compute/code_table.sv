// SPDX-License-Identifier: Apache-2.0
// A function of one 8-bit code: 256 codes, looked up by F lanes at once, each in a copy of its own, because a memory of
// LUTs has one port to read. Written as they lie in memory, 32 words of eight codes, the first in the lowest byte. Codes
// in the same cycle, and zero unless `looked_up_i`. Not written in a cycle whose codes are placed (drain_dpath.sv). Data
// only.
module code_table #(
  parameter int F = 16
) (
  input  logic           clk_i,
  input  logic           we_i,
  input  logic [4:0]     word_i,
  input  logic [63:0]    wdata_i,
  input  logic           looked_up_i,
  input  logic [F*8-1:0] index_i,
  output logic [F*8-1:0] code_o
);
  for (genvar f = 0; f < F; f++) begin : g_lane
    (* ram_style = "distributed" *) logic [63:0] mem[32];
    logic [63:0] word;
    assign word = looked_up_i ? mem[index_i[8*f+3+:5]] : 64'd0;
    assign code_o[8*f+:8] = word[8*index_i[8*f+:3]+:8];

    always_ff @(posedge clk_i) begin
      if (we_i) mem[word_i] <= wdata_i;
    end
  end
endmodule
