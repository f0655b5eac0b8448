// Ones of `a & b`, 32 bits. Ten groups of three and one of two give 11 units and 11 twos; two 6:3 counters for each weight, and
// adders of three bits: one LUT6 for each output of a group, a counter or an adder.
module popcount32 (
  input  logic [31:0] a_i,
  input  logic [31:0] b_i,
  output logic [5:0]  count_o
);
  logic [31:0] ones;
  logic [11:0] units, twos;
  logic [2:0]  units_low, units_high, twos_low, twos_high;
  logic [3:0]  sum_units, sum_twos;

  function automatic logic [2:0] ones6(input logic [5:0] bits);
    ones6 = {2'd0, bits[0]} + {2'd0, bits[1]} + {2'd0, bits[2]} + {2'd0, bits[3]} + {2'd0, bits[4]} + {2'd0, bits[5]};
  endfunction

  assign ones = a_i & b_i;

  for (genvar i = 0; i < 10; i++) begin : g_three
    assign units[i] = ones[3*i] ^ ones[3*i+1] ^ ones[3*i+2];
    assign twos[i]  = (ones[3*i] & ones[3*i+1]) | (ones[3*i+2] & (ones[3*i] | ones[3*i+1]));
  end
  assign units[11:10] = {1'b0, ones[30] ^ ones[31]};
  assign twos[11:10]  = {1'b0, ones[30] & ones[31]};

  assign units_low  = ones6(units[5:0]);
  assign units_high = ones6(units[11:6]);
  assign twos_low   = ones6(twos[5:0]);
  assign twos_high  = ones6(twos[11:6]);
  assign sum_units  = {1'b0, units_low} + {1'b0, units_high};
  assign sum_twos   = {1'b0, twos_low} + {1'b0, twos_high};
  assign count_o    = {2'd0, sum_units} + {1'b0, sum_twos, 1'b0};
endmodule
