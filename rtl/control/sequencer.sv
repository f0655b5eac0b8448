// SPDX-License-Identifier: Apache-2.0
// Walks a job: fetches each segment's header, then exactly its instructions, and dispatches them in order to the
// engines' queues; waits until all have completed; takes the counters, writes the segment's record, waits for its
// response; goes on, or latches the counters and ends the job.
// Nothing is fetched across a segment's end, and every segment starts in the same state: HeaderRequest, descriptor
// buffer empty, done counts zero, no bus transaction under way.
// An error (illegal descriptor, bus) flushes the queues, waits until engines and bus are idle, and ends the job.
// Descriptor words are asked for only where there is room: the reader's data never wait here.
module sequencer #(
  parameter int P               = 8,
  parameter int F               = 16,
  parameter int ParameterSlots  = 64,
  // 8 descriptors: their fetch takes about the memory's latency, so that dispatch keeps up without delaying loads.
  parameter int DescriptorWords = 64
) (
  input  logic        clk_i,
  input  logic        rst_i,
  input  logic        start_i,
  input  logic [31:0] base_i,
  output logic [31:0] base_o,          // the running job's
  input  logic [31:0] job_i,
  output logic        done_o,
  output logic [2:0]  error_o,
  output logic [31:0] error_info_o,

  // Descriptors from the reader.
  output logic        fetch_valid_o,
  input  logic        fetch_ready_i,
  output logic [31:0] fetch_address_o,
  output logic [31:0] fetch_words_o,
  input  logic        word_valid_i,
  input  logic [63:0] word_i,

  // Instructions to the queues.
  output logic        flush_o,
  output logic        load_push_o,
  output logic        compute_push_o,
  output logic        store_push_o,
  input  logic        load_full_i,
  input  logic        compute_full_i,
  input  logic        store_full_i,
  output logic [511:0] instr_o,

  // Progress of the engines.
  input  logic        load_done_i,
  input  logic        compute_done_i,
  input  logic        store_done_i,
  output logic [15:0] load_count_o,
  output logic [15:0] compute_count_o,
  output logic [15:0] store_count_o,
  input  logic        quiet_i,        // engines and bus are idle
  input  logic        read_error_i,
  input  logic        write_error_i,

  // Counters and records.
  output logic        count_o,        // counters run
  output logic        take_o,
  output logic        latch_o,
  output logic        step_o,
  output logic        dispatch_o,     // an instruction enters a queue
  output logic        record_select_o,
  output logic        record_valid_o,
  input  logic        record_ready_i,
  output logic [31:0] record_address_o,
  output logic [31:0] record_words_o,
  output logic        record_word_valid_o,
  input  logic        record_word_ready_i,
  input  logic        record_done_i
);

  localparam int         RecordWords = 32;
  localparam int         FetchWords  = 8;  // one descriptor
  localparam int         CreditBits  = $clog2(DescriptorWords) + 1;

  typedef enum logic [3:0] {
    StIdle,
    StHeaderRequest,
    StHeader,
    StRun,
    StTake,
    StRecordRequest,
    StRecord,
    StRecordWait,
    StQuiet,
    StFinish,
    StLatch
  } state_e;

  state_e      state_q;
  logic [31:0] base_q;
  logic [31:0] segment_q;      // offset of the header; then of the next one
  logic [31:0] record_q;       // offset
  logic        last_q;
  logic [4:0]  step_q;
  logic [1:0]  quiet_q;        // cycles of quiet seen
  logic [2:0]  error_q;
  logic [31:0] error_info_q;
  logic        failed;

  assign base_o       = base_q;
  assign failed       = error_q != 3'd0;
  assign error_o      = error_q;
  assign error_info_o = error_info_q;

  // Descriptor fetch, one at a time: aligned to their size they cross no 4 KB boundary, so that their bursts, and with
  // them a segment's cycles, do not depend on where they lie. Credits are words of the buffer that are neither filled
  // nor asked for.
  logic [31:0]           fetch_offset_q;
  logic [31:0]           fetch_left_q;  // words
  logic [CreditBits-1:0] credit_q;
  logic                  fetch;
  logic                  buffer_valid;
  logic                  buffer_take;
  logic [63:0]           buffer_word;
  logic                  buffer_ready;
  logic                  restart;

  assign fetch_valid_o   = fetch_left_q != 32'd0 && credit_q >= CreditBits'(FetchWords) && !failed;
  assign fetch_address_o = base_q + fetch_offset_q;
  assign fetch_words_o   = FetchWords;
  assign fetch           = fetch_valid_o && fetch_ready_i;

  fifo #(
    .Width(64),
    .Depth(DescriptorWords)
  ) u_buffer (
    .clk_i,
    .rst_i  (rst_i || restart),
    .valid_i(word_valid_i),
    .ready_o(buffer_ready),
    .data_i (word_i),
    .valid_o(buffer_valid),
    .ready_i(buffer_take),
    .data_o (buffer_word)
  );

  // Parsing: header words in StHeader, instruction words in StRun. An instruction is gathered and checked word by word;
  // in the cycle after its last word it enters its queue, or is refused.
  logic [2:0]   index_q;
  logic [31:0]  offset_q;        // of the descriptor at the buffer's head
  logic [31:0]  gathered_q;      // offset of the instruction that is complete
  logic [31:0]  instructions_q;  // not gathered yet
  logic [511:0] instr_q;
  logic         complete_q;
  logic         to_load, to_compute, to_store;
  logic         illegal;
  logic         gather;
  logic         room;
  logic         final_word;
  logic         refuse;

  descriptor_check #(
    .P             (P),
    .F             (F),
    .ParameterSlots(ParameterSlots)
  ) u_check (
    .clk_i,
    .valid_i     (gather),
    .index_i     (index_q),
    .word_i      (buffer_word),
    .to_load_o   (to_load),
    .to_compute_o(to_compute),
    .to_store_o  (to_store),
    .illegal_o   (illegal)
  );

  // The present pair of words, at every place: a field of it is where it always is.
  logic [511:0] descriptor;
  assign descriptor = {8{buffer_word}};

  // A header that is no SEGMENT, or whose next segment or record lies where none can.
  function automatic logic illegal_header(input logic [2:0] index, input logic [7:0] opcode, input logic [31:0] next,
                                          input logic [31:0] record);
    illegal_header = (index == 3'd0 && opcode != descriptor_pkg::OpSegment) || (index == 3'd1 && next % 64 != 32'd0)
                     || (index == 3'd2 && record % 256 != 32'd0);
  endfunction

  assign final_word  = index_q == 3'd7;
  always_comb begin
    room   = 1'b0;
    gather = state_q == StRun && buffer_valid && !failed;
    if (evaluation_pkg::Always || gather) begin
      room   = !final_word || !((to_load && load_full_i) || (to_compute && compute_full_i) || (to_store && store_full_i));
      gather = gather && room;
    end
  end
  assign buffer_take = (state_q == StHeader && !failed) || gather;
  assign refuse      = complete_q && illegal;

  assign instr_o        = instr_q;
  assign dispatch_o     = complete_q && !illegal && !failed;
  assign load_push_o    = dispatch_o && to_load;
  assign compute_push_o = dispatch_o && to_compute;
  assign store_push_o   = dispatch_o && to_store;

  always_ff @(posedge clk_i) begin
    complete_q <= gather && final_word;
    if (gather) begin
      instr_q    <= {buffer_word, instr_q[511:64]};
      gathered_q <= offset_q;
    end
    if (rst_i) complete_q <= 1'b0;
  end

  // Progress of the segment.
  logic [15:0] load_count_q, compute_count_q, store_count_q;           // completed
  logic [15:0] load_dispatched_q, compute_dispatched_q, store_dispatched_q;
  logic        all_done;

  assign load_count_o    = load_count_q;
  assign compute_count_o = compute_count_q;
  assign store_count_o   = store_count_q;
  always_comb begin
    all_done = instructions_q == 32'd0 && !complete_q;
    if (evaluation_pkg::Always || all_done) begin
      all_done = all_done && load_count_q == load_dispatched_q && compute_count_q == compute_dispatched_q &&
                 store_count_q == store_dispatched_q;
    end
  end

  always_ff @(posedge clk_i) begin
    if (load_done_i) load_count_q <= load_count_q + 16'd1;
    if (compute_done_i) compute_count_q <= compute_count_q + 16'd1;
    if (store_done_i) store_count_q <= store_count_q + 16'd1;
    if (load_push_o) load_dispatched_q <= load_dispatched_q + 16'd1;
    if (compute_push_o) compute_dispatched_q <= compute_dispatched_q + 16'd1;
    if (store_push_o) store_dispatched_q <= store_dispatched_q + 16'd1;
    if (rst_i || restart) begin
      load_count_q         <= 16'd0;
      compute_count_q      <= 16'd0;
      store_count_q        <= 16'd0;
      load_dispatched_q    <= 16'd0;
      compute_dispatched_q <= 16'd0;
      store_dispatched_q   <= 16'd0;
    end
  end

  // The walk.
  assign restart          = state_q == StHeaderRequest;
  assign flush_o          = state_q == StQuiet;
  assign count_o          = state_q != StIdle && state_q != StFinish && state_q != StLatch;
  assign step_o           = (state_q == StRecord && record_word_ready_i) || state_q == StLatch;
  assign done_o           = state_q == StLatch && step_q == 5'd31;
  assign record_valid_o   = state_q == StRecordRequest;
  assign record_address_o = base_q + record_q;
  assign record_words_o   = RecordWords;
  assign record_word_valid_o = state_q == StRecord;

  logic active;  // while a segment runs, most cycles change nothing here
  assign active = evaluation_pkg::Always || rst_i || state_q != StRun || fetch || gather || refuse || failed || all_done ||
                  read_error_i || write_error_i;

  always_ff @(posedge clk_i) begin
    if (active) begin
      if (fetch) begin
        fetch_offset_q <= fetch_offset_q + 32'(8 * FetchWords);
        fetch_left_q   <= fetch_left_q - FetchWords;
      end
      credit_q <= credit_q - (fetch ? CreditBits'(FetchWords) : '0) + CreditBits'(buffer_take && buffer_valid);
      if (buffer_take && buffer_valid) begin
        index_q <= index_q + 3'd1;
        if (final_word) offset_q <= offset_q + 32'd64;
      end

      if (read_error_i && state_q != StIdle) error_q[1] <= 1'b1;
      if (write_error_i && state_q != StIdle) error_q[2] <= 1'b1;
      if (refuse && !failed) begin
        error_q[0]   <= 1'b1;
        error_info_q <= gathered_q;
      end
      if (state_q == StHeader && buffer_valid && !failed) begin
        if (illegal_header(index_q, descriptor[descriptor_pkg::Opcode+:8], descriptor[descriptor_pkg::SegmentNext+:32],
                           descriptor[descriptor_pkg::SegmentRecord+:32])) begin
          error_q[0]   <= 1'b1;
          error_info_q <= offset_q;
        end
      end
      if (gather && final_word) instructions_q <= instructions_q - 32'd1;

      take_o  <= 1'b0;  // in StTake and StFinish
      latch_o <= 1'b0;  // in StFinish
      case (state_q)
        StIdle: begin
          if (start_i) begin
            base_q    <= base_i;
            segment_q <= job_i;
            state_q   <= StHeaderRequest;
          end
        end
        // One cycle: clears the buffer and the counts, and asks for the header.
        StHeaderRequest: begin
          fetch_offset_q <= segment_q;
          fetch_left_q   <= 32'd8;
          credit_q       <= CreditBits'(DescriptorWords);
          index_q        <= 3'd0;
          offset_q       <= segment_q;
          state_q        <= StHeader;
        end
        StHeader: begin
          if (buffer_valid && !failed) begin
            case (index_q)
              3'd0: last_q <= descriptor[descriptor_pkg::SegmentLast];
              3'd1: begin
                instructions_q <= descriptor[descriptor_pkg::SegmentInstructions+:32];
                segment_q      <= descriptor[descriptor_pkg::SegmentNext+:32];
              end
              3'd2: record_q <= descriptor[descriptor_pkg::SegmentRecord+:32];
              3'd7: begin
                fetch_left_q <= {instructions_q[28:0], 3'd0};
                state_q      <= StRun;
              end
              default: ;
            endcase
          end
          if (failed) state_q <= StQuiet;
        end
        StRun: begin
          if (failed) state_q <= StQuiet;
          else if (all_done) begin
            take_o  <= 1'b1;
            state_q <= StTake;
          end
        end
        // The writer serves records from here on.
        StTake: begin
          record_select_o <= 1'b1;
          state_q         <= StRecordRequest;
        end
        StRecordRequest: begin
          step_q <= 5'd0;
          if (record_ready_i) state_q <= StRecord;
        end
        StRecord: begin
          if (record_word_ready_i) begin
            step_q <= step_q + 5'd1;
            if (step_q == 5'd31) state_q <= StRecordWait;
          end
        end
        StRecordWait: begin
          if (record_done_i) begin
            record_select_o <= 1'b0;
            take_o          <= last_q;
            latch_o         <= last_q;
            state_q         <= last_q ? StFinish : StHeaderRequest;
          end
          quiet_q <= 2'd0;
        end
        // After an error: until nothing has moved for 4 cycles.
        StQuiet: begin
          quiet_q <= quiet_i ? quiet_q + 2'd1 : 2'd0;
          if (quiet_i && quiet_q == 2'd3) begin
            take_o  <= 1'b1;
            latch_o <= 1'b1;
            state_q <= StFinish;
          end
        end
        StFinish: begin
          step_q  <= 5'd0;
          state_q <= StLatch;
        end
        StLatch: begin
          step_q <= step_q + 5'd1;
          if (step_q == 5'd31) state_q <= StIdle;
        end
        default: state_q <= StIdle;
      endcase

      if (rst_i) begin
        state_q         <= StIdle;
        take_o          <= 1'b0;
        latch_o         <= 1'b0;
        record_select_o <= 1'b0;
        fetch_left_q    <= 32'd0;
        credit_q        <= CreditBits'(DescriptorWords);
        index_q         <= 3'd0;
        quiet_q         <= 2'd0;
        error_q         <= 3'd0;
        error_info_q    <= 32'd0;
      end
    end
  end

  logic unused_buffer_ready;  // credits say it
  assign unused_buffer_ready = buffer_ready;

`ifndef SYNTHESIS
  always @(posedge clk_i) begin
    if (!rst_i) begin
      assert ((start_i && state_q != StIdle) !== 1'b1) else $error("started while a job runs");
      assert ((word_valid_i && !buffer_ready) !== 1'b1) else $error("no room for a descriptor's word");
    end
  end
`endif

endmodule
