// SPDX-License-Identifier: Apache-2.0
// Synchronous first-in first-out buffer with valid/ready on both sides.
// Latency 1 cycle, one word per cycle; ready does not depend on the other side's ready of the same cycle, so it cuts
// both handshake paths; valid and ready are registers.
module fifo #(
  parameter int Width = 64,
  parameter int Depth = 4
) (
  input  logic             clk_i,
  input  logic             rst_i,
  input  logic             valid_i,
  output logic             ready_o,
  input  logic [Width-1:0] data_i,
  output logic             valid_o,
  input  logic             ready_i,
  output logic [Width-1:0] data_o
);

  localparam int Bits = $clog2(Depth);

  if (Depth < 2 || (Depth & (Depth - 1)) != 0) begin : g_depth
    Depth_must_be_a_power_of_two u_refused ();
  end

  logic [Width-1:0] words_q [Depth];
  logic [Bits-1:0]  head_q;
  logic [Bits-1:0]  tail_q;
  logic             push;
  logic             pop;

  assign push   = valid_i && ready_o;
  assign pop    = valid_o && ready_i;
  assign data_o = words_q[head_q];

  always_ff @(posedge clk_i) begin
    if (evaluation_pkg::Always || push || pop || rst_i) begin
      if (push != pop) begin
        valid_o <= push || head_q + 1'b1 != tail_q;
        ready_o <= pop || tail_q + 1'b1 != head_q;
      end
      if (pop) head_q <= head_q + 1'b1;
      if (push) begin
        words_q[tail_q] <= data_i;
        tail_q          <= tail_q + 1'b1;
      end
      if (rst_i) begin
        valid_o <= 1'b0;
        ready_o <= 1'b1;
        head_q  <= '0;
        tail_q  <= '0;
      end
    end
  end

endmodule
