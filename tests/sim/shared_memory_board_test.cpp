// The memory-mapped device of a board's own processor against the real RTL: another thread plays the rest of
// the board, between a page of registers and a buffer in shared memory on one side and the simulated
// accelerator on the other.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <functional>
#include <random>
#include <thread>

#include "host/base/error.h"
#include "host/board/memory_mapped_device.h"
#include "host/board/uio_interrupt.h"
#include "host/compiler/compiler.h"
#include "host/device/registers.h"
#include "host/driver/driver.h"
#include "host/etherbone/remote_device.h"
#include "host/etherbone/server.h"
#include "sim/sim_device.h"
#include "tests/host/board/incoherent_memory.h"
#include "tests/host/network/random_cases.h"
#include "tests/host/network/random_graphs.h"

namespace bitloop::sim {
namespace {

namespace board = host::board;
namespace reg = host::registers;

constexpr std::size_t kPageBytes = 4096;
constexpr std::size_t kBufferBytes = 4u << 20;
constexpr host::Address kBufferAddress = 0x00300000;  ///< in the simulated memory

std::unique_ptr<host::Device> make_simulated() {
  MemoryModel memory;
  memory.bytes = 8u << 20;
  return make_sim_device("tiny", memory);
}

/// Shared memory that is given back with it.
class SharedBytes {
 public:
  explicit SharedBytes(std::size_t count)
      : bytes_(static_cast<std::byte*>(
                   mmap(nullptr, count, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)),
               count) {
    if (bytes_.data() == MAP_FAILED) throw DeviceError(std::strerror(errno));
  }
  ~SharedBytes() { munmap(bytes_.data(), bytes_.size()); }
  SharedBytes(const SharedBytes&) = delete;
  SharedBytes& operator=(const SharedBytes&) = delete;

  [[nodiscard]] std::span<std::byte> bytes() const { return bytes_; }

 private:
  std::span<std::byte> bytes_;
};

/// The board's hardware, in a thread of its own. Registers that do something when they are written are
/// doorbells, which the thread looks at in turn: START rings when its value changes (a sequence number is
/// never used twice in a row), CONTROL and IRQ_STATUS when they are not 0. All others hold what a read gives.
/// The memory is written by the processor before START and after LAST_DONE, and by the thread between them.
/// An interrupt reaches the processor as UIO's does: once, and only after it was enabled.
class SharedMemoryBoard {
  SharedBytes page_{kPageBytes};
  SharedBytes buffer_{kBufferBytes};

 public:
  SharedMemoryBoard() : SharedMemoryBoard(make_pair()) {}
  ~SharedMemoryBoard() {
    stop_ = true;
    hardware_.join();
  }

  board::MappedBoard parts() {
    board::MappedBoard parts;
    parts.registers = reinterpret_cast<volatile std::uint32_t*>(page_.bytes().data());
    parts.buffer = buffer_.bytes();
    parts.buffer_address = kBufferAddress;
    parts.interrupt = &interrupt_;
    parts.sync = &memory;
    parts.clock_hz = 48e6;
    parts.name = "shared memory";
    return parts;
  }

  board::test::IncoherentMemory memory{buffer_.bytes()};
  std::atomic<bool> hangs = false;  ///< the accelerator does not go on
  std::atomic<bool> loses_interrupts = false;

 private:
  SharedMemoryBoard(std::array<int, 2> pair) : kernel_(pair[0], "kernel"), uio_(pair[1], "uio0") {
    for (std::uint32_t offset = 0; offset < kPageBytes; offset += 4) {
      if (reg::readable(offset)) set(offset, accelerator_->read_register(offset));
    }
    hardware_ = std::thread([this] { run(); });
  }
  static std::array<int, 2> make_pair() {
    std::array<int, 2> pair{};
    if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair.data()) != 0) throw DeviceError(std::strerror(errno));
    return pair;
  }

  std::atomic_ref<std::uint32_t> at(std::uint32_t offset) {
    return std::atomic_ref(reinterpret_cast<std::uint32_t*>(page_.bytes().data())[offset / 4]);
  }
  void set(std::uint32_t offset, std::uint32_t value) { at(offset).store(value); }

  void run() {
    while (!stop_) {
      if (at(reg::kControl).exchange(0) & 1) reset();
      if (at(reg::kIrqStatus).exchange(0) & 1) ended_ = false;
      if (const std::uint32_t sequence = at(reg::kStart).load(); sequence != sequence_) start(sequence);
      constexpr host::Cycles kCyclesAtOnce = 5000;
      if (runs_ && !hangs && accelerator_->wait_done(sequence_, kCyclesAtOnce)) end();
      forward_interrupt();
      if (!runs_) std::this_thread::sleep_for(std::chrono::microseconds(20));
    }
  }

  void start(std::uint32_t sequence) {
    sequence_ = sequence;
    runs_ = true;
    set(reg::kStatus, 1);
    accelerator_->write_memory(kBufferAddress, memory.dram);
    accelerator_->write_register(reg::kBase, at(reg::kBase));
    accelerator_->write_register(reg::kJob, at(reg::kJob));
    accelerator_->write_register(reg::kStart, sequence);
  }

  void end() {
    accelerator_->read_memory(kBufferAddress, memory.dram);
    for (std::uint32_t i = 0; i < reg::kCountersWords; ++i) {
      set(reg::kCounters + 4 * i, accelerator_->read_register(reg::kCounters + 4 * i));
    }
    runs_ = false;
    publish_state();
    ended_ = true;
  }

  void reset() {
    accelerator_->reset();
    runs_ = false;
    publish_state();
  }

  /// LAST_DONE last: it tells that all else is there.
  void publish_state() {
    for (const std::uint32_t offset : {reg::kError, reg::kErrorInfo, reg::kStatus, reg::kLastDone}) {
      set(offset, accelerator_->read_register(offset));
    }
  }

  void forward_interrupt() {
    std::uint32_t message = 0;
    while (recv(kernel_.descriptor(), &message, sizeof message, MSG_DONTWAIT) == sizeof message) {
      unmasked_ = message == 1;
    }
    if (!ended_ || !unmasked_ || at(reg::kIrqEnable) == 0 || loses_interrupts) return;
    ++count_;
    ASSERT_EQ(send(kernel_.descriptor(), &count_, sizeof count_, 0), static_cast<ssize_t>(sizeof count_));
    unmasked_ = false;
  }

  board::File kernel_;
  board::File uio_;
  board::UioInterrupt interrupt_{uio_};
  std::unique_ptr<host::Device> accelerator_ = make_simulated();
  std::uint32_t sequence_ = 0;
  std::uint32_t count_ = 0;
  bool runs_ = false;
  bool ended_ = false;     ///< bit 0 of IRQ_STATUS
  bool unmasked_ = false;  ///< the next interrupt goes through
  std::atomic<bool> stop_ = false;
  std::thread hardware_;
};

class SharedMemoryBoardTest : public testing::Test {
 protected:
  struct Result {
    host::Measurement measurement;
    std::vector<host::CodeTensor> tensors;
  };

  static Result run(host::Driver& driver, const host::Job& job, std::span<const std::uint8_t> input) {
    driver.load(job);
    Result result{driver.run(input), {}};
    for (const host::TensorPlace& place : job.tensors) result.tensors.push_back(driver.read_tensor(place));
    return result;
  }

  /// One random network's job on this device, the board or a way to it, and on a simulated one of its own.
  void expect_equal_runs(host::Driver& tested, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    const host::Network network = host::test::random_graph(seed);
    const host::Policy policy = host::test::random_policy(network, random);
    const host::QuantizedNetwork quantized = host::random_quantization(network, policy, seed);
    const host::Job job = host::compile(quantized, device->info(), {.spill_all = true});
    const auto input = host::test::random_input(network.tensors[network.input].shape,
                                                quantized.bits.read(network.input), random);
    const Result here = run(tested, job, input);
    const Result there = run(direct_driver, job, input);
    EXPECT_EQ(here.measurement.total, there.measurement.total) << "seed " << seed;
    EXPECT_EQ(here.measurement.segments, there.measurement.segments) << "seed " << seed;
    EXPECT_GT(here.measurement.cycles(), 0u);
    EXPECT_EQ(here.tensors, there.tensors) << "seed " << seed;
    EXPECT_EQ(here.tensors.back(), host::golden_run(quantized, input).written[network.outputs.back()])
        << "seed " << seed;
    EXPECT_EQ(hardware.memory.lost, 0);
  }

  SharedMemoryBoard hardware;
  std::unique_ptr<host::Device> device = board::make_memory_mapped_device(hardware.parts());
  host::Driver driver{*device};
  std::unique_ptr<host::Device> direct = make_simulated();
  host::Driver direct_driver{*direct};
};

TEST_F(SharedMemoryBoardTest, tells_the_same_hardware) {
  EXPECT_EQ(device->info().pixels, direct->info().pixels);
  EXPECT_EQ(device->info().staging_words, direct->info().staging_words);
  EXPECT_EQ(device->info().fingerprint.substr(0, 16), direct->info().fingerprint.substr(0, 16));
  EXPECT_NE(device->info().fingerprint.substr(16), direct->info().fingerprint.substr(16));
}

TEST_F(SharedMemoryBoardTest, random_networks_give_the_bytes_and_counters_of_a_direct_run) {
  for (std::uint64_t seed = 1; seed <= host::test::kGraphThemes; ++seed) expect_equal_runs(driver, seed);
}

TEST_F(SharedMemoryBoardTest, jobs_end_without_any_interrupt_too) {
  hardware.loses_interrupts = true;
  expect_equal_runs(driver, 1);
  board::MappedBoard parts = hardware.parts();
  parts.interrupt = nullptr;
  const auto polling = board::make_memory_mapped_device(parts);
  host::Driver polling_driver(*polling);
  const host::Network network = host::single_layer_network("linear in=40 out=12");
  const host::Job job = host::compile(
      host::random_quantization(network, host::uniform_policy(network, 2, 2), 1), polling->info());
  const std::vector<std::uint8_t> input(40, 1);
  EXPECT_EQ(run(polling_driver, job, input).measurement.total,
            run(direct_driver, job, input).measurement.total);
}

TEST_F(SharedMemoryBoardTest, a_hung_accelerator_is_reset_and_runs_the_next_job) {
  const host::Network network = host::single_layer_network("linear in=40 out=12");
  const host::Job job = host::compile(
      host::random_quantization(network, host::uniform_policy(network, 4, 4), 1), device->info());
  driver.load(job);
  hardware.hangs = true;
  EXPECT_THROW(driver.run(std::vector<std::uint8_t>(40, 1), 500'000), DeviceTimeout);
  hardware.hangs = false;
  EXPECT_EQ(device->read_register(reg::kStatus), 0u);
  expect_equal_runs(driver, 2);
}

/// All that bitloopd does, and a client of it.
TEST_F(SharedMemoryBoardTest, a_client_of_its_server_gets_the_same) {
  host::etherbone::ServerOptions options;
  options.listen.port = 0;
  host::etherbone::Server server(*device, options);
  std::thread serving([&] { server.run(); });
  {
    const auto remote = host::etherbone::open_remote_device(
        host::parse_device(fmt::format("tcp://127.0.0.1:{}", server.port())));
    EXPECT_EQ(remote->info().fingerprint, device->info().fingerprint);
    EXPECT_EQ(remote->info().memory, "shared memory");
    EXPECT_EQ(remote->memory_base(), kBufferAddress);
    host::Driver remote_driver(*remote);
    for (std::uint64_t seed = 1; seed <= 3; ++seed) expect_equal_runs(remote_driver, seed);
  }
  server.stop();
  serving.join();
}

/// What host/device/registers.h says, and the memory-mapped device relies on, is what the RTL does.
TEST(RegisterAccess, is_refused_by_the_hardware_where_the_map_says_so) {
  const auto device = make_simulated();
  const auto refused = [](const std::function<void()>& access) {
    try {
      access();
      return false;
    } catch (const DeviceError&) {
      return true;
    }
  };
  for (std::uint32_t offset = 0; offset < 4096; offset += 4) {
    EXPECT_EQ(!reg::readable(offset), refused([&] { device->read_register(offset); })) << offset;
    if (offset == reg::kStart) continue;  // starts a job
    EXPECT_EQ(!reg::writable(offset), refused([&] { device->write_register(offset, 0); })) << offset;
  }
}

}  // namespace
}  // namespace bitloop::sim
