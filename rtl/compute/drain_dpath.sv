// SPDX-License-Identifier: Apache-2.0
// Data side of the drain: F requantization lanes, the zero point and the limits of their results, the table that these may
// go through, and their codes as plane words, in pairs. Data only; drain_ctrl.sv. The first pair is complete two cycles
// after the last stage of the requantization, three with a table; each further pair a cycle later.
module drain_dpath #(
  parameter int F = 16,
  localparam int FilterWidth = $clog2(F),
  localparam int Granule = (F < 8) ? F : 8
) (
  input  logic                  clk_i,
  input  logic                  rst_i,          // for assertions
  input  logic [3:0]            stage_i,
  input  logic                  direct_i,
  input  logic                  high_byte_i,
  input  logic                  low_byte_i,
  input  logic [1:0]            log2_weight_bits_i,
  input  logic                  sum_on_i,
  input  logic                  choose_i,
  input  logic [F*32-1:0]       acc_i,
  input  logic [31:0]           rowsum_i,
  input  logic [F*32-1:0]       channel_i,
  input  logic [F*72-1:0]       parameters_i,
  input  logic [F*50-1:0]       bias_i,
  input  logic [F*6-1:0]        shift_i,
  input  logic [31:0]           low_i,          // signed; the zero point is from low to high
  input  logic [31:0]           high_i,
  input  logic [31:0]           zero_i,
  input  logic                  table_we_i,
  input  logic [4:0]            table_word_i,
  input  logic [63:0]           table_data_i,
  input  logic                  look_up_i,      // with the last stage's results
  // placement of the results: of the last stage, or of the table
  input  logic                  looked_up_i,
  input  logic                  place_i,
  input  logic [1:0]            pass_i,         // planes 8*pass .. 8*pass+7
  input  logic                  one_bit_i,
  input  logic [5:0]            offset_i,       // bit of filter 0 in the block
  input  logic [5:0]            filters_i,      // filters of the group, less one
  input  logic                  zero_extend_i,
  output logic [2*F-1:0]        pair0_o,        // planes of the group's filters, the more significant one above
  output logic [2*F-1:0]        pair1_o,
  output logic [2*F-1:0]        pair2_o,
  output logic [2*F-1:0]        pair3_o,
  output logic [64/F-1:0]       fields_o,       // which parts of F bits of a word they are
  output logic [64/Granule-1:0] mask_o          // which granules of a word are written
);
  logic [F*64-1:0] halves;

  requantizer #(.F(F)) u_requantizer (
    .clk_i, .rst_i, .stage_i, .direct_i, .high_byte_i, .low_byte_i, .log2_weight_bits_i, .sum_on_i, .choose_i, .acc_i,
    .rowsum_i, .channel_i, .parameters_i, .bias_i, .shift_i, .halves_o(halves)
  );

  // -- zero point and limits, in the cycle after the last stage ----------------------------------------------------
  logic [31:0] zero_q, low_q, high_q;
  // to what the zero point is added: the least, and what is above all
  logic signed [33:0] least_q, above_q;
  always_ff @(posedge clk_i) begin
    {zero_q, low_q, high_q} <= {zero_i, low_i, high_i};
    least_q <= 34'($signed(low_i)) - 34'($signed(zero_i));
    above_q <= 34'($signed(high_i)) - 34'($signed(zero_i)) + 34'sd1;
  end

  // Byte `pass_i` of the sum plus the zero point, within the limits. These lie on either side of zero, so that the sum's
  // sign says which one to look at. It is looked at in 35 bits, once it is known that they hold the sum.
  function automatic logic [7:0] clamped(input logic signed [50:0] sum);
    logic signed [33:0] limit;
    logic signed [35:0] beyond;
    logic [31:0]        value;
    logic               negative, unused_bits;
    negative    = sum[50];
    limit       = negative ? least_q : above_q;
    beyond      = 36'($signed(sum[34:0])) - 36'(limit);
    unused_bits = ^beyond[34:0];
    value       = zero_q + sum[31:0];
    if (sum[50:34] == {17{negative}} && beyond[35] != negative) clamped = value[8*pass_i+:8];
    else clamped = negative ? low_q[8*pass_i+:8] : high_q[8*pass_i+:8];
  endfunction

  function automatic logic [F*8-1:0] codes(input logic [F*64-1:0] of);
    for (int f = 0; f < F; f++) codes[8*f+:8] = clamped(of[64*f+1+:51]);
  endfunction

  // -- table ---------------------------------------------------------------------------------------------------------
  logic [F*8-1:0] index_q, looked_up;
  always_ff @(posedge clk_i) begin
    if (look_up_i) index_q <= codes(halves);
  end

  code_table #(.F(F)) u_table (
    .clk_i, .we_i(table_we_i), .word_i(table_word_i), .wdata_i(table_data_i), .looked_up_i, .index_i(index_q),
    .code_o(looked_up)
  );

  // -- planes --------------------------------------------------------------------------------------------------------
  // of the bytes of the group's filters, pair by pair; both planes of pair 0 the same where there is one
  function automatic logic [F*8-1:0] planes(input logic [F*8-1:0] of, input logic [5:0] filters, input logic one_bit);
    for (int f = 0; f < F; f++) begin
      for (int i = 0; i < 8; i++) planes[F*i+f] = of[8*f+((one_bit && i == 1) ? 0 : i)] && 6'(f) <= filters;
    end
  endfunction

  // parts of F bits of a word, from the lowest: the group's, and with `further` those above it in the block
  function automatic logic [64/F-1:0] parts(input logic one_bit, input logic further, input logic [5:0] offset);
    logic [32/F-1:0] half;
    half  = (further ? '1 : (32/F)'(1)) << (offset[4:0] >> FilterWidth);
    parts = one_bit ? (further ? '1 : (64/F)'(1)) << (offset >> FilterWidth) : {2{half}};
  endfunction

  logic [64/F-1:0] written;
  logic [2*F-1:0]  pair1_q, pair2_q, pair3_q, pair2_q2, pair3_q2, pair3_q3;
  assign written = parts(one_bit_i, zero_extend_i, offset_i);

  always_ff @(posedge clk_i) begin
    if (place_i) begin
      logic [F*8-1:0] pairs;  // once, not once for each register
      pairs = planes(looked_up_i ? looked_up : codes(halves), filters_i, one_bit_i);
      fields_o <= parts(one_bit_i, 1'b0, offset_i);
      for (int g = 0; g < 64 / Granule; g++) mask_o[g] <= written[g*Granule/F];
      {pair3_q, pair2_q, pair1_q, pair0_o} <= pairs;
    end
    {pair1_o, pair2_q2, pair3_q2} <= {pair1_q, pair2_q, pair3_q};
    {pair2_o, pair3_o} <= {pair2_q2, pair3_q3};
    pair3_q3 <= pair3_q2;
  end

`ifndef SYNTHESIS
  always @(posedge clk_i) begin
    if (!rst_i) begin
      assert (((look_up_i || (place_i && !looked_up_i)) && (least_q > 34'sd0 || above_q <= 34'sd0)) !== 1'b1)
        else $error("the zero point %0d is not from %0d to %0d", $signed(zero_q), $signed(low_q), $signed(high_q));
      assert ((table_we_i && place_i && looked_up_i) !== 1'b1) else $error("the table is written while its codes are placed");
      assert ((place_i && 32'(filters_i) >= F) !== 1'b1) else $error("%0d filters of a group", filters_i + 1);
    end
  end
`endif
endmodule
