#include "host/board/memory_mapped_device.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <random>

#include "host/base/error.h"
#include "host/device/board_identity.h"
#include "tests/host/board/incoherent_memory.h"
#include "tests/host/board/register_page.h"

namespace bitloop::host::board::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

/// Does what the test says while the device waits.
class ScriptedInterrupt : public Interrupt {
 public:
  void enable() override { ++enabled; }
  bool wait(double) override {
    ++waits;
    return on_wait ? on_wait() : false;
  }

  std::function<bool()> on_wait;
  int enabled = 0;
  int waits = 0;
};

class MemoryMappedDeviceTest : public testing::Test {
 protected:
  MemoryMappedDeviceTest() {
    fill_register_page(page_);
    board_.registers = page_.data();
    board_.buffer = buffer_;
    board_.buffer_address = 0x10000000;
    board_.interrupt = &interrupt_;
    board_.sync = &memory_;
    board_.clock_hz = 100e6;
    board_.name = "zedboard";
  }

  std::unique_ptr<Device> open() { return make_memory_mapped_device(board_); }
  std::uint32_t& at(std::uint32_t offset) { return page_[offset / 4]; }

  std::vector<std::byte> random_bytes(std::size_t count) {
    std::vector<std::byte> bytes(count);
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(random_());
    return bytes;
  }
  static std::vector<std::byte> read(Device& device, Address address, std::size_t count) {
    std::vector<std::byte> bytes(count);
    device.read_memory(address, bytes);
    return bytes;
  }
  /// A job that writes these bytes.
  void run_job(Device& device, Address address, std::span<const std::byte> result) {
    device.write_register(registers::kStart, ++sequence_);
    std::copy(result.begin(), result.end(), memory_.dram.begin() + static_cast<std::ptrdiff_t>(address));
    at(registers::kLastDone) = sequence_;
    ASSERT_TRUE(device.wait_done(sequence_, 1000));
  }

  static constexpr std::size_t kBytes = 1 << 19;
  alignas(4096) std::array<std::uint32_t, kPageWords> page_{};
  std::vector<std::byte> buffer_ = std::vector<std::byte>(kBytes);
  IncoherentMemory memory_{buffer_};
  ScriptedInterrupt interrupt_;
  MappedBoard board_;
  std::mt19937_64 random_{1};
  std::uint32_t sequence_ = 0;
};

TEST_F(MemoryMappedDeviceTest, tells_what_its_registers_and_its_owner_say) {
  const auto device = open();
  const HardwareInfo& info = device->info();
  EXPECT_EQ(info.name, "p=2,f=4,activation_rows=1024,weight_rows=512,channel_lanes=16");
  EXPECT_EQ(info.pixels, 2);
  EXPECT_EQ(info.filters, 4);
  EXPECT_EQ(info.parameter_slots, 64);
  EXPECT_EQ(info.channel_lanes, 16);
  EXPECT_EQ(info.staging_words, 4096);
  EXPECT_EQ(info.memory, "zedboard");
  EXPECT_EQ(info.fingerprint, fmt::format("0123456789abcdef{:016x}", board_hash("zedboard", 100e6)));
  EXPECT_FALSE(info.repeatable);
  EXPECT_TRUE(info.computes);
  EXPECT_EQ(device->memory_size(), kBytes);
  EXPECT_EQ(device->memory_base(), 0x10000000u);
}

TEST_F(MemoryMappedDeviceTest, whatever_is_no_accelerator_of_ours_is_refused_with_both_values) {
  at(registers::kRegmapHash) = 0x12345678;
  EXPECT_THAT([&] { open(); },
              ThrowsMessage<DeviceError>(AllOf(
                  HasSubstr("0x12345678"), HasSubstr(fmt::format("{:#010x}", registers::kRegmapHashValue)))));
  at(registers::kId) = 0xffffffff;
  EXPECT_THAT([&] { open(); },
              ThrowsMessage<DeviceError>(AllOf(HasSubstr("0xffffffff"), HasSubstr("0x424c504c"))));
}

TEST_F(MemoryMappedDeviceTest, what_the_hardware_would_refuse_never_reaches_it) {
  const auto device = open();
  const auto before = page_;
  for (std::uint32_t offset = 0; offset < 8192; ++offset) {
    if (!registers::writable(offset)) {
      EXPECT_THROW(device->write_register(offset, 0x5a5a5a5a), DeviceError) << offset;
    }
    if (!registers::readable(offset)) {
      EXPECT_THROW(device->read_register(offset), DeviceError) << offset;
    }
  }
  at(registers::kStatus) = 1;
  EXPECT_THAT([&] { device->write_register(registers::kStart, 7); },
              ThrowsMessage<DeviceError>(HasSubstr("under way")));
  at(registers::kStatus) = 0;
  EXPECT_EQ(page_, before);
}

TEST_F(MemoryMappedDeviceTest, memory_outside_the_window_is_refused) {
  const auto device = open();
  std::array<std::byte, 16> bytes{};
  EXPECT_THROW(device->write_memory(kBytes - 8, bytes), DeviceError);
  EXPECT_THROW(device->read_memory(kBytes - 8, bytes), DeviceError);
  EXPECT_THROW(device->read_memory(~Address{0} - 7, bytes), DeviceError);
  device->write_memory(kBytes - 16, bytes);
  device->read_memory(kBytes, {});
}

TEST_F(MemoryMappedDeviceTest, a_copy_may_begin_and_end_anywhere) {
  const auto device = open();
  for (std::size_t begin = 0; begin < 10; ++begin) {
    for (std::size_t count = 0; count < 30; ++count) {
      const auto bytes = random_bytes(count);
      device->write_memory(100 + begin, bytes);
      EXPECT_EQ(read(*device, 100 + begin, count), bytes);
    }
  }
}

TEST_F(MemoryMappedDeviceTest, start_finds_in_memory_what_was_written_before) {
  const auto device = open();
  const auto bytes = random_bytes(5000);
  device->write_memory(1234, bytes);
  device->write_register(registers::kStart, 1);
  EXPECT_TRUE(std::equal(bytes.begin(), bytes.end(), memory_.dram.begin() + 1234));
  EXPECT_EQ(at(registers::kStart), 1u);
}

TEST_F(MemoryMappedDeviceTest, results_are_read_from_memory_job_after_job) {
  const auto device = open();
  for (int i = 0; i < 3; ++i) {
    const auto result = random_bytes(300);
    run_job(*device, 70'000, result);
    EXPECT_EQ(read(*device, 70'000, result.size()), result);
  }
}

TEST_F(MemoryMappedDeviceTest, a_client_that_polls_for_the_end_itself_reads_results_too) {
  const auto device = open();
  for (int i = 0; i < 3; ++i) {
    const auto result = random_bytes(300);
    device->write_register(registers::kStart, ++sequence_);
    read(*device, 70'000, 300);  // while the job runs
    std::copy(result.begin(), result.end(), memory_.dram.begin() + 70'000);
    at(registers::kLastDone) = sequence_;
    if (i == 1) {
      EXPECT_EQ(device->read_register(registers::kLastDone), sequence_);
    }
    EXPECT_EQ(read(*device, 70'000, result.size()), result);
  }
}

TEST_F(MemoryMappedDeviceTest, reading_in_small_pieces_synchronizes_in_large_ones) {
  const auto device = open();
  run_job(*device, 0, random_bytes(65'536));
  const int before = memory_.syncs;
  for (Address address = 0; address < 65'536; address += 64) read(*device, address, 64);
  EXPECT_EQ(memory_.syncs, before + 1);
}

TEST_F(MemoryMappedDeviceTest, no_byte_is_lost_in_any_order_of_writes_reads_and_jobs) {
  const auto device = open();
  std::vector<std::byte> reference(kBytes);
  for (int i = 0; i < 3000; ++i) {
    const std::size_t count = 1 + random_() % 300;
    // Close together, so that lines are shared.
    const Address address = (random_() % 4) * 65'000 + random_() % 1000;
    const auto here = reference.begin() + static_cast<std::ptrdiff_t>(address);
    switch (random_() % 3) {
      case 0: {
        const auto bytes = random_bytes(count);
        device->write_memory(address, bytes);
        std::copy(bytes.begin(), bytes.end(), here);
        break;
      }
      case 1: {
        const auto result = random_bytes(count);
        run_job(*device, address, result);
        std::copy(result.begin(), result.end(), here);
        break;
      }
      default:
        ASSERT_TRUE(std::ranges::equal(read(*device, address, count), std::span(here, count))) << i;
    }
  }
  EXPECT_EQ(read(*device, 0, kBytes), reference);
  EXPECT_EQ(memory_.lost, 0);
}

TEST_F(MemoryMappedDeviceTest, a_coherent_buffer_is_not_synchronized) {
  board_.sync = nullptr;
  const auto device = open();
  const auto bytes = random_bytes(500);
  device->write_memory(3, bytes);
  device->write_register(registers::kStart, 1);
  EXPECT_EQ(read(*device, 3, bytes.size()), bytes);
  EXPECT_EQ(memory_.syncs, 0);
}

TEST_F(MemoryMappedDeviceTest, the_end_is_what_last_done_says_and_not_an_interrupt) {
  const auto device = open();
  at(registers::kLastDone) = 4;
  int left = 3;
  interrupt_.on_wait = [&] {  // two old interrupts before the job's own
    if (--left == 0) at(registers::kLastDone) = 5;
    return true;
  };
  EXPECT_TRUE(device->wait_done(5, 1'000'000'000));
  EXPECT_EQ(interrupt_.waits, 3);
}

TEST_F(MemoryMappedDeviceTest, a_lost_interrupt_costs_a_moment_only) {
  const auto device = open();
  interrupt_.on_wait = [&] {
    at(registers::kLastDone) = 5;
    return false;
  };
  EXPECT_TRUE(device->wait_done(5, 1'000'000'000));
  EXPECT_EQ(interrupt_.waits, 1);
}

TEST_F(MemoryMappedDeviceTest, a_job_that_does_not_end_is_given_up_at_its_limit) {
  const auto device = open();
  EXPECT_FALSE(device->wait_done(5, 100'000));  // 1 ms
  EXPECT_GT(interrupt_.waits, 0);
  board_.interrupt = nullptr;
  EXPECT_FALSE(open()->wait_done(5, 100'000));
}

TEST_F(MemoryMappedDeviceTest, what_ended_just_at_its_limit_has_ended) {
  const auto device = open();
  at(registers::kLastDone) = 5;
  EXPECT_TRUE(device->wait_done(5, 0));
  EXPECT_EQ(interrupt_.waits, 0);
}

TEST_F(MemoryMappedDeviceTest, the_interrupt_is_enabled_while_it_is_waited_for) {
  const auto device = open();
  interrupt_.on_wait = [&] {
    EXPECT_EQ(at(registers::kIrqEnable), 1u);
    EXPECT_EQ(at(registers::kIrqStatus), 1u);  // cleared
    EXPECT_EQ(interrupt_.enabled, 1);
    at(registers::kLastDone) = 5;
    return true;
  };
  EXPECT_TRUE(device->wait_done(5, 1'000'000'000));
  EXPECT_EQ(at(registers::kIrqEnable), 0u);
}

TEST_F(MemoryMappedDeviceTest, a_reset_that_does_not_end_is_an_error) {
  const auto device = open();
  device->reset();
  EXPECT_EQ(at(registers::kControl), 1u);
  at(registers::kStatus) = 2;
  EXPECT_THAT([&] { device->reset(); }, ThrowsMessage<DeviceError>(HasSubstr("STATUS reads 0x2")));
}

TEST_F(MemoryMappedDeviceTest, another_bitstream_is_noticed_at_the_reset) {
  const auto device = open();
  at(registers::kFingerprint1) = 0x7654321;
  EXPECT_THAT([&] { device->reset(); }, ThrowsMessage<DeviceError>(AllOf(HasSubstr("0123456789abcdef"),
                                                                         HasSubstr("0765432189abcdef"))));
}

}  // namespace
}  // namespace bitloop::host::board::test
