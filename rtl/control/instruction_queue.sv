// SPDX-License-Identifier: Apache-2.0
// Instructions of one engine, in order, and the wait check of the first.
// Holds Depth instructions and one in the head register, which is valid 2 cycles after its push. `instr_valid_o` also
// says that the waits are met; once high it stays high until taken, because done counts only grow. The load and store
// engines' own counts need no check (Own*): each moves its words in the order of its instructions and reads nothing that
// it wrote itself. The compute engine fetches for one instruction while it drains the one before, so its own count is
// waited for like the others.
module instruction_queue #(
  parameter int Depth    = 4,
  parameter int Width    = 512,  // bits of an instruction that its engine reads
  parameter bit OwnLoad  = 1'b0,
  parameter bit OwnStore = 1'b0
) (
  input  logic              clk_i,
  input  logic              rst_i,
  input  logic              flush_i,
  input  logic              push_i,           // only while not full
  input  logic [Width-1:0]  push_instr_i,
  output logic              full_o,
  input  logic [15:0]       load_done_i,
  input  logic [15:0]       compute_done_i,
  input  logic [15:0]       store_done_i,
  output logic              instr_valid_o,
  input  logic              instr_ready_i,
  output logic [Width-1:0]  instr_o,
  output logic              waiting_load_o,
  output logic              waiting_compute_o,
  output logic              waiting_store_o
);

  localparam int Bits = $clog2(Depth);

  logic [Width-1:0] instrs_q [Depth];
  logic [Bits:0]    head_q;
  logic [Bits:0]    tail_q;
  logic [Width-1:0] instr_q;
  logic             valid_q;
  logic             take;
  logic             refill;

  assign full_o  = (head_q ^ tail_q) == (Bits + 1)'(Depth);
  assign take    = instr_valid_o && instr_ready_i;
  assign refill  = (!valid_q || take) && head_q != tail_q;

  always_ff @(posedge clk_i) begin
    if (push_i) begin
      instrs_q[tail_q[Bits-1:0]] <= push_instr_i;
      tail_q <= tail_q + 1'b1;
    end
    if (refill) begin
      instr_q <= instrs_q[head_q[Bits-1:0]];
      head_q  <= head_q + 1'b1;
      valid_q <= 1'b1;
    end else if (take) begin
      valid_q <= 1'b0;
    end
    if (rst_i || flush_i) begin
      head_q  <= '0;
      tail_q  <= '0;
      valid_q <= 1'b0;
    end
  end

  // Counts are modulo 2^16: reached while the difference is not negative.
  logic [15:0] load_lead;
  logic [15:0] compute_lead;
  logic [15:0] store_lead;

  assign load_lead         = load_done_i - instr_q[descriptor_pkg::WaitLoad+:16];
  assign compute_lead      = compute_done_i - instr_q[descriptor_pkg::WaitCompute+:16];
  assign store_lead        = store_done_i - instr_q[descriptor_pkg::WaitStore+:16];
  assign waiting_load_o    = valid_q && load_lead[15] && !OwnLoad;
  assign waiting_compute_o = valid_q && compute_lead[15];
  assign waiting_store_o   = valid_q && store_lead[15] && !OwnStore;
  assign instr_valid_o     = valid_q && !waiting_load_o && !waiting_compute_o && !waiting_store_o;
  assign instr_o           = instr_q;

  logic unused_bits;
  assign unused_bits = ^{load_lead[14:0], compute_lead[14:0], store_lead[14:0]};

`ifndef SYNTHESIS
  logic offered_q;  // an instruction was offered and not taken
  always @(posedge clk_i) begin
    offered_q <= instr_valid_o && !instr_ready_i && !flush_i && !rst_i;
    if (!rst_i) begin
      assert ((push_i && full_o) !== 1'b1) else $error("pushed while full");
      assert ((offered_q && !instr_valid_o) !== 1'b1) else $error("an offer is withdrawn");
    end
  end
`endif

endmodule
