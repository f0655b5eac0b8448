// Two of the three proofs that cycles do not depend on data (the third is scripts/check_structure). The
// accelerator without its datapath (`Datapath = 0`) against the whole one, and the whole one on one set of
// weights and pixels against another: random jobs from the compiler give the same counters, of the job and of
// every segment, and the same handshakes, addresses and cycles on every bus channel. Mutants show that both
// comparisons bite.
//
//   BITLOOP_TIMING_JOBS=1000   more jobs (300 and 100 by default)
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <random>
#include <vector>

#include "Vaccelerator_elided.h"
#include "Vaccelerator_full.h"
#include "Vmutant_elided.h"
#include "Vmutant_full.h"
#include "host/base/error.h"
#include "host/compiler/compiler.h"
#include "host/driver/driver.h"
#include "sim/verilated_device.h"
#include "tests/host/network/random_cases.h"
#include "tests/host/network/random_graphs.h"

namespace bitloop {
namespace {

using Random = std::mt19937_64;

int pick(Random& random, int low, int high) {
  return low + static_cast<int>(random() % static_cast<unsigned>(high - low + 1));
}

/// A handshake: cycle, channel, address and length where the channel has them.
using Event = std::array<std::uint64_t, 3>;

/// A Verilated accelerator that writes down its bus. One at a time per `Model`: `events` is of the last one
/// made.
template <class Model>
class Traced : public Model {
 public:
  Traced(VerilatedContext* context, const char* name) : Model(context, name) { events.clear(); }

  void eval() {
    if (this->clk_i && !clock_) {
      record();
      ++cycle_;
    }
    clock_ = this->clk_i;
    Model::eval();
  }

  inline static std::vector<Event> events;

 private:
  void record() {
    const Model& m = *this;
    if (m.m_axi_arvalid_o && m.m_axi_arready_i) {
      events.push_back({cycle_, 0, std::uint64_t{m.m_axi_araddr_o} << 8 | m.m_axi_arlen_o});
    }
    if (m.m_axi_rvalid_i && m.m_axi_rready_o) {
      events.push_back({cycle_, 1, m.m_axi_rlast_i});
    }
    if (m.m_axi_awvalid_o && m.m_axi_awready_i) {
      events.push_back({cycle_, 2, std::uint64_t{m.m_axi_awaddr_o} << 8 | m.m_axi_awlen_o});
    }
    if (m.m_axi_wvalid_o && m.m_axi_wready_i) {
      events.push_back({cycle_, 3, m.m_axi_wlast_o});
    }
    if (m.m_axi_bvalid_i && m.m_axi_bready_o) {
      events.push_back({cycle_, 4, 0});
    }
  }

  bool clock_ = false;
  std::uint64_t cycle_ = 0;
};

struct Drawn {
  host::Network network;
  host::Policy policy;
};

/// One layer of any kind of words and windows, or a small graph of all operations.
Drawn draw(Random& random, std::uint64_t seed) {
  Drawn drawn;
  if (seed % 3 == 0) {
    drawn.network = host::test::random_graph(seed);
  } else {
    const int kernel = pick(random, 1, 3);
    const int bits[] = {1, 2, 4, 8, 32};
    const bool depthwise = seed % 3 == 1;
    drawn.network = host::single_layer_network(
        fmt::format("{} in={}x{}x{} kernel={} stride={} pad={} out_bits={}{}", depthwise ? "dwconv" : "conv",
                    pick(random, 1, 70), pick(random, 5, 14), pick(random, 5, 14), kernel, pick(random, 1, 2),
                    kernel / 2, bits[pick(random, 0, depthwise ? 3 : 4)],
                    depthwise ? "" : fmt::format(" out={}", pick(random, 1, 40))));
  }
  drawn.policy = host::test::random_policy(drawn.network, random);
  return drawn;
}

struct Outcome {
  host::Measurement measurement;
  std::vector<Event> events;
};

template <class Model>
Outcome run(const host::QuantizedNetwork& network, bool spill_all, const sim::MemoryModel& memory,
            std::span<const std::uint8_t> input) {
  const sim::Configuration configuration{.name = "test", .clock_hz = 100e6, .parameters = ""};
  sim::VerilatedDevice<Traced<Model>> device(configuration, memory, std::nullopt);
  const host::Job job = host::compile(network, device.info(), {.spill_all = spill_all});
  host::Driver driver(device);
  driver.load(job);
  Outcome outcome;
  outcome.measurement = driver.run(input, 4'000'000);
  outcome.events = Traced<Model>::events;
  return outcome;
}

bool operator==(const Outcome& a, const Outcome& b) {
  return a.measurement.total == b.measurement.total && a.measurement.segments == b.measurement.segments &&
         a.events == b.events;
}

/// A job and what it runs on, from its seed alone.
struct Case {
  Drawn drawn;
  sim::MemoryModel memory;
  bool spill_all = false;

  explicit Case(std::uint64_t seed) {
    Random random(seed);
    drawn = draw(random, seed);
    memory.bytes = 16u << 20;
    memory.random_stall = pick(random, 0, 1) == 0 ? 0 : 0.3;
    memory.stall_seed = seed;
    spill_all = pick(random, 0, 1) == 0;
  }

  /// With weights and an input that are drawn from `data`.
  template <class Model>
  [[nodiscard]] Outcome run_with(std::uint64_t data) const {
    Random random(data);
    const host::QuantizedNetwork network = host::random_quantization(drawn.network, drawn.policy, random());
    const auto input = host::test::random_input(drawn.network.tensors[drawn.network.input].shape,
                                                network.bits.read(drawn.network.input), random);
    return run<Model>(network, spill_all, memory, input);
  }
};

int jobs(int fallback) {
  const char* text = std::getenv("BITLOOP_TIMING_JOBS");
  return text != nullptr ? std::atoi(text) : fallback;
}

TEST(TimingOnly, random_jobs_keep_every_counter_and_bus_cycle_without_their_data) {
  for (int seed = 1; seed <= jobs(300); ++seed) {
    const Case job(static_cast<std::uint64_t>(seed));
    const Outcome full = job.run_with<Vaccelerator_full>(1);
    ASSERT_GT(full.measurement.cycles(), 0u) << "seed " << seed;
    ASSERT_TRUE(full == job.run_with<Vaccelerator_elided>(1)) << "seed " << seed;
  }
}

TEST(TimingOnly, random_jobs_keep_every_counter_and_bus_cycle_with_other_data) {
  for (int seed = 1; seed <= jobs(100); ++seed) {
    const Case job(static_cast<std::uint64_t>(seed));
    ASSERT_TRUE(job.run_with<Vaccelerator_full>(1) == job.run_with<Vaccelerator_full>(2)) << "seed " << seed;
  }
}

// The two comparisons above bite: they refuse RTL in which a bit of data decides when a load is accepted
// (tests/rtl/CMakeLists.txt makes that RTL).

TEST(TimingOnly, a_mutant_whose_data_decide_differs_from_itself_without_them) {
  bool differs = false;
  for (std::uint64_t seed = 1; seed <= 60 && !differs; ++seed) {
    const Case job(seed);
    differs = !(job.run_with<Vmutant_full>(1) == job.run_with<Vmutant_elided>(1));
  }
  EXPECT_TRUE(differs);
}

TEST(TimingOnly, a_mutant_whose_data_decide_differs_from_itself_with_other_data) {
  bool differs = false;
  for (std::uint64_t seed = 1; seed <= 60 && !differs; ++seed) {
    const Case job(seed);
    differs = !(job.run_with<Vmutant_full>(1) == job.run_with<Vmutant_full>(2));
  }
  EXPECT_TRUE(differs);
}

}  // namespace
}  // namespace bitloop
