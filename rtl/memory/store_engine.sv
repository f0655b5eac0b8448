// SPDX-License-Identifier: Apache-2.0
// The store engine: rows of activation SRAM to memory, one word per cycle.
// Requests run ahead of the words (transfer_request), words are read while there is room in a small buffer, which the
// writer empties. An instruction is done when the writer has its last response; the next one's words do not wait for
// that. Control sees descriptors and handshakes only; words pass from the SRAM's port through the buffer to the
// writer. Datapath = 0 makes them zero.
module store_engine #(
  parameter int P        = 8,
  parameter bit Datapath = 1'b1
) (
  input  logic                 clk_i,
  input  logic                 rst_i,
  input  logic [31:0]          base_i,
  input  logic                 instr_valid_i,
  output logic                 instr_ready_o,
  input  logic [511:0]         instr_i,
  input  logic                 done_i,        // from the writer
  output logic                 busy_o,

  output logic                 run_valid_o,
  input  logic                 run_ready_i,
  output logic [31:0]          run_address_o,
  output logic [31:0]          run_words_o,
  output logic                 run_last_o,
  output logic                 word_valid_o,
  input  logic                 word_ready_i,
  output logic [63:0]          word_o,

  output logic                 act_valid_o,
  input  logic                 act_ready_i,
  output logic [$clog2(P)-1:0] act_bank_o,
  output logic [15:0]          act_row_o,
  input  logic [63:0]          act_data_i     // one cycle after valid and ready
);

  localparam int         PixelBits   = $clog2(P);
  localparam int         BufferWords = 4;
  localparam logic [2:0] OpAct       = 3'(descriptor_pkg::OpLoadAct);

  // Requests.
  logic         push_valid;
  logic         push_ready;
  logic [322:0] push_context;
  logic         context_valid;
  logic         context_ready;
  logic [131:0] head;           // times, d7 to d4
  logic [511:0] instr;          // the same in their places
  logic [3:0]   times;
  logic         unused_busy;

  assign instr = {256'd0, head[127:0], 128'd0};
  assign times = (instr_i[descriptor_pkg::StoreRepeat+:4] == 4'd0) ? 4'd1 : instr_i[descriptor_pkg::StoreRepeat+:4];

  transfer_request u_request (
    .clk_i,
    .rst_i,
    .base_i,
    .instr_valid_i,
    .instr_ready_o,
    .instr_i,
    .opcode_i       (OpAct),
    .repeat_i       (times),
    .context_valid_o(push_valid),
    .context_ready_i(push_ready),
    .context_o      (push_context),
    .run_valid_o,
    .run_ready_i,
    .run_address_o,
    .run_words_o,
    .run_last_o,
    .busy_o         (unused_busy)
  );

  fifo #(
    .Width(132),
    .Depth(2)
  ) u_contexts (
    .clk_i,
    .rst_i,
    .valid_i(push_valid),
    .ready_o(push_ready),
    .data_i ({times, push_context[64+:128]}),
    .valid_o(context_valid),
    .ready_i(context_ready),
    .data_o (head)
  );

  // Reads of the SRAM, one word per credit: a word of the buffer that is neither filled nor asked for.
  logic        active_q;
  logic        spread_q;
  logic [2:0]  credit_q;
  logic [15:0] position;
  logic [15:0] word_base;
  logic        last;
  logic        read;
  logic        read_q;
  logic        drop;

  row_walker u_walker (
    .clk_i,
    .load_i     (context_valid && context_ready),
    .rows_i     (instr[descriptor_pkg::TransferRows+:16]),
    .width_i    (instr[descriptor_pkg::TransferWidth+:16]),
    .words_i    ({4'd0, instr[descriptor_pkg::TransferWords+:12]}),
    .pitch_i    (instr[descriptor_pkg::ChipPitch+:16]),
    .base_i     (instr[descriptor_pkg::ChipBase+:16]),
    .stride_i   (instr[descriptor_pkg::ChipStride+:16]),
    .start_i    (instr[descriptor_pkg::ChipFirst+:16]),
    .ring_i     (instr[descriptor_pkg::ChipRing+:16]),
    .repeat_i   (head[131:128]),
    .step_i     (read),
    .position_o (position),
    .word_base_o(word_base),
    .last_o     (last)
  );

  assign act_valid_o   = active_q && credit_q != 3'd0;
  assign act_bank_o    = PixelBits'({ring_pkg::bank(position, PixelBits, spread_q)});
  assign act_row_o     = word_base + 16'(position >> PixelBits);
  assign read          = act_valid_o && act_ready_i;
  assign context_ready = !active_q || (read && last);

  always_ff @(posedge clk_i) begin
    if (context_ready) active_q <= context_valid;
    if (context_ready) spread_q <= instr[descriptor_pkg::ChipSpread];
    credit_q <= credit_q - 3'(read) + 3'(drop);
    read_q   <= read;
    if (rst_i) begin
      active_q <= 1'b0;
      credit_q <= 3'(BufferWords);
      read_q   <= 1'b0;
    end
  end

  logic unused_buffer_ready;

  fifo #(
    .Width(64),
    .Depth(BufferWords)
  ) u_words (
    .clk_i,
    .rst_i,
    .valid_i(read_q),
    .ready_o(unused_buffer_ready),
    .data_i (Datapath ? act_data_i : 64'd0),
    .valid_o(word_valid_o),
    .ready_i(word_ready_i),
    .data_o (word_o)
  );

  assign drop = word_valid_o && word_ready_i;

  // Instructions taken and not done: bounded by the writer's bursts and the contexts.
  logic [4:0] pending_q;

  assign busy_o = pending_q != 5'd0;

  always_ff @(posedge clk_i) begin
    pending_q <= pending_q + 5'(instr_valid_i && instr_ready_o) - 5'(done_i);
    if (rst_i) pending_q <= 5'd0;
  end

  logic unused_bits;
  assign unused_bits = ^{push_context[322:192], push_context[63:0], instr};

endmodule
