#include "host/base/option_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>
#include <utility>

#include "host/base/error.h"

namespace bitloop::host {

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::optional<std::uint64_t> parse_integer(std::string_view text) {
  int base = 10;
  if (text.starts_with("0x") || text.starts_with("0X")) {
    text.remove_prefix(2);
    base = 16;
  }
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

OptionText::OptionText(std::string subject, const std::vector<std::string_view>& items, std::string hint)
    : subject_(std::move(subject)), hint_(std::move(hint)) {
  for (const std::string_view item : items) {
    const std::size_t equals = item.find('=');
    if (equals == std::string_view::npos || equals == 0 || equals + 1 == item.size()) {
      fail(fmt::format("'{}' is not of the form option=value", item));
    }
    if (!values_.emplace(item.substr(0, equals), item.substr(equals + 1)).second) {
      fail(fmt::format("{} is given twice", item.substr(0, equals)));
    }
  }
}

void OptionText::fail(std::string_view what) const {
  throw InputError(fmt::format("{}: {}{}", subject_, what, hint_));
}

std::optional<std::string> OptionText::text(const char* name) {
  known_.insert(name);
  const auto found = values_.find(name);
  if (found == values_.end()) return std::nullopt;
  return found->second;
}

std::optional<double> OptionText::number(const char* name, double low, double high, std::string_view unit) {
  const auto given = text(name);
  if (!given) return std::nullopt;
  double value = 0;
  const auto [end, error] = std::from_chars(given->data(), given->data() + given->size(), value);
  if (error != std::errc{} || end != given->data() + given->size() || !(value >= low && value <= high)) {
    fail(fmt::format("{}={} is no number {}from {:g} to {:g}", name, *given,
                     unit.empty() ? "" : fmt::format("of {} ", unit), low, high));
  }
  return value;
}

std::optional<std::uint64_t> OptionText::integer(const char* name, std::uint64_t low, std::uint64_t high) {
  const auto given = text(name);
  if (!given) return std::nullopt;
  const auto value = parse_integer(*given);
  if (!value || *value < low || *value > high) {
    fail(fmt::format("{}={} is no whole number from {} to {}", name, *given, low, high));
  }
  return value;
}

void OptionText::refuse_rest() const {
  for (const auto& [name, value] : values_) {
    if (known_.contains(name)) continue;
    fail(fmt::format(
        "'{}=' is not known here; {}", name,
        known_.empty() ? "there are none" : fmt::format("known are {}", fmt::join(known_, ", "))));
  }
}

}  // namespace bitloop::host
