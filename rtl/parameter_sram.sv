// Requantization parameters: a slot holds those of one group of F filters, written word by word as they lie in memory
// (docs/accelerator.md: per filter B, then s and M; then the limits; then the zero point), read whole. Read data one
// cycle after `re_i`, held until the next read.
module parameter_sram #(
  parameter int F     = 16,
  parameter int Slots = 64,
  localparam int SlotWidth = $clog2(Slots)
) (
  input  logic                 clk_i,
  input  logic                 we_i,
  input  logic [SlotWidth-1:0] wslot_i,
  input  logic [7:0]           wword_i,  // 0..2F+1
  input  logic [63:0]          wdata_i,
  input  logic                 re_i,
  input  logic [SlotWidth-1:0] rslot_i,
  output logic [F*50-1:0]      bias_o,
  output logic [F*16-1:0]      multiplier_o,
  output logic [F*6-1:0]       shift_o,
  output logic [31:0]          low_o,
  output logic [31:0]          high_o,
  output logic [31:0]          zero_o
);
  for (genvar f = 0; f < F; f++) begin : g_filter
    sram #(.Width(50), .Depth(Slots), .Granule(50)) u_bias (
      .clk_i, .re_i, .raddr_i(rslot_i), .rdata_o(bias_o[50*f+:50]),
      .we_i(we_i && wword_i == 8'(2 * f)), .wmask_i(1'b1), .waddr_i(wslot_i), .wdata_i(wdata_i[49:0])
    );
    logic [21:0] scale;
    sram #(.Width(22), .Depth(Slots), .Granule(22)) u_scale (
      .clk_i, .re_i, .raddr_i(rslot_i), .rdata_o(scale),
      .we_i(we_i && wword_i == 8'(2 * f + 1)), .wmask_i(1'b1), .waddr_i(wslot_i), .wdata_i(wdata_i[21:0])
    );
    assign multiplier_o[16*f+:16] = scale[15:0];
    assign shift_o[6*f+:6]        = scale[21:16];
  end

  sram #(.Width(64), .Depth(Slots), .Granule(64)) u_limits (
    .clk_i, .re_i, .raddr_i(rslot_i), .rdata_o({high_o, low_o}),
    .we_i(we_i && wword_i == 8'(2 * F)), .wmask_i(1'b1), .waddr_i(wslot_i), .wdata_i
  );
  sram #(.Width(32), .Depth(Slots), .Granule(32)) u_zero (
    .clk_i, .re_i, .raddr_i(rslot_i), .rdata_o(zero_o),
    .we_i(we_i && wword_i == 8'(2 * F + 1)), .wmask_i(1'b1), .waddr_i(wslot_i), .wdata_i(wdata_i[31:0])
  );
endmodule
