// Synchronous memory: one read port, one write port with a write enable per Granule bits. Read data one cycle after
// `re_i`, held until the next read. A read of the row that is written in the same cycle gives the old word.
module sram #(
  parameter int Width   = 64,
  parameter int Depth   = 1024,
  parameter int Granule = 8,
  localparam int RowWidth = $clog2(Depth)
) (
  input  logic                     clk_i,
  input  logic                     re_i,
  input  logic [RowWidth-1:0]      raddr_i,
  output logic [Width-1:0]         rdata_o,
  input  logic                     we_i,
  input  logic [Width/Granule-1:0] wmask_i,
  input  logic [RowWidth-1:0]      waddr_i,
  input  logic [Width-1:0]         wdata_i
);
  (* ram_style = "block" *) logic [Width-1:0] mem[Depth];

  always_ff @(posedge clk_i) begin
    if (we_i) begin
      for (int i = 0; i < Width / Granule; i++) begin
        if (wmask_i[i]) mem[waddr_i][i*Granule+:Granule] <= wdata_i[i*Granule+:Granule];
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (re_i) rdata_o <= mem[raddr_i];
  end
endmodule
