// SPDX-License-Identifier: Apache-2.0
// Walks the output positions of an instruction, one position per cycle, and hands them on as tiles of up to P
// positions: where each position's window starts in the input and in the input's ring, and for ADD, where the tile
// stands in the second operand.
//
// The next tile is walked while the current one is fetched. `tile_valid_o` holds, with the instruction that the tile
// belongs to on `instr_o`, until `tile_ready_i`; in the cycle in which a tile goes, the first position of the next one
// takes its place, so that a tile of P positions takes P cycles. The next instruction is taken only after the last one.
module window_walker #(
  parameter int P = 8
) (
  input  logic               clk_i,
  input  logic               rst_i,
  input  logic               instr_valid_i,
  output logic               instr_ready_o,
  input  logic [511:0]       instr_i,
  output logic               tile_valid_o,
  input  logic               tile_ready_i,
  output logic [511:0]       instr_o,
  output logic               first_o,    // first tile of its instruction
  output logic               last_o,     // last tile of its instruction
  output logic [15:0]        out_row_o,  // output position / P of lane 0
  output logic [15:0]        row2_o,     // ADD: position in the second operand / P of lane 0
  output logic [P-1:0]       valid_o,    // lanes that hold a position
  output logic [P*16-1:0]    row_o,      // per lane: ring position of the window's first row, column 0
  output logic [P*16-1:0]    start_o,    // per lane: the same at the window's first column
  output logic [P*16-1:0]    iy_o,       // per lane: input row of the window, signed
  output logic [P*16-1:0]    ix_o,       // per lane: input column of the window, signed
  output logic               busy_o
);
  localparam int LaneWidth = $clog2(P);

  typedef enum logic [1:0] {StIdle, StWalk, StHold} state_e;

  state_e               state_q;
  logic [511:0]         instr_q;
  logic                 first_q;
  logic [LaneWidth-1:0] lane_q;     // of the next position
  logic [23:0]          left_q;     // positions
  logic [15:0]          ox_q, out_width_q;
  logic [15:0]          iy_q, ix_q, ix_start_q;
  logic [3:0]           stride_y_q, stride_x_q;
  logic [15:0]          row_q, row_step_q, ring_q;
  logic [15:0]          out_row_q, out_rows_q, row2_q, rows2_q;
  // the tile; written lane by lane as a case, which is smaller than Yosys' shifters
  logic [P-1:0]         valid_q;
  (* nowrshmsk *) logic [P*16-1:0] lane_row_q, lane_start_q, lane_iy_q, lane_ix_q;

  logic taken, walk;
  assign taken = (state_q == StHold) && tile_ready_i;
  assign walk  = (state_q == StWalk) || (taken && left_q != 24'd0);

  assign instr_ready_o = (state_q == StIdle);
  assign tile_valid_o  = (state_q == StHold);
  assign instr_o       = instr_q;
  assign first_o       = first_q;
  assign last_o        = (left_q == 24'd0);
  assign out_row_o     = out_row_q;
  assign row2_o        = row2_q;
  assign valid_o       = valid_q;
  assign row_o         = lane_row_q;
  assign start_o       = lane_start_q;
  assign iy_o          = lane_iy_q;
  assign ix_o          = lane_ix_q;
  assign busy_o        = (state_q != StIdle);

  always_ff @(posedge clk_i) begin
    if (taken) begin
      first_q   <= 1'b0;
      out_row_q <= (out_row_q + 16'd1 == out_rows_q) ? 16'd0 : out_row_q + 16'd1;
      row2_q    <= (row2_q + 16'd1 == rows2_q) ? 16'd0 : row2_q + 16'd1;
      state_q   <= StIdle;
    end
    if (walk) begin
      lane_row_q[16*lane_q+:16]   <= row_q;
      lane_start_q[16*lane_q+:16] <= row_q + ix_q;
      lane_iy_q[16*lane_q+:16]    <= iy_q;
      lane_ix_q[16*lane_q+:16]    <= ix_q;
      valid_q <= (lane_q == '0) ? P'(1) : {valid_q[P-2:0], 1'b1};
      lane_q  <= lane_q + 1'b1;
      left_q  <= left_q - 24'd1;
      if (ox_q + 16'd1 == out_width_q) begin
        ox_q  <= 16'd0;
        ix_q  <= ix_start_q;
        iy_q  <= iy_q + {12'd0, stride_y_q};
        row_q <= ring_pkg::wrapped(row_q, row_step_q, ring_q);
      end else begin
        ox_q <= ox_q + 16'd1;
        ix_q <= ix_q + {12'd0, stride_x_q};
      end
      state_q <= (left_q == 24'd1 || lane_q == LaneWidth'(P - 1)) ? StHold : StWalk;
    end
    if (state_q == StIdle && instr_valid_i) begin
      instr_q     <= instr_i;
      first_q     <= 1'b1;
      left_q      <= instr_i[descriptor_pkg::Positions+:24];
      ox_q        <= instr_i[descriptor_pkg::Ox+:16];
      out_width_q <= instr_i[descriptor_pkg::OutputWidth+:16];
      iy_q        <= instr_i[descriptor_pkg::Iy+:16];
      ix_q        <= instr_i[descriptor_pkg::Ix+:16];
      ix_start_q  <= 16'($signed(instr_i[descriptor_pkg::IxStart+:8]));
      stride_y_q  <= instr_i[descriptor_pkg::StrideY+:4];
      stride_x_q  <= instr_i[descriptor_pkg::StrideX+:4];
      row_q       <= instr_i[descriptor_pkg::RingPosition+:16];
      ring_q      <= instr_i[descriptor_pkg::InputRing+:16];
      row_step_q  <= instr_i[descriptor_pkg::StepOutputRow+:16];
      out_row_q   <= instr_i[descriptor_pkg::OutputFirst+:16] >> LaneWidth;
      out_rows_q  <= instr_i[descriptor_pkg::OutputRing+:16] >> LaneWidth;
      row2_q      <= instr_i[descriptor_pkg::AddSecondFirst+:16] >> LaneWidth;
      rows2_q     <= instr_i[descriptor_pkg::AddSecondRing+:16] >> LaneWidth;
      lane_q      <= '0;
      state_q     <= StWalk;
    end
    if (rst_i) begin
      state_q <= StIdle;
    end
  end
endmodule
