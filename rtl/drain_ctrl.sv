// Sequences the drain: captures a finished tile's accumulators, sends its rows (one position by F filters per cycle)
// through requantization, and the results to the plane writer. Control only.
//
// A tile that finishes in cycle t is captured at the end of t+4 (select, multiply, accumulate, visible). 32-bit results go
// through four times, for 8 planes each. A sweep over the lanes starts no sooner after the previous one than a bank
// needs to write the words of a result.
module drain_ctrl #(
  parameter int P = 8,
  parameter int ParameterSlots = 64,
  localparam int BankWidth = $clog2(P),
  localparam int SlotWidth = $clog2(ParameterSlots)
) (
  input  logic                 clk_i,
  input  logic                 rst_i,
  input  logic                 finish_i,
  input  logic                 finish_last_i,
  input  logic [511:0]         finish_instr_i,
  input  logic [15:0]          finish_row_i,
  input  logic [P-1:0]         finish_valid_i,
  output logic                 ready_o,      // a tile of the same instruction may finish
  output logic                 idle_o,       // nothing pending, captured or in requantization
  output logic                 capture_o,
  output logic                 parameter_re_o,
  output logic [SlotWidth-1:0] parameter_slot_o,
  output logic                 row_valid_o,  // read a captured row
  output logic [BankWidth-1:0] row_lane_o,
  output logic [3:0]           stage_o,      // requantization stages that hold a row
  output logic [1:0]           log2_weight_bits_o,
  // codes to plane words
  output logic                 place_o,
  output logic [1:0]           place_pass_o,
  output logic                 place_one_bit_o,
  output logic [5:0]           place_offset_o,
  output logic [5:0]           place_filters_o,     // less one
  output logic                 place_zero_extend_o,
  // words of a row to the plane writer
  output logic                 result_valid_o,
  output logic [BankWidth-1:0] result_lane_o,
  output logic                 result_last_o,   // last of its instruction
  output logic [15:0]          result_row_o,
  output logic [15:0]          result_stride_o,
  output logic [2:0]           result_words_o,
  output logic                 requantize_o     // a row of new results, for the counter
);
  // pending: finished, not captured
  logic [3:0]         pending_q;
  logic               pending_last_q, pending_first_q;
  logic [15:0]        pending_row_q;
  logic [BankWidth:0] pending_count_q;

  // the instruction, from its first tile on; its first tile finishes when nothing is under way
  logic [15:0]          base_q, stride_q;
  logic [2:0]           out_code_q;
  logic [2:0]           words_q;  // of a result
  logic [1:0]           log2_weight_bits_q;
  logic [5:0]           offset_q, filters_q;
  logic [SlotWidth-1:0] slot_q;
  logic                 zero_extend_q;

  logic unused;
  assign unused = ^finish_instr_i;  // each stage uses its own fields

  function automatic logic [2:0] words(input logic [2:0] out_code);
    words = (out_code >= 3'd3) ? 3'd4 : (out_code == 3'd2) ? 3'd2 : 3'd1;
  endfunction

  // captured
  logic                 busy_q, last_q;
  logic [15:0]          row_q;
  logic [BankWidth:0]   count_q;
  logic [BankWidth-1:0] lane_q;
  logic [1:0]           pass_q;
  logic [2:0]           timer_q;

  // in requantization: the row read, its four stages, its words placed
  localparam int Stages = 6;
  logic [Stages-1:0]           pipe_q;
  logic [BankWidth*Stages-1:0] pipe_lane_q;
  logic [2*Stages-1:0]         pipe_pass_q;
  logic [Stages-1:0]           pipe_last_q;
  logic [16*Stages-1:0]        pipe_row_q;

  logic       last_lane, last_pass, sweep_ok, step;
  assign last_lane = ((BankWidth + 1)'(lane_q) + 1'b1 == count_q);
  assign last_pass = (out_code_q != 3'd5) || (pass_q == 2'd3);
  assign sweep_ok  = (lane_q != '0) || (timer_q == 3'd0);
  assign step      = busy_q && sweep_ok;

  logic [BankWidth:0] rows_left;
  assign rows_left = count_q - (BankWidth + 1)'(lane_q);
  assign ready_o = (pending_q == 4'd0) && (!busy_q || (last_pass && sweep_ok && 32'(rows_left) <= 32'd5));
  assign idle_o  = (pending_q == 4'd0) && !busy_q && (pipe_q == '0);

  assign capture_o          = pending_q[3];
  assign parameter_re_o     = pending_q[3] && pending_first_q;
  assign parameter_slot_o   = slot_q;
  assign row_valid_o        = step;
  assign row_lane_o         = lane_q;
  assign stage_o            = pipe_q[3:0];
  assign log2_weight_bits_o = log2_weight_bits_q;
  assign requantize_o       = step && (pass_q == 2'd0);

  assign place_o             = pipe_q[4];
  assign place_pass_o        = pipe_pass_q[2*4+:2];
  assign place_one_bit_o     = (out_code_q == 3'd0);
  assign place_offset_o      = offset_q;
  assign place_filters_o     = filters_q;
  assign place_zero_extend_o = zero_extend_q;

  logic [1:0] result_pass;
  assign result_pass     = pipe_pass_q[2*5+:2];
  assign result_valid_o  = pipe_q[5];
  assign result_lane_o   = pipe_lane_q[BankWidth*5+:BankWidth];
  assign result_last_o   = pipe_last_q[5];
  assign result_row_o    = pipe_row_q[16*5+:16] + (result_pass[0] ? stride_q << 2 : 16'd0)
                           + (result_pass[1] ? stride_q << 3 : 16'd0);
  assign result_stride_o = stride_q;
  assign result_words_o  = words_q;

  always_ff @(posedge clk_i) begin
    if (step || pipe_q != '0) begin
      pipe_q      <= {pipe_q[Stages-2:0], step};
      pipe_lane_q <= {pipe_lane_q[BankWidth*(Stages-1)-1:0], lane_q};
      pipe_pass_q <= {pipe_pass_q[2*(Stages-1)-1:0], pass_q};
      pipe_last_q <= {pipe_last_q[Stages-2:0], last_q && last_lane && last_pass};
      pipe_row_q  <= {pipe_row_q[16*(Stages-1)-1:0], base_q + row_q};
    end

    pending_q <= {pending_q[2:0], finish_i};
    if (finish_i) begin
      pending_last_q  <= finish_last_i;
      pending_row_q   <= finish_row_i;
      pending_count_q <= (BankWidth + 1)'($countones(finish_valid_i));
      pending_first_q <= idle_o;
      if (idle_o) begin
        base_q             <= finish_instr_i[11*32+:16];
        stride_q           <= finish_instr_i[11*32+16+:16];
        log2_weight_bits_q <= finish_instr_i[12*32+2+:2];
        out_code_q         <= finish_instr_i[12*32+4+:3];
        words_q            <= words(finish_instr_i[12*32+4+:3]);
        zero_extend_q      <= finish_instr_i[12*32+10];
        filters_q          <= finish_instr_i[13*32+16+:6];
        offset_q           <= finish_instr_i[13*32+24+:6];
        slot_q             <= SlotWidth'(finish_instr_i[14*32+16+:6]);
      end
    end

    timer_q <= (timer_q == 3'd0) ? 3'd0 : timer_q - 3'd1;
    if (step) begin
      if (lane_q == '0) timer_q <= words_q - 3'd1;
      lane_q <= last_lane ? '0 : lane_q + 1'b1;
      if (last_lane) begin
        pass_q <= last_pass ? 2'd0 : pass_q + 2'd1;
        if (last_pass) busy_q <= 1'b0;
      end
    end
    if (pending_q[3]) begin
      busy_q  <= 1'b1;
      last_q  <= pending_last_q;
      row_q   <= pending_row_q;
      count_q <= pending_count_q;
      lane_q  <= '0;
      pass_q  <= 2'd0;
    end

    if (rst_i) begin
      pending_q <= 4'd0;
      busy_q    <= 1'b0;
      timer_q   <= 3'd0;
      pipe_q    <= '0;
    end
  end
endmodule
