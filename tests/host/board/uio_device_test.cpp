// The board's own files, in a tree that looks like /dev and /sys/class.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

#include "host/base/error.h"
#include "host/board/memory_mapped_device.h"
#include "host/board/uio_interrupt.h"
#include "tests/host/board/register_page.h"

namespace bitloop::host::board::test {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

class UioDeviceTest : public testing::Test {
 protected:
  UioDeviceTest() {
    std::string name = (fs::temp_directory_path() / "bitloop_board_XXXXXX").string();
    root_ = mkdtemp(name.data());
    devices_ = root_ / "dev";
    classes_ = root_ / "class";
    fs::create_directories(devices_);
    add_uio("uio0", "ethernet");
    add_uio("uio1", "bitloop");
    add_buffer("u-dma-buf", "0x1f000000");
  }
  ~UioDeviceTest() override { fs::remove_all(root_); }

  static void write_file(const fs::path& path, std::string_view text) {
    fs::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << text;
  }
  static std::string first_line(const fs::path& path) {
    std::ifstream file(path);
    std::string line;
    std::getline(file, line);
    return line;
  }

  void add_uio(const std::string& device, const std::string& name) {
    std::array<std::uint32_t, kPageWords> page{};
    fill_register_page(page);
    write_file(devices_ / device, {reinterpret_cast<const char*>(page.data()), sizeof page});
    write_file(classes_ / "uio" / device / "name", name + "\n");
    write_file(classes_ / "uio" / device / "maps" / "map0" / "size", "0x00001000\n");
  }
  void add_buffer(const std::string& driver, const std::string& address) {
    buffer_ = classes_ / driver / "udmabuf0";
    write_file(devices_ / "udmabuf0", std::string(kBytes, '\0'));
    write_file(buffer_ / "phys_addr", address + "\n");
    write_file(buffer_ / "size", fmt::format("{}\n", kBytes));
    for (const char* name :
         {"sync_offset", "sync_size", "sync_direction", "sync_for_cpu", "sync_for_device"}) {
      write_file(buffer_ / name, "9\n");
    }
  }
  std::unique_ptr<Device> open(const std::string& uio = "bitloop") {
    return open_uio_device(uio, "udmabuf0", 100e6, "zedboard", devices_, classes_);
  }
  auto refuses(const testing::Matcher<std::string>& message, const std::string& uio = "bitloop") {
    EXPECT_THAT([&] { open(uio); }, ThrowsMessage<DeviceError>(message));
  }

  static constexpr std::size_t kBytes = 1 << 20;
  fs::path root_;
  fs::path devices_;
  fs::path classes_;
  fs::path buffer_;
};

TEST_F(UioDeviceTest, opens_by_the_device_trees_name_and_by_its_own) {
  EXPECT_EQ(open()->memory_base(), 0x1f000000u);
  const auto device = open("uio1");
  EXPECT_EQ(device->memory_size(), kBytes);
  EXPECT_EQ(device->info().pixels, 2);
  EXPECT_EQ(device->info().memory, "zedboard");
}

TEST_F(UioDeviceTest, memory_is_the_buffers_and_is_synchronized_by_the_drivers_files) {
  const auto device = open();
  EXPECT_EQ(first_line(buffer_ / "sync_direction"), "0");
  const std::string text = "written";
  device->write_memory(0x4000, std::as_bytes(std::span(text)));
  EXPECT_EQ(first_line(buffer_ / "sync_for_device"), "9");
  device->write_register(registers::kStart, 1);
  EXPECT_EQ(first_line(buffer_ / "sync_offset"), "16384");
  EXPECT_EQ(first_line(buffer_ / "sync_size"), "4096");
  EXPECT_EQ(first_line(buffer_ / "sync_for_device"), "1");
  std::string back(text.size(), ' ');
  device->read_memory(0x4000, std::as_writable_bytes(std::span(back)));
  EXPECT_EQ(back, text);
  EXPECT_EQ(first_line(buffer_ / "sync_offset"), "0");
  EXPECT_EQ(first_line(buffer_ / "sync_size"), "65536");
  EXPECT_EQ(first_line(buffer_ / "sync_for_cpu"), "1");
  std::ifstream file(devices_ / "udmabuf0");
  file.seekg(0x4000);
  file.read(back.data(), static_cast<std::streamsize>(back.size()));
  EXPECT_EQ(back, text);
}

TEST_F(UioDeviceTest, coherent_buffers_are_not_synchronized) {
  write_file(buffer_ / "dma_coherent", "1\n");
  const auto device = open();
  device->write_memory(0, std::array<std::byte, 8>{});
  device->write_register(registers::kStart, 1);
  EXPECT_EQ(first_line(buffer_ / "sync_for_device"), "9");
}

TEST_F(UioDeviceTest, the_buffer_drivers_older_name_is_known) {
  fs::remove_all(classes_ / "u-dma-buf");
  add_buffer("udmabuf", "0x10000000");
  EXPECT_EQ(open()->memory_base(), 0x10000000u);
}

TEST_F(UioDeviceTest, a_second_program_is_told_that_the_device_is_used) {
  const auto device = open();
  refuses(HasSubstr("is used by another program"));
}

TEST_F(UioDeviceTest, a_name_that_nobody_has_is_told_with_those_that_are_known) {
  refuses(AllOf(HasSubstr("no device is named 'bitlop'"), HasSubstr("bitloop (uio1), ethernet (uio0)")),
          "bitlop");
  add_uio("uio2", "bitloop");
  refuses(AllOf(HasSubstr("several"), HasSubstr("uio1, uio2")));
  fs::remove_all(classes_ / "uio");
  refuses(AllOf(HasSubstr("there is none"), HasSubstr("uio_pdrv_genirq")));
}

TEST_F(UioDeviceTest, what_is_missing_is_named) {
  write_file(classes_ / "uio" / "uio1" / "maps" / "map0" / "size", "0x800\n");
  refuses(AllOf(HasSubstr("map0/size"), HasSubstr("2048")));
  add_uio("uio1", "bitloop");
  fs::remove(buffer_ / "sync_for_cpu");
  refuses(HasSubstr("sync_for_cpu"));
  write_file(buffer_ / "size", "many\n");
  refuses(AllOf(HasSubstr("size"), HasSubstr("many")));
  fs::remove(devices_ / "udmabuf0");
  refuses(AllOf(HasSubstr("udmabuf0"), HasSubstr("u-dma-buf")));
  fs::remove_all(classes_ / "u-dma-buf");
  refuses(AllOf(HasSubstr("u-dma-buf/udmabuf0"), HasSubstr("does not exist")));
  fs::remove(devices_ / "uio1");
  refuses(AllOf(HasSubstr("uio1"), HasSubstr("No such file")));
}

TEST_F(UioDeviceTest, a_buffer_that_32_bits_do_not_reach_is_refused) {
  for (const char* address : {"0x100000000", "0xfff80000", "0x1f000800"}) {
    add_buffer("u-dma-buf", address);
    refuses(AllOf(HasSubstr("phys_addr"), HasSubstr("4 GiB")));
  }
}

/// Both ends of what looks like a UIO device's file.
class UioInterruptTest : public testing::Test {
 protected:
  UioInterruptTest() : UioInterruptTest(make_pair()) {}

  void interrupt(std::uint32_t count) {
    ASSERT_EQ(write(kernel_.descriptor(), &count, sizeof count), static_cast<ssize_t>(sizeof count));
  }

  File kernel_;
  File file_;
  UioInterrupt interrupt_{file_};

 private:
  explicit UioInterruptTest(std::array<int, 2> pair) : kernel_(pair[0], "kernel"), file_(pair[1], "uio1") {}
  static std::array<int, 2> make_pair() {
    std::array<int, 2> pair{};
    if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair.data()) != 0) throw DeviceError(std::strerror(errno));
    return pair;
  }
};

TEST_F(UioInterruptTest, enabling_writes_a_one) {
  interrupt_.enable();
  std::uint32_t value = 0;
  EXPECT_EQ(read(kernel_.descriptor(), &value, sizeof value), static_cast<ssize_t>(sizeof value));
  EXPECT_EQ(value, 1u);
}

TEST_F(UioInterruptTest, an_interrupt_is_told_once) {
  interrupt(41);
  EXPECT_TRUE(interrupt_.wait(10));
  EXPECT_FALSE(interrupt_.wait(0.001));
  interrupt(42);
  EXPECT_TRUE(interrupt_.wait(10));
}

TEST_F(UioInterruptTest, a_short_answer_is_an_error_that_names_the_file) {
  ASSERT_EQ(write(kernel_.descriptor(), "x", 1), 1);
  EXPECT_THAT([&] { interrupt_.wait(10); }, ThrowsMessage<DeviceError>(HasSubstr("uio1")));
}

}  // namespace
}  // namespace bitloop::host::board::test
