// SPDX-License-Identifier: Apache-2.0
// What burst_splitter.sv promises: the bursts of a run follow each other from its first word to its last, none has
// more than 16 beats or crosses a 4 KB boundary, none could be longer, `last` marks the final burst of a run that has it,
// and an offered burst stands until it is taken. Assumed: a run has at least one word.
module burst_splitter_properties (
  input logic        clk_i,
  input logic        rst_i,
  input logic        run_valid_i,
  input logic [31:0] run_address_i,
  input logic [31:0] run_words_i,
  input logic        run_last_i,
  input logic        burst_ready_i
);

  logic        run_ready;
  logic        burst_valid;
  logic [31:0] burst_address;
  logic [3:0]  burst_length;
  logic        burst_last;

  burst_splitter dut (
    .clk_i,
    .rst_i,
    .run_valid_i,
    .run_ready_o    (run_ready),
    .run_address_i,
    .run_words_i,
    .run_last_i,
    .burst_valid_o  (burst_valid),
    .burst_ready_i,
    .burst_address_o(burst_address),
    .burst_length_o (burst_length),
    .burst_last_o   (burst_last)
  );

  (* hierconn *) wire [31:0] \dut.left_q ;
  (* hierconn *) wire [4:0]  \dut.beats_q ;
  (* hierconn *) wire        \dut.final_q ;
  (* hierconn *) wire        \dut.last_q ;

  logic        seen_q = 1'b0;
  logic        open_q;      // a run is not covered yet
  logic [31:0] address_q;   // of the first word not covered
  logic [31:0] left_q;
  logic        last_q;
  logic [31:0] beats;
  logic [31:0] boundary;    // words to the next 4 KB boundary
  logic        taken;
  logic        waits_q = 1'b0;
  logic [36:0] offer_q;

  assign beats    = {28'd0, burst_length} + 32'd1;
  assign boundary = 32'd512 - {23'd0, address_q[11:3]};
  assign taken    = burst_valid && burst_ready_i;

  always @(posedge clk_i) begin
    seen_q <= 1'b1;
    if (taken) begin
      address_q <= address_q + {beats[28:0], 3'd0};
      left_q    <= left_q - beats;
      if (left_q == beats) open_q <= 1'b0;
    end
    if (run_valid_i && run_ready) begin
      open_q    <= 1'b1;
      address_q <= {run_address_i[31:3], 3'd0};
      left_q    <= run_words_i;
      last_q    <= run_last_i;
    end
    waits_q <= burst_valid && !burst_ready_i;
    offer_q <= {burst_address, burst_length, burst_last};
    if (rst_i) begin
      open_q  <= 1'b0;
      waits_q <= 1'b0;
    end

    assume (seen_q || rst_i);
    assume (!run_valid_i || run_words_i != 32'd0);
    if (seen_q) begin
      assert (burst_valid == open_q);
      if (burst_valid) begin
        assert (burst_address == address_q);
        assert (beats <= 32'd16);
        assert (beats <= boundary);
        assert (beats <= left_q);
        assert (beats == 32'd16 || beats == boundary || beats == left_q);
        assert (burst_last == (last_q && beats == left_q));
        assert (\dut.left_q == left_q && {27'd0, \dut.beats_q } == beats);
        assert (\dut.final_q == (beats == left_q) && \dut.last_q == last_q);
      end
      // The next run is taken when nothing of this one is left behind.
      assert (run_ready == (!open_q || (taken && left_q == beats)));
      if (waits_q) assert (burst_valid && offer_q == {burst_address, burst_length, burst_last});
    end
  end

endmodule
