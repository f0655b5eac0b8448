#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/file.h>

#include <algorithm>
#include <string>
#include <vector>

#include "host/base/error.h"
#include "host/board/dma_buffer.h"
#include "host/board/mapping.h"
#include "host/board/memory_mapped_device.h"
#include "host/board/uio_interrupt.h"

namespace bitloop::host::board {
namespace {

constexpr std::size_t kRegisterBytes = 4096;
constexpr const char* kHint =
    "load the driver uio_pdrv_genirq and check the device tree (rtl/boards/zynq/README.md)";

/// "uio0" of its name: its own, or the device tree's.
std::string find_uio(const std::string& name, const std::filesystem::path& classes) {
  const std::filesystem::path folder = classes / "uio";
  if (exists(folder / name)) return name;
  std::vector<std::string> found;
  std::vector<std::string> known;
  if (exists(folder)) {
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      const std::string given = read_attribute(entry.path() / "name", kHint);
      known.push_back(fmt::format("{} ({})", given, entry.path().filename().string()));
      if (given == name) found.push_back(entry.path().filename().string());
    }
  }
  std::sort(known.begin(), known.end());
  std::sort(found.begin(), found.end());
  if (found.size() > 1) {
    throw DeviceError(fmt::format("{}: several devices are named '{}'; give one of {}", folder.string(), name,
                                  fmt::join(found, ", ")));
  }
  if (found.empty()) {
    throw DeviceError(fmt::format(
        "{}: no device is named '{}' ({}); {}", folder.string(), name,
        known.empty() ? "there is none" : fmt::format("known: {}", fmt::join(known, ", ")), kHint));
  }
  return found.front();
}

std::size_t check_size(const std::filesystem::path& file) {
  const std::uint64_t size = read_number(file, kHint);
  if (size < kRegisterBytes) {
    throw DeviceError(
        fmt::format("{} reads {}: the accelerator's registers take {} bytes; check the address "
                    "range in the device tree",
                    file.string(), size, kRegisterBytes));
  }
  return kRegisterBytes;
}

/// The UIO device and the buffer that belong to one accelerator.
struct UioBoard {
  UioBoard(const std::filesystem::path& device, const std::filesystem::path& folder,
           const std::string& buffer_name, const std::filesystem::path& devices,
           const std::filesystem::path& classes)
      : file(device, O_RDWR, kHint),
        registers(file, check_size(folder / "maps" / "map0" / "size")),
        interrupt(file),
        buffer(buffer_name, devices, classes) {
    if (flock(file.descriptor(), LOCK_EX | LOCK_NB) != 0) {
      file.fail("is used by another program", "end that one, or reach the board through it");
    }
  }

  File file;
  Mapping registers;
  UioInterrupt interrupt;
  DmaBuffer buffer;
};

}  // namespace

std::unique_ptr<Device> open_uio_device(const std::string& uio, const std::string& buffer, double clock_hz,
                                        const std::string& board_name, const std::filesystem::path& devices,
                                        const std::filesystem::path& classes) {
  const std::string name = find_uio(uio, classes);
  const auto parts =
      std::make_shared<UioBoard>(devices / name, classes / "uio" / name, buffer, devices, classes);
  MappedBoard board;
  board.registers = reinterpret_cast<volatile std::uint32_t*>(parts->registers.bytes().data());
  board.buffer = parts->buffer.bytes();
  board.buffer_address = parts->buffer.address();
  board.interrupt = &parts->interrupt;
  board.sync = parts->buffer.needs_sync() ? &parts->buffer : nullptr;
  board.clock_hz = clock_hz;
  board.name = board_name;
  board.owner = parts;
  return make_memory_mapped_device(board);
}

}  // namespace bitloop::host::board
