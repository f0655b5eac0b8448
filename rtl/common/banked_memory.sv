// SPDX-License-Identifier: Apache-2.0
// Banks of words, written one word at a time, read all at one row. A row of all banks is one word of the memory.
module banked_memory #(
  parameter int Banks = 16,
  parameter int Width = 64,
  parameter int Rows  = 1024,
  localparam int RowWidth  = $clog2(Rows),
  localparam int BankWidth = $clog2(Banks)
) (
  input  logic                   clk_i,
  input  logic                   re_i,
  input  logic [RowWidth-1:0]    rrow_i,
  output logic [Banks*Width-1:0] words_o,
  input  logic                   we_i,
  input  logic [BankWidth-1:0]   wbank_i,
  input  logic [RowWidth-1:0]    wrow_i,
  input  logic [Width-1:0]       wdata_i
);
  (* ram_style = "block" *) logic [Banks*Width-1:0] mem[Rows];

  always_ff @(posedge clk_i) begin
    if (we_i) begin
      for (int b = 0; b < Banks; b++) if (wbank_i == BankWidth'(b)) mem[wrow_i][Width*b+:Width] <= wdata_i;
    end
  end

  always_ff @(posedge clk_i) begin
    if (re_i) words_o <= mem[rrow_i];
  end
endmodule
