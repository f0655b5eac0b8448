// Data side of the drain: F requantization lanes, and their codes as plane words. Data only; drain_ctrl.sv.
module drain_dpath #(
  parameter int F = 16,
  localparam int Granule = (F < 8) ? F : 8
) (
  input  logic                  clk_i,
  input  logic [3:0]            stage_i,
  input  logic [1:0]            log2_weight_bits_i,
  input  logic [F*32-1:0]       acc_i,
  input  logic [31:0]           rowsum_i,
  input  logic [F*50-1:0]       bias_i,
  input  logic [F*16-1:0]       multiplier_i,
  input  logic [F*6-1:0]        shift_i,
  input  logic [31:0]           low_i,
  input  logic [31:0]           high_i,
  input  logic [31:0]           zero_i,
  // placement of the results
  input  logic                  result_valid_i,
  input  logic [1:0]            pass_i,         // planes 8*pass .. 8*pass+7
  input  logic                  one_bit_i,
  input  logic [5:0]            offset_i,       // bit of filter 0 in the block
  input  logic [5:0]            filters_i,      // filters of the group, less one
  input  logic                  zero_extend_i,
  output logic [255:0]          words_o,        // four plane words
  output logic [64/Granule-1:0] mask_o          // which granules of a word belong to this group
);
  logic [31:0]  y[F];
  logic [F-1:0] planes[8];
  logic [F-1:0] present;
  logic [4:0]   offset;      // in a 32-channel block
  logic [31:0]  lower_mask;
  logic [63:0]  bit_mask;

  for (genvar f = 0; f < F; f++) begin : g_lane
    requantizer u_requantizer (
      .clk_i, .stage_i, .log2_weight_bits_i,
      .acc_i(acc_i[32*f+:32]), .rowsum_i,
      .multiplier_i(multiplier_i[16*f+:16]), .bias_i(bias_i[50*f+:50]), .shift_i(shift_i[6*f+:6]),
      .zero_i, .low_i, .high_i,
      .y_o(y[f])
    );
  end

  assign offset  = offset_i[4:0];
  assign present = F'((33'd2 << filters_i) - 33'd1);

  always_comb begin
    for (int j = 0; j < 8; j++) planes[j] = '0;
    words_o = '0;
    bit_mask = '0;
    lower_mask = '0;
    if (result_valid_i) begin
      for (int f = 0; f < F; f++) begin
        for (int j = 0; j < 8; j++) planes[j][f] = y[f][{pass_i, 3'(j)}] & present[f];
      end
      if (one_bit_i) begin
        words_o[63:0] = 64'(planes[0]) << offset_i;
        bit_mask = zero_extend_i ? ~64'd0 << offset_i : 64'({F{1'b1}}) << offset_i;
      end else begin
        for (int k = 0; k < 4; k++) begin
          words_o[64*k+:32]    = 32'(planes[2*k]) << offset;
          words_o[64*k+32+:32] = 32'(planes[2*k+1]) << offset;
        end
        lower_mask = zero_extend_i ? ~32'd0 << offset : 32'({F{1'b1}}) << offset;
        bit_mask   = {2{lower_mask}};
      end
    end
  end
  for (genvar g = 0; g < 64 / Granule; g++) begin : g_mask
    assign mask_o[g] = bit_mask[Granule*g];
  end
endmodule
