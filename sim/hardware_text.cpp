#include "sim/hardware_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <optional>
#include <utility>
#include <vector>

#include "host/base/error.h"

namespace bitloop::sim {
namespace {

using Values = std::array<long, kHardwareParameters.size()>;

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::optional<long> parse_integer(std::string_view text) {
  long value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// Values, in the order of kHardwareParameters, of a text that the build made: it names each parameter once.
Values values_of(std::string_view parameters) {
  Values values{};
  for (const std::string_view item : split(parameters, '|')) {
    const std::size_t equals = std::min(item.find('='), item.size() - 1);
    const auto value = parse_integer(item.substr(equals + 1));
    const auto found = std::find_if(
        kHardwareParameters.begin(), kHardwareParameters.end(),
        [&](const HardwareParameter& parameter) { return item.substr(0, equals) == parameter.rtl_name; });
    if (!value || found == kHardwareParameters.end()) {
      throw Error(fmt::format("hardware parameter '{}' of sim/configurations.json is not known", item));
    }
    values[static_cast<std::size_t>(found - kHardwareParameters.begin())] = *value;
  }
  return values;
}

long nearest_power_of_two(long value, long low, long high) {
  value = std::clamp(value, low, high);
  const long below = static_cast<long>(std::bit_floor(static_cast<unsigned long>(value)));
  return value - below < 2 * below - value ? below : 2 * below;
}

long legal_value(const HardwareParameter& parameter, std::string_view text) {
  const auto value = parse_integer(text);
  const std::string must = fmt::format("a power of two from {} to {}", parameter.low, parameter.high);
  if (!value) {
    throw InputError(
        fmt::format("hardware configuration: {}={} is no integer: give {}", parameter.name, text, must));
  }
  if (*value < parameter.low || *value > parameter.high ||
      !std::has_single_bit(static_cast<unsigned long>(*value))) {
    throw InputError(fmt::format("hardware configuration: {}={} is not {}: the nearest is {}", parameter.name,
                                 *value, must, nearest_power_of_two(*value, parameter.low, parameter.high)));
  }
  return *value;
}

std::size_t parameter_index(std::string_view name) {
  const auto found = std::find_if(kHardwareParameters.begin(), kHardwareParameters.end(),
                                  [&](const HardwareParameter& parameter) { return name == parameter.name; });
  if (found == kHardwareParameters.end()) {
    std::vector<std::string_view> names;
    for (const HardwareParameter& parameter : kHardwareParameters) names.emplace_back(parameter.name);
    throw InputError(fmt::format("hardware configuration: unknown parameter '{}'; known are {}", name,
                                 fmt::join(names, ", ")));
  }
  return static_cast<std::size_t>(found - kHardwareParameters.begin());
}

}  // namespace

std::string change_parameters(std::string_view parameters, std::string_view text) {
  Values values = values_of(parameters);
  std::array<bool, values.size()> given{};
  for (const std::string_view item : split(text, ',')) {
    const std::size_t equals = item.find('=');
    if (equals == std::string_view::npos) {
      throw InputError(
          fmt::format("hardware configuration: '{}' is not of the form parameter=value, such as p=4", item));
    }
    const std::size_t index = parameter_index(item.substr(0, equals));
    values[index] = legal_value(kHardwareParameters[index], item.substr(equals + 1));
    if (std::exchange(given[index], true)) {
      throw InputError(
          fmt::format("hardware configuration: {} is given twice", kHardwareParameters[index].name));
    }
  }
  std::string changed;
  for (const std::string_view item : split(parameters, '|')) {
    const std::string_view rtl_name = item.substr(0, item.find('='));
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (rtl_name == kHardwareParameters[i].rtl_name) {
        changed += fmt::format("{}{}={}", changed.empty() ? "" : "|", rtl_name, values[i]);
      }
    }
  }
  return changed;
}

std::string parameter_changes(std::string_view base, std::string_view parameters) {
  const Values from = values_of(base);
  const Values to = values_of(parameters);
  std::string text;
  for (std::size_t i = 0; i < to.size(); ++i) {
    if (from[i] != to[i]) {
      text += fmt::format("{}{}={}", text.empty() ? "" : ",", kHardwareParameters[i].name, to[i]);
    }
  }
  return text;
}

int parameter_value(std::string_view parameters, std::string_view name) {
  return static_cast<int>(values_of(parameters)[parameter_index(name)]);
}

}  // namespace bitloop::sim
