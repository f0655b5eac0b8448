// SPDX-License-Identifier: Apache-2.0
// Writes results into the activation banks, one word per cycle and bank: a drained result into the bank of its position,
// a pooled block into the banks of all its lanes at once. Control only; result_lane.sv holds the words.
// Tells when the last word of an instruction has been written.
module plane_writer_ctrl #(
  parameter int P = 8
) (
  input  logic                  clk_i,
  input  logic                  rst_i,
  input  logic                  load_i,
  input  logic [P-1:0]          banks_i,
  input  logic [15:0]           row_i,     // of the first word
  input  logic [15:0]           stride_i,  // from word to word
  input  logic [2:0]            words_i,   // 1, 2 or 4
  input  logic                  last_i,
  input  logic                  quiet_last_i,  // an instruction without results ends
  output logic [P-1:0]          we_o,
  output logic [P*16-1:0]       row_o,
  output logic                  idle_o,
  output logic                  done_o
);
  logic [15:0]    stride_q;
  logic [2*P-1:0] left_q;        // words of a bank after the present one
  logic [2:0]     done_timer_q;

  always_ff @(posedge clk_i) begin
    if (load_i || we_o != '0) begin
      for (int p = 0; p < P; p++) begin
        if (load_i && banks_i[p]) begin
          we_o[p]         <= 1'b1;
          left_q[2*p+:2]  <= 2'(words_i - 3'd1);
          row_o[16*p+:16] <= row_i;
        end else begin
          we_o[p]         <= left_q[2*p+:2] != 2'd0;
          left_q[2*p+:2]  <= (left_q[2*p+:2] == 2'd0) ? 2'd0 : left_q[2*p+:2] - 2'd1;
          row_o[16*p+:16] <= row_o[16*p+:16] + stride_q;
        end
      end
    end
    if (rst_i) begin
      we_o   <= '0;
      left_q <= '0;
    end
  end

  always_ff @(posedge clk_i) begin
    if (load_i) stride_q <= stride_i;
    done_o <= quiet_last_i || (done_timer_q == 3'd1);
    if (load_i && last_i) done_timer_q <= words_i;
    else if (done_timer_q != 3'd0) done_timer_q <= done_timer_q - 3'd1;
    if (rst_i) begin
      done_o       <= 1'b0;
      done_timer_q <= 3'd0;
    end
  end
  assign idle_o = (we_o == '0);

`ifndef SYNTHESIS
  always @(posedge clk_i) begin
    if (!rst_i) begin
      assert ((load_i && words_i != 3'd1 && words_i != 3'd2 && words_i != 3'd4) !== 1'b1)
        else $error("a result of %0d words", words_i);
      for (int p = 0; p < P; p++) begin
        assert ((load_i && banks_i[p] && left_q[2*p+:2] != 2'd0) !== 1'b1) else $error("bank %0d is still written", p);
      end
      assert ((load_i && last_i && done_timer_q > 3'd1) !== 1'b1) else $error("an instruction ends before the last one");
      assert ((quiet_last_i && done_timer_q == 3'd1) !== 1'b1) else $error("two instructions end at once");
    end
  end
`endif
endmodule
