// Writes results into the activation banks, one word per cycle and bank: a drained result into the bank of its lane,
// a pooled block into the banks of all its lanes at once. Control only; plane_writer_dpath.sv holds the words.
// Tells when the last word of an instruction has been written.
module plane_writer_ctrl #(
  parameter int P              = 8,
  parameter int ActivationRows = 4096,
  localparam int RowWidth = $clog2(ActivationRows)
) (
  input  logic                  clk_i,
  input  logic                  rst_i,
  input  logic                  load_i,
  input  logic [P-1:0]          lanes_i,
  input  logic [15:0]           row_i,     // of the first word
  input  logic [15:0]           stride_i,  // from word to word
  input  logic [2:0]            words_i,   // 1, 2 or 4
  input  logic                  last_i,
  input  logic                  quiet_last_i,  // an instruction without results ends
  output logic [P-1:0]          we_o,
  output logic [P*RowWidth-1:0] row_o,
  output logic                  idle_o,
  output logic                  done_o
);
  logic [RowWidth-1:0] stride_q;
  logic [2:0]  done_timer_q;

  for (genvar p = 0; p < P; p++) begin : g_bank
    logic [2:0]          left_q;
    logic [RowWidth-1:0] row_q;
    assign we_o[p] = (left_q != 3'd0);
    assign row_o[p*RowWidth+:RowWidth] = row_q;
    always_ff @(posedge clk_i) begin
      if (load_i && lanes_i[p]) begin
        left_q <= words_i;
        row_q  <= RowWidth'(row_i);
      end else if (left_q != 3'd0) begin
        left_q <= left_q - 3'd1;
        row_q  <= row_q + stride_q;
      end
      if (rst_i) left_q <= 3'd0;
    end
  end

  always_ff @(posedge clk_i) begin
    if (load_i) stride_q <= RowWidth'(stride_i);
    done_o <= quiet_last_i || (done_timer_q == 3'd1);
    if (load_i && last_i) done_timer_q <= words_i;
    else if (done_timer_q != 3'd0) done_timer_q <= done_timer_q - 3'd1;
    if (rst_i) begin
      done_o       <= 1'b0;
      done_timer_q <= 3'd0;
    end
  end
  logic unused;
  assign unused = ^{row_i, stride_i};  // as wide as a descriptor's field
  assign idle_o = (we_o == '0);
endmodule
