// The simulated device with the real RTL behind it, driven register by register.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <thread>
#include <vector>

#include "host/base/error.h"
#include "host/device/registers.h"
#include "sim/sim_device.h"

namespace bitloop::sim {
namespace {

namespace reg = host::registers;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

using Descriptor = std::array<std::uint32_t, 16>;

constexpr std::uint32_t kBase = 0x10000;
constexpr std::uint32_t kRecord = 0x8000;
constexpr std::uint32_t kIllegal = 1;
constexpr std::uint32_t kReadError = 2;
constexpr std::uint32_t kWriteError = 4;

/// The last segment of a job, with its instructions.
std::vector<Descriptor> segment(std::vector<Descriptor> instructions, std::uint32_t record = kRecord) {
  const auto count = static_cast<std::uint32_t>(instructions.size());
  instructions.insert(instructions.begin(), Descriptor{0x130, 0, count, 0, record});
  return instructions;
}

Descriptor load_weight(std::uint32_t offset, std::uint32_t words, std::uint32_t wait_compute = 0) {
  Descriptor d{0x02, wait_compute, offset};
  d[4] = words;
  return d;
}

class SimDevice : public ::testing::Test {
 protected:
  explicit SimDevice(const MemoryModel& memory = small()) : device(make_sim_device("tiny", memory)) {}

  static MemoryModel small() {
    MemoryModel memory;
    memory.bytes = 1 << 20;
    return memory;
  }

  void start(const std::vector<Descriptor>& job) {
    device->write_memory(kBase, std::as_bytes(std::span(job)));
    device->write_register(reg::kBase, kBase);
    device->write_register(reg::kJob, 0);
    device->write_register(reg::kStart, ++sequence);
  }
  bool run(const std::vector<Descriptor>& job, host::Cycles limit = 100'000) {
    start(job);
    return device->wait_done(sequence, limit);
  }
  std::uint64_t counter(std::size_t index) {
    const auto offset = reg::kCounters + static_cast<std::uint32_t>(8 * index);
    return device->read_register(offset) | std::uint64_t{device->read_register(offset + 4)} << 32;
  }
  std::vector<std::uint64_t> counters() {
    std::vector<std::uint64_t> all;
    for (std::size_t i = 0; i < reg::kCounterCount; ++i) {
      all.push_back(counter(i));
    }
    return all;
  }
  std::uint64_t record(std::size_t index) {
    std::uint64_t word = 0;
    device->read_memory(kBase + kRecord + 8 * index, std::as_writable_bytes(std::span(&word, 1)));
    return word;
  }

  std::unique_ptr<host::Device> device;
  std::uint32_t sequence = 0;
};

TEST_F(SimDevice, tells_the_parameters_of_its_configuration) {
  EXPECT_EQ(device->info().name, "tiny");
  EXPECT_EQ(device->info().memory, "ddr8");
  EXPECT_EQ(device->info().pixels, 2);
  EXPECT_EQ(device->info().filters, 4);
  EXPECT_EQ(device->info().fingerprint.size(), 32u);
  EXPECT_EQ(device->read_register(reg::kId), reg::kIdValue);
  EXPECT_EQ(device->read_register(reg::kRegmapHash), reg::kRegmapHashValue);
}

TEST_F(SimDevice, refuses_unmapped_and_read_only_registers_and_goes_on) {
  EXPECT_THROW(device->read_register(0xff0), DeviceError);
  EXPECT_THROW(device->write_register(reg::kId, 1), DeviceError);
  EXPECT_EQ(device->read_register(reg::kId), reg::kIdValue);
}

TEST_F(SimDevice, refuses_memory_outside_its_window) {
  std::array<std::byte, 16> bytes{};
  EXPECT_THROW(device->write_memory(device->memory_size() - 8, bytes), DeviceError);
  EXPECT_THROW(device->read_memory(~host::Address{0}, bytes), DeviceError);
}

TEST_F(SimDevice, an_empty_segment_ends_and_leaves_its_record) {
  ASSERT_TRUE(run(segment({})));
  EXPECT_EQ(device->read_register(reg::kLastDone), sequence);
  EXPECT_EQ(device->read_register(reg::kError), 0u);
  EXPECT_GT(counter(reg::kCounterCycles), 0u);
  EXPECT_GT(record(reg::kCounterCycles), 0u);
  EXPECT_LE(record(reg::kCounterCycles), counter(reg::kCounterCycles));
}

TEST_F(SimDevice, a_load_counts_its_beats_and_bursts) {
  ASSERT_TRUE(run(segment({load_weight(0x4000, 64)})));
  EXPECT_EQ(record(reg::kCounterWeightWrites), 256u);  // 64 words of each of 4 filters
  EXPECT_GE(record(reg::kCounterReadBeats), 256u);
}

TEST_F(SimDevice, the_same_job_takes_the_same_cycles_whatever_ran_before) {
  const auto job = segment({load_weight(0x4000, 100)});
  ASSERT_TRUE(run(job));
  const auto first = counters();
  ASSERT_TRUE(run(segment({load_weight(0x4008, 3), load_weight(0x5000, 77)})));
  ASSERT_TRUE(run(job));
  EXPECT_EQ(counters(), first);
}

TEST_F(SimDevice, an_unknown_opcode_ends_the_job_with_its_offset_and_the_next_job_runs_after_a_reset) {
  ASSERT_TRUE(run(segment({load_weight(0x4000, 1), Descriptor{0x77}})));
  EXPECT_EQ(device->read_register(reg::kError), kIllegal);
  EXPECT_EQ(device->read_register(reg::kErrorInfo), 2 * sizeof(Descriptor));
  device->reset();
  EXPECT_EQ(device->read_register(reg::kError), 0u);
  EXPECT_TRUE(run(segment({})));
  EXPECT_EQ(device->read_register(reg::kError), 0u);
}

TEST_F(SimDevice,
       reading_outside_the_memory_ends_the_job_with_a_read_error_and_the_next_job_runs_after_a_reset) {
  ASSERT_TRUE(run(segment({load_weight(1 << 20, 64)})));
  EXPECT_EQ(device->read_register(reg::kError), kReadError);
  device->reset();
  EXPECT_TRUE(run(segment({load_weight(0x4000, 64)})));
  EXPECT_EQ(device->read_register(reg::kError), 0u);
}

TEST_F(SimDevice,
       writing_outside_the_memory_ends_the_job_with_a_write_error_and_the_next_job_runs_after_a_reset) {
  ASSERT_TRUE(run(segment({}, 1 << 20)));
  EXPECT_EQ(device->read_register(reg::kError), kWriteError);
  device->reset();
  EXPECT_TRUE(run(segment({})));
  EXPECT_EQ(device->read_register(reg::kError), 0u);
}

TEST_F(SimDevice, a_job_that_waits_forever_reaches_the_limit_and_reset_frees_the_device) {
  const auto job = segment({load_weight(0x4000, 1, 1)});  // no compute instruction will ever end
  EXPECT_FALSE(run(job, 5000));
  EXPECT_THROW(device->write_register(reg::kStart, 99), DeviceError) << "busy";
  device->reset();
  EXPECT_TRUE(run(segment({})));
}

TEST_F(SimDevice, reset_amid_transfers_leaves_the_timing_of_a_fresh_device) {
  const auto job = segment({load_weight(0x4000, 100)});
  ASSERT_TRUE(run(job));
  const auto fresh = counters();
  for (host::Cycles cycles = 0; cycles < 200; cycles += 7) {
    EXPECT_FALSE(run(segment({load_weight(0x4000, 512), load_weight(0x6000, 512)}), cycles));
    device->reset();
    ASSERT_TRUE(run(job));
    ASSERT_EQ(counters(), fresh) << "reset " << cycles << " cycles after START";
  }
}

TEST_F(SimDevice, reset_keeps_memory_and_base) {
  device->write_register(reg::kBase, kBase);
  const std::array<std::byte, 4> bytes{std::byte{1}, std::byte{2}, std::byte{3}, std::byte{4}};
  device->write_memory(100, bytes);
  device->reset();
  std::array<std::byte, 4> got{};
  device->read_memory(100, got);
  EXPECT_EQ(got, bytes);
  EXPECT_EQ(device->read_register(reg::kBase), kBase);
}

TEST_F(SimDevice, wait_done_leaves_the_interrupt_as_it_was) {
  device->write_register(reg::kIrqEnable, 1);
  ASSERT_TRUE(run(segment({})));
  EXPECT_EQ(device->read_register(reg::kIrqEnable), 1u);
}

TEST(SimDevices, fingerprints_tell_configurations_and_memory_timing_apart_but_not_names) {
  const auto fingerprint = [](const char* hardware, const MemoryModel& memory) {
    return make_sim_device(hardware, memory)->info().fingerprint;
  };
  const MemoryModel slow = parse_memory("latency=100");
  MemoryModel renamed;
  renamed.name = "other";
  EXPECT_EQ(fingerprint("tiny", {}), fingerprint("tiny", renamed));
  EXPECT_NE(fingerprint("tiny", {}), fingerprint("tiny", slow));
  EXPECT_NE(fingerprint("tiny", {}), fingerprint("default", {}));
}

TEST(SimDevices, an_unknown_configuration_is_refused_with_the_known_ones) {
  EXPECT_THAT([] { make_sim_device("huge"); }, ThrowsMessage<InputError>(HasSubstr("default, tiny")));
}

/// Cycles of a job with loads, on a device of its own.
std::uint64_t cycles_of_a_job(const std::optional<WaveWindow>& wave = {}) {
  const auto device = make_sim_device("tiny", {}, wave);
  const auto job = segment({load_weight(0x4000, 500), load_weight(0x4008, 500)});
  device->write_memory(kBase, std::as_bytes(std::span(job)));
  device->write_register(reg::kBase, kBase);
  device->write_register(reg::kJob, 0);
  device->write_register(reg::kStart, 1);
  EXPECT_TRUE(device->wait_done(1, 100'000));
  return device->read_register(reg::kCounters);
}

TEST(SimDevices, in_several_threads_do_not_disturb_each_other) {
  const std::uint64_t alone = cycles_of_a_job();
  std::array<std::uint64_t, 4> together{};
  std::vector<std::thread> threads;
  for (auto& cycles : together) {
    threads.emplace_back([&cycles] { cycles = cycles_of_a_job(); });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  EXPECT_THAT(together, ::testing::Each(alone));
}

TEST(SimDevices, a_waveform_of_a_window_is_written_and_changes_no_cycle) {
  const auto folder = std::filesystem::path(::testing::TempDir());
  const auto narrow = folder / "bitloop_narrow.fst";
  const auto wide = folder / "bitloop_wide.fst";
  const std::uint64_t cycles = cycles_of_a_job();
  EXPECT_EQ(cycles_of_a_job(WaveWindow{narrow, 100, 200}), cycles);
  EXPECT_EQ(cycles_of_a_job(WaveWindow{wide, 0, 2000}), cycles);
  EXPECT_GT(std::filesystem::file_size(narrow), 0u);
  EXPECT_GT(std::filesystem::file_size(wide), std::filesystem::file_size(narrow));
  std::filesystem::remove(narrow);
  std::filesystem::remove(wide);
}

TEST(SimDevices, a_waveform_that_cannot_be_written_is_an_input_error) {
  EXPECT_THROW(cycles_of_a_job(WaveWindow{"/nonexistent/folder/wave.fst", 0, 10}), InputError);
}

}  // namespace
}  // namespace bitloop::sim
