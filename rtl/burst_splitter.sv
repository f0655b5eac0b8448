// Cuts a run of 8-byte words into AXI INCR bursts of at most 16 beats that do not cross a 4 KB boundary.
// One burst per cycle, also from one run to the next; latency 1 cycle. A run has at least one word.
module burst_splitter (
  input  logic        clk_i,
  input  logic        rst_i,
  input  logic        run_valid_i,
  output logic        run_ready_o,
  input  logic [31:0] run_address_i,  // bytes, a multiple of 8
  input  logic [31:0] run_words_i,
  input  logic        run_last_i,     // comes out with the run's last burst
  output logic        burst_valid_o,
  input  logic        burst_ready_i,
  output logic [31:0] burst_address_o,
  output logic [3:0]  burst_length_o,  // beats - 1, as in AxLEN
  output logic        burst_last_o
);

  logic        busy_q;
  logic [28:0] word_q;
  logic [31:0] left_q;
  logic        last_q;

  logic [4:0]  to_boundary;  // beats, where the boundary is near
  logic [4:0]  beats;
  logic        final_burst;

  assign to_boundary = (word_q[8:4] == 5'h1f) ? 5'd16 - {1'b0, word_q[3:0]} : 5'd16;
  assign final_burst = left_q <= {27'd0, to_boundary};
  assign beats       = final_burst ? left_q[4:0] : to_boundary;

  assign run_ready_o     = !busy_q || (burst_ready_i && final_burst);
  assign burst_valid_o   = busy_q;
  assign burst_address_o = {word_q, 3'd0};
  assign burst_length_o  = 4'(beats - 5'd1);
  assign burst_last_o    = last_q && final_burst;

  always_ff @(posedge clk_i) begin
    if (run_ready_o) begin
      busy_q <= run_valid_i;
      if (run_valid_i) begin
        word_q <= run_address_i[31:3];
        left_q <= run_words_i;
        last_q <= run_last_i;
      end
    end else if (burst_ready_i) begin
      word_q <= word_q + {24'd0, beats};
      left_q <= left_q - {27'd0, beats};
    end
    if (rst_i) busy_q <= 1'b0;
  end

  logic unused_bits;
  assign unused_bits = ^run_address_i[2:0];

endmodule
