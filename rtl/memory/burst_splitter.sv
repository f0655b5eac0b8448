// SPDX-License-Identifier: Apache-2.0
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
  logic [4:0]  beats_q;   // of the present burst
  logic        final_q;   // it is the run's last

  // Beats up to the next boundary, where that is near.
  function automatic logic [4:0] reach(input logic [8:0] word);
    reach = (word[8:4] == 5'h1f) ? 5'd16 - {1'b0, word[3:0]} : 5'd16;
  endfunction

  function automatic logic fits(input logic [8:0] word, input logic [31:0] left);
    fits = left <= {27'd0, reach(word)};
  endfunction

  function automatic logic [4:0] length(input logic [8:0] word, input logic [31:0] left);
    length = fits(word, left) ? left[4:0] : reach(word);
  endfunction

  logic [28:0] next_word;
  logic [31:0] next_left;

  always_comb begin
    next_word = '0;
    next_left = '0;
    if (evaluation_pkg::Always || busy_q) begin
      next_word = word_q + {24'd0, beats_q};
      next_left = left_q - {27'd0, beats_q};
    end
  end
  assign run_ready_o     = !busy_q || (burst_ready_i && final_q);
  assign burst_valid_o   = busy_q;
  assign burst_address_o = {word_q, 3'd0};
  assign burst_length_o  = 4'(beats_q - 5'd1);
  assign burst_last_o    = last_q && final_q;

  always_ff @(posedge clk_i) begin
    if (run_ready_o) begin
      busy_q <= run_valid_i;
      if (run_valid_i) begin
        word_q  <= run_address_i[31:3];
        left_q  <= run_words_i;
        last_q  <= run_last_i;
        beats_q <= length(run_address_i[11:3], run_words_i);
        final_q <= fits(run_address_i[11:3], run_words_i);
      end
    end else if (burst_ready_i) begin
      word_q  <= next_word;
      left_q  <= next_left;
      beats_q <= length(next_word[8:0], next_left);
      final_q <= fits(next_word[8:0], next_left);
    end
    if (rst_i) busy_q <= 1'b0;
  end

  logic unused_bits;
  assign unused_bits = ^run_address_i[2:0];

`ifndef SYNTHESIS
  always @(posedge clk_i) begin
    if (!rst_i) begin
      assert ((run_valid_i && run_words_i == 32'd0) !== 1'b1) else $error("a run of no words");
      assert ((run_valid_i && run_address_i[2:0] != 3'd0) !== 1'b1) else $error("a run at byte %h", run_address_i);
    end
  end
`endif

endmodule
