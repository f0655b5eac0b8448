// SPDX-License-Identifier: Apache-2.0
// Control of PACK: which staged bytes make which lanes of which position, and where its plane words go.
// Four stages that run side by side, for different positions where they can:
//   gather  issues one chunk of up to 9 bytes of an image row per cycle to the staging ring,
//   align   (1 cycle later) shifts the bytes to the bottom and replaces those outside the image,
//   place   (1 cycle later) puts them into the lanes of the position,
//   emit    writes the four plane words of two positions before, one in an even and one in an odd bank.
// max(2, rows * ceil(columns * C / 9)) cycles per position. Sees no data.
module image_packer_ctrl #(
  parameter int P            = 8,
  parameter int StagingWords = 4096
) (
  input  logic                            clk_i,
  input  logic                            rst_i,
  input  logic                            start_i,
  input  logic [383:64]                   instr_i,         // d2 to d11: fields where they are in the descriptor
  output logic                            done_o,

  // Plane words to the activation SRAM's even and odd banks.
  output logic [1:0]                      act_valid_o,
  input  logic [1:0]                      act_ready_i,
  output logic [2*$clog2(P)-1:0]          act_bank_o,
  output logic [31:0]                     act_row_o,

  // To the datapath.
  output logic                            read_o,         // gather: read two words from the ring
  output logic [$clog2(StagingWords)-2:0] even_address_o,
  output logic [$clog2(StagingWords)-2:0] odd_address_o,
  output logic                            align_o,        // align what was read
  output logic                            align_swap_o,   // its first word is the odd one
  output logic [2:0]                      align_byte_o,   // its first byte in that word
  output logic [3:0]                      align_low_o,    // bytes low <= j < high are in the image
  output logic [3:0]                      align_high_o,
  output logic [2:0]                      align_channels_o,
  output logic [1:0]                      align_phase_o,  // chunk of the segment: its first channel is phase mod C
  output logic [31:0]                     align_pads_o,   // codes of the channels
  output logic                            place_o,        // put what was aligned into the lanes
  output logic [4:0]                      place_lane_o,   // lane of its first byte
  output logic [3:0]                      place_count_o,  // bytes
  output logic                            place_first_o,  // first chunk of the position: other lanes become zero
  output logic [1:0]                      transfer_o,     // lanes to plane words for an even or odd bank
  output logic [3:0]                      plane_o         // which word of each goes
);

  localparam int PixelBits = $clog2(P);
  localparam int Bits      = $clog2(StagingWords) + 3;  // of a staging byte address
  localparam int ChunkMax  = 9;

  // Of the fields of a position's shape, the bits that their values need (descriptor_check.sv).
  localparam int ChannelBits = $clog2(4 + 1);
  localparam int ColumnBits  = $clog2(24 + 1);
  localparam int RowBits     = $clog2(32 + 1);

  // n times C.
  function automatic logic signed [19:0] times(input logic signed [19:0] n, input logic [2:0] c);
    case (c)
      3'd1:    times = n;
      3'd2:    times = n <<< 1;
      3'd3:    times = (n <<< 1) + n;
      default: times = n <<< 2;
    endcase
  endfunction

  // The instruction that starts.
  logic [ChannelBits-1:0] channels;
  logic [ColumnBits-1:0]  columns;
  logic [RowBits-1:0]     rows;
  logic signed [19:0]     start_x;
  logic signed [17:0]     start_y;
  logic [Bits-1:0]        start_line, pitch;  // modulo the ring, which is a power of two

  assign channels   = ChannelBits'(instr_i[descriptor_pkg::PackChannels+:8]);
  assign columns    = ColumnBits'(instr_i[descriptor_pkg::PackColumns+:8]);
  assign rows       = RowBits'(instr_i[descriptor_pkg::PackRows+:8]);
  assign start_x    = times(20'($signed(instr_i[descriptor_pkg::PackIx+:16])), channels);
  assign start_y    = 18'($signed(instr_i[descriptor_pkg::PackIy+:16]));
  assign start_line = Bits'(instr_i[descriptor_pkg::PackStagingByte+:32]);
  assign pitch      = Bits'(instr_i[descriptor_pkg::PackImageRowBytes+:32]);

  logic active;  // an instruction starts or is under way

  // Registers of the instruction.
  logic [15:0]        height_q;
  logic signed [19:0] line_bytes_q;    // width * C
  logic [4:0]         segment_q;       // columns * C
  logic [RowBits-1:0] rows_q;
  logic signed [19:0] step_x_q;        // stride_x * C
  logic signed [19:0] start_x_q;       // ix * C of the first packed column
  logic [15:0]        step_y_q;
  logic [Bits-1:0]    jump_q;          // ring bytes of one packed row
  logic [Bits-1:0]    pitch_q;         // ring bytes of one image row
  logic [15:0]        packed_width_q;
  logic [31:0]        pads_q;
  logic [2:0]         channels_q;

  // Gather.
  logic               gather_q;        // positions are left
  logic [15:0]        columns_left_q;
  logic [15:0]        rows_left_q;
  logic signed [19:0] x_q;             // byte in the row of the position's first column
  logic signed [17:0] y_q;             // image row of the packed row's first kernel row
  logic [Bits-1:0]    line_q;          // its address
  logic [5:0]         kernel_row_q;
  logic signed [17:0] kernel_y_q;      // image row
  logic [Bits-1:0]    kernel_line_q;   // its address
  logic [4:0]         chunk_q;         // first byte of the chunk in its segment: 0, 9 or 18
  logic [4:0]         lane_q;
  logic               first_q;

  logic [4:0]         left;
  logic               last_chunk;
  logic               last_kernel_row;
  logic [3:0]         count;
  logic               issue;
  logic [Bits-1:0]    address;
  logic [Bits-4:0]    word_address;
  logic signed [19:0] x;

  always_comb begin
    left            = '0;
    last_chunk      = 1'b0;
    count           = '0;
    last_kernel_row = 1'b0;
    x               = '0;
    address         = '0;
    if (evaluation_pkg::Always || gather_q) begin
      left            = segment_q - chunk_q;
      last_chunk      = left <= 5'(ChunkMax);
      count           = last_chunk ? 4'(left) : 4'(ChunkMax);
      last_kernel_row = kernel_row_q == rows_q - 6'd1;
      x               = x_q + $signed({15'd0, chunk_q});
      address         = kernel_line_q + Bits'(x);
    end
  end
  assign word_address = address[Bits-1:3];

  // Bytes low <= j < high of a chunk at byte x are inside; wholly outside is low = 15 or high = 0.
  function automatic logic [3:0] low(input logic signed [19:0] first);
    low = !first[19] ? 4'd0 : (first < -20'sd15) ? 4'd15 : 4'(-first);
  endfunction

  function automatic logic [3:0] high(input logic signed [17:0] y, input logic [15:0] height,
                                      input logic signed [19:0] room);  // bytes from x to the line's end
    high = (y[17] || y[16:0] >= {1'b0, height} || room <= 20'sd0) ? 4'd0 : (room > 20'sd15) ? 4'd15 : 4'(room);
  endfunction

  assign read_o         = issue;
  assign odd_address_o  = word_address[Bits-4:1];
  assign even_address_o = word_address[Bits-4:1] + {{(Bits - 5){1'b0}}, word_address[0]};

  // Align and place: what the chunks in flight are. A chunk waits where the lanes hold a position that cannot leave.
  logic       align_q;
  logic [4:0] align_lane_q;
  logic [3:0] align_count_q;
  logic       align_first_q;
  logic       align_last_q;   // last chunk of its position
  logic       place_q;
  logic       place_last_q;
  logic       full_q;         // the lanes hold a whole position
  logic       blocked;        // and emit cannot take it
  logic       transfer;       // emit takes it
  logic       align;
  logic       place;

  assign transfer         = full_q && !blocked;
  assign place            = place_q && !blocked;
  assign align            = align_q && !(place_q && blocked);
  assign issue            = gather_q && !(align_q && place_q && blocked);
  assign align_o          = align;
  assign place_o          = place;
  assign align_channels_o = channels_q;
  assign align_pads_o     = pads_q;

  always_ff @(posedge clk_i) begin
    if (active) begin
      if (issue) begin
        align_swap_o  <= word_address[0];
        align_byte_o  <= address[2:0];
        align_low_o   <= low(x);
        align_high_o  <= high(kernel_y_q, height_q, line_bytes_q - x);
        align_phase_o <= (chunk_q == 5'd0) ? 2'd0 : (chunk_q == 5'(ChunkMax)) ? 2'd1 : 2'd2;
        align_lane_q  <= lane_q;
        align_count_q <= count;
        align_first_q <= first_q;
        align_last_q  <= last_chunk && last_kernel_row;

        lane_q  <= lane_q + {1'b0, count};
        first_q <= 1'b0;
        if (!last_chunk) begin
          chunk_q <= chunk_q + 5'(ChunkMax);
        end else begin
          chunk_q <= 5'd0;
          if (!last_kernel_row) begin
            kernel_row_q  <= kernel_row_q + 6'd1;
            kernel_y_q    <= kernel_y_q + 18'sd1;
            kernel_line_q <= kernel_line_q + pitch_q;
          end else begin
            kernel_row_q  <= 6'd0;
            kernel_y_q    <= y_q;
            kernel_line_q <= line_q;
            lane_q        <= 5'd0;
            first_q       <= 1'b1;
            if (columns_left_q != 16'd1) begin
              columns_left_q <= columns_left_q - 16'd1;
              x_q            <= x_q + step_x_q;
            end else begin
              columns_left_q <= packed_width_q;
              x_q            <= start_x_q;
              y_q            <= y_q + $signed({2'd0, step_y_q});
              line_q         <= line_q + jump_q;
              kernel_y_q     <= y_q + $signed({2'd0, step_y_q});
              kernel_line_q  <= line_q + jump_q;
              rows_left_q    <= rows_left_q - 16'd1;
              if (rows_left_q == 16'd1) gather_q <= 1'b0;
            end
          end
        end
      end
      if (issue) align_q <= 1'b1;
      else if (align) align_q <= 1'b0;
      if (align) begin
        place_q       <= 1'b1;
        place_lane_o  <= align_lane_q;
        place_count_o <= align_count_q;
        place_first_o <= align_first_q;
        place_last_q  <= align_last_q;
      end else if (place) begin
        place_q <= 1'b0;
      end
      if (place && place_last_q) full_q <= 1'b1;
      else if (transfer) full_q <= 1'b0;

      if (start_i) begin
        height_q       <= instr_i[descriptor_pkg::PackImageHeight+:16];
        line_bytes_q   <= times($signed({4'd0, instr_i[descriptor_pkg::PackImageWidth+:16]}), channels);
        segment_q      <= 5'(times($signed({15'd0, columns}), channels));
        rows_q         <= rows;
        step_x_q       <= times($signed({12'd0, instr_i[descriptor_pkg::PackStrideX+:8]}), channels);
        channels_q     <= channels;
        packed_width_q <= instr_i[descriptor_pkg::PackPackedWidth+:16];
        columns_left_q <= instr_i[descriptor_pkg::PackPackedWidth+:16];
        rows_left_q    <= instr_i[descriptor_pkg::PackPackedRows+:16];
        step_y_q       <= {8'd0, instr_i[descriptor_pkg::PackStrideY+:8]};
        jump_q         <= Bits'(instr_i[descriptor_pkg::PackStrideY+:8]) * pitch;
        pitch_q        <= pitch;
        x_q            <= start_x;
        start_x_q      <= start_x;
        y_q            <= start_y;
        kernel_y_q     <= start_y;
        pads_q         <= instr_i[descriptor_pkg::PackPadCodes+:32];
        line_q         <= start_line;
        kernel_line_q  <= start_line;
        kernel_row_q   <= 6'd0;
        chunk_q        <= 5'd0;
        lane_q         <= 5'd0;
        first_q        <= 1'b1;
        gather_q       <= 1'b1;
      end
      if (rst_i) begin
        gather_q <= 1'b0;
        align_q  <= 1'b0;
        place_q  <= 1'b0;
        full_q   <= 1'b0;
      end
    end
  end

  // Emit: four words of a position, side by side for one position in an even and one in an odd bank.
  logic [1:0]             emit_q;
  logic [1:0]             last_q;          // the present word is its position's last
  logic [3:0]             plane_q;
  logic [2*PixelBits-1:0] bank_q;
  logic [31:0]            row_q;
  logic [15:0]            emit_columns_q;  // positions that are not transferred yet: of this row, rows
  logic [15:0]            emit_rows_q;
  logic                   all_q;           // none
  logic [15:0]            pitch_positions_q;
  logic [15:0]            base_q;
  logic [15:0]            stride_q;
  logic [15:0]            ring_q;
  logic [15:0]            row_start_q;
  logic [15:0]            position_q;
  logic [1:0]             emit;
  logic [1:0]             free;            // holds no word from the next cycle on
  logic                   odd;
  logic                   last_column;

  assign active      = evaluation_pkg::Always || rst_i || start_i || gather_q || align_q || place_q || full_q ||
                       emit_q != 2'd0;
  assign odd         = position_q[0];
  assign last_column = emit_columns_q == 16'd1;
  always_comb begin
    emit    = 2'd0;
    free    = 2'd3;
    blocked = 1'b0;
    if (active) begin
      emit    = emit_q & act_ready_i;
      free    = ~emit_q | (last_q & act_ready_i);
      blocked = full_q && !free[odd];
    end
  end
  assign transfer_o  = {transfer && odd, transfer && !odd};
  assign plane_o     = plane_q;
  assign act_valid_o = emit_q;
  assign act_bank_o  = bank_q;
  assign act_row_o   = row_q;
  assign done_o      = all_q && emit_q != 2'd0 && free == 2'b11;

  always_ff @(posedge clk_i) begin
    if (active) begin
      for (int i = 0; i < 2; i++) begin
        if (emit[i]) begin
          plane_q[2*i+:2] <= plane_q[2*i+:2] + 2'd1;
          last_q[i]       <= plane_q[2*i+:2] == 2'd2;
          row_q[16*i+:16] <= row_q[16*i+:16] + stride_q;
          if (last_q[i]) emit_q[i] <= 1'b0;
        end
        if (transfer_o[i]) begin
          emit_q[i]                      <= 1'b1;
          last_q[i]                      <= 1'b0;
          plane_q[2*i+:2]                <= 2'd0;
          bank_q[PixelBits*i+:PixelBits] <= position_q[PixelBits-1:0];
          row_q[16*i+:16]                <= base_q + 16'(position_q >> PixelBits);
        end
      end
      if (transfer) begin
        if (!last_column) begin
          emit_columns_q <= emit_columns_q - 16'd1;
          position_q     <= position_q + 16'd1;
        end else begin
          emit_columns_q <= packed_width_q;
          emit_rows_q    <= emit_rows_q - 16'd1;
          all_q          <= emit_rows_q == 16'd1;
          position_q     <= ring_pkg::wrapped(row_start_q, pitch_positions_q, ring_q);
          row_start_q    <= ring_pkg::wrapped(row_start_q, pitch_positions_q, ring_q);
        end
      end
      if (start_i) begin
        emit_columns_q    <= instr_i[descriptor_pkg::PackPackedWidth+:16];
        emit_rows_q       <= instr_i[descriptor_pkg::PackPackedRows+:16];
        all_q             <= 1'b0;
        pitch_positions_q <= instr_i[descriptor_pkg::ChipPitch+:16];
        base_q            <= instr_i[descriptor_pkg::ChipBase+:16];
        stride_q          <= instr_i[descriptor_pkg::ChipStride+:16];
        row_start_q       <= instr_i[descriptor_pkg::ChipFirst+:16];
        position_q        <= instr_i[descriptor_pkg::ChipFirst+:16];
        ring_q            <= instr_i[descriptor_pkg::ChipRing+:16];
      end
      if (rst_i) emit_q <= 2'd0;
    end
  end

  logic unused_bits;
  assign unused_bits = ^instr_i[descriptor_pkg::PackStrideY+8+:8];  // no field

`ifndef SYNTHESIS
  always @(posedge clk_i) begin
    if (!rst_i) begin
      assert ((start_i && (gather_q || align_q || place_q || full_q || emit_q != 2'd0)) !== 1'b1)
        else $error("a PACK starts before the one before it has ended");
      assert ((start_i && (instr_i[descriptor_pkg::PackPackedRows+:16] == 16'd0 ||
                           instr_i[descriptor_pkg::PackPackedWidth+:16] == 16'd0)) !== 1'b1)
        else $error("a PACK of no positions");
      assert ((start_i && (instr_i[descriptor_pkg::PackChannels+:8] != 8'(channels) ||
                           instr_i[descriptor_pkg::PackColumns+:8] != 8'(columns) ||
                           instr_i[descriptor_pkg::PackRows+:8] != 8'(rows))) !== 1'b1)
        else $error("a PACK of positions that have no room in a word");
    end
  end
`endif

endmodule
