// P x 32 channelwise units, for operations without a sum over channels (DEPTHWISE, ADD). *Select* takes the 32 weights
// of the entry's tap, *accumulate* adds code bits times weight, by Horner's rule over the plane pairs from the most
// significant: the sum so far counts four times as much with each further pair. Captured accumulators wait here to be
// drained, a row (one position, F channels) at a time. Data only. F must be at least 4.
//
// Of a product of two tensors the weights are codes x2 as tensors hold them, planes of 32 channels in the first slot, less
// 128: 8 signed bits. Its second and third tap count 64 each, so that with them an unsigned tensor's x2 is whole. Where
// the activations x1 are signed, a sum starts with -2 * (x2 + 1), which becomes -128 * x2 - 128 with the further pairs.
//
// Inputs belong to the select stage; accumulators are complete two cycles after its last valid cycle. One entry per
// cycle, no back-pressure. 22 bits of an accumulator count, signed; synthesis drops the others.
//
// Flat vectors of 32-bit lanes in plain loops, as in dot_product_array.sv and for its reason. A plane's bits lie spread
// so that no lane finds its own at bit 0: GCC vectorizes shifts of 16 lanes only if all are shifts (2.4 times as fast).
module channelwise_array #(
  parameter int P = 8,
  parameter int F = 16,
  localparam int LaneWidth = $clog2(P)
) (
  input  logic                 clk_i,
  input  logic                 rst_i,
  input  logic                 valid_i,
  input  logic                 first_i,        // start the accumulators anew
  input  logic                 shift_i,        // the first tap of a further pair of planes
  input  logic                 one_bit_i,      // the word's halves are the same plane
  input  logic                 unit_i,         // all weights are one
  input  logic                 product_i,      // they are codes
  input  logic                 half_i,         //   or, in a further tap, 64
  input  logic                 unsigned_i,     //   of an unsigned tensor
  input  logic                 start_i,        // the activations are signed
  input  logic [2:0]           slot_i,         // which F/4 part of the row of weights
  input  logic [P*64-1:0]      activations_i,
  input  logic [F*64-1:0]      weights_i,
  input  logic                 capture_i,
  input  logic                 row_valid_i,
  input  logic [LaneWidth-1:0] row_lane_i,
  input  logic [2:0]           row_group_i,
  output logic [F*32-1:0]      row_o           // one cycle after row_valid_i; 22 bits of each lane
);
  localparam int Groups = 32 / F;

  // select
  logic             valid_q, first_q, shift_q, unsigned_q, start_q;
  logic [P*64-1:0]  lower_q, upper_q;  // spread planes
  logic [32*32-1:0] weight_q;
  // accumulate, capture
  logic [P*32*32-1:0] acc_q, captured_q;

  logic unused;
  assign unused = ^{lower_q, upper_q};

  // bits 15..0 at bits 16..1, bits 31..16 at bits 48..33
  function automatic logic [63:0] spread(input logic [31:0] plane);
    spread = {15'd0, plane[31:16], 16'd0, plane[15:0], 1'b0};
  endfunction

  function automatic logic [32*32-1:0] extended(input logic [32*8-1:0] bytes);
    for (int c = 0; c < 32; c++) extended[32*c+:32] = {{24{bytes[8*c+7]}}, bytes[8*c+:8]};
  endfunction

  // codes less 128
  function automatic logic [32*32-1:0] codes(input logic [8*32-1:0] planes);
    for (int c = 0; c < 32; c++) begin
      codes[32*c+:32] = {{25{!planes[7*32+c]}}, planes[6*32+c], planes[5*32+c], planes[4*32+c], planes[3*32+c],
                         planes[2*32+c], planes[32+c], planes[c]};
    end
  endfunction

  always_ff @(posedge clk_i) begin
    valid_q <= valid_i && !rst_i;
    if (valid_i) begin
      first_q <= first_i;
      shift_q <= shift_i;
      unsigned_q <= unsigned_i;
      start_q    <= start_i;
      for (int p = 0; p < P; p++) begin
        lower_q[64*p+:64] <= spread(activations_i[64*p+:32]);
        upper_q[64*p+:64] <= one_bit_i ? 64'd0 : spread(activations_i[64*p+32+:32]);
      end
      weight_q <= unit_i      ? {32{32'd1}}
                  : half_i    ? {32{32'd64}}
                  : product_i ? codes(weights_i[255:0])
                              : extended(weights_i[32'(slot_i)*256+:256]);
    end
  end

`ifdef VERILATOR
  // one whole assignment, behind the capture: Verilator keeps no second copy of the accumulators
  function automatic logic [P*32*32-1:0] accumulated(input logic first, input logic shift);
    for (int p = 0; p < P; p++) begin
      for (int c = 0; c < 32; c++) begin
        accumulated[32*(32*p+c)+:32] = (first ? 32'd0 : acc_q[32*(32*p+c)+:32] << {shift, 1'b0})
            + ({32{lower_q[64*p+c+c/16*16+1]}} & weight_q[32*c+:32])
            + ({32{upper_q[64*p+c+c/16*16+1]}} & (weight_q[32*c+:32] << 1));
      end
    end
  endfunction

  // the same from the start of signed activations
  function automatic logic [P*32*32-1:0] started(input logic is_unsigned);
    for (int p = 0; p < P; p++) begin
      for (int c = 0; c < 32; c++) begin
        started[32*(32*p+c)+:32] = ((~weight_q[32*c+:32] - {24'd0, is_unsigned, 7'd0}) << 1)
            + ({32{lower_q[64*p+c+c/16*16+1]}} & weight_q[32*c+:32])
            + ({32{upper_q[64*p+c+c/16*16+1]}} & (weight_q[32*c+:32] << 1));
      end
    end
  endfunction
`endif

  always_ff @(posedge clk_i) begin
    if (row_valid_i) row_o <= captured_q[(32'(row_lane_i)*Groups+32'(row_group_i))*F*32+:F*32];
    if (capture_i) captured_q <= acc_q;
`ifdef VERILATOR
    if (valid_q) acc_q <= start_q ? started(unsigned_q) : accumulated(first_q, shift_q);
`endif
  end

`ifndef VERILATOR
  // the same units one by one; lanes hold 22 bits, and nobody looks at the others
  logic [1:0] from;
  assign from = start_q ? 2'd1 : first_q ? 2'd0 : shift_q ? 2'd3 : 2'd2;

  for (genvar p = 0; p < P; p++) begin : g_row
    for (genvar c = 0; c < 32; c++) begin : g_unit
      channelwise_unit u_unit (
        .clk_i, .valid_i(valid_q), .from_i(from), .lower_i(lower_q[64*p+c+c/16*16+1]),
        .upper_i(upper_q[64*p+c+c/16*16+1]), .weight_i(weight_q[32*c+:8]),
        .start_i({unsigned_q || !weight_q[32*c+7], weight_q[32*c+7] ~^ unsigned_q}), .acc_o(acc_q[32*(32*p+c)+:22])
      );
      assign acc_q[32*(32*p+c)+22+:10] = 10'd0;
    end
  end
`endif
endmodule
