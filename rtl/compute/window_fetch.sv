// SPDX-License-Identifier: Apache-2.0
// Fetches the activation words of a tile's windows: for each channel block, kernel row, kernel column and plane pair
// one *entry* of P words, lane p's word for its own output position. Control only: it drives the banks' read ports
// and the entry buffer (activation_buffer.sv), and never sees a word.
//
// A lane outside the image gets the padding word and reads nothing. Lanes whose words lie in one bank are served in
// successive cycles, lowest lane first, so an entry costs as many cycles as its fullest bank; without such conflicts
// one entry per cycle. The store engine may read a bank that no lane wants, and any bank after StoreWait refusals.
// Which lanes share a bank is found as an entry is requested, so that little is left to decide in the cycle of its reads:
// the entry's end, the next one's request and the next tile are one path.
//
// Plane pairs go upwards for CONV and downwards for MAX_POOL, which compares from the most significant plane. For
// DEPTHWISE and ADD they go downwards and outside of the kernel; ADD's operands are blocks, and the second one's
// positions follow each other from a row of their own.
module window_fetch #(
  parameter int P              = 8,
  parameter int Entries        = 4,
  parameter int StoreWait      = 3,
  parameter int ActivationRows = 65536,
  localparam int BankWidth     = $clog2(P),
  localparam int EntryWidth    = $clog2(Entries),
  localparam int RowWidth      = $clog2(ActivationRows)
) (
  input  logic                  clk_i,
  input  logic                  rst_i,
  // tiles from the walker
  input  logic                  tile_valid_i,
  output logic                  tile_ready_o,
  input  logic                  tile_room_i, // behind the fetch
  input  logic [511:0]          instr_i,
  input  logic                  first_i,
  input  logic                  hold_i,      // a new instruction must wait: the one before has not been taken over
  input  logic [P-1:0]          valid_i,
  input  logic [P*16-1:0]       row_i,
  input  logic [P*16-1:0]       start_i,
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
  // the tile and its instruction
  logic               active_q;
  logic [P-1:0]       valid_q;
  logic [P*16-1:0]    lane_row_q, lane_start_q, lane_iy_q, lane_ix_q;
  logic [15:0]        height_q, width_q;
  logic [7:0]         last_ky_q, last_kx_q;
  logic [3:0]         dilation_y_q, dilation_x_q;
  logic [15:0]        start_word_q, stride_q, ring_q, tap_row_step_q, blocks_q;
  logic [1:0]         pairs_q;    // of planes, less one
  logic               one_half_q, pool_q, channel_q, upper_q;
  logic               spread_q, spread2_q;  // banks of the input's ring and of ADD's second operand
  logic [15:0]        row2_q, start_word2_q, stride2_q;
  logic [7:0]         zero_code_q;
  logic [6:0]         tail_q;

  // the next entry to request
  logic [15:0]        blocks_left_q;       // behind this one
  logic               odd_q;               // the second of two blocks
  logic [15:0]        block_word_q, word_q;  // of the first pair of planes; of this one
  logic [15:0]        tap_back_q;          // ring positions from the tap's row back to the window's first one, negative
  logic [15:0]        tap_room_q;          // of the ring behind them: from here on, the tap's row has wrapped
  logic               second_q;            // ADD: the second operand
  logic [7:0]         ky_q, kx_q;
  logic signed [15:0] dy_q, dx_q;
  logic [1:0]         pair_q;

  // the entry under way
  logic                   req_valid_q;
  logic                   req_new_q;      // in its first cycle: lanes outside the image get the padding word
  logic [P-1:0]           req_in_image_q;
  logic [P*P-1:0]         req_waiting_q;  // of each bank, the lanes that wait for it
  logic [P*BankWidth-1:0] req_bank_q;     // of each lane
  logic [P*16-1:0]        req_position_q;
  logic [15:0]            req_word_q;
  logic                   req_upper_q, req_last_block_q;
  logic [1:0]             req_pair_q;
  logic                   req_one_half_q;
  logic [7:0]             req_zero_code_q;
  logic [6:0]             req_tail_q;

  // entries: allocated by a request, complete, in order
  logic [EntryWidth:0]   allocated_q, complete_q;
  logic [EntryWidth-1:0] fill_q, head_q;
  logic                  commit_q;
  logic [1:0]            refused_q;

  // -- the banks' read ports -----------------------------------------------------------------------------------
  logic [P*P-1:0] served, left;  // lanes of each bank: in this cycle, after it
  logic [P-1:0]   grant;         // lanes served
  logic           store_first;
  assign store_first = st_valid_i && (refused_q == 2'(StoreWait));

  // of each bank, all lanes but the lowest: those that have a lower one
  function automatic logic [P*P-1:0] higher(input logic [P*P-1:0] lanes);
    higher = lanes;
    for (int i = 1; i < P; i = 2 * i) higher = higher | ((higher << i) & {P{{P{1'b1}} << i}});
    higher = lanes & (higher << 1) & {P{{P{1'b1}} << 1}};
  endfunction

  always_comb begin
    left       = '0;
    served     = '0;
    grant      = '0;
    st_ready_o = 1'b1;
    if (evaluation_pkg::Always || req_waiting_q != '0) begin
      left = higher(req_waiting_q);
      if (store_first) begin
        for (int b = 0; b < P; b++) if (st_bank_i == BankWidth'(b)) left[P*b+:P] = req_waiting_q[P*b+:P];
      end
      served = req_waiting_q & ~left;
      for (int b = 0; b < P; b++) grant = grant | served[P*b+:P];
      st_ready_o = store_first || req_waiting_q[P*st_bank_i+:P] == '0;
    end
    reads_o = 8'($countones(grant)) + 8'(st_valid_i && st_ready_o);
  end

  // a bank's row is that of the lane which it serves, else the store engine's
  logic [P*16-1:0] place;
  always_comb begin
    place = '0;
    for (int b = 0; b < P; b++) begin
      for (int p = 0; p < P; p++) begin
        if (served[P*b+p]) place[16*b+:16] = place[16*b+:16] | (req_position_q[16*p+:16] >> BankWidth);
      end
      bank_re_o[b] = req_waiting_q[P*b+:P] != '0 || (st_valid_i && st_bank_i == BankWidth'(b));
      bank_row_o[16*b+:16] = (served[P*b+:P] == '0) ? st_row_i : 16'(RowWidth'(req_word_q + place[16*b+:16]));
    end
  end

  // -- the next entry's loops ----------------------------------------------------------------------------------
  logic        request, load, take, down, last_pair, last_col, last_tap, last_block, block_end;
  logic [1:0]  first_pair;
  logic [15:0] next_block_word;
  assign request    = active_q && allocated_q != (EntryWidth + 1)'(Entries);
  assign load       = request && left == '0;
  assign down       = pool_q || channel_q;
  assign first_pair = down ? pairs_q : 2'd0;

  // from a position's word of the lowest planes to that of a pair: 0, 1 or 3
  function automatic logic [15:0] span(input logic [15:0] stride, input logic [1:0] pair);
    span = (pair[0] ? stride : 16'd0) + (pair[1] ? stride << 1 : 16'd0);
  endfunction

  logic two_pairs, four_pairs;
  assign {four_pairs, two_pairs} = pairs_q;

  always_comb begin
    last_pair       = 1'b0;
    last_col        = 1'b0;
    last_tap        = 1'b0;
    last_block      = 1'b0;
    block_end       = 1'b0;
    next_block_word = '0;
    if (evaluation_pkg::Always || request) begin
      last_pair       = pair_q == (down ? 2'd0 : pairs_q);
      last_col        = kx_q == last_kx_q;
      last_tap        = last_col && ky_q == last_ky_q;
      last_block      = blocks_left_q == 16'd0;
      block_end       = last_tap && last_pair;
      next_block_word = block_word_q + ((one_half_q && !odd_q) ? 16'd0 :  // the upper half of the same words
                                        four_pairs ? stride_q << 2 : two_pairs ? stride_q << 1 : stride_q);
    end
  end

  // a tile's last entry may be followed at once by the next tile's first
  assign tile_ready_o = (!active_q || (load && block_end && last_block)) && tile_room_i && !(first_i && hold_i);
  assign take   = tile_valid_i && tile_ready_o;
  assign busy_o = active_q || req_valid_q;

  // where the loops start for the tile that is taken
  // the low bits tell this engine's opcodes apart
  localparam logic [1:0] OpMaxPool   = 2'(descriptor_pkg::OpMaxPool);
  localparam logic [1:0] OpDepthwise = 2'(descriptor_pkg::OpDepthwise);
  localparam logic [1:0] OpAdd       = 2'(descriptor_pkg::OpAdd);
  localparam int TailBits = $clog2(64 + 1);  // of a block's channels (descriptor_check.sv)
  logic [1:0]  instr_opcode, instr_log2_bits, instr_pairs, instr_first_pair;
  logic        instr_pool, instr_channel;
  logic [15:0] instr_base, instr_stride, instr_word, start_word;
  logic [TailBits-1:0] instr_tail;
  assign instr_log2_bits = instr_i[descriptor_pkg::InputBitsLog2+:2];
  assign instr_opcode    = 2'(instr_i[descriptor_pkg::Opcode+:8]);
  assign instr_tail      = TailBits'(instr_i[descriptor_pkg::LastBlockChannels+:8]);
  assign instr_base      = instr_i[descriptor_pkg::InputBase+:16];
  assign instr_stride    = instr_i[descriptor_pkg::InputStride+:16];
  always_comb begin
    instr_pairs      = '0;
    instr_pool       = 1'b0;
    instr_channel    = 1'b0;
    instr_first_pair = '0;
    if (evaluation_pkg::Always || take) begin
      instr_pairs      = (instr_log2_bits == 2'd3) ? 2'd3 : (instr_log2_bits == 2'd2) ? 2'd1 : 2'd0;
      instr_pool       = instr_opcode == OpMaxPool;
      instr_channel    = instr_opcode == OpDepthwise || instr_opcode == OpAdd;
      instr_first_pair = (instr_pool || instr_channel) ? instr_pairs : 2'd0;
    end
  end
  assign instr_word = instr_base + span(instr_stride, instr_first_pair);
  assign start_word = first_i ? instr_word : start_word_q;

  // From the tap back to the window's first row and column, where the tap's row has not wrapped, and where it has.
  logic [15:0] back, back_wrapped;
  logic [16:0] next_room;  // not positive: all lanes wrap
  always_comb begin
    back         = '0;
    back_wrapped = '0;
    next_room    = '0;
    if (evaluation_pkg::Always || request) begin
      back         = tap_back_q - dx_q;
      back_wrapped = tap_room_q - dx_q;
      next_room    = {1'b0, tap_room_q} - {1'b0, tap_row_step_q};
    end
  end

  function automatic logic inside_image(input logic signed [15:0] start, input logic signed [15:0] offset,
                                        input logic [15:0] size);
    logic [16:0] sum;  // negative is beyond any size
    sum = 17'(start) + 17'(offset);
    inside_image = sum < {1'b0, size};
  endfunction

  logic [P*16-1:0]        position;
  logic [P*BankWidth-1:0] bank;
  logic [P-1:0]           in_image;  // not the padding around it
  logic [P*P-1:0]         waiting;
  always_comb begin
    position = '0;
    bank     = '0;
    in_image = '0;
    waiting  = '0;
    if (request) begin  // only then is it simulated
      for (int p = 0; p < P; p++) begin
        position[16*p+:16] = second_q ? (row2_q << BankWidth) + 16'(p)
                             : lane_start_q[16*p+:16] - ((lane_row_q[16*p+:16] >= tap_room_q) ? back_wrapped : back);
        bank[BankWidth*p+:BankWidth] =
            BankWidth'({ring_pkg::bank(position[16*p+:16], BankWidth, second_q ? spread2_q : spread_q)});
        in_image[p] = valid_q[p] && (second_q || (inside_image(lane_iy_q[16*p+:16], dy_q, height_q)
                                                && inside_image(lane_ix_q[16*p+:16], dx_q, width_q)));
        if (in_image[p]) waiting = waiting | ((P*P)'(1) << {bank[BankWidth*p+:BankWidth], BankWidth'(p)});
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (load) begin
      req_position_q   <= position;
      req_word_q       <= word_q;
      req_bank_q       <= bank;
      req_in_image_q   <= in_image;
      req_waiting_q    <= waiting;
      req_new_q        <= 1'b1;
      req_upper_q      <= channel_q ? upper_q : odd_q;
      req_last_block_q <= last_block;
      req_pair_q       <= pair_q;
      req_one_half_q   <= one_half_q;
      req_zero_code_q  <= zero_code_q;
      req_tail_q       <= tail_q;

      // taps: within a pair of a channel, else behind the last pair
      if (channel_q || last_pair) begin
        kx_q <= last_col ? 8'd0 : kx_q + 8'd1;
        dx_q <= last_col ? 16'sd0 : dx_q + 16'(dilation_x_q);
        if (last_col) begin
          ky_q <= last_tap ? 8'd0 : ky_q + 8'd1;
          dy_q <= last_tap ? 16'sd0 : dy_q + 16'(dilation_y_q);
          if (last_tap) begin
            tap_back_q <= 16'd0;
            tap_room_q <= ring_q;
          end else if (next_room[16] || next_room == 17'd0) begin
            tap_back_q <= next_room[15:0];
            tap_room_q <= next_room[15:0] + ring_q;
          end else begin
            tap_back_q <= tap_back_q - tap_row_step_q;
            tap_room_q <= next_room[15:0];
          end
        end
      end
      if (block_end) begin
        pair_q        <= first_pair;
        word_q        <= channel_q ? start_word2_q : next_block_word;
        block_word_q  <= next_block_word;
        blocks_left_q <= blocks_left_q - 16'd1;
        odd_q         <= !odd_q;
        second_q      <= channel_q;
        if (last_block) active_q <= 1'b0;
      end else if (!channel_q || last_tap) begin
        pair_q <= last_pair ? first_pair : down ? pair_q - 2'd1 : pair_q + 2'd1;
        word_q <= last_pair ? block_word_q : down ? word_q - (second_q ? stride2_q : stride_q) : word_q + stride_q;
      end
    end else begin
      req_waiting_q <= left;
      req_new_q     <= 1'b0;
    end
    if (left == '0) req_valid_q <= load;

    if (take) begin
      active_q     <= 1'b1;
      valid_q      <= valid_i;
      lane_row_q   <= row_i;
      lane_start_q <= start_i;
      lane_iy_q    <= iy_i;
      lane_ix_q    <= ix_i;
      row2_q       <= row2_i;
      if (first_i) begin
        height_q       <= instr_i[descriptor_pkg::InputHeight+:16];
        width_q        <= instr_i[descriptor_pkg::InputWidth+:16];
        last_ky_q      <= instr_i[descriptor_pkg::KernelHeight+:8] - 8'd1;
        last_kx_q      <= instr_i[descriptor_pkg::KernelWidth+:8] - 8'd1;
        dilation_y_q   <= instr_i[descriptor_pkg::DilationY+:4];
        dilation_x_q   <= instr_i[descriptor_pkg::DilationX+:4];
        start_word_q   <= instr_word;
        stride_q       <= instr_i[descriptor_pkg::InputStride+:16];
        ring_q         <= instr_i[descriptor_pkg::InputRing+:16];
        tap_row_step_q <= instr_i[descriptor_pkg::StepKernelRow+:16];
        pairs_q        <= instr_pairs;
        one_half_q     <= instr_log2_bits == 2'd0 && !instr_pool
                          && (instr_i[descriptor_pkg::ConvWeightBitsLog2+:2] != 2'd0 || instr_channel);
        pool_q         <= instr_pool;
        channel_q      <= instr_channel;
        upper_q        <= instr_i[descriptor_pkg::DepthwiseUpperHalf];
        start_word2_q  <= instr_i[descriptor_pkg::AddSecondBase+:16]
                          + span(instr_i[descriptor_pkg::AddSecondStride+:16], instr_pairs);
        stride2_q      <= instr_i[descriptor_pkg::AddSecondStride+:16];
        spread_q       <= instr_i[descriptor_pkg::InputSpread];
        spread2_q      <= instr_i[descriptor_pkg::AddSecondSpread];
        zero_code_q    <= instr_i[descriptor_pkg::ZeroCode+:8];
        tail_q         <= instr_tail;
        blocks_q       <= instr_i[descriptor_pkg::Blocks+:16] - 16'd1;
      end
      pair_q        <= first_i ? instr_first_pair : first_pair;
      second_q      <= 1'b0;
      word_q        <= start_word;
      block_word_q  <= start_word;
      blocks_left_q <= first_i ? instr_i[descriptor_pkg::Blocks+:16] - 16'd1 : blocks_q;
      odd_q         <= 1'b0;
      ky_q          <= 8'd0;
      kx_q          <= 8'd0;
      dy_q          <= 16'sd0;
      dx_q          <= 16'sd0;
      tap_back_q    <= 16'd0;
      tap_room_q    <= first_i ? instr_i[descriptor_pkg::InputRing+:16] : ring_q;
    end

    refused_q <= (st_valid_i && !st_ready_o) ? refused_q + 2'd1 : 2'd0;

    if (rst_i) begin
      active_q      <= 1'b0;
      req_valid_q   <= 1'b0;
      req_waiting_q <= '0;
      refused_q     <= 2'd0;
    end
  end

  // -- the cycle of the data -----------------------------------------------------------------------------------
  always_ff @(posedge clk_i) begin
    commit_q <= req_valid_q && left == '0;
    if (req_valid_q) begin
      lane_we_o    <= grant | (req_new_q ? ~req_in_image_q : '0);
      lane_pad_o   <= ~grant;
      lane_bank_o  <= req_bank_q;
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
    if (req_valid_q && left == '0) fill_q <= fill_q + 1'b1;
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

`ifndef SYNTHESIS
  always @(posedge clk_i) begin
    if (!rst_i) begin
      assert ((take && first_i && instr_i[descriptor_pkg::Opcode+:8] != (descriptor_pkg::OpConv | 8'(instr_opcode))) !== 1'b1)
        else $error("opcode %0d is none of this engine's", instr_i[descriptor_pkg::Opcode+:8]);
      assert ((take && first_i && instr_i[descriptor_pkg::LastBlockChannels+:8] != 8'(instr_tail)) !== 1'b1)
        else $error("a block of %0d channels", instr_i[descriptor_pkg::LastBlockChannels+:8]);
    end
  end
`endif
endmodule
