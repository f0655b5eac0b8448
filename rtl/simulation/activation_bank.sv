// SPDX-License-Identifier: Apache-2.0
// One bank of the activation SRAM: one read port, one write port with a write enable per Granule bits. Read data one cycle
// after `re_i`, held until the next read. A read of the row that is written in the same cycle gives the old word.
// Two sources write, never in the same cycle: results, masked, and loads of whole words.
//
// The form for simulation: compute/activation_bank.sv is what is built. A write is one statement on whole words, evaluated
// only where there is one: what simulates fastest.
module activation_bank #(
  parameter int Width   = 64,
  parameter int Depth   = 4096,
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
  input  logic [Width-1:0]         wdata_i,
  input  logic                     load_i,
  input  logic [RowWidth-1:0]      load_addr_i,
  input  logic [Width-1:0]         load_data_i
);
  (* ram_style = "block" *) logic [Width-1:0] mem[Depth];

  function automatic logic [Width-1:0] bits_of(input logic [Width/Granule-1:0] mask);
    for (int i = 0; i < Width / Granule; i++) bits_of[i*Granule+:Granule] = {Granule{mask[i]}};
  endfunction

  always_ff @(posedge clk_i) begin
    if (we_i || load_i) begin
      mem[we_i ? waddr_i : load_addr_i] <= !we_i ? load_data_i : (wmask_i == '1) ? wdata_i
          : (mem[waddr_i] & ~bits_of(wmask_i)) | (wdata_i & bits_of(wmask_i));
    end
  end

  always_ff @(posedge clk_i) begin
    if (re_i) rdata_o <= mem[raddr_i];
  end
endmodule
