// What scripts/coverage runs in one Verilated model with coverage: random layers and graphs from the
// compiler, each against the golden functions; and sample jobs through illegal descriptors, bus errors, soft
// resets, snapshots and register accesses that are refused.
//
//   coverage_workload FILE_PREFIX LAYERS GRAPHS SAMPLE_JOBS   (the last 0 unless P = 2, F = 4)
//
// Each instance of the model writes FILE_PREFIX<n>.coverage at its end. Exit 1 where a result is wrong.
#include <fmt/format.h>
#include <verilated_cov.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "Vcovered.h"
#include "host/base/error.h"
#include "host/compiler/compiler.h"
#include "host/driver/driver.h"
#include "sim/verilated_device.h"
#include "tests/host/network/random_cases.h"
#include "tests/host/network/random_graphs.h"
#include "tests/rtl/sample_jobs.h"

namespace bitloop {
namespace {

using Random = std::mt19937_64;
using host::test::between;

std::string prefix;
int models = 0;
bool failed = false;

void fail(const std::string& what) {
  fmt::print(stderr, "coverage_workload: {}\n", what);
  failed = true;
}

/// Writes what it reached before its counters go with it.
class Covered : public Vcovered {
 public:
  Covered(VerilatedContext* context, const char* name) : Vcovered(context, name) {}
  ~Covered() {
    contextp()->coveragep()->forcePerInstance(true);
    contextp()->coveragep()->write(fmt::format("{}{}.coverage", prefix, models++).c_str());
  }
};

// Jobs of the compiler.

std::string random_layer(Random& random) {
  const int height = between(random, 1, 14), width = between(random, 1, 14);
  const int channels = between(random, 1, 100), kernel = between(random, 1, std::min({5, height, width}));
  const int stride = between(random, 1, 3), pad = between(random, 0, kernel / 2);
  static constexpr int kOutBits[] = {1, 2, 4, 8, 32};
  const bool is_signed = between(random, 0, 3) == 0;
  switch (between(random, 0, 3)) {
    case 0:
      return fmt::format("dwconv in={}x{}x{} kernel={} stride={} pad={} out_bits={} signed={}", channels,
                         height, width, kernel, stride, pad, kOutBits[between(random, 1, 3)],
                         is_signed ? 1 : 0);
    case 1:
      return fmt::format("linear in={} out={} out_bits={} signed={}", channels * 4, between(random, 1, 40),
                         kOutBits[between(random, 0, 4)], is_signed ? 1 : 0);
    default:
      return fmt::format("conv in={}x{}x{} out={} kernel={} stride={} pad={} out_bits={} signed={}",
                         std::min(channels, 70), height, width, between(random, 1, 40), kernel, stride, pad,
                         kOutBits[between(random, 0, 4)], is_signed ? 1 : 0);
  }
}

/// Every tensor that the job names, byte for byte.
void compare(const host::QuantizedNetwork& network, const host::Job& job, host::Driver& driver,
             std::span<const std::uint8_t> input) {
  const host::TensorCodes golden = host::golden_run(network, input);
  for (const host::TensorPlace& place : job.tensors) {
    const auto& tensors = network.network.tensors;
    const auto index = static_cast<std::size_t>(
        std::find_if(tensors.begin(), tensors.end(), [&](const auto& t) { return t.name == place.name; }) -
        tensors.begin());
    const host::CodeTensor& want = place.narrow ? golden.narrow.at(index) : golden.written.at(index);
    if (driver.read_tensor(place).codes != want.codes) throw Error(place.name + " differs from golden");
  }
}

void run_network(host::Device& device, const host::Network& network, Random& random) {
  const host::Policy policy = host::test::random_policy(network, random);
  const host::QuantizedNetwork quantized = host::random_quantization(network, policy, random());
  const host::CompileOptions options{.spill_all = between(random, 0, 1) == 0,
                                     .separate = between(random, 0, 3) == 0};
  const host::Job job = host::compile(quantized, device.info(), options);
  host::Driver driver(device);
  driver.load(job);
  const std::vector<std::uint8_t> input = host::test::random_input(
      network.tensors[network.input].shape, quantized.bits.read(network.input), random);
  driver.run(input, 20'000'000);
  compare(quantized, job, driver, input);
}

void run_networks(const char* kind, int count, std::uint64_t first_seed, const auto& draw) {
  const sim::Configuration configuration{.name = "coverage", .clock_hz = 100e6, .parameters = ""};
  int refused = 0;
  for (int i = 0; i < count;) {
    sim::MemoryModel memory;
    memory.bytes = 16u << 20;
    memory.random_stall = i % 40 == 0 ? 0 : 0.3;
    sim::VerilatedDevice<Covered> device(configuration, memory, std::nullopt);
    for (int end = std::min(i + 20, count); i < end; ++i) {
      const std::uint64_t seed = first_seed + static_cast<std::uint64_t>(i);
      Random random(seed);
      try {
        run_network(device, draw(random, seed), random);
      } catch (const InputError&) {
        ++refused;  // a layer that does not fit, a policy that it must not have
      } catch (const std::exception& error) {
        fail(fmt::format("{} seed {}: {}", kind, seed, error.what()));
      }
    }
  }
  fmt::print("{} {}s, {} of them refused by the compiler\n", count, kind, refused);
  if (refused > count / 2) fail("too few jobs");
}

// Jobs by hand.

struct OwnContext {
  VerilatedContext context;
};

/// For Bench, in a context of its own as every device is.
class CoveredSample : private OwnContext, public Covered {
 public:
  CoveredSample() : Covered(&context, "accelerator") {}
};

using rtl_test::Bench;
using rtl_test::Descriptor;
namespace reg = host::registers;

void sample_job(unsigned seed) {
  Bench<CoveredSample> bench(seed, static_cast<int>(seed % 4 * 20));
  rtl_test::SampleJob(seed).place(bench);
  bench.write_register(reg::kIrqEnable, 1);
  if (!bench.run(rtl_test::kSampleJob) || bench.read_register(reg::kError) != 0) {
    fail(fmt::format("sample job {} does not end well", seed));
  }
}

/// In the first instruction of the kind, in the job's chain, `mask` of word `index` becomes `value`.
struct Fault {
  std::uint32_t opcode, index, mask, value;
};

constexpr Fault kFaults[] = {
    {0x30, 0, 0xff, 0x10},
    {0x30, 3, 7, 4},
    {0x30, 4, 0xff, 8},
    {0x10, 0, 0xff, 0x14},
    {0x10, 0, 0xff, 0},
    {0x01, 2, 7, 4},
    {0x01, 3, 7, 4},
    {0x01, 4, 0xffff, 0},
    {0x01, 4, 0xffff0000, 0},
    {0x01, 5, 0xffff, 0},
    {0x02, 4, 0xffff, 0},
    {0x02, 4, 0xffff0000, 0x10000},
    {0x10, 3, 0xff, 0},
    {0x10, 5, 0xffff0000, 0},
    {0x10, 6, 0xffffff, 0},
    {0x10, 12, 0xff000000, 65u << 24},
    {0x10, 12, 7 << 4, 4 << 4},
    {0x10, 12, 3 << 8, 1 << 8},
    {0x10, 13, 0xffff, 0},
    {0x10, 13, 0x3f0000, 4 << 16},
    {0x10, 14, 0x3f0000, 0x3f0000},
    {0x10, 12, 0xff0003, 1 << 16},
    {0x10, 12, 1 << 11 | 7 << 4, 1 << 11 | 5 << 4},
    {0x11, 12, 0xff000000, 65u << 24},
    {0x11, 12, 1 << 15, 1 << 15},
    {0x12, 12, 7 << 4, 5 << 4},
    {0x13, 13, 0xffff, 3},
    {0x05, 2, 0xffff, 0},
    {0x05, 3, 0xff, 5},
};

void illegal_descriptor(const Fault& fault, unsigned seed) {
  Bench<CoveredSample> bench(seed, static_cast<int>(seed % 3 * 20));
  rtl_test::SampleJob(seed).place(bench);
  std::uint32_t at = rtl_test::kBase + rtl_test::kSampleJob;
  while ((bench.word(at) & 0xff) != fault.opcode) at += 64;
  const std::uint32_t word = at + 4 * (fault.index & ~1u), shift = 32 * (fault.index & 1);
  bench.set_word(
      word, (bench.word(word) & ~(std::uint64_t{fault.mask} << shift)) | std::uint64_t{fault.value} << shift);
  const bool ended = bench.run(rtl_test::kSampleJob);
  if (!ended || bench.read_register(reg::kError) != 1 ||
      bench.read_register(reg::kErrorInfo) != at - rtl_test::kBase) {
    fail(fmt::format("opcode {:#x}, d{}: an illegal descriptor is not refused", fault.opcode, fault.index));
  }
  if (!bench.soft_reset()) fail("no soft reset after an illegal descriptor");
}

void bus_error(unsigned seed, bool read, std::uint32_t address) {
  Bench<CoveredSample> bench(seed, static_cast<int>(seed % 3 * 20));
  rtl_test::SampleJob(seed).place(bench);
  (read ? bench.read_error_at : bench.write_error_at) = rtl_test::kBase + address;
  const bool ended = bench.run(rtl_test::kSampleJob);
  if (!ended || bench.read_register(reg::kError) != (read ? 2u : 4u)) {
    fail(fmt::format("seed {}: a bus error at {:#x} is not reported", seed, address));
  }
}

/// Snapshots while a job runs, then a soft reset in its middle, and the job again.
void interrupted_job(unsigned seed) {
  Bench<CoveredSample> bench(seed, static_cast<int>(seed % 3 * 30));
  rtl_test::SampleJob(seed).place(bench);
  bench.write_register(reg::kBase, rtl_test::kBase);
  bench.write_register(reg::kJob, rtl_test::kSampleJob);
  bench.write_register(reg::kStart, 1);
  if (bench.write_register(reg::kStart, 2) != 2) fail("START is not refused while a job runs");
  for (unsigned i = 0; i < 10 + 397 * seed; ++i) bench.tick();
  bench.write_register(reg::kControl, 2);
  bench.counters();
  if (!bench.soft_reset()) fail("no soft reset in the middle of a job");
  if (!bench.run(rtl_test::kSampleJob) || bench.read_register(reg::kError) != 0) {
    fail(fmt::format("sample job {} does not run after a soft reset", seed));
  }
}

/// All addresses, and writes that are not of whole words; the answers are proved (register_slave_properties).
void all_registers() {
  Bench<CoveredSample> bench(1, 0);
  for (std::uint32_t offset = 0; offset < 0x1000; offset += 4) {
    bench.read_register(offset);
    if (offset != reg::kStart && offset != reg::kControl) bench.write_register(offset, 0x1001);
  }
  bench.write_register(reg::kIrqStatus, 0);
  bench.dut.s_axil_awvalid_i = bench.dut.s_axil_wvalid_i = 1;
  bench.dut.s_axil_awaddr_i = reg::kJob;
  bench.dut.s_axil_wstrb_i = 3;
  bench.dut.s_axil_bready_i = 0;
  bench.dut.eval();
  bench.tick();
  bench.dut.s_axil_awvalid_i = bench.dut.s_axil_wvalid_i = 0;
  for (int i = 0; i < 8; ++i) bench.tick();
  bench.dut.s_axil_bready_i = 1;
  bench.tick();
}

void run_samples(unsigned count) {
  for (unsigned seed = 1; seed <= count; ++seed) sample_job(seed);
  unsigned seed = 1;
  for (const Fault& fault : kFaults) illegal_descriptor(fault, seed++);
  for (seed = 1; seed <= 3; ++seed) {
    bus_error(seed, true, rtl_test::kSampleData);
    bus_error(seed, true, rtl_test::kSampleJob);
    bus_error(seed, true, rtl_test::kSampleJob + 64);
    bus_error(seed, false, rtl_test::kSampleResult);
    bus_error(seed, false, rtl_test::kSampleRecords);
  }
  for (seed = 1; seed <= count; ++seed) interrupted_job(seed);
  all_registers();
  fmt::print("{} sample jobs, {} illegal descriptors, 15 bus errors, {} soft resets\n", count,
             std::size(kFaults), count);
}

}  // namespace
}  // namespace bitloop

int main(int argc, char** argv) {
  using namespace bitloop;
  if (argc < 5) {
    fmt::print(stderr, "usage: coverage_workload FILE_PREFIX LAYERS GRAPHS SAMPLE_JOBS\n");
    return 2;
  }
  testing::InitGoogleTest(&argc, argv);
  prefix = argv[1];
  run_networks("layer", std::atoi(argv[2]), 1, [](Random& random, std::uint64_t) {
    return host::single_layer_network(random_layer(random));
  });
  run_networks("graph", std::atoi(argv[3]), 1,
               [](Random&, std::uint64_t seed) { return host::test::random_graph(seed); });
  if (const int samples = std::atoi(argv[4]); samples > 0) run_samples(static_cast<unsigned>(samples));
  return failed || testing::Test::HasFailure() ? 1 : 0;
}
