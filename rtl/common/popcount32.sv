// SPDX-License-Identifier: Apache-2.0
// Ones of `a & b`, 32 bits: 30 LUTs of six inputs. Eight groups of three ones give a unit and a two each, a LUT for either.
// All else is counted in six carry chains, a LUT for each position: beside the bit of the chain's first row a LUT has five
// inputs left, so that it forms the bit of the second row from those that this row is the sum of. The carry in counts as well.
//
//   chain         adds                                                      after all of its kind
//   5 ones (4 x)  a two, and five of the 8 units and the other 8 ones       1 unit, 8 twos, 4 fours
//   low           five twos, three fours                                    4 twos, 2 fours, 1 eight, 1 sixteen
//   high          what is left beside the unit
module popcount32 (
  input  logic [31:0] a_i,
  input  logic [31:0] b_i,
  output logic [5:0]  count_o
);
  logic [31:0] ones;
  logic [7:0]  units, twos;
  logic [4:0]  five0, five1, five2, five3, low, high;
  logic [1:0]  low_twos, low_fours, high_twos;

  function automatic logic [1:0] ones3(input logic [2:0] bits);
    ones3 = {(bits[0] & bits[1]) | (bits[2] & (bits[0] | bits[1])), bits[0] ^ bits[1] ^ bits[2]};
  endfunction

  // row + second + carry, as row - ~second - 1 with a position below for the carry: a chain takes the first operand of a
  // difference as it is, so that `second` is only in the LUT of the propagate signal.
  function automatic logic [4:0] chain(input logic [3:0] row, input logic carry, input logic [2:0] second);
    chain = 5'(({1'b0, row, carry} - {2'b11, ~second, ~carry}) >> 1);
  endfunction

  assign ones = a_i & b_i;

  for (genvar i = 0; i < 8; i++) begin : g_three
    assign {twos[i], units[i]} = ones3(ones[3*i+:3]);
  end

  assign five0 = chain({2'd0, twos[0], units[0]}, units[1], {1'b0, ones3({units[2], ones[25:24]})});
  assign five1 = chain({2'd0, twos[1], units[3]}, units[4], {1'b0, ones3({units[5], ones[27:26]})});
  assign five2 = chain({2'd0, twos[2], units[6]}, units[7], {1'b0, ones3({1'b0, ones[29:28]})});
  assign five3 = chain({2'd0, twos[3], five0[0]}, five1[0], {1'b0, ones3({five2[0], ones[31:30]})});

  assign low_twos  = ones3({five0[1], twos[7:6]});
  assign low_fours = ones3({low_twos[1], five1[2], five2[2]});
  assign low       = chain({2'd0, five0[2], twos[4]}, twos[5], {low_fours, low_twos[0]});
  assign high_twos = ones3({five1[1], five2[1], 1'b0});
  assign high      = chain(low[3:0], five3[1], {ones3({five3[2], high_twos[1], 1'b0}), high_twos[0]});
  assign count_o   = {high, five3[0]};

  logic unused;  // no more than 5, or 11
  assign unused = ^{five0[4:3], five1[4:3], five2[4:3], five3[4:3], low[4]};
endmodule
