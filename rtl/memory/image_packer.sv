// SPDX-License-Identifier: Apache-2.0
// PACK, and the staging ring that LOAD_IMAGE fills: image bytes (HWC) to 8-bit plane words of one channel block.
// One instruction at a time from `start_i` to `done_o`; max(2, rows * ceil(columns * C / 9)) cycles per position.
// Words go to the even and the odd banks side by side.
module image_packer #(
  parameter int P            = 8,
  parameter int StagingWords = 4096,
  parameter bit Datapath     = 1'b1
) (
  input  logic                            clk_i,
  input  logic                            rst_i,
  input  logic                            write_i,
  input  logic [$clog2(StagingWords)-1:0] write_address_i,
  input  logic [63:0]                     write_data_i,
  input  logic                            start_i,
  input  logic [383:64]                   instr_i,   // d2 to d11: fields where they are in the descriptor
  output logic                            done_o,
  output logic [1:0]                      act_valid_o,
  input  logic [1:0]                      act_ready_i,
  output logic [2*$clog2(P)-1:0]          act_bank_o,
  output logic [31:0]                     act_row_o,
  output logic [127:0]                    act_data_o
);

  logic                            read;
  logic [$clog2(StagingWords)-2:0] even_address;
  logic [$clog2(StagingWords)-2:0] odd_address;
  logic                            align;
  logic                            align_swap;
  logic [2:0]                      align_byte;
  logic [3:0]                      align_low;
  logic [3:0]                      align_high;
  logic [2:0]                      align_channels;
  logic [1:0]                      align_phase;
  logic [31:0]                     align_pads;
  logic                            place;
  logic [4:0]                      place_lane;
  logic [3:0]                      place_count;
  logic                            place_first;
  logic [1:0]                      transfer;
  logic [3:0]                      plane;

  image_packer_ctrl #(
    .P           (P),
    .StagingWords(StagingWords)
  ) u_ctrl (
    .clk_i,
    .rst_i,
    .start_i,
    .instr_i,
    .done_o,
    .act_valid_o,
    .act_ready_i,
    .act_bank_o,
    .act_row_o,
    .read_o           (read),
    .even_address_o   (even_address),
    .odd_address_o    (odd_address),
    .align_o          (align),
    .align_swap_o     (align_swap),
    .align_byte_o     (align_byte),
    .align_low_o      (align_low),
    .align_high_o     (align_high),
    .align_channels_o (align_channels),
    .align_phase_o    (align_phase),
    .align_pads_o     (align_pads),
    .place_o          (place),
    .place_lane_o     (place_lane),
    .place_count_o    (place_count),
    .place_first_o    (place_first),
    .transfer_o       (transfer),
    .plane_o          (plane)
  );

  image_packer_dpath #(
    .StagingWords(StagingWords),
    .Datapath    (Datapath)
  ) u_dpath (
    .clk_i,
    .write_i,
    .write_address_i,
    .write_data_i,
    .read_i           (read),
    .even_address_i   (even_address),
    .odd_address_i    (odd_address),
    .align_i          (align),
    .align_swap_i     (align_swap),
    .align_byte_i     (align_byte),
    .align_low_i      (align_low),
    .align_high_i     (align_high),
    .align_channels_i (align_channels),
    .align_phase_i    (align_phase),
    .align_pads_i     (align_pads),
    .place_i          (place),
    .place_lane_i     (place_lane),
    .place_count_i    (place_count),
    .place_first_i    (place_first),
    .transfer_i       (transfer),
    .plane_i          (plane),
    .words_o          (act_data_o)
  );

endmodule
