// SPDX-License-Identifier: Apache-2.0
// Data of PACK: the staging ring (even and odd words in two banks, so that 9 bytes at any alignment come in one
// read), the chunk that is aligned, and the 32 lanes of a position as 8 bit planes, which leave as four words of two
// planes each, for an even and an odd bank side by side. All decisions are image_packer_ctrl's. Datapath = 0 elides
// everything.
module image_packer_dpath #(
  parameter int StagingWords = 4096,
  parameter bit Datapath     = 1'b1
) (
  input  logic                            clk_i,
  input  logic                            write_i,
  input  logic [$clog2(StagingWords)-1:0] write_address_i,
  input  logic [63:0]                     write_data_i,
  input  logic                            read_i,
  input  logic [$clog2(StagingWords)-2:0] even_address_i,
  input  logic [$clog2(StagingWords)-2:0] odd_address_i,
  input  logic                            align_i,
  input  logic                            align_swap_i,
  input  logic [2:0]                      align_byte_i,
  input  logic [3:0]                      align_low_i,
  input  logic [3:0]                      align_high_i,
  input  logic [2:0]                      align_channels_i,
  input  logic [1:0]                      align_phase_i,
  input  logic [31:0]                     align_pads_i,
  input  logic                            place_i,
  input  logic [4:0]                      place_lane_i,
  input  logic [3:0]                      place_count_i,
  input  logic                            place_first_i,
  input  logic [1:0]                      transfer_i,
  input  logic [3:0]                      plane_i,
  output logic [127:0]                    words_o
);

  if (Datapath) begin : g_data
    // Functions, so that simulation evaluates them only in cycles that use them.

    // The 9 bytes from byte `first` of {far, near} on, those outside low <= j < high replaced by their channel's pad
    // code. 9 is 1 modulo 2 and 4 and 0 modulo 3: a segment's chunk `phase` begins with channel `phase` (0 at C = 3).
    function automatic logic [71:0] aligned(input logic [63:0] far, input logic [63:0] near, input logic [2:0] first,
                                            input logic [3:0] low, input logic [3:0] high, input logic [31:0] pads,
                                            input logic [2:0] channels, input logic [1:0] phase);
      logic [127:0] shifted;
      logic [1:0]   channel;
      shifted = {far, near} >> {first, 3'd0};
      for (int j = 0; j < 9; j++) begin
        case (channels)
          3'd1:    channel = 2'd0;
          3'd2:    channel = {1'b0, phase[0] ^ 1'(j % 2)};
          3'd3:    channel = 2'(j % 3);
          default: channel = phase + 2'(j % 4);
        endcase
        aligned[8*j+:8] = (4'(j) >= low && 4'(j) < high) ? shifted[8*j+:8] : pads[8*channel+:8];
      end
    endfunction

    // A bit plane of 32 lanes with `count` lanes from `lane` on replaced by bit `b` of the chunk's bytes; `fresh`
    // clears the others.
    function automatic logic [31:0] placed(input logic [31:0] plane, input logic [71:0] chunk, input int b,
                                           input logic [3:0] count, input logic [4:0] lane, input logic fresh);
      logic [8:0] mask;
      logic [8:0] bits;
      mask = ~(9'h1ff << count);
      for (int j = 0; j < 9; j++) bits[j] = chunk[8*j+b];
      placed = (fresh ? 32'd0 : plane & ~({23'd0, mask} << lane)) | ({23'd0, bits & mask} << lane);
    endfunction

    // Staging ring.
    logic [63:0] even_words_q [StagingWords/2];
    logic [63:0] odd_words_q [StagingWords/2];
    logic [63:0] even_q;
    logic [63:0] odd_q;

    always_ff @(posedge clk_i) begin
      if (write_i && !write_address_i[0]) even_words_q[write_address_i[$clog2(StagingWords)-1:1]] <= write_data_i;
      if (read_i) even_q <= even_words_q[even_address_i];
    end

    always_ff @(posedge clk_i) begin
      if (write_i && write_address_i[0]) odd_words_q[write_address_i[$clog2(StagingWords)-1:1]] <= write_data_i;
      if (read_i) odd_q <= odd_words_q[odd_address_i];
    end

    // Align, place, transfer. Plane b is planes_q[32 * b +: 32].
    logic [71:0]  chunk_q;
    logic [255:0] planes_q;
    logic [255:0] even_position_q;
    logic [255:0] odd_position_q;

    always_ff @(posedge clk_i) begin
      if (align_i) begin
        chunk_q <= aligned(align_swap_i ? even_q : odd_q, align_swap_i ? odd_q : even_q, align_byte_i, align_low_i,
                           align_high_i, align_pads_i, align_channels_i, align_phase_i);
      end
      if (place_i) begin
        for (int b = 0; b < 8; b++) begin
          planes_q[32*b+:32] <= placed(planes_q[32*b+:32], chunk_q, b, place_count_i, place_lane_i, place_first_i);
        end
      end
      if (transfer_i[0]) even_position_q <= planes_q;
      if (transfer_i[1]) odd_position_q <= planes_q;
    end

    assign words_o = {odd_position_q[64*plane_i[3:2]+:64], even_position_q[64*plane_i[1:0]+:64]};
  end else begin : g_no_data
    assign words_o = 128'd0;
    logic unused_bits;
    assign unused_bits = ^{clk_i, write_i, write_address_i, write_data_i, read_i, even_address_i, odd_address_i,
                           align_i, align_swap_i, align_byte_i, align_low_i, align_high_i, align_channels_i,
                           align_phase_i, align_pads_i, place_i, place_lane_i, place_count_i, place_first_i,
                           transfer_i, plane_i};
  end

endmodule
