// SPDX-License-Identifier: Apache-2.0
// Request side of the load and store engines: turns instructions into runs of words, ahead of the data.
// Takes an instruction when it has asked for all words of the one before and the data side has room for its context,
// which it gets at once. 3 cycles per instruction, one run per cycle within it; rows that follow each other in memory
// without a gap become one run. PACK asks for nothing. STORE comes with LOAD_ACT's opcode: its fields are the same,
// but for the repeat in d8.
module transfer_request #(
  parameter int F = 16
) (
  input  logic         clk_i,
  input  logic         rst_i,
  input  logic [31:0]  base_i,
  input  logic         instr_valid_i,
  output logic         instr_ready_o,
  input  logic [171:64] instr_i,         // d2 to d5: fields where they are in the descriptor
  input  logic [2:0]   opcode_i,         // low bits of LOAD_*, PACK
  input  logic [3:0]   repeat_i,         // each word of a row moves so often; at least 1
  output logic         context_valid_o,  // the data side takes the instruction, too
  input  logic         context_ready_i,
  output logic         run_valid_o,
  input  logic         run_ready_i,
  output logic [31:0]  run_address_o,
  output logic [31:0]  run_words_o,
  output logic         run_last_o,       // of its instruction
  output logic         busy_o
);

  localparam logic [2:0] OpAct    = 3'(descriptor_pkg::OpLoadAct);
  localparam logic [2:0] OpWeight = 3'(descriptor_pkg::OpLoadWeight);
  localparam logic [2:0] OpParam  = 3'(descriptor_pkg::OpLoadParam);
  localparam logic [2:0] OpPack   = 3'(descriptor_pkg::OpPack);

  typedef enum logic [1:0] {
    StIdle,
    StMerge,
    StRun
  } state_e;

  state_e      state_q;
  logic        rows_q;      // LOAD_ACT: rows of their own
  logic [31:0] address_q;
  logic [31:0] pitch_q;     // bytes
  logic [31:0] words_q;     // per run
  logic [15:0] left_q;      // runs
  logic        accept;

  assign instr_ready_o   = state_q == StIdle && context_ready_i;
  assign accept          = instr_valid_i && instr_ready_o;
  assign context_valid_o = accept;
  assign busy_o          = state_q != StIdle;

  // Words per row, or in all.
  function automatic logic [31:0] run_words(input logic [2:0] opcode, input logic [15:0] count, input logic [15:0] width,
                                            input logic [3:0] times, input logic [15:0] words_per_position);
    case (opcode)
      OpAct:    run_words = {12'd0, {4'd0, width} * {16'd0, times}} * {16'd0, words_per_position};
      OpWeight: run_words = {16'd0, count} * 32'(F);
      OpParam:  run_words = {16'd0, count} * 32'(2 * F + 2);
      default:  run_words = {16'd0, count};
    endcase
  endfunction

  assign run_valid_o   = state_q == StRun;
  assign run_address_o = address_q;
  assign run_words_o   = words_q;
  assign run_last_o    = left_q == 16'd1;

  always_ff @(posedge clk_i) begin
    case (state_q)
      StRun: begin
        if (run_ready_i) begin
          address_q <= address_q + pitch_q;
          left_q    <= left_q - 16'd1;
          if (run_last_o) state_q <= StIdle;
        end
      end
      StMerge: begin
        // rows without a gap between them: one run
        if (rows_q && words_q[31:16] == 16'd0 && pitch_q == {words_q[28:0], 3'd0}) begin
          words_q <= {16'd0, words_q[15:0]} * {16'd0, left_q};
          left_q  <= 16'd1;
        end
        state_q <= StRun;
      end
      StIdle: begin
        if (accept && opcode_i != OpPack) begin
          rows_q    <= opcode_i == OpAct;
          address_q <= base_i + instr_i[descriptor_pkg::TransferOffset+:32];
          pitch_q   <= instr_i[descriptor_pkg::TransferRowBytes+:32];
          left_q    <= (opcode_i == OpAct) ? instr_i[descriptor_pkg::TransferRows+:16] : 16'd1;
          words_q   <= run_words(opcode_i, instr_i[descriptor_pkg::RunWords+:16],
                                 instr_i[descriptor_pkg::TransferWidth+:16], repeat_i,
                                 {4'd0, instr_i[descriptor_pkg::TransferWords+:12]});
          state_q   <= StMerge;
        end
      end
      default: state_q <= StIdle;
    endcase
    if (rst_i) state_q <= StIdle;
  end

`ifndef SYNTHESIS
  always @(posedge clk_i) begin
    if (!rst_i) assert ((accept && repeat_i == 4'd0) !== 1'b1) else $error("no word moves");
  end
`endif

endmodule
