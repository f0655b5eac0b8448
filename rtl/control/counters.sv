// The performance counters of registers.json.
// Counts run for the whole job. `take_i` copies them to a shadow; then 32 pulses of `step_i` shift the shadow out on
// `word_o`, less what it was at the take before: the segment's record. At the job's end the same walk, with `latch_i`
// in its take, also fills the latched words that registers read.
// `snapshot_i` latches the running counts without touching them; a take puts it off, so that reading counters never
// changes a cycle.
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
  input  logic        step_i,
  output logic [63:0] word_o,
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

  localparam int Count = registers_pkg::CounterCount;

  logic [63:0] cycles_q, array_active_q, pool_active_q, channel_active_q, stall_drain_q;
  logic [63:0] stall_fetch_q, stall_load_q, stall_store_q, drain_only_q;
  logic [63:0] load_only_q, store_only_q, sequencing_q, load_busy_q;
  logic [63:0] store_busy_q, requantize_ops_q, activation_reads_q, activation_writes_q;
  logic [63:0] weight_reads_q, weight_writes_q, read_beats_q, write_beats_q;
  logic [63:0] read_bursts_q, write_bursts_q, descriptors_q;

  logic [64*Count-1:0] shadow_q;    // a shift register towards index 0
  logic                shift;
  logic                copy;

  // Walks: a record's (paced by `step_i`) or a snapshot's (one word per cycle).
  logic        pending_q;   // a snapshot is asked for and not latched yet
  logic        snapping_q;  // its walk is under way
  logic        walking_q;   // a record's walk is under way
  logic        latching_q;  // and it is the job's last
  logic [4:0]  index_q;
  logic        fresh_q;     // no take yet: the counts began at zero
  logic        snap;
  logic [63:0] taken_q [32];  // the counts at the last take
  logic [63:0] latched_q [32];

  assign snap            = pending_q && !snapping_q && !walking_q && !take_i && !clear_i;
  assign copy            = take_i || snap;
  assign shift           = walking_q ? step_i : snapping_q;
  assign word_o          = shadow_q[63:0] - (fresh_q ? 64'd0 : taken_q[index_q]);
  assign snapshot_busy_o = pending_q;

  always_ff @(posedge clk_i) begin
    if (copy) begin
      shadow_q[64*registers_pkg::CounterCycles+:64]           <= cycles_q;
      shadow_q[64*registers_pkg::CounterArrayActive+:64]      <= array_active_q;
      shadow_q[64*registers_pkg::CounterPoolActive+:64]       <= pool_active_q;
      shadow_q[64*registers_pkg::CounterChannelActive+:64]    <= channel_active_q;
      shadow_q[64*registers_pkg::CounterStallDrain+:64]       <= stall_drain_q;
      shadow_q[64*registers_pkg::CounterStallFetch+:64]       <= stall_fetch_q;
      shadow_q[64*registers_pkg::CounterStallLoad+:64]        <= stall_load_q;
      shadow_q[64*registers_pkg::CounterStallStore+:64]       <= stall_store_q;
      shadow_q[64*registers_pkg::CounterDrainOnly+:64]        <= drain_only_q;
      shadow_q[64*registers_pkg::CounterLoadOnly+:64]         <= load_only_q;
      shadow_q[64*registers_pkg::CounterStoreOnly+:64]        <= store_only_q;
      shadow_q[64*registers_pkg::CounterSequencing+:64]       <= sequencing_q;
      shadow_q[64*registers_pkg::CounterLoadBusy+:64]         <= load_busy_q;
      shadow_q[64*registers_pkg::CounterStoreBusy+:64]        <= store_busy_q;
      shadow_q[64*registers_pkg::CounterRequantizeOps+:64]    <= requantize_ops_q;
      shadow_q[64*registers_pkg::CounterActivationReads+:64]  <= activation_reads_q;
      shadow_q[64*registers_pkg::CounterActivationWrites+:64] <= activation_writes_q;
      shadow_q[64*registers_pkg::CounterWeightReads+:64]      <= weight_reads_q;
      shadow_q[64*registers_pkg::CounterWeightWrites+:64]     <= weight_writes_q;
      shadow_q[64*registers_pkg::CounterReadBeats+:64]        <= read_beats_q;
      shadow_q[64*registers_pkg::CounterWriteBeats+:64]       <= write_beats_q;
      shadow_q[64*registers_pkg::CounterReadBursts+:64]       <= read_bursts_q;
      shadow_q[64*registers_pkg::CounterWriteBursts+:64]      <= write_bursts_q;
      shadow_q[64*registers_pkg::CounterDescriptors+:64]      <= descriptors_q;
      shadow_q[64*registers_pkg::CounterBinaryMacs+:64]       <= array_active_q << $clog2(64 * P * F);
    end else if (shift) begin
      shadow_q <= {64'd0, shadow_q[64*Count-1:64]};
    end

    if (run_i) begin
      cycles_q <= cycles_q + 64'd1;
      // one of the exclusive states, by priority
      if (array_active_i) array_active_q <= array_active_q + 64'd1;
      else if (pool_active_i) pool_active_q <= pool_active_q + 64'd1;
      else if (channel_active_i) channel_active_q <= channel_active_q + 64'd1;
      else if (stall_drain_i) stall_drain_q <= stall_drain_q + 64'd1;
      else if (stall_fetch_i) stall_fetch_q <= stall_fetch_q + 64'd1;
      else if (stall_load_i) stall_load_q <= stall_load_q + 64'd1;
      else if (stall_store_i) stall_store_q <= stall_store_q + 64'd1;
      else if (drain_busy_i) drain_only_q <= drain_only_q + 64'd1;
      else if (load_busy_i) load_only_q <= load_only_q + 64'd1;
      else if (store_busy_i) store_only_q <= store_only_q + 64'd1;
      else sequencing_q <= sequencing_q + 64'd1;
      // events
      if (load_busy_i) load_busy_q <= load_busy_q + 64'd1;
      if (store_busy_i) store_busy_q <= store_busy_q + 64'd1;
      if (requantize_i) requantize_ops_q <= requantize_ops_q + 64'(F);
      if (activation_reads_i != 8'd0) activation_reads_q <= activation_reads_q + {56'd0, activation_reads_i};
      if (activation_writes_i != 8'd0) activation_writes_q <= activation_writes_q + {56'd0, activation_writes_i};
      if (weight_read_i) weight_reads_q <= weight_reads_q + 64'(F);
      if (weight_write_i) weight_writes_q <= weight_writes_q + 64'd1;
      if (read_beat_i) read_beats_q <= read_beats_q + 64'd1;
      if (write_beat_i) write_beats_q <= write_beats_q + 64'd1;
      if (read_burst_i) read_bursts_q <= read_bursts_q + 64'd1;
      if (write_burst_i) write_bursts_q <= write_bursts_q + 64'd1;
      if (descriptor_i) descriptors_q <= descriptors_q + 64'd1;
    end

    if (clear_i || rst_i) begin
      cycles_q            <= 64'd0;
      array_active_q      <= 64'd0;
      pool_active_q       <= 64'd0;
      channel_active_q    <= 64'd0;
      stall_drain_q       <= 64'd0;
      stall_fetch_q       <= 64'd0;
      stall_load_q        <= 64'd0;
      stall_store_q       <= 64'd0;
      drain_only_q        <= 64'd0;
      load_only_q         <= 64'd0;
      store_only_q        <= 64'd0;
      sequencing_q        <= 64'd0;
      load_busy_q         <= 64'd0;
      store_busy_q        <= 64'd0;
      requantize_ops_q    <= 64'd0;
      activation_reads_q  <= 64'd0;
      activation_writes_q <= 64'd0;
      weight_reads_q      <= 64'd0;
      weight_writes_q     <= 64'd0;
      read_beats_q        <= 64'd0;
      write_beats_q       <= 64'd0;
      read_bursts_q       <= 64'd0;
      write_bursts_q      <= 64'd0;
      descriptors_q       <= 64'd0;
    end
  end

  always_ff @(posedge clk_i) begin
    latched_o <= latched_q[index_i];
    if (shift) begin
      index_q <= index_q + 5'd1;
      if (walking_q) taken_q[index_q] <= shadow_q[63:0];
      if (snapping_q || latching_q) latched_q[index_q] <= shadow_q[63:0];
      if (index_q == 5'd31) begin
        if (snapping_q || latching_q) pending_q <= snapshot_i;
        if (walking_q) fresh_q <= 1'b0;
        snapping_q <= 1'b0;
        walking_q  <= 1'b0;
        latching_q <= 1'b0;
      end
    end
    if (snapshot_i) pending_q <= 1'b1;
    if (snap) begin
      snapping_q <= 1'b1;
      index_q    <= 5'd0;
    end
    if (take_i) begin
      walking_q  <= 1'b1;
      latching_q <= latch_i;
      snapping_q <= 1'b0;
      index_q    <= 5'd0;
    end
    if (clear_i) begin
      snapping_q <= 1'b0;
      fresh_q    <= 1'b1;
    end
    if (rst_i) begin
      pending_q  <= 1'b0;
      snapping_q <= 1'b0;
      walking_q  <= 1'b0;
      latching_q <= 1'b0;
      fresh_q    <= 1'b1;
    end
  end

endmodule
