// Requantization parameters: a slot holds those of one group of F filters, written word by word as they lie in memory
// (docs/accelerator.md: per filter B, then s and M; then the limits; then the zero point), multipliers,
// biases and the rest read apart, because a row of results needs them in successive cycles. Read data one cycle after
// `*_re_i`, held until the next read.
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
  input  logic                 multiplier_re_i,
  input  logic [SlotWidth-1:0] multiplier_slot_i,
  output logic [F*16-1:0]      multiplier_o,
  input  logic                 bias_re_i,
  input  logic [SlotWidth-1:0] bias_slot_i,
  output logic [F*50-1:0]      bias_o,
  input  logic                 limits_re_i,
  input  logic [SlotWidth-1:0] limits_slot_i,
  output logic [F*6-1:0]       shift_o,
  output logic [31:0]          low_o,
  output logic [31:0]          high_o,
  output logic [31:0]          zero_o
);
  localparam int FilterWidth = $clog2(F);

`ifdef VERILATOR
  logic [F*16-1:0] multipliers[Slots];
  logic [F*50-1:0] biases[Slots];
  logic [F*6-1:0]  shifts[Slots];
  logic [63:0]     limits[Slots];
  logic [31:0]     zeros[Slots];

  always_ff @(posedge clk_i) begin
    if (we_i) begin
      if (wword_i == 8'(2 * F)) limits[wslot_i] <= wdata_i;
      else if (wword_i == 8'(2 * F + 1)) zeros[wslot_i] <= wdata_i[31:0];
      else if (wword_i[0]) begin
        multipliers[wslot_i][16*wword_i[FilterWidth:1]+:16] <= wdata_i[15:0];
        shifts[wslot_i][6*wword_i[FilterWidth:1]+:6]        <= wdata_i[21:16];
      end else biases[wslot_i][50*wword_i[FilterWidth:1]+:50] <= wdata_i[49:0];
    end
  end

  always_ff @(posedge clk_i) begin
    if (multiplier_re_i) multiplier_o <= multipliers[multiplier_slot_i];
    if (bias_re_i) bias_o <= biases[bias_slot_i];
    if (limits_re_i) begin
      shift_o <= shifts[limits_slot_i];
      zero_o  <= zeros[limits_slot_i];
      {high_o, low_o} <= limits[limits_slot_i];
    end
  end
`else
  // The same as memories of a filter each: as one, Yosys would give each bit of a row's enable a memory of its own.
  logic [FilterWidth-1:0] filter;
  logic                   write_filters;
  assign filter        = wword_i[FilterWidth:1];
  assign write_filters = we_i && wword_i < 8'(2 * F);

  for (genvar f = 0; f < F; f++) begin : g_filter
    logic [15:0] multipliers[Slots];
    logic [49:0] biases[Slots];
    logic [5:0]  shifts[Slots];

    always_ff @(posedge clk_i) begin
      if (write_filters && filter == FilterWidth'(f) && wword_i[0]) begin
        multipliers[wslot_i] <= wdata_i[15:0];
        shifts[wslot_i]      <= wdata_i[21:16];
      end
      if (write_filters && filter == FilterWidth'(f) && !wword_i[0]) biases[wslot_i] <= wdata_i[49:0];
    end

    always_ff @(posedge clk_i) begin
      if (multiplier_re_i) multiplier_o[16*f+:16] <= multipliers[multiplier_slot_i];
      if (bias_re_i) bias_o[50*f+:50] <= biases[bias_slot_i];
      if (limits_re_i) shift_o[6*f+:6] <= shifts[limits_slot_i];
    end
  end

  logic [63:0] limits[Slots];
  logic [31:0] zeros[Slots];

  always_ff @(posedge clk_i) begin
    if (we_i && wword_i == 8'(2 * F)) limits[wslot_i] <= wdata_i;
    if (we_i && wword_i == 8'(2 * F + 1)) zeros[wslot_i] <= wdata_i[31:0];
  end

  always_ff @(posedge clk_i) begin
    if (limits_re_i) begin
      zero_o <= zeros[limits_slot_i];
      {high_o, low_o} <= limits[limits_slot_i];
    end
  end
`endif
endmodule
