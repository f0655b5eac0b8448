// SPDX-License-Identifier: Apache-2.0
// Requantization parameters: a slot holds those of one group of F filters, written word by word as they lie in memory
// (docs/accelerator.md: per filter B, then s and M; then the limits; then the zero point) and in that order: the first
// word of a pair waits for the second. A slot that has only some of its words is not read. One read brings all of a
// slot; because a row of results needs them in successive cycles, `parameters_o` (for its multipliers) is complete one
// cycle after `re_i`, biases two and the rest three, each held until the next read's.
module parameter_sram #(
  parameter int F     = 16,
  parameter int Slots = 64,
  localparam int SlotWidth   = $clog2(Slots),
  localparam int FilterWidth = $clog2(F)
) (
  input  logic                 clk_i,
  input  logic                 rst_i,    // for assertions
  input  logic                 we_i,
  input  logic [SlotWidth-1:0] wslot_i,
  input  logic [7:0]           wword_i,  // 0..2F+1
  input  logic [63:0]          wdata_i,
  input  logic                 re_i,
  input  logic [SlotWidth-1:0] slot_i,
  output logic [F*72-1:0]      parameters_o,  // of each filter: s, M and B (6, 16 and 50 bits)
  output logic [F*50-1:0]      bias_o,
  output logic [F*6-1:0]       shift_o,
  output logic [31:0]          low_o,
  output logic [31:0]          high_o,
  output logic [31:0]          zero_o
);
  (* ram_style = "block" *) logic [95:0]     ranges[Slots];
  logic [63:0] first_q;  // word of the pair

  always_ff @(posedge clk_i) begin
    if (we_i && !wword_i[0]) first_q <= wdata_i;
    if (we_i && wword_i == 8'(2 * F + 1)) ranges[wslot_i] <= {wdata_i[31:0], first_q};
  end

  // a filter's s, M and B are the width of a block RAM
  banked_memory #(.Banks(F), .Width(72), .Rows(Slots)) u_filters (
    .clk_i, .re_i, .rrow_i(slot_i), .words_o(parameters_o),
    .we_i(we_i && wword_i[0] && wword_i < 8'(2 * F)), .wbank_i(wword_i[FilterWidth:1]), .wrow_i(wslot_i),
    .wdata_i({wdata_i[21:0], first_q[49:0]})
  );

  logic [F*6-1:0]  shift_q;
  logic [95:0]     range_q, range_q2;
  logic [1:0]      read_q;

  always_ff @(posedge clk_i) begin
    read_q <= {read_q[0], re_i};
    if (re_i) range_q <= ranges[slot_i];
    if (read_q[0]) begin
      for (int f = 0; f < F; f++) begin
        bias_o[50*f+:50] <= parameters_o[72*f+:50];
        shift_q[6*f+:6]  <= parameters_o[72*f+66+:6];
      end
      range_q2 <= range_q;
    end
    if (read_q[1]) begin
      shift_o                 <= shift_q;
      {zero_o, high_o, low_o} <= range_q2;
    end
  end

`ifndef SYNTHESIS
  logic [7:0]           next_q;  // the word that comes next; 0 where no slot has only some
  logic [SlotWidth-1:0] wslot_q;
  always @(posedge clk_i) begin
    if (we_i) begin
      next_q  <= (wword_i == 8'(2 * F + 1)) ? 8'd0 : wword_i + 8'd1;
      wslot_q <= wslot_i;
    end
    if (rst_i) begin
      next_q <= 8'd0;
    end else begin
      assert ((we_i && (wword_i != next_q || (next_q != 8'd0 && wslot_i != wslot_q))) !== 1'b1)
        else $error("word %0d of slot %0d out of order", wword_i, wslot_i);
      assert ((re_i && ((we_i && slot_i == wslot_i) || (next_q != 8'd0 && slot_i == wslot_q))) !== 1'b1)
        else $error("slot %0d is read while it is written", slot_i);
    end
  end
`endif
endmodule
