#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <utility>

#include "Vregister_slave.h"
#include "host/device/registers.h"
#include "tests/rtl/clock.h"

namespace bitloop {
namespace {

namespace registers = bitloop::host::registers;
constexpr int kOkay = 0;
constexpr int kSlaveError = 2;

class RegisterSlave : public testing::Test {
 protected:
  RegisterSlave() {
    dut.rst_ni = 0;
    dut.s_axil_awvalid_i = dut.s_axil_wvalid_i = dut.s_axil_bready_i = 0;
    dut.s_axil_arvalid_i = dut.s_axil_rready_i = 0;
    dut.clear_i = dut.done_i = dut.resetting_i = dut.counters_busy_i = 0;
    dut.error_i = 0;
    dut.error_info_i = 0;
    dut.clk_i = 0;
    dut.eval();
    clock();
    clock();
    dut.rst_ni = 1;
    dut.eval();
  }

  void clock() {
    starts += dut.start_o;
    soft_resets += dut.soft_reset_o;
    snapshots += dut.snapshot_o;
    const auto index = dut.counter_index_o;
    // Counter n reads n + 1 in both halves.
    rtl_test::clock(dut, [&] { dut.counter_i = 0x100000001ULL * (index + 1ULL); });
  }

  /// Address and data start at random times; the response is taken at a random time.
  int write(std::uint32_t offset, std::uint32_t value, int strobes = 15) {
    int address_delay = static_cast<int>(random() % 4), data_delay = static_cast<int>(random() % 4);
    bool address_left = true, data_left = true;
    for (int cycle = 0; cycle < 100; ++cycle) {
      dut.s_axil_awvalid_i = address_left && address_delay-- <= 0;
      dut.s_axil_awaddr_i = offset;
      dut.s_axil_wvalid_i = data_left && data_delay-- <= 0;
      dut.s_axil_wdata_i = value;
      dut.s_axil_wstrb_i = strobes;
      dut.s_axil_bready_i = random() % 2;
      dut.eval();
      const bool address_taken = dut.s_axil_awvalid_i && dut.s_axil_awready_o;
      const bool data_taken = dut.s_axil_wvalid_i && dut.s_axil_wready_o;
      const bool answered = dut.s_axil_bvalid_o && dut.s_axil_bready_i;
      const int response = dut.s_axil_bresp_o;
      EXPECT_FALSE(dut.s_axil_bvalid_o && (address_left || data_left));
      clock();
      address_left = address_left && !address_taken;
      data_left = data_left && !data_taken;
      if (answered) {
        dut.s_axil_bready_i = 0;
        return response;
      }
    }
    ADD_FAILURE() << "no write response";
    return -1;
  }

  std::pair<std::uint32_t, int> read(std::uint32_t offset) {
    bool left = true;
    for (int cycle = 0; cycle < 100; ++cycle) {
      dut.s_axil_arvalid_i = left;
      dut.s_axil_araddr_i = offset;
      dut.s_axil_rready_i = random() % 2;
      dut.eval();
      const bool taken = dut.s_axil_arvalid_i && dut.s_axil_arready_o;
      const bool answered = dut.s_axil_rvalid_o && dut.s_axil_rready_i;
      const std::pair<std::uint32_t, int> answer{dut.s_axil_rdata_o, dut.s_axil_rresp_o};
      clock();
      left = left && !taken;
      if (answered) return answer;
    }
    ADD_FAILURE() << "no read answer";
    return {};
  }

  using Answer = std::pair<std::uint32_t, int>;
  Vregister_slave dut;
  std::mt19937 random{3};
  int starts = 0, soft_resets = 0, snapshots = 0;
};

TEST_F(RegisterSlave, identity_is_that_of_the_source) {
  EXPECT_EQ(read(registers::kId), Answer(registers::kIdValue, kOkay));
  EXPECT_EQ(read(registers::kVersion), Answer(registers::kRegmapVersion, kOkay));
  EXPECT_EQ(read(registers::kRegmapHash), Answer(registers::kRegmapHashValue, kOkay));
  EXPECT_EQ(read(registers::kDescriptorVersion), Answer(registers::kDescriptorVersionValue, kOkay));
  EXPECT_EQ(read(registers::kConfigArray), Answer(16U << 16 | 8, kOkay));
}

TEST_F(RegisterSlave, unmapped_offsets_read_zero_with_an_error) {
  for (std::uint32_t offset : {0x58U, 0x5cU, 0xfcU, 0x200U, 0xffcU}) {
    EXPECT_EQ(read(offset), Answer(0, kSlaveError)) << offset;
    EXPECT_EQ(write(offset, 1), kSlaveError) << offset;
  }
}

TEST_F(RegisterSlave, read_only_and_partial_writes_are_refused) {
  EXPECT_EQ(write(registers::kId, 1), kSlaveError);
  EXPECT_EQ(write(registers::kCounters, 1), kSlaveError);
  EXPECT_EQ(write(registers::kBase, 0x5000, 7), kSlaveError);
  EXPECT_EQ(read(registers::kBase), Answer(0, kOkay));
}

TEST_F(RegisterSlave, base_is_a_multiple_of_4096_and_survives_a_soft_reset) {
  EXPECT_EQ(write(registers::kBase, 0x12345678), kOkay);
  EXPECT_EQ(write(registers::kJob, 64), kOkay);
  EXPECT_EQ(write(registers::kControl, 1), kOkay);
  EXPECT_EQ(soft_resets, 1);
  dut.clear_i = 1;
  dut.eval();
  clock();
  dut.clear_i = 0;
  dut.eval();
  EXPECT_EQ(read(registers::kBase), Answer(0x12345000, kOkay));
  EXPECT_EQ(read(registers::kJob), Answer(0, kOkay));
}

TEST_F(RegisterSlave, start_returns_its_sequence_number_when_the_job_ends) {
  EXPECT_EQ(write(registers::kIrqEnable, 1), kOkay);
  EXPECT_EQ(write(registers::kStart, 77), kOkay);
  EXPECT_EQ(starts, 1);
  EXPECT_EQ(read(registers::kStatus), Answer(1, kOkay));
  EXPECT_EQ(write(registers::kStart, 78), kSlaveError);
  EXPECT_EQ(starts, 1);
  EXPECT_EQ(read(registers::kLastDone), Answer(0, kOkay));
  EXPECT_EQ(dut.irq_o, 0);
  dut.done_i = 1;
  dut.eval();
  clock();
  dut.done_i = 0;
  dut.eval();
  clock();
  EXPECT_EQ(dut.irq_o, 1);
  EXPECT_EQ(read(registers::kLastDone), Answer(77, kOkay));
  EXPECT_EQ(read(registers::kStatus), Answer(0, kOkay));
  EXPECT_EQ(write(registers::kIrqStatus, 1), kOkay);
  clock();
  EXPECT_EQ(dut.irq_o, 0);
  EXPECT_EQ(write(registers::kStart, 79), kOkay);
  EXPECT_EQ(starts, 2);
}

TEST_F(RegisterSlave, counters_read_low_word_first_and_wait_for_a_snapshot) {
  EXPECT_EQ(write(registers::kControl, 2), kOkay);
  EXPECT_EQ(snapshots, 1);
  for (std::uint32_t word = 0; word < 64; ++word) {
    EXPECT_EQ(read(registers::kCounters + 4 * word), Answer(word / 2 + 1, kOkay)) << word;
  }
  dut.counters_busy_i = 1;
  dut.s_axil_arvalid_i = 1;
  dut.s_axil_araddr_i = registers::kCounters;
  dut.s_axil_rready_i = 0;
  dut.eval();
  for (int cycle = 0; cycle < 20; ++cycle) {
    clock();
    dut.s_axil_arvalid_i = 0;
    dut.eval();
    EXPECT_EQ(dut.s_axil_rvalid_o, 0);
  }
  dut.counters_busy_i = 0;
  dut.eval();
  clock();
  clock();
  EXPECT_EQ(dut.s_axil_rvalid_o, 1);
}

}  // namespace
}  // namespace bitloop
