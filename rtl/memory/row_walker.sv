// SPDX-License-Identifier: Apache-2.0
// Walks the words of rows of a tensor: position within word within row (docs/accelerator.md, LOAD_ACT and STORE), each
// `repeat_i` times in succession.
// `load_i` takes the shape and starts at the first word; `step_i` goes on by one, both in the same cycle are `load_i`.
// Outputs are registers, except `last_o`, which counts where `step_i` is: this word is the shape's last.
module row_walker (
  input  logic        clk_i,
  input  logic        load_i,
  input  logic [15:0] rows_i,
  input  logic [15:0] width_i,        // positions per row
  input  logic [15:0] words_i,        // words per position
  input  logic [15:0] pitch_i,        // positions from row to row
  input  logic [15:0] base_i,
  input  logic [15:0] stride_i,       // from word to word
  input  logic [15:0] start_i,        // first position
  input  logic [15:0] ring_i,         // positions
  input  logic [3:0]  repeat_i,       // at least 1
  input  logic        step_i,
  output logic [15:0] position_o,     // row's start + x; the start wraps at the ring size
  output logic [15:0] word_base_o,    // base + word * stride
  output logic        last_o
);

  logic [15:0] width_q, width_left_q;
  logic [15:0] words_q, words_left_q;
  logic [15:0] rows_left_q;
  logic [15:0] pitch_q;
  logic [15:0] base_q;
  logic [15:0] stride_q;
  logic [15:0] ring_q;
  logic [15:0] row_start_q;
  logic [15:0] position_q;
  logic [15:0] word_base_q;
  logic [3:0]  repeat_q, repeat_left_q;
  logic        last_repeat;
  logic        last_position;
  logic        last_word;

  always_comb begin
    last_repeat   = 1'b0;
    last_position = 1'b0;
    last_word     = 1'b0;
    last_o        = 1'b0;
    if (evaluation_pkg::Always || step_i) begin
      last_repeat   = repeat_left_q == 4'd1;
      last_position = width_left_q == 16'd1;
      last_word     = words_left_q == 16'd1;
      last_o        = last_repeat && last_position && last_word && rows_left_q == 16'd1;
    end
  end
  assign position_o    = position_q;
  assign word_base_o   = word_base_q;

  always_ff @(posedge clk_i) begin
    if (step_i && !load_i) begin
      repeat_left_q <= last_repeat ? repeat_q : repeat_left_q - 4'd1;
      if (last_repeat && !last_position) begin
        position_q   <= position_q + 16'd1;
        width_left_q <= width_left_q - 16'd1;
      end else if (last_repeat) begin
        width_left_q <= width_q;
        if (!last_word) begin
          position_q   <= row_start_q;
          words_left_q <= words_left_q - 16'd1;
          word_base_q  <= word_base_q + stride_q;
        end else begin
          position_q   <= ring_pkg::wrapped(row_start_q, pitch_q, ring_q);
          row_start_q  <= ring_pkg::wrapped(row_start_q, pitch_q, ring_q);
          words_left_q <= words_q;
          word_base_q  <= base_q;
          rows_left_q  <= rows_left_q - 16'd1;
        end
      end
    end
    if (load_i) begin
      width_q      <= width_i;
      width_left_q <= width_i;
      words_q      <= words_i;
      words_left_q <= words_i;
      rows_left_q  <= rows_i;
      pitch_q      <= pitch_i;
      base_q       <= base_i;
      word_base_q  <= base_i;
      stride_q     <= stride_i;
      ring_q       <= ring_i;
      row_start_q  <= start_i;
      position_q   <= start_i;
      repeat_q      <= repeat_i;
      repeat_left_q <= repeat_i;
    end
  end

endmodule
