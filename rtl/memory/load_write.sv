// SPDX-License-Identifier: Apache-2.0
// Data side of the load engine, control: where each arriving word goes. One word per cycle, also from one instruction
// to the next. Sees no data. PACK is handed to the image packer and runs to its end before the next instruction, but for
// one LOAD_IMAGE that may run beside it. Instructions end in order: the end of such a LOAD_IMAGE is told after PACK's.
//
// One set of three nested counters serves all opcodes (position within word within row, see Descriptors):
//            position              word of the position    row         SRAM row = base + word * stride + q / P
// ACT        q = row start + x     stride                  pitch       bank: ring_pkg
// WEIGHT     filter = bank         word of the filter, 1   one
// PARAM      word of the slot      slot, 1                 one
// IMAGE      staging word          one                     one
// TABLE      word of the table     one                     one
module load_write #(
  parameter int P = 8,
  parameter int F = 16,
  parameter int StagingWords = 4096
) (
  input  logic                            clk_i,
  input  logic                            rst_i,
  input  logic                            context_valid_i,
  output logic                            context_ready_o,
  input  logic [322:0]                    context_i,
  output logic                            busy_o,
  output logic                            done_o,          // the instruction's last word is written

  input  logic                            word_valid_i,
  output logic                            word_ready_o,

  output logic                            act_valid_o,
  input  logic                            act_ready_i,
  output logic [$clog2(P)-1:0]            act_bank_o,
  output logic [15:0]                     act_row_o,
  output logic                            weight_write_o,
  output logic [$clog2(F)-1:0]            weight_bank_o,
  output logic [15:0]                     weight_row_o,
  output logic                            param_write_o,
  output logic [5:0]                      param_slot_o,
  output logic [7:0]                      param_word_o,
  output logic                            table_write_o,
  output logic [4:0]                      table_word_o,
  output logic                            staging_write_o,
  output logic [$clog2(StagingWords)-1:0] staging_address_o,

  output logic                            pack_start_o,    // with the context
  input  logic                            pack_done_i
);

  localparam int         PixelBits = $clog2(P);
  localparam logic [2:0] OpAct     = 3'(descriptor_pkg::OpLoadAct);
  localparam logic [2:0] OpWeight  = 3'(descriptor_pkg::OpLoadWeight);
  localparam logic [2:0] OpParam   = 3'(descriptor_pkg::OpLoadParam);
  localparam logic [2:0] OpImage   = 3'(descriptor_pkg::OpLoadImage);
  localparam logic [2:0] OpPack    = 3'(descriptor_pkg::OpPack);
  localparam logic [2:0] OpTable   = 3'(descriptor_pkg::OpLoadTable);

  // The next instruction: its opcode, d11 to d2.
  logic [511:0] instr;
  logic [2:0]  opcode;
  logic [15:0] count;     // d4 low: rows, words per filter, slots or words
  logic [15:0] act_width;
  logic [15:0] width;
  logic [15:0] words;
  logic [15:0] start;

  assign instr     = {128'd0, context_i[319:0], 64'd0};
  assign opcode    = context_i[322:320];
  assign act_width = instr[descriptor_pkg::TransferWidth+:16];
  assign count     = instr[descriptor_pkg::RunWords+:16];
  assign start     = (opcode == OpAct) ? instr[descriptor_pkg::ChipFirst+:16]
                     : (opcode == OpImage) ? instr[descriptor_pkg::RunBase+:16] : 16'd0;
  assign words     = (opcode == OpAct) ? {4'd0, instr[descriptor_pkg::TransferWords+:12]}
                     : (opcode == OpImage || opcode == OpTable) ? 16'd1 : count;

  always_comb begin
    case (opcode)
      OpWeight: width = 16'(F);
      OpParam:  width = 16'(2 * F + 2);
      OpImage, OpTable: width = count;
      default:  width = act_width;
    endcase
  end

  logic        active_q;   // an instruction that writes words
  logic        packing_q;  // PACK
  logic        early_q;    // a LOAD_IMAGE beside PACK is through: its end has not been told
  logic        spread_q;   // banks of LOAD_ACT's ring
  logic        act_q, weight_q, param_q, image_q, table_q;
  logic [15:0] position;
  logic [15:0] word_base;
  logic        beat;
  logic        last;
  logic        finish;
  logic        accept;

  // Whether the next instruction may start, as far as PACK is concerned: behind a PACK at its end, beside it at once.
  logic        beside, free;
  assign beside          = opcode == OpImage && instr[descriptor_pkg::RunBeside];
  assign free            = !early_q && (!packing_q || (!active_q && (pack_done_i || beside)));

  assign word_ready_o    = active_q && (!act_q || act_ready_i);
  assign beat            = word_valid_i && word_ready_o;
  assign finish          = beat && last;
  assign context_ready_o = (!active_q || finish) && free;
  assign accept          = context_valid_i && context_ready_o;
  assign busy_o          = active_q || packing_q || early_q;
  assign done_o          = packing_q ? pack_done_i : finish || early_q;
  assign pack_start_o    = accept && opcode == OpPack;

  row_walker u_walker (
    .clk_i,
    .load_i     (accept),
    .rows_i     ((opcode == OpAct) ? count : 16'd1),
    .width_i    (width),
    .words_i    (words),
    .pitch_i    (instr[descriptor_pkg::ChipPitch+:16]),
    .base_i     (instr[descriptor_pkg::ChipBase+:16]),
    .stride_i   ((opcode == OpAct) ? instr[descriptor_pkg::ChipStride+:16] : 16'd1),
    .start_i    (start),
    .ring_i     (instr[descriptor_pkg::ChipRing+:16]),
    .repeat_i   (4'd1),
    .step_i     (beat),
    .position_o (position),
    .word_base_o(word_base),
    .last_o     (last)
  );

  assign act_valid_o       = word_valid_i && active_q && act_q;
  assign act_bank_o        = PixelBits'({ring_pkg::bank(position, PixelBits, spread_q)});
  assign act_row_o         = word_base + 16'(position >> PixelBits);
  assign weight_write_o    = beat && weight_q;
  assign weight_bank_o     = position[$clog2(F)-1:0];
  assign weight_row_o      = word_base;
  assign param_write_o     = beat && param_q;
  assign param_slot_o      = word_base[5:0];
  assign param_word_o      = position[7:0];
  assign table_write_o     = beat && table_q;
  assign table_word_o      = position[4:0];
  assign staging_write_o   = beat && image_q;
  assign staging_address_o = $clog2(StagingWords)'(position);

  always_ff @(posedge clk_i) begin
    if (accept) begin
      act_q        <= opcode == OpAct;
      spread_q     <= instr[descriptor_pkg::ChipSpread];
      weight_q     <= opcode == OpWeight;
      param_q      <= opcode == OpParam;
      image_q      <= opcode == OpImage;
      table_q      <= opcode == OpTable;
    end
    if (accept || finish) active_q <= accept && opcode != OpPack;
    if (pack_start_o) packing_q <= 1'b1;
    else if (pack_done_i) packing_q <= 1'b0;
    early_q <= packing_q && (finish || early_q);
    if (rst_i) begin
      active_q  <= 1'b0;
      packing_q <= 1'b0;
      early_q   <= 1'b0;
    end
  end

  logic unused_bits;
  assign unused_bits = ^instr;

endmodule
