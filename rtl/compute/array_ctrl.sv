// SPDX-License-Identifier: Apache-2.0
// Sequences the array (CONV), the pooling unit (MAX_POOL) and the channelwise units (DEPTHWISE, ADD) over the entries
// that window_fetch.sv delivers: which weights meet an entry, with which weight, and when a tile is finished. Control
// only.
//
// An entry stays for `w` array cycles (w/2 where activations have 1 bit), one per weight plane, for 32 / ChannelLanes in the
// channelwise units, a pass each, and for one in the pooling unit. Stages: *issue* (this module; pops an entry, reads
// weights), those of the units, *capture* (drain).
module array_ctrl #(
  parameter int P            = 8,
  parameter int F            = 16,
  parameter int WeightRows   = 1024,
  parameter int ChannelLanes = 32,
  localparam int WeightRowWidth = $clog2(WeightRows)
) (
  input  logic               clk_i,
  input  logic               rst_i,
  // tiles, in the order of the entries
  input  logic               tile_valid_i,
  output logic               tile_ready_o,
  input  logic [511:0]       instr_i,
  input  logic               first_i,
  input  logic               last_i,
  input  logic [15:0]        out_row_i,
  input  logic [P-1:0]       valid_i,
  output logic               hold_o,      // the instruction on instr_i has not been taken over
  input  logic               fetch_takes_first_i,
  // entries
  input  logic               entry_valid_i,
  output logic               entry_pop_o,
  // weights, data in the next cycle
  output logic                      weight_re_o,
  output logic [WeightRowWidth-1:0] weight_row_o,
  // multiply stage, with the weights
  output logic               mul_valid_o,
  output logic               mul_first_o,       // start the accumulators anew
  output logic               mul_one_half_o,    // use one half of the weight word, twice
  output logic               mul_upper_half_o,
  output logic               mul_double_upper_o,// the upper half counts twice
  output logic [3:0]         mul_shift_o,       // weight of the lower half's product: 2^shift
  output logic               mul_rowsum_o,      // count the activation word
  output logic [2:0]         mul_rowsum_shift_o,
  output logic               mul_rowsum_full_o, // the word's halves are different channels or planes
  // pooling unit, one cycle after the pop
  output logic               pool_valid_o,
  output logic               pool_first_tap_o,  // first word of a window
  output logic               pool_one_bit_o,
  output logic [1:0]         pool_pair_o,       // of planes: 0 is the least significant and the position's last
  // channelwise units, with the weights
  output logic               channel_valid_o,
  output logic               channel_upper_o,  // second pass
  output logic               channel_first_o,  // start the accumulators anew
  output logic               channel_shift_o,  // first tap of a further pair of planes
  output logic               channel_one_bit_o,
  output logic               channel_unit_o,   // all weights are one
  output logic               channel_product_o,  // they are codes
  output logic               channel_half_o,
  output logic               channel_unsigned_o,
  output logic               channel_start_o,
  output logic [2:0]         channel_slot_o,   // part of the row of weights
  // finished tile: its accumulators are captured when the multiply stage's pipeline has run out
  output logic               finish_o,        // tile of another instruction than MAX_POOL, in its last issue
  output logic               finish_first_o,  // the instruction's first
  output logic               pool_emit_o,     // channel block of a MAX_POOL tile, in its last issue
  output logic               emit_last_o,     // last result of the instruction
  output logic [511:0]       emit_instr_o,
  output logic [15:0]        emit_row_o,      // output position / P
  output logic [15:0]        emit_base_o,     // MAX_POOL: first word of the block
  output logic [P-1:0]       emit_valid_o,
  output logic               finish_quiet_o,  // instruction that is not drained: ends with this issue
  input  logic               drain_ready_i,   // a tile may finish
  input  logic               drain_ready_first_i,  // the first tile of an instruction may finish
  input  logic               drain_idle_i,    // nothing is being drained or written
  // counters
  output logic               array_active_o,
  output logic               pool_active_o,
  output logic               channel_active_o,
  output logic               stall_drain_o,
  output logic               supplied_o,      // the unit has its words: it issues, or waits for the drain
  output logic               busy_o
);
  typedef enum logic [1:0] {StIdle, StRun} state_e;
  // the low bits tell this engine's opcodes apart
  localparam logic [1:0] OpMaxPool   = 2'(descriptor_pkg::OpMaxPool);
  localparam logic [1:0] OpDepthwise = 2'(descriptor_pkg::OpDepthwise);
  localparam logic [1:0] OpAdd       = 2'(descriptor_pkg::OpAdd);
  localparam logic [2:0] LastSlot = (F < 8) ? 3'd0 : 3'(F / 4 - 1);  // taps of a row of depthwise weights, less one

  state_e       state_q;
  logic [511:0] instr_q;
  logic         first_q, last_q, pool_q, channel_q, unit_q, product_q, signed_q, clear_q, drain_q;
  logic [P-1:0] valid_q;
  logic [15:0]  out_row_q;
  logic         hold_q;

  logic [1:0]  log2_act_q, log2_wgt_q, log2_pairs_q;
  logic [2:0]  reps_q;           // last value of rep
  logic [15:0] taps_q, blocks_q; // last values
  logic [15:0] weight_base_q, out_base_q, out_stride_q;

  logic [15:0] tap_q, block_q, weight_q, emit_base_q;
  logic [1:0]  pair_q;
  logic [2:0]  rep_q;
  logic        odd_q, started_q;
  logic [2:0]  slot_q;

  // -- the instruction's constants -----------------------------------------------------------------------------
  logic [1:0] instr_opcode, instr_log2_act, instr_log2_wgt;
  logic       instr_pool, instr_channel;
  assign instr_opcode   = 2'(instr_i[descriptor_pkg::Opcode+:8]);
  assign instr_pool     = instr_opcode == OpMaxPool;
  assign instr_channel  = instr_opcode == OpDepthwise || instr_opcode == OpAdd;
  assign instr_log2_act = instr_i[descriptor_pkg::InputBitsLog2+:2];
  assign instr_log2_wgt = instr_i[descriptor_pkg::ConvWeightBitsLog2+:2];

  // -- issue ---------------------------------------------------------------------------------------------------
  logic [1:0] pairs;  // planes of a position, two by two, less one
  logic last_rep, last_pair, last_tap, last_block, last_issue, block_end, may_end, issue, entry_needed;
  assign last_rep   = (rep_q == reps_q);
  assign pairs      = 2'((4'd1 << log2_pairs_q) - 4'd1);
  assign last_pair  = (pair_q == pairs);
  assign last_tap   = (tap_q == taps_q);
  assign last_block = (block_q == blocks_q);
  assign block_end  = last_rep && last_pair && last_tap;
  assign last_issue = block_end && last_block;

  assign entry_needed = (rep_q == 3'd0);
  always_comb begin
    may_end = 1'b1;
    if (pool_q) begin
      if (block_end) may_end = drain_idle_i;
    end else if (last_issue) begin
      // a first tile brings other parameters and places
      may_end = !drain_q ? drain_idle_i : first_q ? drain_ready_first_i : drain_ready_i;
    end
  end
  logic data_ready;
  assign data_ready  = (state_q == StRun) && (!entry_needed || entry_valid_i);
  assign issue       = data_ready && may_end;
  assign entry_pop_o = issue && entry_needed;

  assign tile_ready_o = (state_q == StIdle) || (issue && last_issue);
  assign hold_o       = hold_q;

  logic take;
  assign take = tile_valid_i && tile_ready_o;

  // a row of weights serves several taps
  assign weight_re_o  = issue && !pool_q &&
                        !(channel_q && (unit_q || !entry_needed || slot_q != 3'd0 || (product_q && tap_q != 16'd0)));
  assign weight_row_o = WeightRowWidth'(weight_q + {13'd0, (log2_act_q == 2'd0) ? rep_q : {1'b0, rep_q[2:1]}});

  assign finish_o       = issue && last_issue && !pool_q && drain_q;
  assign finish_first_o = first_q;
  assign finish_quiet_o = issue && last_issue && !pool_q && !drain_q && last_q;
  assign pool_emit_o    = issue && block_end && pool_q;
  assign emit_last_o    = last_q && last_issue;
  assign emit_instr_o   = instr_q;
  assign emit_row_o     = out_row_q;
  assign emit_base_o    = emit_base_q;
  assign emit_valid_o   = valid_q;
  assign array_active_o = issue && !pool_q && !channel_q;
  assign pool_active_o  = issue && pool_q;
  assign channel_active_o = issue && channel_q;
  assign stall_drain_o  = data_ready && !may_end;
  assign supplied_o     = data_ready;
  assign busy_o         = (state_q == StRun);

  always_ff @(posedge clk_i) begin
    mul_valid_o     <= issue && !pool_q && !channel_q;
    pool_valid_o    <= issue && pool_q;
    channel_valid_o <= issue && channel_q;
    if (issue) begin
      mul_first_o        <= !started_q && clear_q;
      mul_one_half_o     <= (log2_act_q != 2'd0);
      mul_upper_half_o   <= (log2_wgt_q == 2'd0) ? odd_q : rep_q[0];
      mul_double_upper_o <= (log2_act_q != 2'd0) || (log2_wgt_q != 2'd0);
      mul_shift_o        <= {1'b0, pair_q, 1'b0} + ((log2_act_q == 2'd0) ? {rep_q, 1'b0} : {1'b0, rep_q});
      mul_rowsum_o       <= (rep_q == 3'd0);
      mul_rowsum_shift_o <= {pair_q, 1'b0};
      mul_rowsum_full_o  <= (log2_act_q != 2'd0) || (log2_wgt_q == 2'd0);
      pool_first_tap_o   <= (tap_q == 16'd0);
      pool_one_bit_o     <= (log2_act_q == 2'd0);
      pool_pair_o        <= pairs - pair_q;
      channel_upper_o    <= rep_q[0];
      channel_first_o    <= !started_q;
      channel_shift_o    <= (tap_q == 16'd0);
      channel_one_bit_o  <= (log2_act_q == 2'd0);
      channel_unit_o     <= unit_q;
      channel_product_o  <= product_q;
      channel_half_o     <= product_q && tap_q != 16'd0;
      channel_unsigned_o <= taps_q != 16'd0;
      channel_start_o    <= product_q && signed_q && !started_q;
      channel_slot_o     <= slot_q;
      if (!channel_q || last_rep) started_q <= 1'b1;

      rep_q <= last_rep ? 3'd0 : rep_q + 3'd1;
      if (channel_q && last_rep) begin
        // taps innermost, over the same weights for each pair of planes
        tap_q  <= last_tap ? 16'd0 : tap_q + 16'd1;
        slot_q <= (last_tap || slot_q == LastSlot) ? 3'd0 : slot_q + 3'd1;
        if (last_tap) begin
          weight_q <= weight_base_q;
          pair_q   <= last_pair ? 2'd0 : pair_q + 2'd1;
          if (last_pair) block_q <= block_q + 16'd1;
        end else if (slot_q == LastSlot) begin
          weight_q <= weight_q + 16'd1;
        end
      end else if (last_rep) begin
        pair_q <= last_pair ? 2'd0 : pair_q + 2'd1;
        if (last_pair) begin
          tap_q <= last_tap ? 16'd0 : tap_q + 16'd1;
          odd_q <= !odd_q;
          // words per tap and block: w/2; half a word at 1 bit with wider activations; one at 1 bit with 1 bit
          if (log2_wgt_q != 2'd0)      weight_q <= weight_q + (16'd1 << (log2_wgt_q - 2'd1));
          else if (log2_act_q == 2'd0) weight_q <= weight_q + 16'd1;
          else if (odd_q)              weight_q <= weight_q + 16'd1;
          if (last_tap) begin
            block_q     <= block_q + 16'd1;
            emit_base_q <= emit_base_q + (out_stride_q << log2_pairs_q);
          end
        end
      end
      if (last_issue) state_q <= StIdle;
    end

    if (take) begin
      state_q   <= StRun;
      first_q   <= first_i;
      last_q    <= last_i;
      valid_q   <= valid_i;
      out_row_q <= out_row_i;
      tap_q     <= 16'd0;
      block_q   <= 16'd0;
      pair_q    <= 2'd0;
      rep_q     <= 3'd0;
      odd_q     <= 1'b0;
      slot_q    <= 3'd0;
      started_q <= 1'b0;
      weight_q    <= first_i ? instr_i[descriptor_pkg::WeightBase+:16] : weight_base_q;
      emit_base_q <= first_i ? instr_i[descriptor_pkg::OutputBase+:16] : out_base_q;
      if (first_i) begin
        instr_q       <= instr_i;
        pool_q        <= instr_pool;
        channel_q     <= instr_channel;
        unit_q        <= instr_opcode == OpAdd || instr_i[descriptor_pkg::DepthwiseUnit];
        product_q     <= instr_opcode == OpDepthwise && instr_i[descriptor_pkg::DepthwiseProduct];
        signed_q      <= instr_i[descriptor_pkg::DepthwiseSignedInput];
        clear_q       <= instr_i[descriptor_pkg::ConvClear];
        drain_q       <= instr_channel || instr_i[descriptor_pkg::ConvDrain];
        log2_act_q    <= instr_log2_act;
        log2_wgt_q    <= instr_log2_wgt;
        log2_pairs_q  <= (instr_log2_act == 2'd0) ? 2'd0 : instr_log2_act - 2'd1;
        // last rep: w - 1, w/2 - 1 at 1-bit activations, 0 where a word holds one weight plane; of passes
        reps_q        <= instr_channel ? 3'(32 / ChannelLanes - 1) : (instr_pool || instr_log2_wgt == 2'd0) ? 3'd0
                         : 3'((4'd1 << (instr_log2_wgt - {1'b0, instr_log2_act == 2'd0})) - 4'd1);
        taps_q        <= {8'd0, instr_i[descriptor_pkg::KernelHeight+:8]}
                         * {8'd0, instr_i[descriptor_pkg::KernelWidth+:8]} - 16'd1;
        blocks_q      <= instr_i[descriptor_pkg::Blocks+:16] - 16'd1;
        weight_base_q <= instr_i[descriptor_pkg::WeightBase+:16];
        out_base_q    <= instr_i[descriptor_pkg::OutputBase+:16];
        out_stride_q  <= instr_i[descriptor_pkg::OutputStride+:16];
      end
    end

    // between the fetch's taking an instruction and ours, the next one must wait
    if (fetch_takes_first_i) hold_q <= 1'b1;
    else if (take && first_i) hold_q <= 1'b0;

    if (rst_i) begin
      state_q      <= StIdle;
      hold_q       <= 1'b0;
      mul_valid_o     <= 1'b0;
      pool_valid_o    <= 1'b0;
      channel_valid_o <= 1'b0;
    end
  end
endmodule
