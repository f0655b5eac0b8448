#pragma once

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "host/device/registers.h"

namespace bitloop::rtl_test {

namespace registers = bitloop::host::registers;

using Descriptor = std::array<std::uint32_t, 16>;

constexpr int kPixels = 4;  // as in CMakeLists.txt
constexpr int kFilters = 8;
constexpr int kActivationRows = 1024;
constexpr int kStagingWords = 256;
constexpr std::uint32_t kBase = 0x10000;

/// Drives one Verilated accelerator: an AXI4 memory that also checks the protocol, and the register bus.
/// `stalls` in percent per channel and cycle; 0 is the default memory (60 cycles to a read's first beat, 20
/// from the last write beat to the response, 8 bursts each way), except that reads and writes do not share
/// their beats.
template <class Model>
class Bench {
 public:
  explicit Bench(unsigned seed, int stalls_percent) : random(seed), stalls(stalls_percent), memory(1 << 18) {
    dut.clk_i = 0;
    dut.rst_ni = 0;
    dut.s_axil_awvalid_i = dut.s_axil_wvalid_i = dut.s_axil_arvalid_i = 0;
    dut.s_axil_bready_i = dut.s_axil_rready_i = 1;
    for (int i = 0; i < 4; ++i) tick();
    dut.rst_ni = 1;
    tick();
    tick();
  }

  bool stall() { return stalls != 0 && static_cast<int>(random() % 100) < stalls; }

  void tick() {
    // Memory outputs for this cycle. A response stays once it is offered.
    dut.m_axi_arready_i = reads.size() < 8 && !stall();
    dut.m_axi_awready_i = writes_open < 8 && !stall();
    dut.m_axi_wready_i = !stall();
    if (!r_offered) r_offered = !reads.empty() && reads.front().ready <= cycle && !stall();
    dut.m_axi_rvalid_i = r_offered;
    if (r_offered) {
      const Read& burst = reads.front();
      dut.m_axi_rdata_i = word(burst.address + 8 * burst.done);
      dut.m_axi_rlast_i = burst.done == burst.length;
      dut.m_axi_rresp_i = read_error_at != 0 && burst.address == read_error_at ? 2 : 0;
    } else {
      dut.m_axi_rdata_i = 0xbadbadbadbadbadULL;
      dut.m_axi_rlast_i = random() & 1;
      dut.m_axi_rresp_i = random() & 3;
    }
    if (!b_offered) b_offered = !responses.empty() && responses.front().first <= cycle && !stall();
    dut.m_axi_bvalid_i = b_offered;
    dut.m_axi_bresp_i = b_offered && responses.front().second ? 2 : 0;
    dut.eval();

    // Protocol: an offer stands until it is taken.
    if (ar_waiting) EXPECT_TRUE(dut.m_axi_arvalid_o && dut.m_axi_araddr_o == ar_address) << "AR changed";
    if (aw_waiting) EXPECT_TRUE(dut.m_axi_awvalid_o && dut.m_axi_awaddr_o == aw_address) << "AW changed";
    if (w_waiting) EXPECT_TRUE(dut.m_axi_wvalid_o && dut.m_axi_wdata_o == w_data) << "W changed";
    ar_waiting = dut.m_axi_arvalid_o && !dut.m_axi_arready_i;
    aw_waiting = dut.m_axi_awvalid_o && !dut.m_axi_awready_i;
    w_waiting = dut.m_axi_wvalid_o && !dut.m_axi_wready_i;
    ar_address = dut.m_axi_araddr_o;
    aw_address = dut.m_axi_awaddr_o;
    w_data = dut.m_axi_wdata_o;

    if (dut.m_axi_rvalid_i && dut.m_axi_rready_o) {
      r_offered = false;
      if (reads.front().done++ == reads.front().length) reads.pop_front();
      ++read_beats;
    }
    if (dut.m_axi_arvalid_o && dut.m_axi_arready_i) {
      check_burst(dut.m_axi_araddr_o, dut.m_axi_arlen_o);
      EXPECT_EQ(dut.m_axi_arsize_o, 3);
      EXPECT_EQ(dut.m_axi_arburst_o, 1);
      reads.push_back({dut.m_axi_araddr_o, dut.m_axi_arlen_o, 0, cycle + 60});
      trace.emplace_back(cycle, 'r', dut.m_axi_araddr_o, dut.m_axi_arlen_o);
    }
    if (dut.m_axi_awvalid_o && dut.m_axi_awready_i) {
      check_burst(dut.m_axi_awaddr_o, dut.m_axi_awlen_o);
      writes.push_back({dut.m_axi_awaddr_o, dut.m_axi_awlen_o, 0, 0});
      ++writes_open;
      trace.emplace_back(cycle, 'w', dut.m_axi_awaddr_o, dut.m_axi_awlen_o);
    }
    if (dut.m_axi_wvalid_o && dut.m_axi_wready_i) {
      EXPECT_EQ(dut.m_axi_wstrb_o, 255);
      beats.emplace_back(dut.m_axi_wdata_o, dut.m_axi_wlast_o != 0);
      ++write_beats;
      last_write_beat = cycle;
    }
    if (dut.m_axi_bvalid_i && dut.m_axi_bready_o) {
      responses.pop_front();
      b_offered = false;
      --writes_open;
    }
    while (!beats.empty() && !writes.empty()) {
      Read& burst = writes.front();
      set_word(burst.address + 8 * burst.done, beats.front().first);
      EXPECT_EQ(beats.front().second, burst.done == burst.length) << "WLAST";
      if (burst.done++ == burst.length) {
        responses.emplace_back(cycle + 20, burst.address == write_error_at);
        writes.pop_front();
      }
      beats.pop_front();
    }
    EXPECT_LE(beats.size(), 16U) << "W far ahead of AW";

    dut.clk_i = 1;
    dut.eval();
    dut.clk_i = 0;
    dut.eval();
    ++cycle;
  }

  int write_register(std::uint32_t offset, std::uint32_t value) {
    bool address_left = true, data_left = true;
    for (int i = 0; i < 100; ++i) {
      dut.s_axil_awvalid_i = address_left;
      dut.s_axil_awaddr_i = offset;
      dut.s_axil_wvalid_i = data_left;
      dut.s_axil_wdata_i = value;
      dut.s_axil_wstrb_i = 15;
      dut.eval();
      const bool address_taken = dut.s_axil_awready_o, data_taken = dut.s_axil_wready_o;
      const bool answered = dut.s_axil_bvalid_o;
      const int response = dut.s_axil_bresp_o;
      tick();
      address_left = address_left && !address_taken;
      data_left = data_left && !data_taken;
      if (answered) return response;
    }
    ADD_FAILURE() << "no write response";
    return -1;
  }

  std::uint32_t read_register(std::uint32_t offset) {
    bool left = true;
    for (int i = 0; i < 1000; ++i) {
      dut.s_axil_arvalid_i = left;
      dut.s_axil_araddr_i = offset;
      dut.eval();
      const bool taken = dut.s_axil_arready_o, answered = dut.s_axil_rvalid_o;
      const std::uint32_t value = dut.s_axil_rdata_o;
      tick();
      left = left && !taken;
      if (answered) return value;
    }
    ADD_FAILURE() << "no read answer";
    return 0;
  }

  std::uint64_t word(std::uint32_t address) const {
    EXPECT_GE(address, kBase);
    EXPECT_LT((address - kBase) / 8, memory.size());
    return memory.at((address - kBase) / 8);
  }
  void set_word(std::uint32_t address, std::uint64_t value) { memory.at((address - kBase) / 8) = value; }

  void place(std::uint32_t offset, const Descriptor& descriptor) {
    for (std::uint32_t i = 0; i < 8; ++i) {
      set_word(kBase + offset + 8 * i, descriptor[2 * i] | std::uint64_t{descriptor[2 * i + 1]} << 32);
    }
  }

  /// Places a chain of segments from `at` on; records go to `records`, 256 bytes each.
  void place_job(std::uint32_t at, const std::vector<std::vector<Descriptor>>& segments,
                 std::uint32_t records) {
    for (std::size_t i = 0; i < segments.size(); ++i) {
      Descriptor header{};
      const auto next = at + 64 * static_cast<std::uint32_t>(segments[i].size() + 1);
      header[0] = 0x30 | (i + 1 == segments.size() ? 0x100 : 0);
      header[2] = static_cast<std::uint32_t>(segments[i].size());
      header[3] = next;
      header[4] = records + 256 * static_cast<std::uint32_t>(i);
      place(at, header);
      for (const Descriptor& descriptor : segments[i]) place(at += 64, descriptor);
      at = next;
    }
  }

  bool run(std::uint32_t job, std::uint32_t limit = 200000) {
    write_register(registers::kBase, kBase);
    write_register(registers::kJob, job);
    ++sequence;
    EXPECT_EQ(write_register(registers::kStart, sequence), 0);
    return wait(limit);
  }

  bool wait(std::uint32_t limit) {
    for (std::uint32_t waited = 0; waited < limit; waited += 50) {
      if (read_register(registers::kLastDone) == sequence) return true;
      for (int i = 0; i < 50; ++i) tick();
    }
    return false;
  }

  bool soft_reset() {
    write_register(registers::kControl, 1);
    for (int i = 0; i < 2000; ++i) {
      if ((read_register(registers::kStatus) & 2) == 0) return true;
      tick();
    }
    return false;
  }

  std::vector<std::uint64_t> counters() {
    std::vector<std::uint64_t> values(32);
    for (std::uint32_t i = 0; i < 32; ++i) {
      values[i] = read_register(registers::kCounters + 8 * i);
      values[i] |= std::uint64_t{read_register(registers::kCounters + 8 * i + 4)} << 32;
    }
    return values;
  }

  std::vector<std::uint64_t> record(std::uint32_t offset) const {
    std::vector<std::uint64_t> values(32);
    for (std::uint32_t i = 0; i < 32; ++i) values[i] = word(kBase + offset + 8 * i);
    return values;
  }

  Model dut;
  std::mt19937 random;
  int stalls;
  std::vector<std::uint64_t> memory;  ///< from kBase on
  std::uint64_t cycle = 0;
  std::uint64_t read_beats = 0, write_beats = 0, last_write_beat = 0;
  std::uint32_t sequence = 100;
  std::uint32_t read_error_at = 0, write_error_at = 0;  ///< address of the burst that fails
  std::vector<std::tuple<std::uint64_t, char, std::uint32_t, int>> trace;

 private:
  struct Read {
    std::uint32_t address;
    std::uint32_t length;
    std::uint32_t done;
    std::uint64_t ready;
  };

  static void check_burst(std::uint32_t address, std::uint32_t length) {
    EXPECT_EQ(address % 8, 0U);
    EXPECT_LE(length, 15U);
    EXPECT_EQ(address / 4096, (address + 8 * length) / 4096) << "burst over 4 KB";
  }

  std::deque<Read> reads, writes;
  std::deque<std::pair<std::uint64_t, bool>> beats;      // data, last
  std::deque<std::pair<std::uint64_t, bool>> responses;  // when, error
  int writes_open = 0;
  bool r_offered = false, b_offered = false;
  bool ar_waiting = false, aw_waiting = false, w_waiting = false;
  std::uint32_t ar_address = 0, aw_address = 0;
  std::uint64_t w_data = 0;
};

// Descriptors (docs/accelerator.md).

inline Descriptor instruction(std::uint32_t opcode, int load = 0, int compute = 0, int store = 0) {
  Descriptor d{};
  d[0] = opcode | static_cast<std::uint32_t>(load) << 16;
  d[1] = static_cast<std::uint32_t>(compute) | static_cast<std::uint32_t>(store) << 16;
  return d;
}

/// Rows of a tensor between memory and activation SRAM.
struct Rows {
  std::uint32_t offset = 0, memory_pitch = 0;
  std::uint32_t rows = 1, width = 1, words = 1, pitch = 1, base = 0, stride = 1, first = 0, ring = 1;
  bool spread = false;

  [[nodiscard]] Descriptor descriptor(std::uint32_t opcode, int load = 0, int compute = 0,
                                      int store = 0) const {
    Descriptor d = instruction(opcode, load, compute, store);
    d[2] = offset;
    d[3] = memory_pitch;
    d[4] = rows | width << 16;
    d[5] = words | static_cast<std::uint32_t>(spread) << 15 | pitch << 16;
    d[6] = base | stride << 16;
    d[7] = first | ring << 16;
    return d;
  }

  /// Calls `visit(memory offset, index into the stub's activation SRAM)` for each word, in order.
  void each(const std::function<void(std::uint32_t, std::uint32_t)>& visit) const {
    std::uint32_t start = first;
    for (std::uint32_t y = 0; y < rows; ++y) {
      std::uint32_t at = offset + y * memory_pitch;
      for (std::uint32_t w = 0; w < words; ++w) {
        for (std::uint32_t x = 0; x < width; ++x, at += 8) {
          const std::uint32_t q = start + x;
          const std::uint32_t bank =
              spread ? q % kPixels / 2 + (q + q / kPixels) % 2 * (kPixels / 2) : q % kPixels;
          visit(at, (base + w * stride + q / kPixels) * kPixels + bank);
        }
      }
      start += pitch;
      if (start >= ring) start -= ring;
    }
  }
};

constexpr std::uint32_t kLoadAct = 1, kLoadWeight = 2, kLoadParam = 3, kLoadImage = 4, kPack = 5,
                        kLoadTable = 6, kConv = 0x10, kMaxPool = 0x11, kStore = 0x20;

constexpr std::uint32_t kBeside = 1U << 16;  // in d6 of LOAD_IMAGE

inline Descriptor load_words(std::uint32_t opcode, std::uint32_t offset, std::uint32_t count,
                             std::uint32_t base) {
  Descriptor d = instruction(opcode);
  d[2] = offset;
  d[4] = count;
  d[6] = base;
  return d;
}

/// A legal CONV; the stub ignores all but its opcode.
inline Descriptor conv(int load = 0, int compute = 0, int store = 0) {
  Descriptor d = instruction(kConv, load, compute, store);
  d[2] = 8 | 8 << 16;
  d[3] = 3 | 3 << 8 | 1 << 16 | 1 << 20 | 1 << 24 | 1 << 28;
  d[5] = 8 << 16;
  d[6] = 64;
  d[8] = 64 << 16;
  d[10] = 64 << 16;
  d[12] = 3 | 3 << 2 | 3 << 4 | 1 << 8 | 1 << 9 | 32U << 24;
  d[13] = 1 | 7 << 16;
  return d;
}

}  // namespace bitloop::rtl_test
