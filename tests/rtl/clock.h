#pragma once

namespace bitloop::rtl_test {

/// One clock cycle of a Verilated module: both edges, settled. `between` sets what changes at the rising
/// edge.
template <class Dut, class Between>
void clock(Dut& dut, const Between& between) {
  dut.clk_i = 1;
  dut.eval();
  between();
  dut.clk_i = 0;
  dut.eval();
}
template <class Dut>
void clock(Dut& dut) {
  clock(dut, [] {});
}

/// Settles the inputs that were set, with `rst_i` for one cycle.
template <class Dut>
void reset(Dut& dut) {
  dut.clk_i = 0;
  dut.rst_i = 1;
  dut.eval();
  clock(dut);
  dut.rst_i = 0;
}

}  // namespace bitloop::rtl_test
