// SPDX-License-Identifier: Apache-2.0
// The performance counters of registers.json.
//
// The form for simulation: control/counters.sv is what is built, and says what is counted when. Every event is counted at
// once, and totals are only looked at where a sweep writes a record or the latched words. What is counted late there is
// held here from the sweep's first cycle on.
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

  localparam int States = registers_pkg::CounterSequencing;  // the states' indices are 1 to States

  // Counts of events up to two cycles ago, and what occurred in the last one: nothing unless it counted.
  logic [63:0] counts_q [32];
  logic        run_q;
  logic [4:0]  counts_as_q;
  logic        load_busy_q, store_busy_q, requantize_q, weight_read_q, weight_write_q, descriptor_q;
  logic        read_beat_q, write_beat_q, read_burst_q, write_burst_q;
  logic [7:0]  reads_q, writes_q;

  // The sweep.
  logic [4:0]  turn_q, turn;
  logic        taking_q, taking;      // it writes a record
  logic        latching_q, latching;  // and, or, the latched words
  logic        pending_q;             // a snapshot is asked for and not latched yet
  logic        fresh_q;               // no take yet
  logic        take_q, latch_q;
  logic [4:0]  step_q;                // word of the record that is read
  logic [63:0] held_q [32];           // counts in its first cycle
  logic [63:0] taken_q [32];          // totals at the last take
  logic [63:0] record_q [32];
  logic [63:0] latched_q [32];
  logic [63:0] total;

  // A counter's total, in its turn: what it counts for, of the sweep's first cycle where it is counted late.
  function automatic logic [63:0] total_of(input logic [4:0] index, input logic [63:0] held, input logic [63:0] count,
                                           input logic [63:0] array_active);
    case (index)
      5'(registers_pkg::CounterRequantizeOps), 5'(registers_pkg::CounterWeightReads): total_of = count << $clog2(F);
      5'(registers_pkg::CounterBinaryMacs): total_of = array_active << $clog2(64 * P * F);
      5'(registers_pkg::CounterWriteBeats), 5'(registers_pkg::CounterWriteBursts): total_of = held;
      default: total_of = (index <= 5'(States)) ? held : count;
    endcase
  endfunction

  assign turn     = take_q ? 5'd0 : turn_q;
  assign taking   = take_q || taking_q;
  assign latching = take_q ? latch_q || pending_q : latching_q || (pending_q && turn_q == 5'd0);

  logic active;
  assign active = taking || latching_q || pending_q || take_i || step_i || snapshot_i || clear_i || rst_i;

  /* verilator lint_off BLKSEQ */
  always_ff @(posedge clk_i) begin
    latched_o <= latched_q[index_i];
    turn_q    <= turn + 5'd1;
    if (active) begin
      if (taking || latching) begin
        if (turn == 5'd0) for (int i = 0; i < registers_pkg::CounterCount; i++) held_q[i] = counts_q[i];
        total = total_of(turn, held_q[turn], counts_q[turn], counts_q[registers_pkg::CounterArrayActive]);
        if (taking) begin
          taken_q[turn]  <= total;
          record_q[turn] <= total - (fresh_q ? 64'd0 : taken_q[turn]);
        end
        if (latching) latched_q[turn] <= total;
        if (taking && turn == 5'd31) fresh_q <= 1'b0;
        if (latching && turn == 5'd31) pending_q <= 1'b0;
      end
      take_q     <= take_i;
      latch_q    <= latch_i;
      taking_q   <= taking && turn != 5'd31;
      latching_q <= latching && turn != 5'd31;
      if (snapshot_i) pending_q <= 1'b1;
      if (take_q) step_q <= 5'd0;
      else if (step_i) step_q <= step_q + 5'd1;
      if (clear_i || rst_i) begin
        latching_q <= 1'b0;
        fresh_q    <= 1'b1;
      end
      if (rst_i) begin
        take_q    <= 1'b0;
        turn_q    <= 5'd0;
        taking_q  <= 1'b0;
        pending_q <= 1'b0;
      end
    end

    if (run_q) begin
      counts_q[registers_pkg::CounterCycles] = counts_q[registers_pkg::CounterCycles] + 64'd1;
      counts_q[counts_as_q] = counts_q[counts_as_q] + 64'd1;
      counts_q[registers_pkg::CounterLoadBusy]         = counts_q[registers_pkg::CounterLoadBusy] + 64'(load_busy_q);
      counts_q[registers_pkg::CounterStoreBusy]        = counts_q[registers_pkg::CounterStoreBusy] + 64'(store_busy_q);
      counts_q[registers_pkg::CounterRequantizeOps]    = counts_q[registers_pkg::CounterRequantizeOps] + 64'(requantize_q);
      counts_q[registers_pkg::CounterActivationReads]  = counts_q[registers_pkg::CounterActivationReads] + 64'(reads_q);
      counts_q[registers_pkg::CounterActivationWrites] = counts_q[registers_pkg::CounterActivationWrites] + 64'(writes_q);
      counts_q[registers_pkg::CounterWeightReads]      = counts_q[registers_pkg::CounterWeightReads] + 64'(weight_read_q);
      counts_q[registers_pkg::CounterWeightWrites]     = counts_q[registers_pkg::CounterWeightWrites] + 64'(weight_write_q);
      counts_q[registers_pkg::CounterReadBeats]        = counts_q[registers_pkg::CounterReadBeats] + 64'(read_beat_q);
      counts_q[registers_pkg::CounterWriteBeats]       = counts_q[registers_pkg::CounterWriteBeats] + 64'(write_beat_q);
      counts_q[registers_pkg::CounterReadBursts]       = counts_q[registers_pkg::CounterReadBursts] + 64'(read_burst_q);
      counts_q[registers_pkg::CounterWriteBursts]      = counts_q[registers_pkg::CounterWriteBursts] + 64'(write_burst_q);
      counts_q[registers_pkg::CounterDescriptors]      = counts_q[registers_pkg::CounterDescriptors] + 64'(descriptor_q);
    end

    run_q = run_i;
    if (run_i) begin
      if (array_active_i) counts_as_q = 5'(registers_pkg::CounterArrayActive);
      else if (pool_active_i) counts_as_q = 5'(registers_pkg::CounterPoolActive);
      else if (channel_active_i) counts_as_q = 5'(registers_pkg::CounterChannelActive);
      else if (stall_drain_i) counts_as_q = 5'(registers_pkg::CounterStallDrain);
      else if (stall_fetch_i) counts_as_q = 5'(registers_pkg::CounterStallFetch);
      else if (stall_load_i) counts_as_q = 5'(registers_pkg::CounterStallLoad);
      else if (stall_store_i) counts_as_q = 5'(registers_pkg::CounterStallStore);
      else if (drain_busy_i) counts_as_q = 5'(registers_pkg::CounterDrainOnly);
      else if (load_busy_i) counts_as_q = 5'(registers_pkg::CounterLoadOnly);
      else if (store_busy_i) counts_as_q = 5'(registers_pkg::CounterStoreOnly);
      else counts_as_q = 5'(registers_pkg::CounterSequencing);
      load_busy_q    = load_busy_i;
      store_busy_q   = store_busy_i;
      requantize_q   = requantize_i;
      reads_q        = activation_reads_i;
      writes_q       = activation_writes_i;
      weight_read_q  = weight_read_i;
      weight_write_q = weight_write_i;
      read_beat_q    = read_beat_i;
      write_beat_q   = write_beat_i;
      read_burst_q   = read_burst_i;
      write_burst_q  = write_burst_i;
      descriptor_q   = descriptor_i;
    end

    if (active && (clear_i || rst_i)) begin
      run_q = 1'b0;
      for (int i = 0; i < 32; i++) counts_q[i] = 64'd0;
      for (int i = 0; i < 32; i++) held_q[i] = 64'd0;
    end
  end
  /* verilator lint_on BLKSEQ */

  assign word_o          = record_q[step_q];
  assign snapshot_busy_o = pending_q;

endmodule
