#include "host/board/dma_buffer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "host/base/error.h"

namespace bitloop::host::board {
namespace {

constexpr Address kPage = 4096;
constexpr const char* kHint =
    "load the u-dma-buf driver and give it this buffer (rtl/boards/zynq/README.md), or name another by "
    "--buffer";

/// Before release 3 the driver's class had another name.
std::filesystem::path find_folder(const std::string& name, const std::filesystem::path& classes) {
  for (const char* driver : {"u-dma-buf", "udmabuf"}) {
    if (exists(classes / driver / name)) return classes / driver / name;
  }
  throw DeviceError(fmt::format("{} does not exist; {}", (classes / "u-dma-buf" / name).string(), kHint));
}

File open_attribute(const std::filesystem::path& path) { return File(path, O_WRONLY, kHint); }

void write_attribute(const File& file, Address value) {
  const std::string text = fmt::format("{}\n", value);
  if (pwrite(file.descriptor(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
    file.fail("refused the value " + std::to_string(value), "check the driver's version");
  }
}

/// BASE has 32 bits, and jobs begin on a page.
Address check_address(Address address, Address size, const std::filesystem::path& file) {
  if (address % kPage != 0 || address >> 32 != 0 || (address + size - 1) >> 32 != 0) {
    throw DeviceError(fmt::format(
        "{} reads {:#x}: the accelerator reaches whole pages below 4 GiB only; reserve memory there "
        "for the buffer (device tree: memory-region)",
        file.string(), address));
  }
  return address;
}

}  // namespace

DmaBuffer::DmaBuffer(const std::string& name, const std::filesystem::path& devices,
                     const std::filesystem::path& classes)
    : DmaBuffer(find_folder(name, classes), devices / name) {}

// No O_SYNC: with it the mapping is not cached.
DmaBuffer::DmaBuffer(const std::filesystem::path& folder, const std::filesystem::path& device)
    : mapping_(File(device, O_RDWR, kHint), read_number(folder / "size", kHint)),
      address_(
          check_address(read_number(folder / "phys_addr", kHint), bytes().size(), folder / "phys_addr")) {
  if (exists(folder / "dma_coherent") && read_number(folder / "dma_coherent", kHint) == 1) return;
  sync_.emplace(SyncFiles{open_attribute(folder / "sync_offset"), open_attribute(folder / "sync_size"),
                          open_attribute(folder / "sync_for_device"),
                          open_attribute(folder / "sync_for_cpu")});
  constexpr Address kBothWays = 0;
  write_attribute(open_attribute(folder / "sync_direction"), kBothWays);
}

void DmaBuffer::for_device(Address offset, Address bytes) { sync(sync_->for_device, offset, bytes); }
void DmaBuffer::for_cpu(Address offset, Address bytes) { sync(sync_->for_cpu, offset, bytes); }

void DmaBuffer::sync(const File& direction, Address offset, Address bytes) {
  write_attribute(sync_->offset, offset);
  write_attribute(sync_->size, bytes);
  write_attribute(direction, 1);
}

}  // namespace bitloop::host::board
