// F banks of weight words, written by the load engine one word at a time, read all at one row.
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
  for (genvar f = 0; f < F; f++) begin : g_bank
    sram #(.Width(64), .Depth(Rows), .Granule(64)) u_bank (
      .clk_i, .re_i, .raddr_i(rrow_i), .rdata_o(words_o[64*f+:64]),
      .we_i(we_i && wbank_i == BankWidth'(f)), .wmask_i(1'b1), .waddr_i(wrow_i), .wdata_i
    );
  end
endmodule
