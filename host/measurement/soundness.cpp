#include "host/measurement/soundness.h"

#include <fmt/format.h>

#include <chrono>

#include "host/base/atomic_file.h"
#include "host/base/error.h"
#include "host/driver/self_test.h"
#include "host/measurement/segment_key.h"

namespace bitloop::host {
namespace {

std::filesystem::path file_of(const SoundnessCheck& check) {
  std::string name;
  for (const std::byte byte : self_test_key(check.key)) {
    name += fmt::format("{:02x}", std::to_integer<unsigned>(byte));
  }
  return check.folder / name;
}

void remember(const SoundnessCheck& check) {
  try {
    std::filesystem::create_directories(check.folder);
    write_file_atomically(file_of(check), fmt::format("{} {}\n", check.name, check.key));
  } catch (const std::exception& error) {
    check.note(fmt::format("the next measurement tests the hardware again: {}", error.what()));
  }
}

}  // namespace

void require_sound(const SoundnessCheck& check) {
  const bool remembers = !check.folder.empty();
  if (remembers && std::filesystem::exists(file_of(check))) return;
  const auto pools = check.open();
  const auto start = std::chrono::steady_clock::now();
  SelfTestResult sum;
  for (std::size_t i = 0; i < pools.size(); ++i) {
    const HardwareInfo& hardware = pools[i]->hardware();
    if (!hardware.computes) {
      return check.note(fmt::format("hardware {} only counts: what it computes is not tested", check.name));
    }
    const SelfTestResult result = run_self_test(*pools[i], [&](double done) {
      if (check.progress) check.progress((static_cast<double>(i) + done) / static_cast<double>(pools.size()));
    });
    if (!result.fault.empty()) {
      throw DeviceError(
          fmt::format("hardware {} does not compute what it should, and is not measured: {}{}; mend its RTL "
                      "(docs/changing_rtl.md), or measure it all the same with --unchecked",
                      check.name, hardware.name == check.name ? "" : fmt::format("on {}, ", hardware.name),
                      result.fault));
    }
    sum.passed += result.passed;
    sum.too_small += result.too_small;
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  check.note(fmt::format(
      "hardware {} is new here: it passed {} self-tests{} in {:.1f} s, before anything is measured",
      check.name, sum.passed, sum.too_small == 0 ? "" : fmt::format(" ({} need more SRAM)", sum.too_small),
      seconds.count()));
  if (remembers) remember(check);
}

}  // namespace bitloop::host
