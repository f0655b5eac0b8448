#include "sim/hardware_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <charconv>

#include "host/base/error.h"
#include "host/base/option_text.h"

namespace bitloop::sim {
namespace {

using Values = std::array<long, kHardwareParameters.size()>;

/// Values, in the order of kHardwareParameters, of a text that the build made: it names each parameter once.
Values values_of(std::string_view parameters) {
  Values values{};
  for (const std::string_view item : host::split(parameters, '|')) {
    const std::size_t equals = std::min(item.find('='), item.size() - 1);
    const auto value = host::parse_integer(item.substr(equals + 1));
    const auto found = std::find_if(
        kHardwareParameters.begin(), kHardwareParameters.end(),
        [&](const HardwareParameter& parameter) { return item.substr(0, equals) == parameter.rtl_name; });
    if (!value || found == kHardwareParameters.end()) {
      throw Error(fmt::format("hardware parameter '{}' of sim/configurations.json is not known", item));
    }
    values[static_cast<std::size_t>(found - kHardwareParameters.begin())] = static_cast<long>(*value);
  }
  return values;
}

long nearest_power_of_two(long value, long low, long high) {
  value = std::clamp(value, low, high);
  const long below = static_cast<long>(std::bit_floor(static_cast<unsigned long>(value)));
  return value - below < 2 * below - value ? below : 2 * below;
}

long legal_value(const HardwareParameter& parameter, std::string_view text, const host::OptionText& options) {
  long number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string must = fmt::format("a power of two from {} to {}", parameter.low, parameter.high);
  if (error != std::errc{} || end != text.data() + text.size()) {
    options.fail(fmt::format("{}={} is no integer: give {}", parameter.name, text, must));
  }
  if (number < parameter.low || number > parameter.high ||
      !std::has_single_bit(static_cast<unsigned long>(number))) {
    options.fail(fmt::format("{}={} is not {}: the nearest is {}", parameter.name, text, must,
                             nearest_power_of_two(number, parameter.low, parameter.high)));
  }
  return number;
}

}  // namespace

std::string change_parameters(std::string_view parameters, std::string_view text) {
  Values values = values_of(parameters);
  host::OptionText options("hardware configuration", host::split(text, ','));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const HardwareParameter& parameter = kHardwareParameters[i];
    if (const auto given = options.text(parameter.name)) values[i] = legal_value(parameter, *given, options);
  }
  options.refuse_rest();
  std::string changed;
  for (const std::string_view item : host::split(parameters, '|')) {
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
  const Values values = values_of(parameters);
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (name == kHardwareParameters[i].name) return static_cast<int>(values[i]);
  }
  throw Error(fmt::format("hardware parameter '{}' is not known", name));
}

}  // namespace bitloop::sim
