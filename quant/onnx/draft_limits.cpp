// How those who read a tensor limit it, and what the tensor's own limits are then.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "host/base/error.h"
#include "quant/onnx/draft.h"

namespace bitloop::quant::importer {
namespace {

bool on_grid(double end, double step) {
  constexpr double kNear = 1e-4;  // of a step: files round both
  return !std::isfinite(end) || std::abs(std::remainder(end, step)) <= kNear * step;
}

/// Whether `first.then(next)` is exact: what is rounded before it is clipped stays on its grid.
bool joins(const host::Limits& first, const host::Limits& next) {
  if (first.step == 0) return true;
  if (next.step != 0) return first.step == next.step;
  return on_grid(next.low, first.step) && on_grid(next.high, first.step);
}

[[noreturn]] void refuse_limits(const std::string& tensor, std::string_view what) {
  throw InputError(fmt::format(
      "tensor {} is clipped or quantized {}; supported are one way for all that read it, and a second one "
      "behind that for all layers with weights",
      tensor, what));
}

}  // namespace

bool Value::limit(const host::Limits& next) {
  if (!narrow.any() && joins(limits, next)) {
    limits = limits.then(next);
  } else if (joins(narrow, next)) {
    narrow = narrow.then(next);
  } else {
    return false;
  }
  return true;
}

void Draft::note_reader(const Value& value, bool result) {
  const int layer = result ? -1 : static_cast<int>(network_.layers.size()) - 1;
  readings_.at(value.tensor).push_back({layer, value.limits, value.narrow});
}

void Draft::take_readings(int tensor) {
  const int dropped = writers_.at(tensor), last = static_cast<int>(network_.layers.size()) - 1;
  for (const int input : network_.layers.at(dropped).inputs) {
    std::vector<Reading>& readings = readings_[input];
    std::erase_if(readings, [&](const Reading& reading) { return reading.layer == last; });
    for (Reading& reading : readings)
      if (reading.layer == dropped) reading.layer = last;
  }
}

bool Draft::is_read_for(const Value& value, int tensor) const {
  return std::ranges::any_of(readings_.at(value.tensor), [&](const Reading& reading) {
    return reading.layer >= 0 && reading.layer == writers_.at(tensor) && reading.limits == value.limits &&
           reading.narrow == value.narrow;
  });
}

bool Draft::reads_limited(int layer, int tensor) const {
  return std::ranges::any_of(readings_.at(tensor), [&](const Reading& reading) {
    return reading.layer == layer && (reading.limits.any() || reading.narrow.any());
  });
}

bool Draft::takes_limits(int tensor) const {
  const host::Layer* layer = writer(tensor);
  if (layer == nullptr || readers_[tensor] != 1) return false;
  return !layer->keeps_codes() ||
         std::ranges::all_of(layer->inputs, [&](int input) { return takes_limits(input); });
}

void Draft::settle_limits(int tensor) {
  const std::vector<Reading>& readings = readings_[tensor];
  if (readings.empty()) return;
  host::Tensor& own = network_.tensors[tensor];
  std::optional<host::Limits> of_weights, of_others;
  const auto agree = [&](std::optional<host::Limits>& known, const host::Limits& limits) {
    if (known && *known != limits) refuse_limits(own.name, "in different ways");
    known = limits;
  };
  const host::Limits& first = readings.front().limits;
  const bool same = std::ranges::all_of(readings, [&](const Reading& r) { return r.limits == first; });
  for (const Reading& reading : readings) {
    const host::Layer* layer = reading.layer < 0 ? nullptr : &network_.layers[reading.layer];
    if (layer == nullptr ? needs_copy(tensor) : layer->has_weights()) {
      if (!same && !joins(reading.limits, reading.narrow)) refuse_limits(own.name, "three times");
      agree(of_weights, same ? reading.narrow : reading.limits.then(reading.narrow));
      continue;
    }
    agree(of_others, reading.limits);
    if (!reading.narrow.any()) continue;
    // What keeps codes may come before the second quantizer or behind it.
    if (layer == nullptr || !layer->keeps_codes() || layer->inputs.size() > 1)
      refuse_limits(own.name, "twice in a row");
    host::Limits& behind = network_.tensors[layer->output].limits;
    if (!joins(reading.narrow, behind)) refuse_limits(own.name, "three times");
    behind = reading.narrow.then(behind);
  }
  own.limits = same ? first : of_others.value_or(host::Limits{});
  own.narrow_limits = of_weights.value_or(host::Limits{});
  const bool nested =
      joins(own.limits, own.narrow_limits) && own.limits.then(own.narrow_limits) == own.narrow_limits;
  if (!same && of_weights && !nested) refuse_limits(own.name, "in different ways");
}

bool Draft::move_limits(const host::Layer& layer, const host::Limits& limits) {
  const int mover = writers_[layer.output];
  for (const int input : layer.inputs) {
    std::optional<host::Limits> common;
    for (const Reading& reading : readings_[input]) {
      const bool moved = reading.layer == mover;
      if (moved && (reading.narrow.any() || !joins(reading.limits, limits))) return false;
      const host::Limits after = moved ? reading.limits.then(limits) : reading.limits;
      if (common && *common != after) return false;
      common = after;
    }
  }
  for (const int input : layer.inputs)
    for (Reading& reading : readings_[input])
      if (reading.layer == mover) reading.limits = reading.limits.then(limits);
  return true;
}

void Draft::settle_limits() {
  for (int tensor = static_cast<int>(network_.tensors.size()) - 1; tensor >= 0; --tensor) {
    settle_limits(tensor);
    const host::Layer* layer = writer(tensor);
    host::Limits& limits = network_.tensors[tensor].limits;
    if (layer != nullptr && layer->keeps_codes() && limits.any() && move_limits(*layer, limits)) limits = {};
  }
}

}  // namespace bitloop::quant::importer
