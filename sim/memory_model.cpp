#include "sim/memory_model.h"

#include <fmt/format.h>

#include <charconv>

#include "host/base/error.h"

namespace bitloop::sim {
namespace {

template <class Number>
Number parse_number(std::string_view key, std::string_view text, Number low, Number high) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || !(value >= low && value <= high)) {
    throw InputError(fmt::format("memory model: {}={} is not a number from {} to {}", key, text, low, high));
  }
  return value;
}

void set_field(MemoryModel& model, std::string_view key, std::string_view value) {
  if (key == "latency" || key == "read_latency") {
    model.read_latency = parse_number(key, value, 1, 100'000);
  } else if (key == "write_latency") {
    model.write_latency = parse_number(key, value, 1, 100'000);
  } else if (key == "beats_per_cycle") {
    model.beats_per_cycle = parse_number(key, value, 1, 2);
  } else if (key == "outstanding") {
    model.outstanding = parse_number(key, value, 1, 64);
  } else if (key == "bytes") {
    model.bytes = parse_number<std::size_t>(key, value, 4096, std::size_t{1} << 32);
  } else if (key == "random_stall") {
    model.random_stall = parse_number(key, value, 0.0, 0.99);
  } else if (key == "stall_seed") {
    model.stall_seed = parse_number<std::uint64_t>(key, value, 0, ~std::uint64_t{0});
  } else {
    throw InputError(
        fmt::format("memory model: unknown parameter '{}'; known are latency, write_latency, "
                    "beats_per_cycle, outstanding, bytes, "
                    "random_stall, stall_seed",
                    key));
  }
}

}  // namespace

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
  while (!text.empty()) {
    const std::string_view item = text.substr(0, text.find(','));
    text.remove_prefix(item.size() < text.size() ? item.size() + 1 : text.size());
    const std::size_t equals = item.find('=');
    if (equals == std::string_view::npos) {
      throw InputError(fmt::format("memory model: '{}' is not of the form parameter=value", item));
    }
    set_field(model, item.substr(0, equals), item.substr(equals + 1));
  }
  return model;
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
