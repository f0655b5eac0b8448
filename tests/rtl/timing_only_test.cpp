// The accelerator without its datapath (`Datapath = 0`) against the whole one: random jobs from the compiler
// give the same counters, of the job and of every segment, and the same handshakes, addresses and cycles on
// every bus channel.
//
//   BITLOOP_TIMING_JOBS=1000   more jobs (300 by default)
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <random>
#include <vector>

#include "Vaccelerator_elided.h"
#include "Vaccelerator_full.h"
#include "host/compiler.h"
#include "host/driver.h"
#include "host/error.h"
#include "sim/verilated_device.h"

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

/// On an image or a tensor of codes a convolution; then perhaps a max pool and a second convolution or a
/// linear layer.
Drawn draw(Random& random) {
  Drawn drawn;
  host::Network& network = drawn.network;
  network.name = "random";
  network.image_input = pick(random, 0, 3) == 0;
  const int height = pick(random, 5, 14);
  const int width = pick(random, 5, 14);
  network.tensors.push_back({"input", {network.image_input ? 3 : pick(random, 1, 70), height, width}, false});
  const auto append = [&](host::LayerKind kind) {
    const host::Shape in = network.tensors.back().shape;
    host::Layer layer;
    layer.name = fmt::format("layer{}", network.layers.size());
    layer.kind = kind;
    layer.inputs = {static_cast<int>(network.tensors.size()) - 1};
    layer.output = layer.input() + 1;
    host::Shape out{kind == host::LayerKind::max_pool ? in.channels : pick(random, 1, 40), 1, 1};
    if (kind != host::LayerKind::linear) {
      layer.kernel_height = layer.kernel_width = pick(random, 1, std::min({3, in.height, in.width}));
      layer.stride = pick(random, 1, 2);
      layer.pad = layer.kernel_height == 3 && kind == host::LayerKind::conv ? pick(random, 0, 1) : 0;
      out.height = host::window_output(in.height, layer.kernel_height, layer.stride, layer.pad);
      out.width = host::window_output(in.width, layer.kernel_width, layer.stride, layer.pad);
    }
    network.tensors.push_back({fmt::format("tensor{}", layer.output), out, false});
    network.layers.push_back(layer);
  };
  append(host::LayerKind::conv);
  const bool pooled = pick(random, 0, 1) == 0;
  if (pooled) {
    append(host::LayerKind::max_pool);
  }
  if (pooled || pick(random, 0, 1) == 0) {
    append(pick(random, 0, 1) == 0 ? host::LayerKind::conv : host::LayerKind::linear);
  }
  network.tensors.back().name = "output";
  network.outputs = {static_cast<int>(network.tensors.size()) - 1};
  const int widths[] = {1, 2, 4, 8, 32};
  network.output_bits = widths[pick(random, 0, 4)];
  drawn.policy.network = network.name;
  for (const host::Layer& layer : network.layers) {
    if (layer.has_weights()) {
      const bool image = network.image_input && layer.input() == network.input;
      drawn.policy.layers.push_back(
          {layer.name, host::kWidths[pick(random, 0, 3)], image ? 8 : host::kWidths[pick(random, 0, 3)]});
    }
  }
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

TEST(TimingOnly, random_jobs_keep_every_counter_and_bus_cycle_without_their_data) {
  const char* text = std::getenv("BITLOOP_TIMING_JOBS");
  const int jobs = text != nullptr ? std::atoi(text) : 300;
  for (int seed = 1; seed <= jobs; ++seed) {
    Random random(static_cast<std::uint64_t>(seed));
    const Drawn drawn = draw(random);
    const host::QuantizedNetwork network = host::random_quantization(drawn.network, drawn.policy, random());
    std::vector<std::uint8_t> input(
        static_cast<std::size_t>(drawn.network.tensors[drawn.network.input].shape.elements()));
    const unsigned mask = (1u << network.bits.read(drawn.network.input)) - 1;
    for (std::uint8_t& byte : input) {
      byte = static_cast<std::uint8_t>(random() & mask);
    }
    sim::MemoryModel memory;
    memory.bytes = 16u << 20;
    memory.random_stall = pick(random, 0, 1) == 0 ? 0 : 0.3;
    memory.stall_seed = static_cast<std::uint64_t>(seed);
    const bool spill_all = pick(random, 0, 1) == 0;
    const Outcome full = run<Vaccelerator_full>(network, spill_all, memory, input);
    const Outcome elided = run<Vaccelerator_elided>(network, spill_all, memory, input);
    ASSERT_GT(full.measurement.cycles(), 0u) << "seed " << seed;
    ASSERT_EQ(full.measurement.total, elided.measurement.total) << "seed " << seed;
    ASSERT_EQ(full.measurement.segments, elided.measurement.segments) << "seed " << seed;
    const auto [a, b] =
        std::mismatch(full.events.begin(), full.events.end(), elided.events.begin(), elided.events.end());
    ASSERT_TRUE(a == full.events.end() && b == elided.events.end())
        << "seed " << seed << ": the bus differs from handshake " << a - full.events.begin() << " on";
  }
}

}  // namespace
}  // namespace bitloop
