// SPDX-License-Identifier: Apache-2.0
// The store engine: rows of activation SRAM to memory, one word per cycle.
// Requests run ahead of the words (transfer_request), words are read while there is room for them in the writer's buffer.
// An instruction is done when the writer has its last response; the next one's words do not wait for that. Control sees
// descriptors and handshakes only; words pass from the SRAM's port to the writer. Datapath = 0 makes them zero.
module store_engine #(
  parameter int P           = 8,
  parameter int BufferWords = 8,
  parameter bit Datapath    = 1'b1
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
  input  logic                 word_left_i,   // one has left the writer's buffer
  output logic [63:0]          word_o,

  output logic                 act_valid_o,
  input  logic                 act_ready_i,
  output logic [$clog2(P)-1:0] act_bank_o,
  output logic [15:0]          act_row_o,
  input  logic [63:0]          act_data_i     // one cycle after valid and ready
);

  localparam int         PixelBits  = $clog2(P);
  localparam int         CreditBits = $clog2(BufferWords + 1);
  localparam logic [2:0] OpAct      = 3'(descriptor_pkg::OpLoadAct);

  // Requests.
  logic           push_valid;
  logic           push_ready;
  logic           context_valid;
  logic           context_ready;
  logic [3:0]     times, head_times;  // of each word, in succession
  logic [255:128] head;               // d4 to d7 of the first instruction that waits, in their places
  logic           unused_busy;

  assign times = (instr_i[descriptor_pkg::StoreRepeat+:4] == 4'd0) ? 4'd1 : instr_i[descriptor_pkg::StoreRepeat+:4];

  transfer_request u_request (
    .clk_i,
    .rst_i,
    .base_i,
    .instr_valid_i,
    .instr_ready_o,
    .instr_i        (instr_i[171:64]),
    .opcode_i       (OpAct),
    .repeat_i       (times),
    .context_valid_o(push_valid),
    .context_ready_i(push_ready),
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
    .data_i ({times, instr_i[255:128]}),
    .valid_o(context_valid),
    .ready_i(context_ready),
    .data_o ({head_times, head})
  );

  // Where the next word lies, one word per credit: a word of the buffer that is neither filled nor asked for.
  logic                  active_q;
  logic                  spread_q;
  logic [CreditBits-1:0] credit_q;
  logic [15:0]           position;
  logic [15:0]           word_base;
  logic                  last;
  logic                  place_ready;
  logic                  step;

  row_walker u_walker (
    .clk_i,
    .load_i     (context_valid && context_ready),
    .rows_i     (head[descriptor_pkg::TransferRows+:16]),
    .width_i    (head[descriptor_pkg::TransferWidth+:16]),
    .words_i    ({4'd0, head[descriptor_pkg::TransferWords+:12]}),
    .pitch_i    (head[descriptor_pkg::ChipPitch+:16]),
    .base_i     (head[descriptor_pkg::ChipBase+:16]),
    .stride_i   (head[descriptor_pkg::ChipStride+:16]),
    .start_i    (head[descriptor_pkg::ChipFirst+:16]),
    .ring_i     (head[descriptor_pkg::ChipRing+:16]),
    .repeat_i   (head_times),
    .step_i     (step),
    .position_o (position),
    .word_base_o(word_base),
    .last_o     (last)
  );

  assign step          = active_q && credit_q != '0 && place_ready;
  assign context_ready = !active_q || (step && last);

  always_ff @(posedge clk_i) begin
    if (context_ready) active_q <= context_valid;
    if (context_ready) spread_q <= head[descriptor_pkg::ChipSpread];
    credit_q <= credit_q - CreditBits'(step) + CreditBits'(word_left_i);
    if (rst_i) begin
      active_q <= 1'b0;
      credit_q <= CreditBits'(BufferWords);
    end
  end

  // Reads of the SRAM. What grants them does not reach the walk.
  logic [PixelBits-1:0] bank;
  logic [15:0]          row;

  always_comb begin
    bank = '0;
    row  = '0;
    if (evaluation_pkg::Always || step) begin
      bank = PixelBits'({ring_pkg::bank(position, PixelBits, spread_q)});
      row  = word_base + 16'(position >> PixelBits);
    end
  end

  fifo #(
    .Width(PixelBits + 16),
    .Depth(2)
  ) u_places (
    .clk_i,
    .rst_i,
    .valid_i(step),
    .ready_o(place_ready),
    .data_i ({bank, row}),
    .valid_o(act_valid_o),
    .ready_i(act_ready_i),
    .data_o ({act_bank_o, act_row_o})
  );

  always_ff @(posedge clk_i) begin
    word_valid_o <= act_valid_o && act_ready_i && !rst_i;
  end

  assign word_o = Datapath ? act_data_i : 64'd0;

  // Instructions taken and not done: bounded by the writer's bursts and the contexts.
  logic [4:0] pending_q;

  assign busy_o = pending_q != 5'd0;

  always_ff @(posedge clk_i) begin
    pending_q <= pending_q + 5'(instr_valid_i && instr_ready_o) - 5'(done_i);
    if (rst_i) pending_q <= 5'd0;
  end

  // A STORE's waits have been met; bits without a field.
  logic unused_bits;
  assign unused_bits = ^{instr_i[511:descriptor_pkg::StoreRepeat+4], instr_i[63:0],
                         head[descriptor_pkg::ChipSpread-1:descriptor_pkg::TransferWords+12]};

`ifndef SYNTHESIS
  always @(posedge clk_i) begin
    if (!rst_i) begin
      assert ((word_left_i && credit_q == CreditBits'(BufferWords)) !== 1'b1) else $error("a word leaves that has not come");
      assert ((done_i && pending_q == 5'd0) !== 1'b1) else $error("an instruction ends that has not started");
    end
  end
`endif

endmodule
