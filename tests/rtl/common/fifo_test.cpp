#include <gtest/gtest.h>

#include <deque>
#include <random>

#include "Vfifo.h"
#include "tests/rtl/clock.h"

namespace bitloop::rtl_test {
namespace {

TEST(Fifo, keeps_order_and_never_loses_or_invents_words) {
  Vfifo dut;
  std::mt19937 random(1);
  std::deque<int> golden;
  dut.valid_i = 0;
  dut.ready_i = 0;
  reset(dut);
  for (int cycle = 0; cycle < 20000; ++cycle) {
    const unsigned bias = static_cast<unsigned>(cycle / 1000) % 3;  // filling, draining, balanced
    dut.valid_i = random() % 4 < 1 + bias;
    dut.ready_i = random() % 4 < 3 - bias;
    dut.data_i = static_cast<std::uint16_t>(random());
    dut.eval();
    ASSERT_EQ(dut.valid_o, !golden.empty()) << "cycle " << cycle;
    ASSERT_EQ(dut.ready_o, golden.size() < 4) << "cycle " << cycle;
    if (dut.valid_o) ASSERT_EQ(dut.data_o, golden.front()) << "cycle " << cycle;
    const bool push = dut.valid_i && dut.ready_o;
    const bool pop = dut.valid_o && dut.ready_i;
    if (pop) golden.pop_front();
    if (push) golden.push_back(dut.data_i);
    clock(dut);
  }
}

}  // namespace
}  // namespace bitloop::rtl_test
