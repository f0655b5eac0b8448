#include "host/driver/progress_watch.h"

#include <algorithm>
#include <array>
#include <utility>

#include "host/device/registers.h"

namespace bitloop::host {
namespace {

constexpr std::uint32_t kSnapshot = 2;  // of CONTROL

constexpr std::size_t kWork[] = {
    registers::kCounterArrayActive,   registers::kCounterPoolActive,      registers::kCounterChannelActive,
    registers::kCounterRequantizeOps, registers::kCounterActivationReads, registers::kCounterActivationWrites,
    registers::kCounterWeightReads,   registers::kCounterWeightWrites,    registers::kCounterReadBeats,
    registers::kCounterWriteBeats,    registers::kCounterReadBursts,      registers::kCounterWriteBursts,
    registers::kCounterDescriptors,
};

/// Counters that go on while something waits, and what that is.
constexpr std::pair<std::size_t, const char*> kWaits[] = {
    {registers::kCounterStallLoad, "the compute engine for a load"},
    {registers::kCounterStallStore, "the compute engine for a store"},
    {registers::kCounterStallFetch, "the compute engine for words of the activation SRAM"},
    {registers::kCounterStallDrain, "a finished tile for the drain"},
    {registers::kCounterDrainOnly, "the drain, which does not end"},
    {registers::kCounterLoadBusy, "the load engine, whose instruction does not end"},
    {registers::kCounterStoreBusy, "the store engine, whose instruction does not end"},
    {registers::kCounterSequencing, "the sequencer for an instruction, a record or a response to end"},
};

std::string waits(const Counters& before, const Counters& now) {
  std::string text;
  for (const auto& [counter, who] : kWaits) {
    if (now[counter] == before[counter]) continue;
    text += (text.empty() ? "waiting: " : ", ") + std::string(who);
  }
  return text.empty() ? "no cycle is counted: the sequencer has not begun it, or does not tell its end"
                      : text;
}

}  // namespace

Counters latched_counters(Device& device) {
  std::array<std::uint32_t, 2 * kCounters> words{};
  device.read_registers(registers::kCounters, words);
  Counters counters{};
  for (std::size_t i = 0; i < kCounters; ++i) {
    counters[i] = words[2 * i] | static_cast<std::uint64_t>(words[2 * i + 1]) << 32;
  }
  return counters;
}

void ProgressWatch::look() {
  device_.write_register(registers::kControl, kSnapshot);
  const Counters now = latched_counters(device_);
  const bool works =
      std::any_of(std::begin(kWork), std::end(kWork), [&](std::size_t i) { return now[i] != counters_[i]; });
  standstill_ = works ? "" : waits(counters_, now);
  counters_ = now;
}

double ProgressWatch::instructions() const {
  return static_cast<double>(counters_[registers::kCounterDescriptors]);
}

}  // namespace bitloop::host
