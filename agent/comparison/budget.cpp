#include "agent/comparison/budget.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "host/base/error.h"

namespace bitloop::search {
namespace {

struct Unit {
  const char* name;
  Measure measure;
  double factor;  ///< to the measure's own unit; 0: a share
};
constexpr Unit kUnits[] = {{"cycles", Measure::cycles, 1}, {"ms", Measure::cycles, 1e-3},
                           {"mJ", Measure::energy, 1e-3},  {"kB", Measure::bytes, 1e3},
                           {"MB", Measure::bytes, 1e6},    {"energy", Measure::energy, 0},
                           {"bytes", Measure::bytes, 0}};

struct Quantity {
  double value = 0;
  std::string unit{};
};

/// Nothing where the text starts with no finite number above 0.
std::optional<Quantity> quantity_of(const std::string& text) {
  Quantity quantity;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), quantity.value);
  if (error != std::errc{} || !std::isfinite(quantity.value) || quantity.value <= 0) return std::nullopt;
  quantity.unit.assign(end, text.data() + text.size());
  return quantity;
}

}  // namespace

bool is_plain_ratio(const std::string& text) {
  const auto quantity = quantity_of(text);
  return quantity && quantity->unit.empty();
}

Budget budget_of(const std::string& text, const Costs& reference, double clock_hz, Measure of) {
  const auto quantity = quantity_of(text);
  const Unit plain{"", of, 0};
  const Unit* unit = quantity && quantity->unit.empty() ? &plain : nullptr;
  for (const Unit& known : kUnits)
    if (quantity && quantity->unit == known.name) unit = &known;
  const bool is_share = unit != nullptr && unit->factor == 0;
  if (unit == nullptr || (is_share && quantity->value > 1)) {
    throw InputError(
        fmt::format("'{}' is no budget: give a share such as 0.4, 0.4energy or 0.4bytes, or 900000cycles, "
                    "5ms, 2mJ, 40kB",
                    text));
  }
  if (quantity->unit == "ms" && clock_hz == 0)
    throw InputError("a table has no clock: give the budget in cycles");
  double factor = is_share ? reference[unit->measure] : unit->factor;
  if (quantity->unit == "ms") factor *= clock_hz;
  const double limit = quantity->value * factor;
  // Cycles and bytes are whole; joules of an image are far below 1.
  return {text, unit->measure, unit->measure == Measure::energy ? limit : std::floor(limit)};
}

}  // namespace bitloop::search
