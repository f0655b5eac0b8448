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
  output logic [F*22-1:0]      scale_o,  // per filter: M in bits 15..0, s in bits 21..16
  output logic [31:0]          low_o,
  output logic [31:0]          high_o,
  output logic [31:0]          zero_o
);
  localparam int FilterWidth = $clog2(F);

  logic [F*50-1:0] biases[Slots];
  logic [F*22-1:0] scales[Slots];
  logic [63:0]     limits[Slots];
  logic [31:0]     zeros[Slots];

  always_ff @(posedge clk_i) begin
    if (we_i) begin
      if (wword_i == 8'(2 * F)) limits[wslot_i] <= wdata_i;
      else if (wword_i == 8'(2 * F + 1)) zeros[wslot_i] <= wdata_i[31:0];
      else if (wword_i[0]) scales[wslot_i][22*wword_i[FilterWidth:1]+:22] <= wdata_i[21:0];
      else biases[wslot_i][50*wword_i[FilterWidth:1]+:50] <= wdata_i[49:0];
    end
  end

  always_ff @(posedge clk_i) begin
    if (re_i) begin
      bias_o  <= biases[rslot_i];
      scale_o <= scales[rslot_i];
      zero_o  <= zeros[rslot_i];
      {high_o, low_o} <= limits[rslot_i];
    end
  end
endmodule
