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
  parameter int F            = 16,
  parameter int StagingWords = 4096
) (
  input  logic                            clk_i,
  input  logic                            rst_i,
  input  logic                            context_valid_i,
  output logic                            context_ready_o,
  input  logic [2:0]                      opcode_i,        // of the instruction, low bits
  input  logic [255:128]                  instr_i,         // d4 to d7: fields where they are in the descriptor
  output logic                            busy_o,
  output logic                            done_o,          // the instruction's last word is written

  input  logic                            word_valid_i,
  output logic                            word_ready_o,

  output logic                            act_o,           // words of this instruction go to the activation SRAM
  output logic                            act_valid_o,
  input  logic                            act_ready_i,
  output logic [15:0]                     act_position_o,  // in the ring, the word's
  output logic [15:0]                     act_base_o,      // bank row of the word at position 0
  output logic                            act_spread_o,
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

  output logic                            pack_start_o,    // with the instruction
  input  logic                            pack_done_i
);

  localparam logic [2:0] OpAct    = 3'(descriptor_pkg::OpLoadAct);
  localparam logic [2:0] OpWeight = 3'(descriptor_pkg::OpLoadWeight);
  localparam logic [2:0] OpParam  = 3'(descriptor_pkg::OpLoadParam);
  localparam logic [2:0] OpImage  = 3'(descriptor_pkg::OpLoadImage);
  localparam logic [2:0] OpPack   = 3'(descriptor_pkg::OpPack);
  localparam logic [2:0] OpTable  = 3'(descriptor_pkg::OpLoadTable);

  // The next instruction.
  logic [15:0] count;     // rows, words per filter, slots or words
  logic [15:0] act_width, act_words, act_start, run_start;
  logic [15:0] width;
  logic [15:0] words;
  logic [15:0] start;
  logic        accept;    // it starts

  assign count     = instr_i[descriptor_pkg::RunWords+:16];
  assign act_width = instr_i[descriptor_pkg::TransferWidth+:16];
  assign act_words = {4'd0, instr_i[descriptor_pkg::TransferWords+:12]};
  assign act_start = instr_i[descriptor_pkg::ChipFirst+:16];
  assign run_start = instr_i[descriptor_pkg::RunBase+:16];

  always_comb begin
    start = '0;
    words = '0;
    width = '0;
    if (evaluation_pkg::Always || accept) begin
      start = (opcode_i == OpAct) ? act_start : (opcode_i == OpImage) ? run_start : 16'd0;
      words = (opcode_i == OpAct) ? act_words : (opcode_i == OpImage || opcode_i == OpTable) ? 16'd1 : count;
      case (opcode_i)
        OpWeight: width = 16'(F);
        OpParam:  width = 16'(2 * F + 2);
        OpImage, OpTable: width = count;
        default:  width = act_width;
      endcase
    end
  end

  logic        active_q;   // an instruction that writes words, one of:
  logic        act_q, weight_q, param_q, image_q, table_q;
  logic        packing_q;  // PACK
  logic        early_q;    // a LOAD_IMAGE beside PACK is through: its end has not been told
  logic        spread_q;   // banks of LOAD_ACT's ring
  logic [15:0] position;
  logic [15:0] word_base;
  logic        beat;
  logic        last;
  logic        finish;

  // Whether the next instruction may start, as far as PACK is concerned: behind it, or one LOAD_IMAGE beside it.
  logic        beside, free;
  assign beside          = opcode_i == OpImage && instr_i[descriptor_pkg::RunBeside];
  assign free            = !packing_q || (!active_q && !early_q && beside);

  assign word_ready_o    = act_q ? act_ready_i : active_q;
  assign beat            = word_valid_i && word_ready_o;
  assign finish          = beat && last;
  assign context_ready_o = (!active_q || finish) && free;
  assign accept          = context_valid_i && context_ready_o;
  assign busy_o          = active_q || packing_q || early_q;
  assign done_o          = packing_q ? pack_done_i : finish || early_q;
  assign pack_start_o    = accept && opcode_i == OpPack;

  row_walker u_walker (
    .clk_i,
    .load_i     (accept),
    .rows_i     ((opcode_i == OpAct) ? count : 16'd1),
    .width_i    (width),
    .words_i    (words),
    .pitch_i    (instr_i[descriptor_pkg::ChipPitch+:16]),
    .base_i     (instr_i[descriptor_pkg::ChipBase+:16]),
    .stride_i   ((opcode_i == OpAct) ? instr_i[descriptor_pkg::ChipStride+:16] : 16'd1),
    .start_i    (start),
    .ring_i     (instr_i[descriptor_pkg::ChipRing+:16]),
    .repeat_i   (4'd1),
    .step_i     (beat),
    .position_o (position),
    .word_base_o(word_base),
    .last_o     (last)
  );

  assign act_o             = act_q;
  assign act_valid_o       = word_valid_i && act_q;
  assign act_position_o    = position;
  assign act_base_o        = word_base;
  assign act_spread_o      = spread_q;
  assign weight_write_o    = word_valid_i && weight_q;
  assign weight_bank_o     = position[$clog2(F)-1:0];
  assign weight_row_o      = word_base;
  assign param_write_o     = word_valid_i && param_q;
  assign param_slot_o      = word_base[5:0];
  assign param_word_o      = position[7:0];
  assign table_write_o     = word_valid_i && table_q;
  assign table_word_o      = position[4:0];
  assign staging_write_o   = word_valid_i && image_q;
  assign staging_address_o = $clog2(StagingWords)'(position);

  always_ff @(posedge clk_i) begin
    if (accept || finish) begin
      active_q <= accept && opcode_i != OpPack;
      act_q    <= accept && opcode_i == OpAct;
      weight_q <= accept && opcode_i == OpWeight;
      param_q  <= accept && opcode_i == OpParam;
      image_q  <= accept && opcode_i == OpImage;
      table_q  <= accept && opcode_i == OpTable;
      spread_q <= instr_i[descriptor_pkg::ChipSpread];
    end
    if (pack_start_o) packing_q <= 1'b1;
    else if (pack_done_i) packing_q <= 1'b0;
    early_q <= packing_q && (finish || early_q);
    if (rst_i) begin
      active_q  <= 1'b0;
      act_q     <= 1'b0;
      weight_q  <= 1'b0;
      param_q   <= 1'b0;
      image_q   <= 1'b0;
      table_q   <= 1'b0;
      packing_q <= 1'b0;
      early_q   <= 1'b0;
    end
  end

  logic unused_bits;
  assign unused_bits = ^instr_i[descriptor_pkg::ChipSpread-1:descriptor_pkg::TransferWords+12];  // no field

`ifndef SYNTHESIS
  always @(posedge clk_i) begin
    if (!rst_i) assert ((pack_done_i && !packing_q) !== 1'b1) else $error("a PACK ends that has not started");
  end
`endif

endmodule
