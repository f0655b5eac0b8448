#include "host/board/uio_interrupt.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstdint>

namespace bitloop::host::board {
namespace {

constexpr const char* kHint = "give the device an interrupt in the device tree (rtl/boards/zynq/README.md)";

}  // namespace

void UioInterrupt::enable() {
  const std::uint32_t one = 1;
  if (write(file_.descriptor(), &one, sizeof one) != sizeof one) file_.fail("enables no interrupt", kHint);
}

/// A signal counts as the end of the time: whoever waits looks at LAST_DONE anyway.
bool UioInterrupt::wait(double seconds) {
  pollfd entry{file_.descriptor(), POLLIN, 0};
  const int ready = poll(&entry, 1, static_cast<int>(std::ceil(seconds * 1000)));
  if (ready == 0 || (ready < 0 && errno == EINTR)) return false;
  std::uint32_t count = 0;  // of all so far
  if (ready < 0 || read(file_.descriptor(), &count, sizeof count) != sizeof count) {
    file_.fail("tells of no interrupt", kHint);
  }
  return true;
}

}  // namespace bitloop::host::board
