// SPDX-License-Identifier: Apache-2.0
// What instruction_queue.sv promises: instructions leave in the order in which they came, none is lost, one leaves only
// when the other engines have done what it waits for, and an offer stands until it is taken. `track_i` picks any one.
// Assumed: a push only while there is room; done counts grow one by one and stay within 2^14 of what the head waits for.
module instruction_queue_properties (
  input logic        clk_i,
  input logic        rst_i,
  input logic        push_i,
  input logic [63:0] instr_i,
  input logic        ready_i,
  input logic        load_step_i,
  input logic        compute_step_i,
  input logic        store_step_i,
  input logic        track_i
);

  logic         full;
  logic         valid;
  logic [511:0] instr;
  logic         waiting_load, waiting_compute, waiting_store;
  logic [15:0]  load_q, compute_q, store_q;

  instruction_queue #(
    .OwnLoad(1'b1)
  ) dut (
    .clk_i,
    .rst_i,
    .flush_i          (1'b0),
    .push_i,
    .push_instr_i     ({448'd0, instr_i}),
    .full_o           (full),
    .load_done_i      (load_q),
    .compute_done_i   (compute_q),
    .store_done_i     (store_q),
    .instr_valid_o    (valid),
    .instr_ready_i    (ready_i),
    .instr_o          (instr),
    .waiting_load_o   (waiting_load),
    .waiting_compute_o(waiting_compute),
    .waiting_store_o  (waiting_store)
  );

  (* hierconn *) wire [2:0]   \dut.head_q ;
  (* hierconn *) wire [2:0]   \dut.tail_q ;
  (* hierconn *) wire         \dut.valid_q ;
  (* hierconn *) wire [511:0] \dut.instrs_q[0] ;
  (* hierconn *) wire [511:0] \dut.instrs_q[1] ;
  (* hierconn *) wire [511:0] \dut.instrs_q[2] ;
  (* hierconn *) wire [511:0] \dut.instrs_q[3] ;
  wire [255:0] stored = {\dut.instrs_q[3] [63:0], \dut.instrs_q[2] [63:0], \dut.instrs_q[1] [63:0],
                         \dut.instrs_q[0] [63:0]};

  function automatic logic near(input logic [15:0] done, input logic [15:0] goal);
    near = done - goal + 16'h4000 < 16'h8000;
  endfunction

  function automatic logic reached(input logic [15:0] done, input logic [15:0] goal);
    reached = done - goal < 16'h4000;
  endfunction

  logic        seen_q = 1'b0;
  logic [3:0]  count_q;          // instructions inside
  logic        tracked_q = 1'b0;
  logic [3:0]  ahead_q;
  logic [63:0] tracked_instr_q;
  logic        waits_q = 1'b0;
  logic [63:0] offer_q;
  logic        take;
  logic [1:0]  place;

  assign take  = valid && ready_i;
  // The head register's instruction has left the ring.
  assign place = \dut.head_q [1:0] + ahead_q[1:0] - {1'b0, \dut.valid_q };

  always @(posedge clk_i) begin
    seen_q    <= 1'b1;
    load_q    <= load_q + 16'(load_step_i);
    compute_q <= compute_q + 16'(compute_step_i);
    store_q   <= store_q + 16'(store_step_i);
    count_q   <= count_q + 4'(push_i) - 4'(take);
    if (tracked_q && take) begin
      ahead_q <= ahead_q - 4'd1;
      if (ahead_q == 4'd0) tracked_q <= 1'b0;
    end
    if (!tracked_q && push_i && track_i) begin
      tracked_q       <= 1'b1;
      ahead_q         <= count_q - 4'(take);
      tracked_instr_q <= instr_i;
    end
    waits_q <= valid && !ready_i;
    offer_q <= instr[63:0];
    if (rst_i) begin
      count_q   <= 4'd0;
      tracked_q <= 1'b0;
      waits_q   <= 1'b0;
    end

    assume (seen_q || rst_i);
    assume (!push_i || !full);
    if (\dut.valid_q ) begin
      assume (near(compute_q, instr[47:32]));
      assume (near(store_q, instr[63:48]));
    end
    if (seen_q) begin
      assert (count_q <= 4'd5);
      // Room for four besides the head register, which fills one cycle after the ring.
      assert (full == (count_q - 4'(\dut.valid_q ) == 4'd4));
      if (valid) begin
        assert (count_q != 4'd0);
        assert (reached(compute_q, instr[47:32]) && reached(store_q, instr[63:48]));
      end
      // Nothing but the waits holds the head back, and its own engine's count does not.
      if (\dut.valid_q && !valid)
        assert (!reached(compute_q, instr[47:32]) || !reached(store_q, instr[63:48]));
      assert (!waiting_load);
      assert (waiting_compute == (\dut.valid_q && !reached(compute_q, instr[47:32])));
      assert (waiting_store == (\dut.valid_q && !reached(store_q, instr[63:48])));
      if (tracked_q && ahead_q == 4'd0 && valid) assert (instr[63:0] == tracked_instr_q);
      if (waits_q) assert (valid && instr[63:0] == offer_q);
      // Induction.
      assert (3'(\dut.tail_q - \dut.head_q ) == 3'(count_q - 4'(\dut.valid_q )));
      assert (count_q - 4'(\dut.valid_q ) <= 4'd4);
      if (tracked_q) begin
        assert (ahead_q < count_q);
        if (\dut.valid_q && ahead_q == 4'd0) begin
          assert (instr[63:0] == tracked_instr_q);
        end else begin
          assert (stored[64*place+:64] == tracked_instr_q);
        end
      end
    end
  end

endmodule
