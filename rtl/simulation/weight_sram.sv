// SPDX-License-Identifier: Apache-2.0
// F banks of weight words, written by the load engine one word at a time, read all at one row. A row of all banks is
// one word of the memory.
//
// The form for simulation: compute/weight_sram.sv is what is built. A write is one select in place of a comparison for each
// bank in every cycle.
module weight_sram #(
  parameter int F    = 16,
  parameter int Rows = 1024,
  localparam int RowWidth  = $clog2(Rows),
  localparam int BankWidth = $clog2(F)
) (
  input  logic                 clk_i,
  input  logic                 re_i,
  input  logic [RowWidth-1:0]  rrow_i,
  output logic [F*64-1:0]      words_o,
  input  logic                 we_i,
  input  logic [BankWidth-1:0] wbank_i,
  input  logic [RowWidth-1:0]  wrow_i,
  input  logic [63:0]          wdata_i
);
  (* ram_style = "block" *) logic [F*64-1:0] mem[Rows];

  always_ff @(posedge clk_i) begin
    if (we_i) mem[wrow_i][64*wbank_i+:64] <= wdata_i;
  end

  always_ff @(posedge clk_i) begin
    if (re_i) words_o <= mem[rrow_i];
  end
endmodule
