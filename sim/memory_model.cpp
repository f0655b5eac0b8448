#include "sim/memory_model.h"

#include <fmt/format.h>

#include <cstdint>
#include <type_traits>
#include <vector>

#include "host/base/error.h"
#include "host/base/option_text.h"

namespace bitloop::sim {

MemoryModel parse_memory(std::string_view text) {
  MemoryModel model;
  if (text == model.name) {
    return model;
  }
  if (text.find('=') == std::string_view::npos) {
    throw InputError(
        fmt::format("memory model: '{}' is unknown; known are ddr8 and lists such as "
                    "latency=60,write_latency=20,outstanding=8",
                    text));
  }
  model.name = std::string(text);
  std::vector<std::string_view> items = host::split(text, ',');
  if (items.back().empty()) items.pop_back();
  host::OptionText options("memory model", items);
  const auto set = [&](const char* name, auto& field, std::uint64_t low, std::uint64_t high) {
    const auto given = options.integer(name, low, high);
    if (given) field = static_cast<std::remove_reference_t<decltype(field)>>(*given);
    return given.has_value();
  };
  const bool latency = set("latency", model.read_latency, 1, 100'000);
  if (set("read_latency", model.read_latency, 1, 100'000) && latency) {
    options.fail("latency and read_latency are the same: give one");
  }
  set("write_latency", model.write_latency, 1, 100'000);
  set("beats_per_cycle", model.beats_per_cycle, 1, 2);
  set("outstanding", model.outstanding, 1, 64);
  set("bytes", model.bytes, 4096, std::uint64_t{1} << 32);
  set("stall_seed", model.stall_seed, 0, ~std::uint64_t{0});
  if (const auto share = options.number("random_stall", 0, 0.99)) model.random_stall = *share;
  options.refuse_rest();
  return model;
}

std::uint64_t longest_pause(const MemoryModel& model) {
  // Engines that wait for each other wait for a burst each at most; random stalls hold up each handshake.
  constexpr double kBursts = 4;
  constexpr double kOwn = 1 << 16;  // far more than any engine takes without the memory
  const double latency = model.read_latency + model.write_latency;
  return static_cast<std::uint64_t>((kOwn + kBursts * latency) / (1 - model.random_stall));
}

std::string timing_key(const MemoryModel& model) {
  std::string key =
      fmt::format("read_latency={} write_latency={} beats_per_cycle={} outstanding={}", model.read_latency,
                  model.write_latency, model.beats_per_cycle, model.outstanding);
  if (model.random_stall > 0) {
    key += fmt::format(" random_stall={} stall_seed={}", model.random_stall, model.stall_seed);
  }
  return key;
}

}  // namespace bitloop::sim
