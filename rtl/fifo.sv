// Synchronous first-in first-out buffer with valid/ready on both sides.
// Latency 1 cycle, one word per cycle; ready does not depend on the other side's ready of the same cycle, so it cuts
// both handshake paths. Depth must be a power of two.
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

  logic [Width-1:0] words_q [Depth];
  logic [Bits:0]    head_q;  // one bit more than an index: full and empty differ
  logic [Bits:0]    tail_q;

  assign valid_o = head_q != tail_q;
  assign ready_o = (head_q ^ tail_q) != (Bits + 1)'(Depth);
  assign data_o  = words_q[head_q[Bits-1:0]];

  always_ff @(posedge clk_i) begin
    if (valid_i && ready_o) begin
      words_q[tail_q[Bits-1:0]] <= data_i;
      tail_q <= tail_q + 1'b1;
    end
    if (valid_o && ready_i) head_q <= head_q + 1'b1;
    if (rst_i) begin
      head_q <= '0;
      tail_q <= '0;
    end
  end

  initial begin
    if (Depth < 2 || (Depth & (Depth - 1)) != 0) $fatal(1, "fifo: Depth must be a power of two");
  end

endmodule
