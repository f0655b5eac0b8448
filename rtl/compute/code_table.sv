// A function of one 8-bit code: 256 codes, looked up by F lanes at once, each in a copy of its own. Written as they lie in
// memory, 32 words of eight codes, the first in the lowest byte. Codes one cycle after `look_up_i`. Data only.
module code_table #(
  parameter int F = 16
) (
  input  logic            clk_i,
  input  logic            we_i,
  input  logic [4:0]      word_i,
  input  logic [63:0]     wdata_i,
  input  logic            look_up_i,
  input  logic [F*32-1:0] index_i,   // 8 bits of each lane count
  output logic [F*8-1:0]  code_o
);
  logic unused;
  assign unused = ^index_i;

`ifdef VERILATOR
  logic [63:0] mem[32];

  always_ff @(posedge clk_i) begin
    if (we_i) mem[word_i] <= wdata_i;
  end

  always_ff @(posedge clk_i) begin
    if (look_up_i) begin
      for (int f = 0; f < F; f++) code_o[8*f+:8] <= 8'(mem[index_i[32*f+3+:5]] >> {index_i[32*f+:3], 3'd0});
    end
  end
`else
  // The same as a memory of LUTs for each lane, which has one port to read.
  for (genvar f = 0; f < F; f++) begin : g_lane
    (* ram_style = "distributed" *) logic [63:0] mem[32];
    logic [63:0] word;
    assign word = mem[index_i[32*f+3+:5]];

    always_ff @(posedge clk_i) begin
      if (we_i) mem[word_i] <= wdata_i;
      if (look_up_i) code_o[8*f+:8] <= word[8*index_i[32*f+:3]+:8];
    end
  end
`endif
endmodule
