// SPDX-License-Identifier: Apache-2.0
// The load engine: memory to activation, weight and parameter SRAM, the table of codes, and the image packer.
// The request side runs up to 5 instructions ahead of the data side, which hides the memory's latency; the data side
// writes one word per cycle in the order of the instructions. `done_o` pulses when an instruction's last word is
// written. Control (transfer_request, load_write, image_packer_ctrl) sees descriptors and handshakes, never data.
module load_engine #(
  parameter int P            = 8,
  parameter int F            = 16,
  parameter int StagingWords = 4096,
  parameter bit Datapath     = 1'b1
) (
  input  logic                 clk_i,
  input  logic                 rst_i,
  input  logic [31:0]          base_i,
  input  logic                 instr_valid_i,
  output logic                 instr_ready_o,
  input  logic [511:0]         instr_i,
  output logic                 done_o,
  output logic                 busy_o,

  output logic                 run_valid_o,
  input  logic                 run_ready_i,
  output logic [31:0]          run_address_o,
  output logic [31:0]          run_words_o,
  input  logic                 word_valid_i,
  output logic                 word_ready_o,
  input  logic [63:0]          word_i,

  // activation SRAM: one word for an even and one for an odd bank
  output logic [1:0]             act_valid_o,
  input  logic [1:0]             act_ready_i,
  output logic [2*$clog2(P)-1:0] act_bank_o,
  output logic [31:0]            act_row_o,
  output logic [127:0]           act_data_o,
  output logic                 weight_write_o,
  output logic [$clog2(F)-1:0] weight_bank_o,
  output logic [15:0]          weight_row_o,
  output logic [63:0]          weight_data_o,
  output logic                 param_write_o,
  output logic [5:0]           param_slot_o,
  output logic [7:0]           param_word_o,
  output logic [63:0]          param_data_o,
  output logic                 table_write_o,
  output logic [4:0]           table_word_o,
  output logic [63:0]          table_data_o
);

  localparam int PixelBits    = $clog2(P);
  localparam int OpcodeBits   = 3;  // the low bits tell this engine's opcodes apart
  localparam int ContextWidth = OpcodeBits + 320;

  logic                            push_valid;
  logic                            push_ready;
  logic                            context_valid;
  logic                            context_ready;
  logic [OpcodeBits-1:0]           instr_opcode;
  logic [OpcodeBits-1:0]           opcode;       // of the first instruction that waits
  logic [383:64]                   instr;        // its d2 to d11, in their places
  logic                            unused_run_last;
  logic                            request_busy;
  logic                            write_busy;
  logic                            rows;         // a LOAD_ACT has the activation SRAM
  logic                            row_valid;
  logic [15:0]                     row_position, row_base;
  logic                            row_spread;
  logic [PixelBits-1:0]            row_bank;
  logic [15:0]                     row_row;
  logic                            staging_write;
  logic [$clog2(StagingWords)-1:0] staging_address;
  logic                            pack_start;
  logic                            pack_done;
  logic [1:0]                      pack_valid;
  logic [2*PixelBits-1:0]          pack_bank;
  logic [31:0]                     pack_row;
  logic [127:0]                    pack_data;

  assign busy_o       = request_busy || write_busy || context_valid;
  assign instr_opcode = OpcodeBits'(instr_i[descriptor_pkg::Opcode+:8]);

  transfer_request #(
    .F(F)
  ) u_request (
    .clk_i,
    .rst_i,
    .base_i,
    .instr_valid_i,
    .instr_ready_o,
    .instr_i        (instr_i[171:64]),
    .opcode_i       (instr_opcode),
    .repeat_i       (4'd1),
    .context_valid_o(push_valid),
    .context_ready_i(push_ready),
    .run_valid_o,
    .run_ready_i,
    .run_address_o,
    .run_words_o,
    .run_last_o     (unused_run_last),
    .busy_o         (request_busy)
  );

  fifo #(
    .Width(ContextWidth),
    .Depth(4)
  ) u_contexts (
    .clk_i,
    .rst_i,
    .valid_i(push_valid),
    .ready_o(push_ready),
    .data_i ({instr_opcode, instr_i[383:64]}),
    .valid_o(context_valid),
    .ready_i(context_ready),
    .data_o ({opcode, instr})
  );

  load_write #(
    .F           (F),
    .StagingWords(StagingWords)
  ) u_write (
    .clk_i,
    .rst_i,
    .context_valid_i  (context_valid),
    .context_ready_o  (context_ready),
    .opcode_i         (opcode),
    .instr_i          (instr[255:128]),
    .busy_o           (write_busy),
    .done_o,
    .word_valid_i,
    .word_ready_o,
    .act_o            (rows),
    .act_valid_o      (row_valid),
    .act_ready_i      (act_ready_i[row_bank[0]]),
    .act_position_o   (row_position),
    .act_base_o       (row_base),
    .act_spread_o     (row_spread),
    .weight_write_o,
    .weight_bank_o,
    .weight_row_o,
    .param_write_o,
    .param_slot_o,
    .param_word_o,
    .table_write_o,
    .table_word_o,
    .staging_write_o  (staging_write),
    .staging_address_o(staging_address),
    .pack_start_o     (pack_start),
    .pack_done_i      (pack_done)
  );

  image_packer #(
    .P           (P),
    .StagingWords(StagingWords),
    .Datapath    (Datapath)
  ) u_packer (
    .clk_i,
    .rst_i,
    .write_i        (staging_write),
    .write_address_i(staging_address),
    .write_data_i   (word_i),
    .start_i        (pack_start),
    .instr_i        (instr),
    .done_o         (pack_done),
    .act_valid_o    (pack_valid),
    .act_ready_i,
    .act_bank_o     (pack_bank),
    .act_row_o      (pack_row),
    .act_data_o     (pack_data)
  );

  always_comb begin
    row_bank = '0;
    row_row  = '0;
    if (evaluation_pkg::Always || rows) begin
      row_bank = PixelBits'({ring_pkg::bank(row_position, PixelBits, row_spread)});
      row_row  = row_base + 16'(row_position >> PixelBits);
    end
  end

  assign act_valid_o   = {row_valid && row_bank[0], row_valid && !row_bank[0]} | pack_valid;
  assign act_bank_o    = rows ? {2{row_bank}} : pack_bank;
  assign act_row_o     = rows ? {2{row_row}} : pack_row;
  assign act_data_o    = rows ? {2{word_i}} : pack_data;
  assign weight_data_o = word_i;
  assign param_data_o  = word_i;
  assign table_data_o  = word_i;

  // Loads have no fields from d12 on; their waits have been met.
  logic unused_bits;
  assign unused_bits = ^{instr_i[511:384], instr_i[descriptor_pkg::WaitStore+:16], instr_i[descriptor_pkg::WaitCompute+:16],
                         instr_i[descriptor_pkg::WaitLoad+:16], instr_i[descriptor_pkg::WaitLoad-1:descriptor_pkg::Opcode+8]};

`ifndef SYNTHESIS
  always @(posedge clk_i) begin
    if (!rst_i) begin
      assert ((row_valid && pack_valid != 2'd0) !== 1'b1) else $error("LOAD_ACT and PACK write at once");
      assert ((instr_valid_i && instr_i[descriptor_pkg::Opcode+:8] != 8'(instr_opcode)) !== 1'b1)
        else $error("opcode %0d is no load", instr_i[descriptor_pkg::Opcode+:8]);
    end
  end
`endif

endmodule
