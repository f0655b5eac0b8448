// SPDX-License-Identifier: Apache-2.0
// Fetches the activation words of a tile's windows: for each channel block, kernel row, kernel column and plane pair
// one *entry* of P words, lane p's word for its own output position. Control only: it drives the banks' read ports
// and the entry buffer (activation_buffer.sv), and never sees a word.
//
// A lane outside the image gets the padding word and reads nothing. Lanes whose words lie in one bank are served in
// successive cycles, lowest lane first, so an entry costs as many cycles as its fullest bank; without such conflicts
// one entry per cycle. The store engine may read a bank that no lane wants, and any bank after StoreWait refusals.
//
// Plane pairs go upwards for CONV and downwards for MAX_POOL, which compares from the most significant plane. For
// DEPTHWISE and ADD they go downwards and outside of the kernel; ADD's operands are blocks, and the second one's
// positions follow each other from a row of their own.
module window_fetch #(
  parameter int P              = 8,
  parameter int Entries        = 4,
  parameter int StoreWait      = 3,
  localparam int BankWidth     = $clog2(P),
  localparam int EntryWidth    = $clog2(Entries)
) (
  input  logic                  clk_i,
  input  logic                  rst_i,
  // tiles from the walker
  input  logic                  tile_valid_i,
  output logic                  tile_ready_o,
  input  logic [511:0]          instr_i,
  input  logic                  first_i,
  input  logic                  hold_i,      // a new instruction must wait: the one before has not been taken over
  input  logic [P-1:0]          valid_i,
  input  logic [P*16-1:0]       row_i,
  input  logic [P*16-1:0]       iy_i,
  input  logic [P*16-1:0]       ix_i,
  input  logic [15:0]           row2_i,      // ADD: the tile's row of the second operand
  output logic                  busy_o,
  // banks: read enable and row, data in the next cycle
  output logic [P-1:0]          bank_re_o,
  output logic [P*16-1:0]       bank_row_o,
  // store engine's reads
  input  logic                  st_valid_i,
  output logic                  st_ready_o,
  input  logic [BankWidth-1:0]  st_bank_i,
  input  logic [15:0]           st_row_i,
  // entry buffer, in the cycle of the data
  output logic [P-1:0]           lane_we_o,
  output logic [P-1:0]           lane_pad_o,
  output logic [P*BankWidth-1:0] lane_bank_o,
  output logic [EntryWidth-1:0]  fill_o,
  output logic                   one_half_o,   // 1-bit activations in 32-channel blocks: one half, twice
  output logic                   upper_half_o,
  output logic [1:0]             pair_o,
  output logic                   last_block_o,
  output logic [7:0]             zero_code_o,
  output logic [6:0]             tail_o,       // channels of the last block
  // entries that are complete and not yet consumed
  output logic                   entry_valid_o,
  output logic [EntryWidth-1:0]  entry_o,
  input  logic                   entry_pop_i,
  output logic [7:0]             reads_o
);
  logic unused;
  assign unused = ^instr_i;  // each stage uses its own fields

  // the tile and its instruction
  logic               active_q;
  logic [P-1:0]       valid_q;
  logic [P*16-1:0]    lane_row_q, lane_iy_q, lane_ix_q;
  logic signed [16:0] height_q, width_q;
  logic [7:0]         kernel_rows_q, kernel_cols_q;
  logic [3:0]         dilation_y_q, dilation_x_q;
  logic [15:0]        base_q, stride_q, ring_q, tap_row_step_q, blocks_q;
  logic [1:0]         log2_pairs_q;
  logic               one_half_q, pool_q, channel_q, upper_q;
  logic               spread_q, spread2_q;  // banks of the input's ring and of ADD's second operand
  logic [15:0]        row2_q, base2_q, stride2_q;
  logic [7:0]         zero_code_q;
  logic [6:0]         tail_q;

  // the next entry to request
  logic [15:0]        block_q, block_base_q, word_q, tap_row_q;
  logic               second_q;   // ADD: the second operand
  logic [7:0]         ky_q, kx_q;
  logic signed [15:0] dy_q, dx_q;
  logic [1:0]         pair_q;

  // the entry under way
  logic                 req_valid_q;
  logic [P-1:0]         req_pending_q;
  logic                 req_new_q;   // in its first cycle: lanes that do not wait get the padding word
  logic [P*16-1:0]      req_position_q;  // the bank in place of the low bits
  logic [15:0]          req_word_q;
  logic                 req_upper_q, req_last_block_q;
  logic [1:0]           req_pair_q;
  logic                 req_one_half_q;
  logic [7:0]           req_zero_code_q;
  logic [6:0]           req_tail_q;

  // entries: allocated by a request, complete, in order
  logic [EntryWidth:0]   allocated_q, complete_q;
  logic [EntryWidth-1:0] fill_q, head_q;
  logic                  commit_q;
  logic [1:0]            refused_q;

  logic         load, req_done, down, last_pair, last_col, last_row, last_block;
  logic [P-1:0] grant, used;
  logic         store_first;
  logic [P-1:0] store_bank;

  // -- requests ------------------------------------------------------------------------------------------------
  assign store_first = st_valid_i && (refused_q == 2'(StoreWait));

  always_comb begin
    store_bank = '0;
    used       = '0;
    grant      = '0;
    bank_row_o = '0;
    if (st_valid_i) begin
      store_bank[st_bank_i] = 1'b1;
      if (store_first) used = store_bank;
      bank_row_o = {P{st_row_i}};
    end
`ifdef VERILATOR
    if (req_valid_q) begin
      for (int p = 0; p < P; p++) begin
        if (req_pending_q[p] && !used[req_position_q[16*p+:BankWidth]]) begin
          used[req_position_q[16*p+:BankWidth]] = 1'b1;
          grant[p] = 1'b1;
          bank_row_o[16*req_position_q[16*p+:BankWidth]+:16] =
              req_word_q + 16'(req_position_q[16*p+BankWidth+:16-BankWidth]);
        end
      end
    end
`else
    // The same bank by bank: as an index, a lane's bank would be a shifter.
    for (int b = 0; b < P; b++) begin
      for (int p = 0; p < P; p++) begin
        if (req_valid_q && req_pending_q[p] && req_position_q[16*p+:BankWidth] == BankWidth'(b) && !used[b]) begin
          used[b]  = 1'b1;
          grant[p] = 1'b1;
          bank_row_o[16*b+:16] = req_word_q + 16'(req_position_q[16*p+BankWidth+:16-BankWidth]);
        end
      end
    end
`endif
    st_ready_o = store_first || !used[st_bank_i];
    bank_re_o  = used | store_bank;
    reads_o    = 8'($countones(grant)) + 8'(st_valid_i && st_ready_o);
  end

  assign req_done = req_valid_q && (req_pending_q & ~grant) == '0;
  assign load     = active_q && (!req_valid_q || req_done) && (allocated_q != (EntryWidth + 1)'(Entries));

  // -- the next entry's loops ----------------------------------------------------------------------------------
  assign down       = pool_q || channel_q;
  assign last_pair  = down ? (pair_q == 2'd0) : (pair_q == 2'((4'd1 << log2_pairs_q) - 4'd1));
  assign last_col   = (kx_q + 8'd1 == kernel_cols_q);
  assign last_row   = (ky_q + 8'd1 == kernel_rows_q);
  assign last_block = (block_q + 16'd1 == blocks_q);

  // the first word of the next block; `stay`: it is the upper half of the same words
  function automatic logic [15:0] next_base(input logic stay, input logic [15:0] base, input logic [15:0] stride,
                                            input logic [1:0] log2_pairs);
    next_base = stay ? base : base + (stride << log2_pairs);
  endfunction

  logic        take;
  logic [1:0]  instr_log2_bits, instr_log2_pairs;
  logic        instr_pool, instr_channel;
  assign instr_log2_bits  = instr_i[12*32+:2];
  assign instr_log2_pairs = (instr_log2_bits == 2'd0) ? 2'd0 : instr_log2_bits - 2'd1;
  assign instr_pool       = instr_i[1:0] == 2'd1;  // opcodes 0x10 CONV, 0x11 MAX_POOL, 0x12 DEPTHWISE, 0x13 ADD
  assign instr_channel    = instr_i[1];

  // a tile's last entry may be followed at once by the next tile's first
  assign tile_ready_o = (!active_q || (load && last_pair && last_col && last_row && last_block))
                        && !(first_i && hold_i);
  assign take   = tile_valid_i && tile_ready_o;
  assign busy_o = active_q || req_valid_q;

  // where the loops start for the tile that is taken
  logic [15:0] start_base, start_stride;
  logic [1:0]  start_log2_pairs;
  logic        start_down;
  assign start_base       = first_i ? instr_i[7*32+:16] : base_q;
  assign start_stride     = first_i ? instr_i[7*32+16+:16] : stride_q;
  assign start_log2_pairs = first_i ? instr_log2_pairs : log2_pairs_q;
  assign start_down       = first_i ? instr_pool || instr_channel : down;

  // ring position of a window's word: its first row, a kernel row further, at column ix + dx
  function automatic logic [15:0] position(input logic [15:0] row, input logic [15:0] tap_row,
                                           input logic [15:0] ring, input logic [15:0] ix, input logic [15:0] dx);
    logic [16:0] sum;
    sum = {1'b0, row} + {1'b0, tap_row};
    if (sum >= {1'b0, ring}) sum = sum - {1'b0, ring};
    position = sum[15:0] + ix + dx;
  endfunction

  function automatic logic [15:0] banked(input logic [15:0] place, input logic spread);
    banked = {place[15:BankWidth], BankWidth'({ring_pkg::bank(place, BankWidth, spread)})};
  endfunction

  function automatic logic inside_image(input logic signed [15:0] start, input logic signed [15:0] offset,
                                        input logic signed [16:0] size);
    logic signed [16:0] sum;
    sum = 17'(start) + 17'(offset);
    inside_image = sum >= 17'sd0 && sum < size;
  endfunction

  always_ff @(posedge clk_i) begin
    if (load) begin
      for (int p = 0; p < P; p++) begin
        req_position_q[16*p+:16] <= second_q ? banked((row2_q << BankWidth) + 16'(p), spread2_q)
            : banked(position(lane_row_q[16*p+:16], tap_row_q, ring_q, lane_ix_q[16*p+:16], dx_q), spread_q);
        req_pending_q[p] <= valid_q[p] && (second_q || (inside_image(lane_iy_q[16*p+:16], dy_q, height_q)
                                                        && inside_image(lane_ix_q[16*p+:16], dx_q, width_q)));
      end
      req_new_q        <= 1'b1;
      req_word_q       <= word_q;
      req_upper_q      <= channel_q ? upper_q : block_q[0];
      req_last_block_q <= last_block;
      req_pair_q       <= pair_q;
      req_one_half_q   <= one_half_q;
      req_zero_code_q  <= zero_code_q;
      req_tail_q       <= tail_q;
      req_valid_q      <= 1'b1;

      // taps: within a pair of a channel, else behind the last pair
      if (channel_q || last_pair) begin
        kx_q <= last_col ? 8'd0 : kx_q + 8'd1;
        dx_q <= last_col ? 16'sd0 : dx_q + 16'(dilation_x_q);
        if (last_col) begin
          ky_q      <= last_row ? 8'd0 : ky_q + 8'd1;
          dy_q      <= last_row ? 16'sd0 : dy_q + 16'(dilation_y_q);
          tap_row_q <= last_row ? 16'd0 : ring_pkg::wrapped(tap_row_q, tap_row_step_q, ring_q);
        end
      end
      if (channel_q) begin
        if (last_col && last_row) begin
          if (!last_pair) begin
            pair_q <= pair_q - 2'd1;
            word_q <= word_q - (second_q ? stride2_q : stride_q);
          end else begin
            pair_q   <= 2'((4'd1 << log2_pairs_q) - 4'd1);
            word_q   <= base2_q + (stride2_q << log2_pairs_q) - stride2_q;
            block_q  <= block_q + 16'd1;
            second_q <= 1'b1;
            if (last_block) active_q <= 1'b0;
          end
        end
      end else if (!last_pair) begin
        pair_q <= pool_q ? pair_q - 2'd1 : pair_q + 2'd1;
        word_q <= pool_q ? word_q - stride_q : word_q + stride_q;
      end else begin
        pair_q <= pool_q ? 2'((4'd1 << log2_pairs_q) - 4'd1) : 2'd0;
        word_q <= pool_q ? block_base_q + (stride_q << log2_pairs_q) - stride_q : block_base_q;
        if (last_col && last_row) begin
          block_q      <= block_q + 16'd1;
          block_base_q <= next_base(one_half_q && !block_q[0], block_base_q, stride_q, log2_pairs_q);
          word_q       <= next_base(one_half_q && !block_q[0], block_base_q, stride_q, log2_pairs_q)
                          + (pool_q ? (stride_q << log2_pairs_q) - stride_q : 16'd0);
          if (last_block) active_q <= 1'b0;
        end
      end
    end else if (req_valid_q) begin
      req_pending_q <= req_pending_q & ~grant;
      req_new_q     <= 1'b0;
      if (req_done) req_valid_q <= 1'b0;
    end

    if (take) begin
      active_q     <= 1'b1;
      valid_q      <= valid_i;
      lane_row_q   <= row_i;
      lane_iy_q    <= iy_i;
      lane_ix_q    <= ix_i;
      row2_q       <= row2_i;
      if (first_i) begin
        height_q       <= {1'b0, instr_i[2*32+:16]};
        width_q        <= {1'b0, instr_i[2*32+16+:16]};
        kernel_rows_q  <= instr_i[3*32+:8];
        kernel_cols_q  <= instr_i[3*32+8+:8];
        dilation_y_q   <= instr_i[3*32+24+:4];
        dilation_x_q   <= instr_i[3*32+28+:4];
        base_q         <= instr_i[7*32+:16];
        stride_q       <= instr_i[7*32+16+:16];
        ring_q         <= instr_i[8*32+16+:16];
        tap_row_step_q <= instr_i[9*32+16+:16];
        log2_pairs_q   <= instr_log2_pairs;
        one_half_q     <= instr_log2_bits == 2'd0 && !instr_pool && (instr_i[12*32+2+:2] != 2'd0 || instr_channel);
        pool_q         <= instr_pool;
        channel_q      <= instr_channel;
        upper_q        <= instr_i[12*32+9];
        base2_q        <= instr_i[14*32+:16];
        stride2_q      <= instr_i[9*32+16+:16];
        spread_q       <= instr_i[descriptor_pkg::InputSpread];
        spread2_q      <= instr_i[descriptor_pkg::AddSecondSpread];
        zero_code_q    <= instr_i[12*32+16+:8];
        tail_q         <= instr_i[12*32+24+:7];
        blocks_q       <= instr_i[13*32+:16];
      end
      pair_q       <= start_down ? 2'((4'd1 << start_log2_pairs) - 4'd1) : 2'd0;
      second_q     <= 1'b0;
      word_q       <= start_down ? start_base + (start_stride << start_log2_pairs) - start_stride : start_base;
      block_base_q <= start_base;
      block_q      <= 16'd0;
      ky_q         <= 8'd0;
      kx_q         <= 8'd0;
      dy_q         <= 16'sd0;
      dx_q         <= 16'sd0;
      tap_row_q    <= 16'd0;
    end

    refused_q <= (st_valid_i && !st_ready_o) ? refused_q + 2'd1 : 2'd0;

    if (rst_i) begin
      active_q    <= 1'b0;
      req_valid_q <= 1'b0;
      refused_q   <= 2'd0;
    end
  end

  // -- the cycle of the data -----------------------------------------------------------------------------------
  always_ff @(posedge clk_i) begin
    commit_q <= req_done;
    if (req_valid_q) begin
      lane_we_o    <= grant | (req_new_q ? ~req_pending_q : '0);
      lane_pad_o   <= ~grant;
      for (int p = 0; p < P; p++) lane_bank_o[p*BankWidth+:BankWidth] <= req_position_q[16*p+:BankWidth];
      fill_o       <= fill_q;
      one_half_o   <= req_one_half_q;
      upper_half_o <= req_upper_q;
      pair_o       <= req_pair_q;
      last_block_o <= req_last_block_q;
      zero_code_o  <= req_zero_code_q;
      tail_o       <= req_tail_q;
    end else begin
      lane_we_o <= '0;
    end
    if (req_done) fill_q <= fill_q + 1'b1;
    if (entry_pop_i) head_q <= head_q + 1'b1;
    allocated_q <= allocated_q + (EntryWidth + 1)'(load) - (EntryWidth + 1)'(entry_pop_i);
    complete_q  <= complete_q + (EntryWidth + 1)'(commit_q) - (EntryWidth + 1)'(entry_pop_i);
    if (rst_i) begin
      commit_q    <= 1'b0;
      lane_we_o   <= '0;
      fill_q      <= '0;
      head_q      <= '0;
      allocated_q <= '0;
      complete_q  <= '0;
    end
  end
  assign entry_valid_o = (complete_q != '0);
  assign entry_o       = head_q;
endmodule
