// SPDX-License-Identifier: Apache-2.0
// The compute engine and the on-chip memories around it: walker, fetch, array or pooling unit, drain, plane writer.
// Control (`*_ctrl`, walker, fetch) and data (`*_dpath`, buffers, SRAMs, arrays) are separate modules; no data signal
// enters control, so `Datapath = 0` leaves every cycle as it is.
//
//   walker ─tile─► fetch ─entries─► array_ctrl ─┬► dot products ─┬─► drain ─┬► plane writer ─► activation banks
//                                               ├► channelwise ──┘          │
//                                               └► max pool ────────────────┘
//
// Instructions are CONV, MAX_POOL, DEPTHWISE and ADD (docs/accelerator.md); their waits have been met. They complete in
// order.
module compute_engine #(
  parameter int P              = 8,
  parameter int F              = 16,
  parameter int ActivationRows = 4096,
  parameter int WeightRows     = 1024,
  parameter int ParameterSlots = 64,
  parameter int ChannelLanes   = 32,
  parameter bit Datapath       = 1'b1,
  localparam int BankWidth     = $clog2(P),
  localparam int FilterWidth   = $clog2(F)
) (
  input  logic                   clk_i,
  input  logic                   rst_i,
  input  logic                   instr_valid_i,
  output logic                   instr_ready_o,
  input  logic [511:0]           instr_i,
  output logic                   done_o,
  // activation SRAM, load side, a port for the even and one for the odd banks: accepted when valid and ready; the drain
  // goes first
  input  logic [1:0]             ld_valid_i,
  output logic [1:0]             ld_ready_o,
  input  logic [2*BankWidth-1:0] ld_bank_i,
  input  logic [31:0]            ld_row_i,
  input  logic [127:0]           ld_data_i,
  // activation SRAM, store side: data in the cycle after valid and ready
  input  logic                   st_valid_i,
  output logic                   st_ready_o,
  input  logic [BankWidth-1:0]   st_bank_i,
  input  logic [15:0]            st_row_i,
  output logic [63:0]            st_data_o,
  // weights, parameters and the table of codes: always accepted
  input  logic                   wgt_we_i,
  input  logic [FilterWidth-1:0] wgt_bank_i,
  input  logic [15:0]            wgt_row_i,
  input  logic [63:0]            wgt_data_i,
  input  logic                   par_we_i,
  input  logic [5:0]             par_slot_i,
  input  logic [7:0]             par_word_i,
  input  logic [63:0]            par_data_i,
  input  logic                   tab_we_i,
  input  logic [4:0]             tab_word_i,
  input  logic [63:0]            tab_data_i,
  // this cycle, for the counters
  output logic                   array_active_o,
  output logic                   pool_active_o,
  output logic                   channel_active_o,
  output logic                   stall_drain_o,
  output logic                   stall_fetch_o,
  output logic                   drain_busy_o,
  output logic                   busy_o,
  output logic                   requantize_o,         // F results
  output logic [7:0]             activation_reads_o,
  output logic [7:0]             activation_writes_o,
  output logic                   weight_read_o         // F words
);
  localparam int Entries        = 4;
  localparam int EntryWidth     = $clog2(Entries);
  localparam int RowWidth       = $clog2(ActivationRows);
  localparam int WeightRowWidth = $clog2(WeightRows);
  localparam int SlotWidth      = $clog2(ParameterSlots);
  // a group's filters are written together: no finer than a group, no coarser than a byte
  localparam int Granule        = (F < 8) ? F : 8;

  // -- walker to fetch, and on to the array ------------------------------------------------------------------------
  logic            walk_valid, fetch_ready, walk_first, walk_last, walk_busy, fetch_busy;
  logic [511:0]    walk_instr;
  logic [15:0]     walk_out_row, walk_row2;
  logic [P-1:0]    walk_lanes;
  logic [P*16-1:0] walk_row, walk_start, walk_iy, walk_ix;
  logic            tiles_ready, tile_taken, instr_held;

  window_walker #(.P(P)) u_walker (
    .clk_i, .rst_i, .instr_valid_i, .instr_ready_o, .instr_i,
    .tile_valid_o(walk_valid), .tile_ready_i(fetch_ready), .instr_o(walk_instr),
    .first_o(walk_first), .last_o(walk_last), .out_row_o(walk_out_row), .row2_o(walk_row2),
    .valid_o(walk_lanes), .row_o(walk_row), .start_o(walk_start), .iy_o(walk_iy), .ix_o(walk_ix), .busy_o(walk_busy)
  );
  assign tile_taken = walk_valid && fetch_ready;

  logic [P-1:0]           bank_re;
  logic [P*16-1:0]        bank_row;
  logic [P-1:0]           lane_we, lane_pad;
  logic [P*BankWidth-1:0] lane_bank;
  logic [EntryWidth-1:0]  fill, entry;
  logic                   one_half, upper_half, last_block, entry_valid, entry_pop;
  logic [1:0]             pair;
  logic [7:0]             zero_code;
  logic [6:0]             tail;

  window_fetch #(.P(P), .Entries(Entries), .ActivationRows(ActivationRows)) u_fetch (
    .clk_i, .rst_i,
    .tile_valid_i(walk_valid), .tile_ready_o(fetch_ready), .tile_room_i(tiles_ready), .instr_i(walk_instr),
    .first_i(walk_first), .hold_i(instr_held), .valid_i(walk_lanes), .row_i(walk_row), .start_i(walk_start),
    .iy_i(walk_iy), .ix_i(walk_ix), .row2_i(walk_row2),
    .busy_o(fetch_busy), .bank_re_o(bank_re), .bank_row_o(bank_row),
    .st_valid_i, .st_ready_o, .st_bank_i, .st_row_i,
    .lane_we_o(lane_we), .lane_pad_o(lane_pad), .lane_bank_o(lane_bank), .fill_o(fill), .one_half_o(one_half),
    .upper_half_o(upper_half), .pair_o(pair), .last_block_o(last_block), .zero_code_o(zero_code), .tail_o(tail),
    .entry_valid_o(entry_valid), .entry_o(entry), .entry_pop_i(entry_pop), .reads_o(activation_reads_o)
  );

  // tiles between fetch and array; their instruction stands in `tile_instr_q` until the array has taken it over
  localparam int TileWidth = P + 18;
  logic [511:0]         tile_instr_q;
  logic [TileWidth-1:0] tile;
  logic                 tile_valid, tile_ready;
  fifo #(.Width(TileWidth), .Depth(4)) u_tiles (
    .clk_i, .rst_i,
    .valid_i(tile_taken), .ready_o(tiles_ready), .data_i({walk_first, walk_last, walk_out_row, walk_lanes}),
    .valid_o(tile_valid), .ready_i(tile_ready), .data_o(tile)
  );
  always_ff @(posedge clk_i) begin
    if (tile_taken && walk_first) tile_instr_q <= walk_instr;
  end

  // -- array ---------------------------------------------------------------------------------------------------
  logic                      weight_re, mul_valid, mul_first, mul_one_half, mul_upper, mul_double, mul_rowsum;
  logic [WeightRowWidth-1:0] weight_row;
  logic [3:0]                mul_shift;
  logic [2:0]                mul_rowsum_shift;
  logic                      mul_rowsum_full, pool_valid, pool_first_tap, pool_one_bit;
  logic [1:0]                pool_pair;
  logic                      channel_valid, channel_upper, channel_first, channel_shift, channel_one_bit, channel_unit;
  logic                      channel_product, channel_half, channel_unsigned, channel_start;
  logic [2:0]                channel_slot;
  logic                      finish, finish_first, pool_emit, emit_last, finish_quiet, array_busy, supplied;
  logic                      drain_ready, drain_ready_first;
  logic [511:0]              emit_instr;
  logic [15:0]               emit_row, emit_base;
  logic [P-1:0]              emit_lanes;
  logic                      results_idle;

  array_ctrl #(.P(P), .F(F), .WeightRows(WeightRows), .ChannelLanes(ChannelLanes)) u_array_ctrl (
    .clk_i, .rst_i,
    .tile_valid_i(tile_valid), .tile_ready_o(tile_ready), .instr_i(tile_instr_q), .first_i(tile[TileWidth-1]),
    .last_i(tile[TileWidth-2]), .out_row_i(tile[P+:16]), .valid_i(tile[P-1:0]), .hold_o(instr_held),
    .fetch_takes_first_i(tile_taken && walk_first),
    .entry_valid_i(entry_valid), .entry_pop_o(entry_pop),
    .weight_re_o(weight_re), .weight_row_o(weight_row),
    .mul_valid_o(mul_valid), .mul_first_o(mul_first), .mul_one_half_o(mul_one_half), .mul_upper_half_o(mul_upper),
    .mul_double_upper_o(mul_double), .mul_shift_o(mul_shift), .mul_rowsum_o(mul_rowsum),
    .mul_rowsum_shift_o(mul_rowsum_shift), .mul_rowsum_full_o(mul_rowsum_full),
    .pool_valid_o(pool_valid), .pool_first_tap_o(pool_first_tap), .pool_one_bit_o(pool_one_bit), .pool_pair_o(pool_pair),
    .channel_valid_o(channel_valid), .channel_upper_o(channel_upper), .channel_first_o(channel_first), .channel_shift_o(channel_shift),
    .channel_one_bit_o(channel_one_bit), .channel_unit_o(channel_unit), .channel_product_o(channel_product),
    .channel_half_o(channel_half), .channel_unsigned_o(channel_unsigned), .channel_start_o(channel_start),
    .channel_slot_o(channel_slot),
    .finish_o(finish), .finish_first_o(finish_first), .pool_emit_o(pool_emit), .emit_last_o(emit_last),
    .emit_instr_o(emit_instr), .emit_row_o(emit_row), .emit_base_o(emit_base), .emit_valid_o(emit_lanes), .finish_quiet_o(finish_quiet),
    .drain_ready_i(drain_ready), .drain_ready_first_i(drain_ready_first), .drain_idle_i(results_idle),
    .array_active_o, .pool_active_o, .channel_active_o, .stall_drain_o, .supplied_o(supplied),
    .busy_o(array_busy)
  );

  // -- drain ---------------------------------------------------------------------------------------------------
  logic                 drain_idle, capture_array, capture_channel, row_array, row_channel, result_valid, result_last;
  logic                 parameters_re;
  logic [SlotWidth-1:0] parameters_slot;
  logic [2:0]           row_group;
  logic                 direct, high_byte, low_byte, sum_on, choose;
  logic [BankWidth-1:0] row_lane, result_bank;
  logic [3:0]           stage;
  logic [1:0]           log2_weight_bits, place_pass;
  logic [15:0]          result_row, result_stride;
  logic [2:0]           result_words;
  logic [5:0]           place_offset, place_filters;
  logic                 place, place_one_bit, place_zero_extend, look_up, looked_up;

  drain_ctrl #(.P(P), .F(F), .ParameterSlots(ParameterSlots)) u_drain_ctrl (
    .clk_i, .rst_i,
    .finish_i(finish), .finish_first_i(finish_first), .finish_last_i(emit_last), .finish_instr_i(emit_instr),
    .finish_row_i(emit_row), .finish_valid_i(emit_lanes), .ready_o(drain_ready), .ready_first_o(drain_ready_first),
    .idle_o(drain_idle), .capture_array_o(capture_array), .capture_channel_o(capture_channel),
    .row_array_o(row_array), .row_channel_o(row_channel), .row_lane_o(row_lane), .row_group_o(row_group),
    .stage_o(stage), .direct_o(direct), .high_byte_o(high_byte), .low_byte_o(low_byte),
    .log2_weight_bits_o(log2_weight_bits), .sum_on_o(sum_on), .choose_o(choose), .parameters_re_o(parameters_re),
    .parameters_slot_o(parameters_slot),
    .look_up_o(look_up), .looked_up_o(looked_up),
    .place_o(place), .place_pass_o(place_pass), .place_one_bit_o(place_one_bit), .place_offset_o(place_offset),
    .place_filters_o(place_filters), .place_zero_extend_o(place_zero_extend),
    .result_valid_o(result_valid), .result_bank_o(result_bank), .result_last_o(result_last),
    .result_row_o(result_row), .result_stride_o(result_stride), .result_words_o(result_words),
    .requantize_o
  );

  // -- pooled blocks: the unit's result is complete two cycles after the last issue ------------------------------
  logic [1:0]   emit_q;
  logic         window_q;  // of two, whose words take turns in the unit's memory
  logic         emit_last_q;
  logic [15:0]  emit_row_q, emit_stride_q;
  logic [2:0]   emit_words_q;
  logic [P-1:0] emit_lanes_q;
  logic [1:0]   emit_bits_log2;
  assign emit_bits_log2 = emit_instr[descriptor_pkg::InputBitsLog2+:2];
  always_ff @(posedge clk_i) begin
    emit_q <= {emit_q[0], pool_emit};
    if (pool_emit) begin
      emit_last_q   <= emit_last;
      emit_row_q    <= emit_base + emit_row;
      emit_stride_q <= emit_instr[descriptor_pkg::OutputStride+:16];
      emit_words_q  <= (emit_bits_log2 == 2'd0) ? 3'd1 : 3'd1 << (emit_bits_log2 - 2'd1);
      emit_lanes_q  <= emit_lanes;
    end
    if (emit_q[0]) window_q <= !window_q;
    if (rst_i) begin
      emit_q   <= 2'd0;
      window_q <= 1'b0;
    end
  end

  logic [P-1:0]          write_we, write_banks, result_banks;
  logic                  pooled, write_load, write_last;
  logic [15:0]           write_first_row, write_stride;
  logic [2:0]            write_words;
  logic [P*16-1:0]       write_row;
  logic                  writer_idle;
  assign pooled     = emit_q[1];
  assign write_load = result_valid || pooled;
  always_comb begin
    result_banks    = '0;
    write_banks     = '0;
    write_first_row = '0;
    write_stride    = '0;
    write_words     = '0;
    write_last      = 1'b0;
    if (evaluation_pkg::Always || write_load) begin
      result_banks    = P'(1) << result_bank;
      write_banks     = pooled ? emit_lanes_q : result_banks;
      write_first_row = pooled ? emit_row_q : result_row;
      write_stride    = pooled ? emit_stride_q : result_stride;
      write_words     = pooled ? emit_words_q : result_words;
      write_last      = pooled ? emit_last_q : result_last;
    end
  end

  plane_writer_ctrl #(.P(P)) u_writer_ctrl (
    .clk_i, .rst_i,
    .load_i(write_load), .banks_i(write_banks), .row_i(write_first_row), .stride_i(write_stride), .words_i(write_words),
    .last_i(write_last),
    .quiet_last_i(finish_quiet),
    .we_o(write_we), .row_o(write_row), .idle_o(writer_idle), .done_o
  );
  assign results_idle = drain_idle && writer_idle && emit_q == 2'd0;
  assign drain_busy_o = !results_idle;
  assign busy_o       = walk_busy || fetch_busy || tile_valid || array_busy;
  assign stall_fetch_o = busy_o && !supplied;

  // a bank's write port: the writer first, then the load engine
  for (genvar i = 0; i < 2; i++) begin : g_load
    logic [BankWidth-1:0] bank;
    assign bank = (ld_bank_i[i*BankWidth+:BankWidth] & ~BankWidth'(1)) | BankWidth'(i);  // even or odd by the port
    assign ld_ready_o[i] = !write_we[bank];
  end
  assign weight_read_o = weight_re;
  always_comb begin
    activation_writes_o = '0;
    if (evaluation_pkg::Always || write_we != '0 || ld_valid_i != '0) begin
      activation_writes_o = 8'($countones(write_we)) + 8'($countones(ld_valid_i & ld_ready_o));
    end
  end

`ifndef SYNTHESIS
  always @(posedge clk_i) begin
    if (!rst_i) begin
      assert ((result_valid && emit_q[1]) !== 1'b1) else $error("two results at once");
      assert (((ld_valid_i[0] && ld_bank_i[0]) || (ld_valid_i[1] && !ld_bank_i[BankWidth])) !== 1'b1)
        else $error("an odd bank at the even banks' port, or an even one at the other");
    end
  end
`endif

  // -- data ----------------------------------------------------------------------------------------------------
  if (Datapath) begin : g_data
    logic [P*64-1:0]       bank_words, lane_words;
    logic [F*64-1:0]       weight_words;
    logic [F*32-1:0]       row_acc, row_sums;
    logic [31:0]           row_rowsum, low, high, zero;
    logic [F*50-1:0]       bias;
    logic [F*72-1:0]       parameters;
    logic [F*6-1:0]        shift;
    logic [2*F-1:0]        pair0, pair1, pair2, pair3;
    logic [64/F-1:0]       fields;
    logic [64/Granule-1:0] result_mask;
    logic [BankWidth-1:0]  st_bank_q;

    logic [P-1:0] load_banks, drain_banks;
    assign load_banks  = (P'(ld_valid_i[0]) << ld_bank_i[BankWidth-1:0])
                         | (P'(ld_valid_i[1]) << ld_bank_i[2*BankWidth-1:BankWidth]);
    assign drain_banks = P'(result_valid) << result_bank;

    // rows and slots are as wide as a descriptor's field: the bits beyond those of the memories
    localparam int BeyondWidth = 16 - RowWidth;
    logic         unused_load_rows, unused_weight_row;
    logic [P-1:0] unused_rows;
    assign unused_load_rows  = ^{ld_row_i[16+RowWidth+:BeyondWidth], ld_row_i[RowWidth+:BeyondWidth]};
    assign unused_weight_row = ^wgt_row_i[15:WeightRowWidth];
    if (SlotWidth < 6) begin : g_few_slots
      logic unused_slot;
      assign unused_slot = ^par_slot_i[5:SlotWidth];
    end

    for (genvar b = 0; b < P; b++) begin : g_bank
      assign unused_rows[b] = ^{bank_row[16*b+RowWidth+:BeyondWidth], write_row[16*b+RowWidth+:BeyondWidth]};
      logic [63:0]           write_word;
      logic [64/Granule-1:0] write_mask;
      result_lane #(.F(F)) u_lane (
        .clk_i, .rst_i, .pool_valid_i(pool_valid), .first_tap_i(pool_first_tap), .one_bit_i(pool_one_bit),
        .pair_i(pool_pair), .window_i(window_q), .word_i(lane_words[64*b+:64]),
        .drain_load_i(drain_banks[b]), .pair0_i(pair0), .pair1_i(pair1), .pair2_i(pair2), .pair3_i(pair3),
        .fields_i(fields), .mask_i(result_mask), .pool_load_i(emit_q[1]), .we_i(write_we[b]),
        .word_o(write_word), .mask_o(write_mask)
      );
      activation_bank #(.Depth(ActivationRows), .Granule(Granule)) u_bank (
        .clk_i,
        .re_i(bank_re[b]), .raddr_i(bank_row[16*b+:RowWidth]), .rdata_o(bank_words[64*b+:64]),
        .we_i(write_we[b]), .wmask_i(write_mask), .waddr_i(write_row[16*b+:RowWidth]), .wdata_i(write_word),
        .load_i(load_banks[b]), .load_addr_i(ld_row_i[16*(b%2)+:RowWidth]), .load_data_i(ld_data_i[64*(b%2)+:64])
      );
    end
    always_ff @(posedge clk_i) begin
      if (st_valid_i) st_bank_q <= st_bank_i;
    end
    assign st_data_o = bank_words[64*st_bank_q+:64];

    activation_buffer #(.P(P), .Entries(Entries)) u_buffer (
      .clk_i, .rst_i, .bank_data_i(bank_words), .lane_we_i(lane_we), .lane_pad_i(lane_pad), .lane_bank_i(lane_bank),
      .fill_i(fill), .one_half_i(one_half), .upper_half_i(upper_half), .pair_i(pair), .last_block_i(last_block),
      .zero_code_i(zero_code), .tail_i(tail), .pop_i(entry_pop), .entry_i(entry), .words_o(lane_words)
    );

    banked_memory #(.Banks(F), .Width(64), .Rows(WeightRows)) u_weights (
      .clk_i, .re_i(weight_re), .rrow_i(weight_row), .words_o(weight_words),
      .we_i(wgt_we_i), .wbank_i(wgt_bank_i), .wrow_i(WeightRowWidth'(wgt_row_i)), .wdata_i(wgt_data_i)
    );

    dot_product_array #(.P(P), .F(F)) u_array (
      .clk_i, .rst_i, .valid_i(mul_valid), .first_i(mul_first), .one_half_i(mul_one_half), .upper_half_i(mul_upper),
      .double_upper_i(mul_double), .shift_i(mul_shift), .rowsum_i(mul_rowsum), .rowsum_shift_i(mul_rowsum_shift),
      .rowsum_full_i(mul_rowsum_full), .activations_i(lane_words), .weights_i(weight_words),
      .capture_i(capture_array), .row_valid_i(row_array), .row_lane_i(row_lane), .row_acc_o(row_acc),
      .row_rowsum_o(row_rowsum)
    );

    if (F >= 4) begin : g_channelwise
      channelwise_array #(.P(P), .F(F), .Lanes(ChannelLanes)) u_channelwise (
        .clk_i, .rst_i, .valid_i(channel_valid), .upper_i(channel_upper), .first_i(channel_first), .shift_i(channel_shift),
        .one_bit_i(channel_one_bit), .unit_i(channel_unit), .product_i(channel_product), .half_i(channel_half),
        .unsigned_i(channel_unsigned), .start_i(channel_start), .slot_i(channel_slot), .activations_i(lane_words),
        .weights_i(weight_words), .capture_i(capture_channel), .row_valid_i(row_channel), .row_lane_i(row_lane),
        .row_group_i(row_group), .row_o(row_sums)
      );
    end else begin : g_no_channelwise
      logic unused_channelwise;
      assign row_sums = '0;
      assign unused_channelwise = ^{channel_valid, channel_upper, channel_first, channel_shift, channel_one_bit, channel_unit,
                                    channel_product, channel_half, channel_unsigned, channel_start, channel_slot,
                                    capture_channel, row_channel, row_group};
    end

    parameter_sram #(.F(F), .Slots(ParameterSlots)) u_parameters (
      .clk_i, .rst_i, .we_i(par_we_i), .wslot_i(SlotWidth'(par_slot_i)), .wword_i(par_word_i), .wdata_i(par_data_i),
      .re_i(parameters_re), .slot_i(parameters_slot), .parameters_o(parameters), .bias_o(bias), .shift_o(shift),
      .low_o(low), .high_o(high), .zero_o(zero)
    );

    drain_dpath #(.F(F)) u_drain_dpath (
      .clk_i, .rst_i, .stage_i(stage), .direct_i(direct), .high_byte_i(high_byte), .low_byte_i(low_byte),
      .log2_weight_bits_i(log2_weight_bits), .sum_on_i(sum_on), .choose_i(choose), .acc_i(row_acc),
      .rowsum_i(row_rowsum), .channel_i(row_sums), .parameters_i(parameters), .bias_i(bias), .shift_i(shift),
      .low_i(low), .high_i(high), .zero_i(zero), .table_we_i(tab_we_i), .table_word_i(tab_word_i), .table_data_i(tab_data_i),
      .look_up_i(look_up), .looked_up_i(looked_up), .place_i(place), .pass_i(place_pass), .one_bit_i(place_one_bit),
      .offset_i(place_offset), .filters_i(place_filters), .zero_extend_i(place_zero_extend),
      .pair0_o(pair0), .pair1_o(pair1), .pair2_o(pair2), .pair3_o(pair3), .fields_o(fields), .mask_o(result_mask)
    );

  end else begin : g_no_data
    assign st_data_o = '0;
    logic unused_data;
    assign unused_data = ^{ld_bank_i, ld_row_i, ld_data_i, st_bank_i, wgt_we_i, wgt_bank_i, wgt_row_i, wgt_data_i,
                           par_we_i, par_slot_i, par_word_i, par_data_i, tab_we_i, tab_word_i, tab_data_i, look_up,
                           looked_up, bank_re, bank_row, write_row, lane_we, lane_pad, lane_bank, fill, entry, one_half,
                           upper_half, last_block, pair, zero_code, tail, weight_row, mul_valid, mul_first,
                           mul_one_half, mul_upper, mul_double, mul_rowsum, mul_shift, mul_rowsum_shift,
                           mul_rowsum_full, pool_valid, pool_first_tap, pool_one_bit, pool_pair, window_q,
                           channel_valid, channel_upper, channel_first, channel_shift, channel_one_bit, channel_unit,
                           channel_product, channel_half, channel_unsigned, channel_start, channel_slot, capture_array,
                           capture_channel, parameters_re, parameters_slot, row_array, row_channel, row_lane, row_group,
                           stage, direct, high_byte, low_byte, sum_on, choose, log2_weight_bits, place, place_pass,
                           place_one_bit, place_offset, place_filters, place_zero_extend};
  end
endmodule
