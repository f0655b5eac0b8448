// SPDX-License-Identifier: Apache-2.0
// What sequencer.sv promises the engines' queues: an instruction enters one queue, and only one with room. All inputs
// are free, but a queue gets full only by a push.
module sequencer_properties (
  input logic         clk_i,
  input logic         rst_i,
  input logic         start_i,
  input logic [31:0]  base_i,
  input logic [31:0]  job_i,
  input logic         fetch_ready_i,
  input logic         word_valid_i,
  input logic [63:0]  word_i,
  input logic [2:0]   full_i,    // store, compute, load
  input logic [2:0]   done_i,
  input logic         quiet_i,
  input logic         read_error_i,
  input logic         write_error_i,
  input logic         record_ready_i,
  input logic         record_word_ready_i,
  input logic         record_done_i
);

  logic [2:0]   push;
  logic         dispatch;
  logic         fetch_valid;
  logic         record_select, record_valid, record_word_valid;

  sequencer #(
    .P             (2),
    .F             (4),
    .ParameterSlots(4),
    .DescriptorWords(16)
  ) dut (
    .clk_i,
    .rst_i,
    .start_i,
    .base_i,
    .job_i,
    .fetch_valid_o     (fetch_valid),
    .fetch_ready_i,
    .word_valid_i,
    .word_i,
    .load_push_o       (push[0]),
    .compute_push_o    (push[1]),
    .store_push_o      (push[2]),
    .load_full_i       (full_i[0]),
    .compute_full_i    (full_i[1]),
    .store_full_i      (full_i[2]),
    .load_done_i       (done_i[0]),
    .compute_done_i    (done_i[1]),
    .store_done_i      (done_i[2]),
    .quiet_i,
    .read_error_i,
    .write_error_i,
    .dispatch_o        (dispatch),
    .record_select_o   (record_select),
    .record_valid_o    (record_valid),
    .record_ready_i,
    .record_word_valid_o(record_word_valid),
    .record_word_ready_i,
    .record_done_i
  );

  (* hierconn *) wire       \dut.complete_q ;
  (* hierconn *) wire [2:0] \dut.index_q ;
  (* hierconn *) wire       \dut.to_load ;
  (* hierconn *) wire       \dut.to_compute ;
  (* hierconn *) wire       \dut.to_store ;
  (* hierconn *) wire [3:0] \dut.state_q ;
  (* hierconn *) wire       \dut.illegal ;

  localparam logic [3:0] StRun = 4'd3;

  logic       seen_q = 1'b0;
  logic [2:0] push_q, full_q;
  logic [2:0] target;

  assign target = {\dut.to_store , \dut.to_compute , \dut.to_load };

  always @(posedge clk_i) begin
    seen_q <= 1'b1;
    push_q <= push;
    full_q <= full_i;
    assume (seen_q || rst_i);
    assume ((full_i & ~full_q & ~push_q) == 3'd0);
    if (seen_q) begin
      assert ((push & full_i) == 3'd0);
      assert (push == 3'd0 || push == 3'd1 || push == 3'd2 || push == 3'd4);
      assert (dispatch == (push != 3'd0));
      // Induction: room was there for the last word, and nothing was pushed since.
      if (\dut.complete_q ) assert (\dut.index_q == 3'd0 && (target & full_i) == 3'd0);
      if (\dut.complete_q || (\dut.state_q == StRun && \dut.index_q != 3'd0))
        assert ((target == 3'd0 && \dut.illegal ) || target == 3'd1 || target == 3'd2 || target == 3'd4);
      // Records and descriptors never mix: words of a record go only where it has been asked for.
      assert (!record_valid || record_select);
      assert (!record_word_valid || record_select);
    end
  end

endmodule
