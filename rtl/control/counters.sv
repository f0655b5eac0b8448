// SPDX-License-Identifier: Apache-2.0
// The performance counters of registers.json.
// Each event has a small count. A sweep over all of them, one per cycle in record order, adds them to the job's totals,
// which stand in LUT RAM. `take_i` starts the sweep anew, which then also writes the segment's record: the totals less
// those of the take before. `step_i` reads it word by word, never ahead of the sweep. At the job's end the same sweep,
// with `latch_i` in its take, also fills the latched words that registers read. `snapshot_i` latches the totals of the
// next whole sweep, which a take may start, too: within 64 cycles, 96 where a take cuts it off, 128 where START and a take
// do. Takes are more than 32 cycles apart. Reading counters changes no cycle.
//
// Events and takes are seen a cycle late, all alike, so that nothing is counted behind the logic that they come from.
// A record's words are all of the cycle of its take: an event that may occur while its turn is awaited is counted as
// many cycles late as its turn comes. Those are the states and what the record's own words cause on their way to memory;
// all others rest between a segment's end and the next one's start. Of a snapshot in the middle of a job, cycles and
// states are of one cycle, the other words of up to 24 cycles later.
module counters #(
  parameter int P = 8,
  parameter int F = 16
) (
  input  logic        clk_i,
  input  logic        rst_i,
  input  logic        clear_i,     // START
  input  logic        run_i,       // from the cycle after START to the last take
  input  logic        take_i,
  input  logic        latch_i,     // with take_i: the job's end
  input  logic        step_i,      // to the record's next word
  output logic [63:0] word_o,      // of the record; the first one from the second cycle after the take on
  input  logic        snapshot_i,
  output logic        snapshot_busy_o,
  input  logic [4:0]  index_i,
  output logic [63:0] latched_o,   // of the index one cycle ago

  input  logic        array_active_i,
  input  logic        pool_active_i,
  input  logic        channel_active_i,
  input  logic        stall_drain_i,
  input  logic        stall_fetch_i,
  input  logic        stall_load_i,
  input  logic        stall_store_i,
  input  logic        drain_busy_i,
  input  logic        load_busy_i,
  input  logic        store_busy_i,
  input  logic        requantize_i,         // F results
  input  logic [7:0]  activation_reads_i,
  input  logic [7:0]  activation_writes_i,
  input  logic        weight_read_i,        // F words
  input  logic        weight_write_i,
  input  logic        read_beat_i,
  input  logic        write_beat_i,
  input  logic        read_burst_i,
  input  logic        write_burst_i,
  input  logic        descriptor_i
);

  localparam int Count  = registers_pkg::CounterCount;
  localparam int States = registers_pkg::CounterSequencing;  // the states' indices are 1 to States

  // Events between two turns, at most 62 cycles apart: a sweep may start anew just before its end.
  localparam int SmallWidth = 6;
  localparam int WordsWidth = SmallWidth + $clog2(P + 2);  // up to P + 1 words a cycle

  // A counter's turn is its index.
  localparam int BeatsDelay  = registers_pkg::CounterWriteBeats;
  localparam int BurstsDelay = registers_pkg::CounterWriteBursts;

  logic [4:0]  turn_q, turn;
  logic        taking_q, taking;      // this sweep writes a record
  logic        latching_q, latching;  // and, or, the latched words
  logic        pending_q;             // a snapshot is asked for and not latched yet
  logic        fresh_q;               // no take yet
  logic [4:0]  step_q;                // word of the record that is read
  logic [31:0] live_q;                // totals that have been begun since START

  logic [63:0] totals_q [32];
  logic [63:0] taken_q [32];   // the totals at the last take
  logic [63:0] record_q [32];
  logic [63:0] latched_q [32];

  // The exclusive state of this cycle, by its index. Bit i of history k is bit k of the state i + 1 cycles ago.
  logic [3:0]             state;
  logic [States-1:0]      history0_q, history1_q, history2_q, history3_q;
  logic [BeatsDelay-1:0]  write_beats_q;
  logic [BurstsDelay-1:0] write_bursts_q;

  always_comb begin
    if (!run_i) state = 4'd0;
    else if (array_active_i) state = 4'(registers_pkg::CounterArrayActive);
    else if (pool_active_i) state = 4'(registers_pkg::CounterPoolActive);
    else if (channel_active_i) state = 4'(registers_pkg::CounterChannelActive);
    else if (stall_drain_i) state = 4'(registers_pkg::CounterStallDrain);
    else if (stall_fetch_i) state = 4'(registers_pkg::CounterStallFetch);
    else if (stall_load_i) state = 4'(registers_pkg::CounterStallLoad);
    else if (stall_store_i) state = 4'(registers_pkg::CounterStallStore);
    else if (drain_busy_i) state = 4'(registers_pkg::CounterDrainOnly);
    else if (load_busy_i) state = 4'(registers_pkg::CounterLoadOnly);
    else if (store_busy_i) state = 4'(registers_pkg::CounterStoreOnly);
    else state = 4'(registers_pkg::CounterSequencing);
  end

  // State i as it was i cycles ago, for all i at once: bit k of i, of i = 1 upwards.
  localparam logic [States-1:0] Index0 = States'(16'b0101010101010101);
  localparam logic [States-1:0] Index1 = States'(16'b0110011001100110);
  localparam logic [States-1:0] Index2 = States'(16'b0111100001111000);
  localparam logic [States-1:0] Index3 = States'(16'b0111111110000000);
  logic [States-1:0] in_state;
  assign in_state = ~((history0_q ^ Index0) | (history1_q ^ Index1) | (history2_q ^ Index2) | (history3_q ^ Index3));

  // Which events occurred, each a single one; activation words are counted apart.
  logic [Count-1:0] now, occurred, occurred_q;
  logic             late_write_beat, late_write_burst;
  assign late_write_beat  = write_beats_q[BeatsDelay-1];
  assign late_write_burst = write_bursts_q[BurstsDelay-1];
  assign now = Count'(1'b1) << registers_pkg::CounterCycles
      | Count'(load_busy_i)    << registers_pkg::CounterLoadBusy
      | Count'(store_busy_i)   << registers_pkg::CounterStoreBusy
      | Count'(requantize_i)   << registers_pkg::CounterRequantizeOps
      | Count'(weight_read_i)  << registers_pkg::CounterWeightReads
      | Count'(weight_write_i) << registers_pkg::CounterWeightWrites
      | Count'(read_beat_i)    << registers_pkg::CounterReadBeats
      | Count'(read_burst_i)   << registers_pkg::CounterReadBursts
      | Count'(descriptor_i)   << registers_pkg::CounterDescriptors
      | Count'(array_active_i) << registers_pkg::CounterBinaryMacs;
  assign occurred = (run_i ? now : '0)
      | Count'({in_state, 1'b0})
      | Count'(late_write_beat)  << registers_pkg::CounterWriteBeats
      | Count'(late_write_burst) << registers_pkg::CounterWriteBursts;

  // What an event counts for, as a shift.
  function automatic logic [63:0] scaled(input logic [4:0] index, input logic [SmallWidth-1:0] events);
    case (index)
      5'(registers_pkg::CounterRequantizeOps), 5'(registers_pkg::CounterWeightReads): scaled = 64'(events) << $clog2(F);
      5'(registers_pkg::CounterBinaryMacs): scaled = 64'(events) << $clog2(64 * P * F);
      default: scaled = 64'(events);
    endcase
  endfunction

  // Bit i of plane k is bit k of event i's small count, so that all counts step at once. Planes have a bit for each turn.
  localparam logic [31:0] Used = 32'(33'd1 << Count) - 32'd1;
  logic [32*SmallWidth-1:0] planes_q;
  logic [SmallWidth-1:0]    awaited;  // the count whose turn it is
  function automatic logic [32*SmallWidth-1:0] stepped(input logic [32*SmallWidth-1:0] planes, input logic [31:0] others,
                                                       input logic [31:0] events);
    logic [31:0] kept, carry;
    carry = events;
    for (int k = 0; k < SmallWidth; k++) begin
      kept              = planes[32*k+:32] & others;
      stepped[32*k+:32] = kept ^ carry;
      carry             = kept & carry;
    end
  endfunction
  for (genvar k = 0; k < SmallWidth; k++) begin : g_awaited
    logic [31:0] plane;
    assign plane      = planes_q[32*k+:32];
    assign awaited[k] = plane[turn];
  end

  logic [WordsWidth-1:0] reads_q, writes_q;          // between two turns
  logic [WordsWidth-1:0] reads_now_q, writes_now_q;  // in the cycle before
  logic                  take_q, latch_q;
  logic [63:0]           added, total;

  assign turn     = take_q ? 5'd0 : turn_q;
  assign taking   = take_q || taking_q;
  assign latching = take_q ? latch_q || pending_q : latching_q || (pending_q && turn_q == 5'd0);

  always_comb begin
    case (turn)
      5'(registers_pkg::CounterActivationReads):  added = 64'(reads_q);
      5'(registers_pkg::CounterActivationWrites): added = 64'(writes_q);
      default: added = scaled(turn, awaited);
    endcase
    total = (live_q[turn] ? totals_q[turn] : 64'd0) + added;
  end

  always_ff @(posedge clk_i) begin
    history0_q     <= {history0_q[States-2:0], state[0]};
    history1_q     <= {history1_q[States-2:0], state[1]};
    history2_q     <= {history2_q[States-2:0], state[2]};
    history3_q     <= {history3_q[States-2:0], state[3]};
    write_beats_q  <= {write_beats_q[BeatsDelay-2:0], run_i && write_beat_i};
    write_bursts_q <= {write_bursts_q[BurstsDelay-2:0], run_i && write_burst_i};
    occurred_q     <= occurred;
    reads_now_q    <= run_i ? WordsWidth'(activation_reads_i) : '0;
    writes_now_q   <= run_i ? WordsWidth'(activation_writes_i) : '0;
    reads_q  <= ((turn == 5'(registers_pkg::CounterActivationReads)) ? '0 : reads_q) + reads_now_q;
    writes_q <= ((turn == 5'(registers_pkg::CounterActivationWrites)) ? '0 : writes_q) + writes_now_q;
    planes_q       <= stepped(planes_q, Used & ~(32'd1 << turn), 32'(occurred_q));
    totals_q[turn] <= total;
    live_q[turn]   <= 1'b1;
    if (clear_i || rst_i) begin
      planes_q       <= '0;
      occurred_q     <= '0;
      reads_q        <= '0;
      writes_q       <= '0;
      reads_now_q    <= '0;
      writes_now_q   <= '0;
      history0_q     <= '0;
      history1_q     <= '0;
      history2_q     <= '0;
      history3_q     <= '0;
      write_beats_q  <= '0;
      write_bursts_q <= '0;
      live_q         <= '0;
    end
  end

  assign word_o          = record_q[step_q];
  assign snapshot_busy_o = pending_q;

  always_ff @(posedge clk_i) begin
    latched_o <= latched_q[index_i];
    take_q    <= take_i;
    latch_q   <= latch_i;
    turn_q    <= turn + 5'd1;
    if (taking) begin
      taken_q[turn]  <= total;
      record_q[turn] <= total - (fresh_q ? 64'd0 : taken_q[turn]);
    end
    if (latching) latched_q[turn] <= total;
    taking_q   <= taking && turn != 5'd31;
    latching_q <= latching && turn != 5'd31;
    if (taking && turn == 5'd31) fresh_q <= 1'b0;
    if (latching && turn == 5'd31) pending_q <= 1'b0;
    if (snapshot_i) pending_q <= 1'b1;
    if (take_q) step_q <= 5'd0;
    else if (step_i) step_q <= step_q + 5'd1;
    if (clear_i) begin
      latching_q <= 1'b0;
      fresh_q    <= 1'b1;
    end
    if (rst_i) begin
      take_q     <= 1'b0;
      turn_q     <= 5'd0;
      taking_q   <= 1'b0;
      latching_q <= 1'b0;
      pending_q  <= 1'b0;
      fresh_q    <= 1'b1;
    end
  end

`ifndef SYNTHESIS
  logic [31:0] full;  // small counts that are
  always_comb begin
    full = '1;
    for (int k = 0; k < SmallWidth; k++) full = full & planes_q[32*k+:32];
  end
  logic [6:0] pending_for_q;  // cycles since the last request of a snapshot
  always @(posedge clk_i) begin
    pending_for_q <= (rst_i || !pending_q || snapshot_i) ? 7'd0 : pending_for_q + 7'd1;
    if (!rst_i) begin
      assert ((latch_i && !take_i) !== 1'b1) else $error("a job's end without a take");
      assert ((take_i && taking_q) !== 1'b1) else $error("a take before the last one's record is whole");
      assert ((step_i && taking_q && step_q >= turn_q) !== 1'b1) else $error("a record is read ahead of the sweep");
      assert ((run_i && 2'(array_active_i) + 2'(pool_active_i) + 2'(channel_active_i) > 2'd1) !== 1'b1)
        else $error("two units at once");
      assert ((activation_reads_i > 8'(P + 1) || activation_writes_i > 8'(P + 1)) !== 1'b1) else $error("too many words");
      assert ((pending_for_q >= 7'd127) !== 1'b1) else $error("a snapshot takes more than 128 cycles");
      assert ((|(full & 32'(occurred_q) & ~(32'd1 << turn))) !== 1'b1) else $error("an event is lost");
    end
  end
`endif

endmodule
