// SPDX-License-Identifier: Apache-2.0
// Derives the internal synchronous reset from the reset pin and from the soft reset request.
// Soft reset: `halt_o` stops new bus transactions; when none is under way (`idle_i`), `rst_o` is held for HoldCycles.
// `clear_o` pulses with its first cycle, for registers that outlive it; `busy_o` spans all of it.
module reset_control #(
  parameter int HoldCycles = 8
) (
  input  logic clk_i,
  input  logic rst_ni,
  input  logic soft_reset_i,
  input  logic idle_i,
  output logic rst_o,
  output logic halt_o,
  output logic clear_o,
  output logic busy_o
);

  localparam int Bits = $clog2(HoldCycles);

  logic            rst_q = 1'b1;  // from power-up on
  logic            halt_q;
  logic            hold_q;
  logic [Bits-1:0] left_q;

  assign rst_o   = rst_q;
  assign clear_o = halt_q && idle_i && !hold_q;
  assign halt_o  = halt_q;
  assign busy_o  = halt_q;

  always_ff @(posedge clk_i) begin
    rst_q <= !rst_ni || clear_o || (hold_q && left_q != '0);
    if (soft_reset_i) halt_q <= 1'b1;
    if (clear_o) begin
      hold_q <= 1'b1;
      left_q <= Bits'(HoldCycles - 1);
    end else if (hold_q) begin
      left_q <= left_q - 1'b1;
      if (left_q == '0) begin
        hold_q <= 1'b0;
        halt_q <= 1'b0;
      end
    end
    if (!rst_ni) begin
      halt_q <= 1'b0;
      hold_q <= 1'b0;
    end
  end

endmodule
