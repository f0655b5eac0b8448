// SPDX-License-Identifier: Apache-2.0
// Sequences the drain: captures a finished tile's accumulators, sends its rows (one position by F filters per cycle)
// through requantization, and the results to the plane writer. Control only.
//
// A tile that finishes in cycle t is captured at the end of t+4 (CONV: select, multiply, accumulate, visible) or t+3
// (DEPTHWISE, ADD). Rows go in *sweeps* over the tile's positions: 32-bit results go through four times, for 8 planes
// each; DEPTHWISE and ADD once for each group of F channels. Where an operation has two sets of parameters, each row
// takes two *beats* that follow each other, and the second one's result counts. A sweep starts no sooner after the
// previous one than a bank needs to write the words of a result, and a row later where the output's ring is spread: the
// next tile then begins with the bank that this one took second. Parameters are read as a row enters requantization,
// so that they follow the rows without a pause. A table of codes takes one more stage, in instructions that have one.
// So a tile's rows take a time that is known at its capture: when the next one may finish is a count down from there.
module drain_ctrl #(
  parameter int P = 8,
  parameter int F = 16,
  parameter int ParameterSlots = 64,
  localparam int BankWidth = $clog2(P),
  localparam int SlotWidth = $clog2(ParameterSlots)
) (
  input  logic                 clk_i,
  input  logic                 rst_i,
  input  logic                 finish_i,
  input  logic                 finish_first_i,  // its instruction's first tile
  input  logic                 finish_last_i,
  input  logic [511:0]         finish_instr_i,
  input  logic [15:0]          finish_row_i,
  input  logic [P-1:0]         finish_valid_i,
  output logic                 ready_o,         // a tile of the same instruction may finish
  output logic                 ready_first_o,   // the first tile of another instruction may finish
  output logic                 idle_o,          // nothing pending, captured or in requantization
  output logic                 capture_array_o,
  output logic                 capture_channel_o,
  output logic                 row_array_o,     // read a captured row
  output logic                 row_channel_o,
  output logic [BankWidth-1:0] row_lane_o,
  output logic [2:0]           row_group_o,
  // requantization: stages that hold a row, and what each needs to know of it
  output logic [3:0]           stage_o,
  output logic                 direct_o,        // stage 0: a channelwise sum, not accumulator and row sum
  output logic                 high_byte_o,     //          ADD's first operand
  output logic                 low_byte_o,      //          ADD's second operand
  output logic [1:0]           log2_weight_bits_o,
  output logic                 sum_on_o,        // stage 2: add to the row before, not to the bias
  output logic                 choose_o,        // stage 3: where the row before was not negative, its result stays
  // parameters, the first of them in the next cycle
  output logic                 parameters_re_o,
  output logic [SlotWidth-1:0] parameters_slot_o,
  // codes to plane words
  output logic                 look_up_o,       // first through the table
  output logic                 looked_up_o,     // the codes to be placed come from there
  output logic                 place_o,
  output logic [1:0]           place_pass_o,
  output logic                 place_one_bit_o,
  output logic [5:0]           place_offset_o,
  output logic [5:0]           place_filters_o,     // less one
  output logic                 place_zero_extend_o,
  // words of a row to the plane writer
  output logic                 result_valid_o,
  output logic [BankWidth-1:0] result_bank_o,
  output logic                 result_last_o,   // last of its instruction
  output logic [15:0]          result_row_o,
  output logic [15:0]          result_stride_o,
  output logic [2:0]           result_words_o,
  output logic                 requantize_o     // a row of new results, for the counter
);
  localparam int FilterWidth = $clog2(F);
  localparam int StepWidth   = (BankWidth < 2) ? 4 : BankWidth + 2;  // two beats of P rows, or the longest pause
  localparam int TimeWidth   = StepWidth + 3;                        // of 8 sweeps

  // finished, not captured: the tile and what its instruction says
  logic [3:0]           pending_q;
  logic                 next_first_q, next_last_q;
  logic [15:0]          next_row_q;
  logic [BankWidth:0]   next_count_q;
  logic [15:0]          next_base_q, next_stride_q;
  logic [2:0]           next_out_code_q;
  logic [1:0]           next_log2_weight_bits_q;
  logic [5:0]           next_offset_q, next_filters_q;
  logic [SlotWidth-1:0] next_slot_q;
  logic                 next_zero_extend_q, next_channel_q, next_leaky_q, next_add_q, next_table_q, next_spread_q;
  logic [StepWidth-1:0] next_steps_q;   // of a sweep
  logic [StepWidth-1:0] next_period_q;  // from one sweep's start to the next one's
  logic [TimeWidth-1:0] next_time_q;    // from the first row to the last one, both included

  // the same from capture on. Another instruction's first tile is captured when no row of the one before is left here.
  logic                 first_q, last_q;
  logic [15:0]          row_q;
  logic [BankWidth:0]   count_q;
  logic [15:0]          base_q, stride_q;
  logic [2:0]           out_code_q;
  logic [1:0]           log2_weight_bits_q;
  logic [5:0]           offset_q, filters_q;
  logic [SlotWidth-1:0] slot_q;
  logic                 zero_extend_q, channel_q;
  logic                 leaky_q;      // two beats: leaky ReLU
  logic                 add_q;        // two beats: two operands
  logic                 table_q;      // codes go through the table
  logic                 spread_q;     // banks of the output's ring
  logic [2:0]           sweeps_q;     // last value of sweep
  logic [2:0]           words_q;      // of a result
  logic [2:0]           pause_q;      // cycles from one sweep's start to the next one's, at least
  logic [TimeWidth-1:0] left_q;       // cycles until all rows are read

  // the low bits tell this engine's opcodes apart
  localparam logic [1:0] OpDepthwise = 2'(descriptor_pkg::OpDepthwise);
  localparam logic [1:0] OpAdd       = 2'(descriptor_pkg::OpAdd);
  logic [1:0] finish_opcode;
  logic       finish_add, finish_channel;
  assign finish_opcode  = 2'(finish_instr_i[descriptor_pkg::Opcode+:8]);
  assign finish_add     = finish_opcode == OpAdd;
  assign finish_channel = finish_opcode == OpDepthwise || finish_add;

  function automatic logic [2:0] words(input logic [2:0] out_code);
    words = (out_code >= 3'd3) ? 3'd4 : (out_code == 3'd2) ? 3'd2 : 3'd1;
  endfunction

  logic                 next_two_beats;
  logic [2:0]           next_sweeps, next_pause;
  logic [StepWidth-1:0] next_steps;
  always_comb begin
    next_two_beats = 1'b0;
    next_sweeps    = '0;
    next_steps     = '0;
    next_pause     = '0;
    if (evaluation_pkg::Always || pending_q != 4'd0) begin
      next_two_beats = next_leaky_q || next_add_q;
      next_sweeps    = next_channel_q ? 3'(next_filters_q >> FilterWidth) : (next_out_code_q == 3'd5) ? 3'd3 : 3'd0;
      next_steps     = StepWidth'(next_count_q) << next_two_beats;
      next_pause     = words(next_out_code_q) + (!next_spread_q ? 3'd0 : next_two_beats ? 3'd2 : 3'd1);
    end
  end

  // the next row
  logic                 busy_q;
  logic [BankWidth-1:0] lane_q;
  logic [2:0]           sweep_q;
  logic                 beat_q;
  logic [2:0]           timer_q;

  // in requantization: the row read, its four stages, its codes looked up where there is a table, its words placed
  localparam int Stages = 7;
  logic [Stages-1:0]           pipe_q;
  logic [BankWidth*Stages-1:0] pipe_bank_q;    // of the lane's position
  logic [3*(Stages-1)-1:0]     pipe_sweep_q;   // the last stage needs none
  logic [3:0]                  pipe_second_q;  // a second beat
  logic [Stages-1:0]           pipe_whole_q;   // the last beat
  logic [Stages-1:0]           pipe_last_q;
  logic [16*Stages-1:0]        pipe_row_q;
  logic                        read_q;         // parameters of another slot, for the first stage
  logic [SlotWidth-1:0]        read_slot_q;

  logic       two_beats, last_beat, last_lane, last_sweep, sweep_ok, step;
  always_comb begin
    two_beats  = 1'b0;
    last_beat  = 1'b0;
    last_lane  = 1'b0;
    last_sweep = 1'b0;
    sweep_ok   = 1'b0;
    step       = 1'b0;
    if (evaluation_pkg::Always || busy_q) begin
      two_beats  = leaky_q || add_q;
      last_beat  = beat_q == two_beats;
      last_lane  = ((BankWidth + 1)'(lane_q) + 1'b1 == count_q);
      last_sweep = sweep_q == sweeps_q;
      sweep_ok   = lane_q != '0 || beat_q || timer_q == 3'd0;
      step       = busy_q && sweep_ok;
    end
  end

  // From the next cycle on: the next sweep's wait, the time that is left, and whether nothing is pending. In the cycle of a
  // tile's capture, the last row of the one before may still be read.
  logic [2:0]           timer;
  logic [TimeWidth-1:0] left;
  logic                 free;
  logic                 capture, waits;  // a tile, to its capture
  assign capture = pending_q[3];
  assign waits   = pending_q[2:0] != 3'd0;
  logic                 active;  // nothing else changes here
  assign active = evaluation_pkg::Always || rst_i || finish_i || !idle_o || left_q != '0 || timer_q != 3'd0;
  always_comb begin
    timer = '0;
    left  = '0;
    free  = 1'b0;
    if (active) begin
      timer = (step && lane_q == '0 && !beat_q) ? pause_q - 3'd1 : (timer_q == 3'd0) ? 3'd0 : timer_q - 3'd1;
      left  = capture ? next_time_q + TimeWidth'(timer) : (left_q == '0) ? '0 : left_q - 1'b1;
      free  = !finish_i && !waits;
    end
  end

  assign capture_array_o    = capture && !next_channel_q;
  assign capture_channel_o  = capture && next_channel_q;
  assign row_array_o        = step && !channel_q;
  assign row_channel_o      = step && channel_q;
  assign row_lane_o         = lane_q;
  assign row_group_o        = sweep_q;
  assign requantize_o       = step && !beat_q && (channel_q || sweep_q == 3'd0);

  assign stage_o            = {pipe_q[3] && (pipe_whole_q[3] || leaky_q), pipe_q[2:0]};
  assign direct_o           = channel_q;
  assign high_byte_o        = add_q && !pipe_second_q[0];
  assign low_byte_o         = add_q && pipe_second_q[0];
  assign log2_weight_bits_o = log2_weight_bits_q;
  assign sum_on_o           = add_q && pipe_second_q[2];
  assign choose_o           = leaky_q && pipe_second_q[3];

  assign parameters_re_o    = pipe_q[0] && read_q;
  assign parameters_slot_o  = read_slot_q;

  // the group of channels that is placed; all behind the last stage of requantization is a stage later with a table
  logic [2:0] place_sweep;
  logic [5:0] place_channel;  // its first
  assign look_up_o           = table_q && pipe_q[4] && pipe_whole_q[4];
  assign looked_up_o         = table_q;
  assign place_sweep         = table_q ? pipe_sweep_q[3*5+:3] : pipe_sweep_q[3*4+:3];
  assign place_channel       = channel_q ? 6'(place_sweep) << FilterWidth : 6'd0;
  assign place_o             = table_q ? pipe_q[5] && pipe_whole_q[5] : pipe_q[4] && pipe_whole_q[4];
  assign place_pass_o        = channel_q ? 2'd0 : place_sweep[1:0];
  assign place_one_bit_o     = (out_code_q == 3'd0);
  assign place_offset_o      = offset_q + place_channel;
  assign place_filters_o     = (channel_q && place_sweep != sweeps_q) ? 6'(F - 1) : filters_q - place_channel;
  assign place_zero_extend_o = zero_extend_q && (!channel_q || place_sweep == sweeps_q);

  logic [1:0]  result_pass;
  logic [15:0] result_row;
  assign result_valid_o  = table_q ? pipe_q[6] && pipe_whole_q[6] : pipe_q[5] && pipe_whole_q[5];
  assign result_pass     = channel_q ? 2'd0 : 2'(pipe_sweep_q[3*5+:3]);  // 0 with a table
  assign result_row      = table_q ? pipe_row_q[16*6+:16] : pipe_row_q[16*5+:16];
  assign result_bank_o   = table_q ? pipe_bank_q[BankWidth*6+:BankWidth] : pipe_bank_q[BankWidth*5+:BankWidth];
  assign result_last_o   = table_q ? pipe_last_q[6] : pipe_last_q[5];
  assign result_row_o    = result_row + (result_pass[0] ? stride_q << 2 : 16'd0)
                           + (result_pass[1] ? stride_q << 3 : 16'd0);
  assign result_stride_o = stride_q;
  assign result_words_o  = words_q;

  logic [BankWidth-1:0] bank;
  assign bank = BankWidth'({ring_pkg::bank(16'({row_q[0], lane_q}), BankWidth, spread_q)});

  always_ff @(posedge clk_i) begin
    if (active) begin
      if (step || pipe_q != '0) begin
        pipe_q        <= {table_q && pipe_q[5], pipe_q[4:0], step};
        pipe_bank_q   <= {pipe_bank_q[BankWidth*(Stages-1)-1:0], bank};
        pipe_sweep_q  <= {pipe_sweep_q[3*(Stages-2)-1:0], sweep_q};
        pipe_second_q <= {pipe_second_q[2:0], beat_q};
        pipe_whole_q  <= {pipe_whole_q[Stages-2:0], last_beat};
        pipe_last_q   <= {pipe_last_q[Stages-2:0], last_q && last_lane && last_sweep};
        pipe_row_q    <= {pipe_row_q[16*(Stages-1)-1:0], base_q + row_q};
        read_q        <= two_beats || (lane_q == '0 && (first_q || (channel_q && sweeps_q != 3'd0)));
        read_slot_q   <= slot_q + (!channel_q ? '0 : SlotWidth'(sweep_q) << two_beats) + SlotWidth'(beat_q);
      end

      // a channelwise tile has one stage less before it
      pending_q <= {pending_q[2:1], pending_q[0] || (finish_i && finish_channel), finish_i && !finish_channel};
      if (finish_i) begin
        next_first_q            <= finish_first_i;
        next_last_q             <= finish_last_i;
        next_row_q              <= finish_row_i;
        next_count_q            <= (BankWidth + 1)'($countones(finish_valid_i));
        next_channel_q          <= finish_channel;
        next_base_q             <= finish_instr_i[descriptor_pkg::OutputBase+:16];
        next_stride_q           <= finish_instr_i[descriptor_pkg::OutputStride+:16];
        next_log2_weight_bits_q <= finish_instr_i[descriptor_pkg::ConvWeightBitsLog2+:2];
        next_out_code_q         <= finish_instr_i[descriptor_pkg::OutputBitsLog2+:3];
        next_leaky_q            <= finish_instr_i[descriptor_pkg::Leaky] && !finish_add;
        next_zero_extend_q      <= finish_instr_i[descriptor_pkg::ZeroExtend];
        next_table_q            <= finish_instr_i[descriptor_pkg::Table];
        next_spread_q           <= finish_instr_i[descriptor_pkg::OutputSpread];
        next_add_q              <= finish_add && finish_instr_i[descriptor_pkg::AddOperands+:16] == 16'd2;
        next_filters_q          <= finish_instr_i[descriptor_pkg::ResultLanes+:6];
        next_offset_q           <= finish_instr_i[descriptor_pkg::BitOffset+:6];
        next_slot_q             <= SlotWidth'(finish_instr_i[descriptor_pkg::ParameterSlot+:6]);
      end

      if (pending_q[1]) begin
        next_steps_q  <= next_steps;
        next_period_q <= (next_steps > StepWidth'(next_pause)) ? next_steps : StepWidth'(next_pause);
      end
      if (pending_q[2]) next_time_q <= TimeWidth'(next_sweeps) * TimeWidth'(next_period_q) + TimeWidth'(next_steps_q);

      timer_q       <= timer;
      left_q        <= left;
      ready_o       <= free && left <= ((pending_q[3] ? next_channel_q : channel_q) ? TimeWidth'(4) : TimeWidth'(5));
      // at the latest in the cycle of the capture, the last row is handed to the plane writer
      ready_first_o <= free && !pending_q[3] && !busy_q && !pipe_q[0] && !(table_q && pipe_q[1]);
      idle_o        <= free && !pending_q[3] && !busy_q && pipe_q[4:0] == 5'd0 && !(table_q && pipe_q[5]);
      if (step) begin
        beat_q <= !last_beat;
        if (last_beat) begin
          lane_q <= last_lane ? '0 : lane_q + 1'b1;
          if (last_lane) begin
            sweep_q <= last_sweep ? 3'd0 : sweep_q + 3'd1;
            if (last_sweep) busy_q <= 1'b0;
          end
        end
      end
      if (pending_q[3]) begin
        busy_q             <= 1'b1;
        lane_q             <= '0;
        sweep_q            <= 3'd0;
        beat_q             <= 1'b0;
        first_q            <= next_first_q;
        last_q             <= next_last_q;
        row_q              <= next_row_q;
        count_q            <= next_count_q;
        channel_q          <= next_channel_q;
        base_q             <= next_base_q;
        stride_q           <= next_stride_q;
        log2_weight_bits_q <= next_log2_weight_bits_q;
        out_code_q         <= next_out_code_q;
        words_q            <= words(next_out_code_q);
        pause_q            <= next_pause;
        leaky_q            <= next_leaky_q;
        zero_extend_q      <= next_zero_extend_q;
        add_q              <= next_add_q;
        table_q            <= next_table_q;
        spread_q           <= next_spread_q;
        filters_q          <= next_filters_q;
        offset_q           <= next_offset_q;
        slot_q             <= next_slot_q;
        sweeps_q           <= next_sweeps;
      end

      if (rst_i) begin
        pending_q     <= 4'd0;
        busy_q        <= 1'b0;
        table_q       <= 1'b0;
        timer_q       <= 3'd0;
        left_q        <= '0;
        ready_o       <= 1'b1;
        ready_first_o <= 1'b1;
        idle_o        <= 1'b1;
        pipe_q        <= '0;
      end
    end
  end
endmodule
