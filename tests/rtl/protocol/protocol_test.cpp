// The accelerator between protocol checkers (rtl/assertions), under random stalls of every handshake on both
// ports; the checkers themselves, against drivers that break one rule each; and the same job with every
// register and memory word starting at random values.
#include <gtest/gtest.h>
#include <unistd.h>
#include <verilated.h>

#include <functional>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "Vaxi_checker.h"
#include "Vaxi_lite_checker.h"
#include "Vchecked_accelerator.h"
#include "Vchecked_accelerator___024root.h"
#include "tests/rtl/clock.h"
#include "tests/rtl/sample_jobs.h"

namespace bitloop::rtl_test {
namespace {

/// Before the accelerator's own reset, which follows the pin, its offers are random: nobody looks.
class Quiet : public Vchecked_accelerator {
 public:
  void eval() {
    edges_ += clk_i && !clock_;
    clock_ = clk_i;
    Vchecked_accelerator::eval();
    if (!rst_ni && edges_ < 3) m_axi_arvalid_o = m_axi_awvalid_o = m_axi_wvalid_o = 0;
  }

 private:
  bool clock_ = false;
  int edges_ = 0;
};

using Checked = Bench<Quiet>;

/// One register access with random pauses on each of its channels. Returns the response; the value read too.
int stalled_write(Checked& bench, std::uint32_t offset, std::uint32_t value) {
  auto& dut = bench.dut;
  const auto chance = [&] { return bench.random() % 2 == 0; };
  bool address_left = true, data_left = true;
  dut.s_axil_awvalid_i = dut.s_axil_wvalid_i = 0;
  for (int i = 0; i < 500; ++i) {
    dut.s_axil_awvalid_i = address_left && (dut.s_axil_awvalid_i || chance());
    dut.s_axil_wvalid_i = data_left && (dut.s_axil_wvalid_i || chance());
    dut.s_axil_awaddr_i = offset;
    dut.s_axil_wdata_i = value;
    dut.s_axil_wstrb_i = 15;
    dut.s_axil_bready_i = chance();
    dut.eval();
    address_left = address_left && !(dut.s_axil_awvalid_i && dut.s_axil_awready_o);
    data_left = data_left && !(dut.s_axil_wvalid_i && dut.s_axil_wready_o);
    const bool answered = dut.s_axil_bvalid_o && dut.s_axil_bready_i;
    const int response = dut.s_axil_bresp_o;
    bench.tick();
    if (!address_left) dut.s_axil_awvalid_i = 0;
    if (!data_left) dut.s_axil_wvalid_i = 0;
    if (answered) return response;
  }
  ADD_FAILURE() << "no write response";
  return -1;
}

int stalled_read(Checked& bench, std::uint32_t offset, std::uint32_t& value) {
  auto& dut = bench.dut;
  bool left = true;
  dut.s_axil_arvalid_i = 0;
  for (int i = 0; i < 500; ++i) {
    dut.s_axil_arvalid_i = left && (dut.s_axil_arvalid_i || bench.random() % 2 == 0);
    dut.s_axil_araddr_i = offset;
    dut.s_axil_rready_i = bench.random() % 2;
    dut.eval();
    left = left && !(dut.s_axil_arvalid_i && dut.s_axil_arready_o);
    const bool answered = dut.s_axil_rvalid_o && dut.s_axil_rready_i;
    const int response = dut.s_axil_rresp_o;
    value = dut.s_axil_rdata_o;
    bench.tick();
    if (!left) dut.s_axil_arvalid_i = 0;
    if (answered) return response;
  }
  ADD_FAILURE() << "no read answer";
  return -1;
}

void expect_no_violation(Checked& bench) {
  bench.tick();
  EXPECT_EQ(bench.dut.rootp->accelerator__DOT__u_axi_checker__DOT__violations_o, 0);
  EXPECT_EQ(bench.dut.rootp->accelerator__DOT__u_axi_lite_checker__DOT__violations_o, 0);
}

/// A checker that sees a rule broken says so and stops the simulation.
void run_broken(const std::function<void(Vchecked_accelerator&)>& break_it) {
  dup2(STDERR_FILENO, STDOUT_FILENO);  // where death tests look
  Vchecked_accelerator dut;
  const auto clock = [&](int cycles) {
    for (int i = 0; i < cycles; ++i) rtl_test::clock(dut);
  };
  dut.clk_i = 0;
  dut.rst_ni = 0;
  dut.eval();
  clock(4);
  dut.rst_ni = 1;
  clock(4);
  break_it(dut);
  clock(4);
}

TEST(Protocol, the_bound_checkers_see_both_ports) {
  EXPECT_EXIT((run_broken([](auto&) {}), std::exit(0)), testing::ExitedWithCode(0), "");
  EXPECT_DEATH(run_broken([](auto& dut) { dut.m_axi_rvalid_i = 1; }),
               "AXI4: rules");  // an answer unasked for
  EXPECT_DEATH(run_broken([](auto& dut) {
                 dut.s_axil_arvalid_i = 1;
                 for (unsigned i = 0; i < 20; ++i) {  // no answer is taken, so that one address must wait
                   dut.s_axil_araddr_i = 4 * i;
                   rtl_test::clock(dut);
                 }
               }),
               "AXI4-Lite: rules");
}

TEST(Protocol, holds_on_both_ports_under_random_stalls) {
  for (unsigned seed = 1; seed <= 24; ++seed) {
    SCOPED_TRACE(seed);
    const auto bench = std::make_unique<Checked>(seed, static_cast<int>(seed % 4) * 25);
    SampleJob(seed).place(*bench);
    EXPECT_EQ(stalled_write(*bench, registers::kBase, kBase), 0);
    EXPECT_EQ(stalled_write(*bench, registers::kJob, kSampleJob), 0);
    EXPECT_EQ(stalled_write(*bench, registers::kId, 1), 2);  // read-only
    EXPECT_EQ(stalled_write(*bench, registers::kStart, 7), 0);
    std::uint32_t done = 0, error = 1;
    for (int i = 0; i < 10000 && done != 7; ++i) {
      EXPECT_EQ(stalled_read(*bench, registers::kLastDone, done), 0);
    }
    EXPECT_EQ(done, 7U);
    EXPECT_EQ(stalled_read(*bench, registers::kError, error), 0);
    EXPECT_EQ(error, 0U);
    EXPECT_GT(bench->write_beats, 300U);
    // Results that say something, and are not all clamped.
    const std::set<std::uint64_t> distinct(bench->memory.begin() + kSampleResult / 8,
                                           bench->memory.begin() + kSampleResultEnd / 8);
    EXPECT_GT(distinct.size(), 100U);
    expect_no_violation(*bench);
    if (HasFailure()) return;
  }
}

TEST(Protocol, holds_through_a_soft_reset_and_a_bus_error_in_the_middle_of_a_job) {
  for (unsigned seed = 1; seed <= 24; ++seed) {
    SCOPED_TRACE(seed);
    const auto bench = std::make_unique<Checked>(seed, static_cast<int>(seed % 3) * 30);
    SampleJob(seed).place(*bench);
    if (seed % 2 == 0) bench->read_error_at = kBase + kSampleData;
    bench->write_register(registers::kBase, kBase);
    bench->write_register(registers::kJob, kSampleJob);
    bench->write_register(registers::kStart, 1);
    for (unsigned i = 0; i < 200 + 97 * seed; ++i) bench->tick();
    EXPECT_TRUE(bench->soft_reset());
    expect_no_violation(*bench);
    bench->read_error_at = 0;
    EXPECT_TRUE(bench->run(kSampleJob));
    EXPECT_EQ(bench->read_register(registers::kError), 0U);
    expect_no_violation(*bench);
    if (HasFailure()) return;
  }
}

/// What a job leaves behind, and when it did what.
struct Outcome {
  std::vector<std::uint64_t> memory, counters;
  decltype(Checked::trace) trace;
};

Outcome run_from_random_state(unsigned job, int state_seed) {
  Verilated::threadContextp()->randReset(2);
  Verilated::threadContextp()->randSeed(state_seed);
  const auto bench = std::make_unique<Checked>(1, 20);
  SampleJob(job).place(*bench);
  EXPECT_TRUE(bench->run(kSampleJob));
  EXPECT_EQ(bench->read_register(registers::kError), 0U);
  return {bench->memory, bench->counters(), bench->trace};
}

TEST(RandomReset, results_counters_and_bus_do_not_depend_on_the_state_before_reset) {
  for (unsigned job = 1; job <= 10; ++job) {
    SCOPED_TRACE(job);
    const Outcome first = run_from_random_state(job, 1);
    for (const int state_seed : {2, 3}) {
      const Outcome other = run_from_random_state(job, state_seed);
      EXPECT_EQ(first.memory, other.memory);
      EXPECT_EQ(first.counters, other.counters);
      EXPECT_EQ(first.trace, other.trace);
    }
  }
}

TEST(RandomReset, the_state_before_reset_does_differ) {
  // Of an instance that is not reset: else the test above compares like with like.
  const auto pins = [](int state_seed) {
    Verilated::threadContextp()->randReset(2);
    Verilated::threadContextp()->randSeed(state_seed);
    Vchecked_accelerator dut;
    dut.rst_ni = 1;
    dut.clk_i = 0;
    dut.eval();
    return std::vector<std::uint64_t>{dut.m_axi_araddr_o, dut.m_axi_awaddr_o, dut.m_axi_wdata_o};
  };
  EXPECT_NE(pins(1), pins(2));
  EXPECT_NE(pins(2), pins(3));
}

// The checkers. `break_it` changes the pins of one cycle of a legal exchange.

enum Rule {
  kArStable,
  kRStable,
  kAwStable,
  kWStable,
  kBStable,
  kArShape,
  kAwShape,
  kArBoundary,
  kAwBoundary,
  kReadAnswer,
  kWlast,
  kWriteAnswer,
  kOutstanding,
  kReset,
  kUnknown,
  kStrobe
};

/// Cycles 0..3 reset; 4..5 AR and AW of 4 beats (ready in 5); 6..10 W beats, the second waits a cycle;
/// 12..16 R beats, the first waits a cycle; 17..18 B, which waits a cycle.
unsigned axi_violations(const std::function<void(Vaxi_checker&, int)>& break_it) {
  Vaxi_checker dut;
  for (int cycle = 0; cycle < 24; ++cycle) {
    dut.rst_ni = cycle >= 4;
    dut.arvalid_i = dut.awvalid_i = cycle == 4 || cycle == 5;
    dut.arready_i = dut.awready_i = cycle == 5;
    dut.araddr_i = dut.awaddr_i = 0x10fe0;
    dut.arlen_i = dut.awlen_i = 3;
    dut.arsize_i = dut.awsize_i = 3;
    dut.arburst_i = dut.awburst_i = 1;
    dut.wvalid_i = cycle >= 6 && cycle <= 10;
    dut.wready_i = cycle != 7;
    dut.wdata_i = cycle <= 6 ? 100 : cycle <= 8 ? 101 : static_cast<unsigned>(cycle);
    dut.wlast_i = cycle == 10;
    dut.wstrb_i = 0xff;
    dut.rvalid_i = cycle >= 12 && cycle <= 16;
    dut.rready_i = cycle != 12;
    dut.rdata_i = cycle <= 13 ? 200 : static_cast<unsigned>(cycle);
    dut.rresp_i = 0;
    dut.rlast_i = cycle == 16;
    dut.bvalid_i = cycle == 17 || cycle == 18;
    dut.bready_i = cycle == 18;
    dut.bresp_i = 0;
    break_it(dut, cycle);
    dut.clk_i = 0;
    dut.eval();
    dut.clk_i = 1;
    dut.eval();
  }
  return dut.violations_o;
}

TEST(AxiChecker, accepts_a_legal_exchange) {
  EXPECT_EQ(axi_violations([](Vaxi_checker&, int) {}), 0U);
}

TEST(AxiChecker, refuses_each_broken_rule) {
  using Break = std::function<void(Vaxi_checker&, int)>;
  struct Mutant {
    const char* name;
    Rule rule;
    Break break_it;
  };
  const std::vector<Mutant> mutants = {
      {"drops ARVALID", kArStable,
       [](auto& d, int c) {
         if (c == 5) d.arvalid_i = 0;
       }},
      {"changes ARADDR", kArStable,
       [](auto& d, int c) {
         if (c == 5) d.araddr_i ^= 8;
       }},
      {"changes ARLEN", kArStable,
       [](auto& d, int c) {
         if (c == 5) d.arlen_i = 2;
       }},
      {"drops AWVALID", kAwStable,
       [](auto& d, int c) {
         if (c == 5) d.awvalid_i = 0;
       }},
      {"changes AWADDR", kAwStable,
       [](auto& d, int c) {
         if (c == 5) d.awaddr_i ^= 8;
       }},
      {"drops WVALID", kWStable,
       [](auto& d, int c) {
         if (c == 8) d.wvalid_i = 0;
       }},
      {"changes WDATA", kWStable,
       [](auto& d, int c) {
         if (c == 8) d.wdata_i = 9;
       }},
      {"changes WLAST", kWStable,
       [](auto& d, int c) {
         if (c == 8) d.wlast_i = 1;
       }},
      {"drops RVALID", kRStable,
       [](auto& d, int c) {
         if (c == 13) d.rvalid_i = 0;
       }},
      {"changes RDATA", kRStable,
       [](auto& d, int c) {
         if (c == 13) d.rdata_i = 9;
       }},
      {"drops BVALID", kBStable,
       [](auto& d, int c) {
         if (c == 18) d.bvalid_i = 0;
       }},
      {"changes BRESP", kBStable,
       [](auto& d, int c) {
         if (c == 18) d.bresp_i = 2;
       }},
      {"17 beats", kArShape,
       [](auto& d, int) {
         d.arlen_i = 16;
         d.araddr_i = 0;
       }},
      {"a fixed burst", kArShape, [](auto& d, int) { d.arburst_i = 0; }},
      {"beats of 4 bytes", kAwShape, [](auto& d, int) { d.awsize_i = 2; }},
      {"an odd address", kAwShape, [](auto& d, int) { d.awaddr_i |= 4; }},
      {"reads over 4 KB", kArBoundary, [](auto& d, int) { d.araddr_i += 8; }},
      {"writes over 4 KB", kAwBoundary, [](auto& d, int) { d.awaddr_i += 8; }},
      {"WLAST early", kWlast,
       [](auto& d, int c) {
         if (c == 9) d.wlast_i = 1;
       }},
      {"no WLAST", kWlast, [](auto& d, int) { d.wlast_i = 0; }},
      {"WLAST early, before the address", kWlast,
       [](auto& d, int c) {
         d.awvalid_i = d.awready_i = c == 11;
         if (c == 9) d.wlast_i = 1;
       }},
      {"RLAST early", kReadAnswer,
       [](auto& d, int c) {
         if (c == 15) d.rlast_i = 1;
       }},
      {"no RLAST", kReadAnswer, [](auto& d, int) { d.rlast_i = 0; }},
      {"a beat without a request", kReadAnswer,
       [](auto& d, int c) {
         if (c == 20) d.rvalid_i = d.rlast_i = 1;
       }},
      {"a response without a request", kWriteAnswer, [](auto& d, int) { d.awvalid_i = 0; }},
      {"a response before WLAST", kWriteAnswer,
       [](auto& d, int c) {
         if (c == 9) d.bvalid_i = d.bready_i = 1;
       }},
      {"two responses", kWriteAnswer,
       [](auto& d, int c) {
         if (c == 20) d.bvalid_i = d.bready_i = 1;
       }},
      {"9 bursts under way", kOutstanding,
       [](auto& d, int c) {
         d.arvalid_i = d.arready_i = c >= 4 && c < 12;
         if (c == 11) d.awvalid_i = 0;
         if (c == 20 || c > 20) d.arvalid_i = 1;
         d.arready_i = d.arvalid_i;
       }},
      {"ARVALID in reset", kReset,
       [](auto& d, int c) {
         if (c < 4) d.arvalid_i = 1;
       }},
      {"WVALID in reset", kReset,
       [](auto& d, int c) {
         if (c < 4) d.wvalid_i = 1;
       }},
      {"a part of a word", kStrobe, [](auto& d, int) { d.wstrb_i = 0x0f; }},
  };
  for (const Mutant& mutant : mutants) {
    EXPECT_NE(axi_violations(mutant.break_it) >> mutant.rule & 1, 0U) << mutant.name;
  }
}

TEST(AxiChecker, accepts_words_before_their_address) {
  EXPECT_EQ(axi_violations([](Vaxi_checker& d, int c) { d.awvalid_i = d.awready_i = c == 11; }), 0U);
}

/// Cycles 0..1 reset; 2..3 AW and AR (ready in 3), 3..4 W (ready in 4); 5..6 B and R, which wait a cycle.
unsigned axi_lite_violations(const std::function<void(Vaxi_lite_checker&, int)>& break_it) {
  Vaxi_lite_checker dut;
  for (int cycle = 0; cycle < 10; ++cycle) {
    dut.rst_ni = cycle >= 2;
    dut.awvalid_i = dut.arvalid_i = cycle == 2 || cycle == 3;
    dut.awready_i = dut.arready_i = cycle == 3;
    dut.awaddr_i = dut.araddr_i = 0x40;
    dut.wvalid_i = cycle == 3 || cycle == 4;
    dut.wready_i = cycle == 4;
    dut.wdata_i = 5;
    dut.wstrb_i = 15;
    dut.bvalid_i = dut.rvalid_i = cycle == 5 || cycle == 6;
    dut.bready_i = dut.rready_i = cycle == 6;
    dut.bresp_i = dut.rresp_i = 0;
    dut.rdata_i = 77;
    break_it(dut, cycle);
    dut.clk_i = 0;
    dut.eval();
    dut.clk_i = 1;
    dut.eval();
  }
  return dut.violations_o;
}

TEST(AxiLiteChecker, accepts_a_legal_exchange_and_refuses_each_broken_rule) {
  EXPECT_EQ(axi_lite_violations([](Vaxi_lite_checker&, int) {}), 0U);
  struct Mutant {
    const char* name;
    int rule;
    std::function<void(Vaxi_lite_checker&, int)> break_it;
  };
  const std::vector<Mutant> mutants = {
      {"drops AWVALID", 0,
       [](auto& d, int c) {
         if (c == 3) d.awvalid_i = 0;
       }},
      {"changes AWADDR", 0,
       [](auto& d, int c) {
         if (c == 3) d.awaddr_i = 0x44;
       }},
      {"drops WVALID", 1,
       [](auto& d, int c) {
         if (c == 4) d.wvalid_i = 0;
       }},
      {"changes WSTRB", 1,
       [](auto& d, int c) {
         if (c == 4) d.wstrb_i = 1;
       }},
      {"drops BVALID", 2,
       [](auto& d, int c) {
         if (c == 6) d.bvalid_i = 0;
       }},
      {"changes BRESP", 2,
       [](auto& d, int c) {
         if (c == 6) d.bresp_i = 2;
       }},
      {"drops ARVALID", 3,
       [](auto& d, int c) {
         if (c == 3) d.arvalid_i = 0;
       }},
      {"drops RVALID", 4,
       [](auto& d, int c) {
         if (c == 6) d.rvalid_i = 0;
       }},
      {"changes RDATA", 4,
       [](auto& d, int c) {
         if (c == 6) d.rdata_i = 78;
       }},
      {"a response without data", 5, [](auto& d, int) { d.wvalid_i = 0; }},
      {"two responses", 5,
       [](auto& d, int c) {
         if (c == 8) d.bvalid_i = 1;
       }},
      {"an answer without a request", 6, [](auto& d, int) { d.arvalid_i = 0; }},
      {"EXOKAY", 7, [](auto& d, int) { d.bresp_i = 1; }},
  };
  for (const Mutant& mutant : mutants) {
    EXPECT_NE(axi_lite_violations(mutant.break_it) >> mutant.rule & 1, 0U) << mutant.name;
  }
}

}  // namespace
}  // namespace bitloop::rtl_test

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
