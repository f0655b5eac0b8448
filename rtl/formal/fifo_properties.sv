// SPDX-License-Identifier: Apache-2.0
// What fifo.sv promises: it holds what was pushed and not popped, at most Depth words, and gives it back in order.
// `track_i` picks any one word; the proof follows it from its push to its pop. All inputs are free.
module fifo_properties #(
  parameter int Width = 4,
  parameter int Depth = 8
) (
  input logic             clk_i,
  input logic             rst_i,
  input logic             valid_i,
  input logic [Width-1:0] data_i,
  input logic             ready_i,
  input logic             track_i
);

  localparam int Bits = $clog2(Depth);

  logic             ready;
  logic             valid;
  logic [Width-1:0] data;

  fifo #(
    .Width(Width),
    .Depth(Depth)
  ) dut (
    .clk_i,
    .rst_i,
    .valid_i,
    .ready_o(ready),
    .data_i,
    .valid_o(valid),
    .ready_i,
    .data_o (data)
  );

  // The buffer's own state, for induction.
  (* hierconn *) wire [Bits-1:0] \dut.head_q ;
  (* hierconn *) wire [Bits-1:0] \dut.tail_q ;
  (* hierconn *) wire [Width-1:0] \dut.words_q[0] ;
  (* hierconn *) wire [Width-1:0] \dut.words_q[1] ;
`ifdef DEPTH_4
  (* hierconn *) wire [Width-1:0] \dut.words_q[2] ;
  (* hierconn *) wire [Width-1:0] \dut.words_q[3] ;
`endif
`ifdef DEPTH_8
  (* hierconn *) wire [Width-1:0] \dut.words_q[4] ;
  (* hierconn *) wire [Width-1:0] \dut.words_q[5] ;
  (* hierconn *) wire [Width-1:0] \dut.words_q[6] ;
  (* hierconn *) wire [Width-1:0] \dut.words_q[7] ;
`endif
  wire [Depth*Width-1:0] words = {
`ifdef DEPTH_8
    \dut.words_q[7] , \dut.words_q[6] , \dut.words_q[5] , \dut.words_q[4] ,
`endif
`ifdef DEPTH_4
    \dut.words_q[3] , \dut.words_q[2] ,
`endif
    \dut.words_q[1] , \dut.words_q[0] };

  logic             seen_q = 1'b0;  // a reset
  logic [Bits:0]    count_q;        // words inside
  logic             tracked_q = 1'b0;
  logic [Bits:0]    ahead_q;        // words before the tracked one
  logic [Width-1:0] word_q;
  logic             waits_q = 1'b0; // a word was offered and not taken
  logic [Width-1:0] offer_q;
  logic             push;
  logic             pop;
  logic [Bits-1:0]  place;

  assign push  = valid_i && ready;
  assign pop   = valid && ready_i;
  assign place = \dut.head_q + ahead_q[Bits-1:0];

  always @(posedge clk_i) begin
    seen_q  <= 1'b1;
    count_q <= count_q + 4'(push) - 4'(pop);
    if (tracked_q && pop) begin
      ahead_q <= ahead_q - 1'b1;
      if (ahead_q == 0) tracked_q <= 1'b0;
    end
    if (!tracked_q && push && track_i) begin
      tracked_q <= 1'b1;
      ahead_q   <= count_q - 4'(pop);
      word_q    <= data_i;
    end
    waits_q <= valid && !ready_i;
    offer_q <= data;
    if (rst_i) begin
      count_q   <= '0;
      tracked_q <= 1'b0;
      waits_q   <= 1'b0;
    end

    assume (seen_q || rst_i);
    if (seen_q) begin
      assert (32'(count_q) <= Depth);
      assert (valid == (count_q != 0));
      assert (ready == (32'(count_q) != Depth));
      if (tracked_q && ahead_q == 0) assert (valid && data == word_q);
      if (waits_q) assert (valid && data == offer_q);
      // Induction.
      assert (\dut.tail_q == \dut.head_q + count_q[Bits-1:0]);
      if (tracked_q) assert (ahead_q < count_q && words[Width*place+:Width] == word_q);
      if (waits_q) assert (count_q != 0 && words[Width*\dut.head_q +:Width] == offer_q);
    end
  end

endmodule
