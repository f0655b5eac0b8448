// Data side of the drain: F requantization lanes, the table that their codes may go through, and the codes as plane
// words, in pairs. Data only; drain_ctrl.sv. The first pair is complete two cycles after the last stage of the
// requantization, three with a table; each further pair a cycle later.
module drain_dpath #(
  parameter int F = 16,
  localparam int FilterWidth = $clog2(F),
  localparam int Granule = (F < 8) ? F : 8
) (
  input  logic                  clk_i,
  input  logic [3:0]            stage_i,
  input  logic                  direct_i,
  input  logic                  high_byte_i,
  input  logic                  low_byte_i,
  input  logic [1:0]            log2_weight_bits_i,
  input  logic                  sum_on_i,
  input  logic                  leaky_i,
  input  logic                  choose_i,
  input  logic [F*32-1:0]       acc_i,
  input  logic [31:0]           rowsum_i,
  input  logic [F*32-1:0]       channel_i,
  input  logic [F*16-1:0]       multiplier_i,
  input  logic [F*50-1:0]       bias_i,
  input  logic [F*6-1:0]        shift_i,
  input  logic [31:0]           low_i,
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
  logic [F*32-1:0] y;
  logic [F*8-1:0]  looked_up, bytes;

  requantizer #(.F(F)) u_requantizer (
    .clk_i, .stage_i, .direct_i, .high_byte_i, .low_byte_i, .log2_weight_bits_i, .sum_on_i, .leaky_i, .choose_i, .acc_i,
    .rowsum_i, .channel_i, .multiplier_i, .bias_i, .shift_i, .zero_i, .low_i, .high_i, .y_o(y)
  );

  code_table #(.F(F)) u_table (
    .clk_i, .we_i(table_we_i), .word_i(table_word_i), .wdata_i(table_data_i), .look_up_i, .index_i(y), .code_o(looked_up)
  );

  // the byte of each filter's result whose planes are placed; results of 8 bits at most may come from the table
  function automatic logic [F*8-1:0] bytes_of(input logic [F*32-1:0] results, input logic [1:0] pass);
    for (int f = 0; f < F; f++) bytes_of[8*f+:8] = results[32*f+8*32'(pass)+:8];
  endfunction
  assign bytes = looked_up_i ? looked_up : bytes_of(y, pass_i);

  // planes `index` and `index + 1` of the group's filters
  function automatic logic [2*F-1:0] pair(input logic [F*8-1:0] of, input logic [2:0] index, input logic [5:0] filters);
    for (int f = 0; f < F; f++) {pair[F+f], pair[f]} = of[8*f+32'(index)+:2] & {2{6'(f) <= filters}};
  endfunction

  // parts of F bits of a word, from the lowest: the group's, and with `further` those above it in the block
  function automatic logic [64/F-1:0] parts(input logic one_bit, input logic further, input logic [5:0] offset);
    logic [32/F-1:0] half;
    half  = (further ? '1 : (32/F)'(1)) << (offset[4:0] >> FilterWidth);
    parts = one_bit ? (further ? '1 : (64/F)'(1)) << (offset >> FilterWidth) : {2{half}};
  endfunction

  logic [64/F-1:0] written;
  logic [2*F-1:0]  first_pair, pair1_q, pair2_q, pair3_q, pair2_q2, pair3_q2, pair3_q3;
  assign written    = parts(one_bit_i, zero_extend_i, offset_i);
  assign first_pair = pair(bytes, 3'd0, filters_i);

  always_ff @(posedge clk_i) begin
    if (place_i) begin
      fields_o <= parts(one_bit_i, 1'b0, offset_i);
      for (int g = 0; g < 64 / Granule; g++) mask_o[g] <= written[g*Granule/F];
      pair0_o <= one_bit_i ? {2{first_pair[F-1:0]}} : first_pair;
      pair1_q <= pair(bytes, 3'd2, filters_i);
      pair2_q <= pair(bytes, 3'd4, filters_i);
      pair3_q <= pair(bytes, 3'd6, filters_i);
    end
    {pair1_o, pair2_q2, pair3_q2} <= {pair1_q, pair2_q, pair3_q};
    {pair2_o, pair3_o} <= {pair2_q2, pair3_q3};
    pair3_q3 <= pair3_q2;
  end
endmodule
