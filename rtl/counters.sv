// The performance counters of registers.json.
// Counts run for the current segment. `take_i` copies them to a shadow and starts the next segment's counts; then 32
// pulses of `step_i` shift the shadow out on `word_o` (the segment's record) and add it to the job's totals. At the
// job's end the same walk, with `latch_i` in its take, also fills the latched words that registers read.
// `snapshot_i` latches totals and running counts without touching them; a take puts it off, so that reading counters
// never changes a cycle.
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
  output logic [47:0] latched_o,   // of the index one cycle ago

  input  logic        array_active_i,
  input  logic        pool_active_i,
  input  logic        stall_drain_i,
  input  logic        stall_fetch_i,
  input  logic        stall_load_i,
  input  logic        stall_store_i,
  input  logic        drain_busy_i,
  input  logic        load_busy_i,
  input  logic        store_busy_i,
  input  logic [7:0]  requantize_ops_i,
  input  logic [7:0]  activation_reads_i,
  input  logic [7:0]  activation_writes_i,
  input  logic [7:0]  weight_reads_i,
  input  logic        weight_write_i,
  input  logic        read_beat_i,
  input  logic        write_beat_i,
  input  logic        read_burst_i,
  input  logic        write_burst_i,
  input  logic        descriptor_i
);

  localparam int Count = registers_pkg::CounterCount;

  // What this cycle adds: one of the exclusive states, by priority, and events.
  logic [Count-1:0] event_now;
  logic             idle_array, idle_compute, idle_stalls, idle_drain, idle_load;

  assign idle_array   = !array_active_i && !pool_active_i;
  assign idle_compute = idle_array && !stall_drain_i && !stall_fetch_i;
  assign idle_stalls  = idle_compute && !stall_load_i && !stall_store_i;
  assign idle_drain   = idle_stalls && !drain_busy_i;
  assign idle_load    = idle_drain && !load_busy_i;

  assign event_now[registers_pkg::CounterCycles]           = run_i;
  assign event_now[registers_pkg::CounterArrayActive]      = run_i && array_active_i;
  assign event_now[registers_pkg::CounterPoolActive]       = run_i && pool_active_i && !array_active_i;
  assign event_now[registers_pkg::CounterStallDrain]       = run_i && stall_drain_i && idle_array;
  assign event_now[registers_pkg::CounterStallFetch]       = run_i && stall_fetch_i && idle_array && !stall_drain_i;
  assign event_now[registers_pkg::CounterStallLoad]        = run_i && stall_load_i && idle_compute;
  assign event_now[registers_pkg::CounterStallStore]       = run_i && stall_store_i && idle_compute && !stall_load_i;
  assign event_now[registers_pkg::CounterDrainOnly]        = run_i && drain_busy_i && idle_stalls;
  assign event_now[registers_pkg::CounterLoadOnly]         = run_i && load_busy_i && idle_drain;
  assign event_now[registers_pkg::CounterStoreOnly]        = run_i && store_busy_i && idle_load;
  assign event_now[registers_pkg::CounterSequencing]       = run_i && !store_busy_i && idle_load;
  assign event_now[registers_pkg::CounterLoadBusy]         = run_i && load_busy_i;
  assign event_now[registers_pkg::CounterStoreBusy]        = run_i && store_busy_i;
  assign event_now[registers_pkg::CounterRequantizeOps]    = run_i && requantize_ops_i != 8'd0;
  assign event_now[registers_pkg::CounterActivationReads]  = run_i && activation_reads_i != 8'd0;
  assign event_now[registers_pkg::CounterActivationWrites] = run_i && activation_writes_i != 8'd0;
  assign event_now[registers_pkg::CounterWeightReads]      = run_i && weight_reads_i != 8'd0;
  assign event_now[registers_pkg::CounterWeightWrites]     = run_i && weight_write_i;
  assign event_now[registers_pkg::CounterReadBeats]        = run_i && read_beat_i;
  assign event_now[registers_pkg::CounterWriteBeats]       = run_i && write_beat_i;
  assign event_now[registers_pkg::CounterReadBursts]       = run_i && read_burst_i;
  assign event_now[registers_pkg::CounterWriteBursts]      = run_i && write_burst_i;
  assign event_now[registers_pkg::CounterDescriptors]      = run_i && descriptor_i;
  assign event_now[registers_pkg::CounterBinaryMacs]       = run_i && array_active_i;

  // The counts, and their shadows: a shift register towards index 0.
  (* mem2reg *) logic [47:0] shadow [Count+1];
  logic                      shift;
  logic                      copy;

  assign shadow[Count] = 48'd0;

  for (genvar i = 0; i < Count; i++) begin : g_cell
    logic [31:0] amount;
    if (i == registers_pkg::CounterRequantizeOps) begin : g_requantize
      assign amount = {24'd0, requantize_ops_i};
    end else if (i == registers_pkg::CounterActivationReads) begin : g_reads
      assign amount = {24'd0, activation_reads_i};
    end else if (i == registers_pkg::CounterActivationWrites) begin : g_writes
      assign amount = {24'd0, activation_writes_i};
    end else if (i == registers_pkg::CounterWeightReads) begin : g_weight_reads
      assign amount = {24'd0, weight_reads_i};
    end else if (i == registers_pkg::CounterBinaryMacs) begin : g_macs
      assign amount = 32'(64 * P * F);
    end else begin : g_one
      assign amount = 32'd1;
    end

    counter_cell u_cell (
      .clk_i,
      .event_i  (event_now[i]),
      .amount_i (amount),
      .restart_i(clear_i || take_i),
      .copy_i   (copy),
      .shift_i  (shift),
      .shadow_i (shadow[i+1]),
      .shadow_o (shadow[i])
    );
  end

  // Walks: a record's (paced by `step_i`) or a snapshot's (one word per cycle).
  logic        pending_q;   // a snapshot is asked for and not latched yet
  logic        snapping_q;  // its walk is under way
  logic        walking_q;   // a record's walk is under way
  logic        latching_q;  // and it is the job's last
  logic [4:0]  index_q;
  logic        fresh_q;     // no totals yet: they count as zero
  logic        first_q;     // `fresh_q` for the current walk
  logic        snap;
  logic [47:0] total_q [32];
  logic [47:0] latched_q [32];
  logic [47:0] sum;

  assign snap            = pending_q && !snapping_q && !walking_q && !take_i && !clear_i;
  assign copy            = take_i || snap;
  assign shift           = walking_q ? step_i : snapping_q;
  assign word_o          = {16'd0, shadow[0]};
  assign sum             = (first_q ? 48'd0 : total_q[index_q]) + shadow[0];
  assign snapshot_busy_o = pending_q;

  always_ff @(posedge clk_i) begin
    if (snapshot_i) pending_q <= 1'b1;
    if (snap) begin
      snapping_q <= 1'b1;
      index_q    <= 5'd0;
      first_q    <= fresh_q;
    end
    if (shift) begin
      index_q <= index_q + 5'd1;
      if (walking_q) total_q[index_q] <= sum;
      if (snapping_q || latching_q) latched_q[index_q] <= sum;
      if (index_q == 5'd31) begin
        if (snapping_q || latching_q) pending_q <= snapshot_i;
        if (walking_q) fresh_q <= 1'b0;
        snapping_q <= 1'b0;
        walking_q  <= 1'b0;
        latching_q <= 1'b0;
      end
    end
    if (take_i) begin
      walking_q  <= 1'b1;
      latching_q <= latch_i;
      snapping_q <= 1'b0;
      index_q    <= 5'd0;
      first_q    <= fresh_q;
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
    end
    latched_o <= latched_q[index_i];
  end

endmodule
