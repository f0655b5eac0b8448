#include "quant/sensitivity/sensitivity.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "host/base/error.h"
#include "quant/sensitivity/measures.h"

namespace bitloop::quant {
namespace {

const SensitivityMeasure* const kMeasures[] = {&fisher_measure, &sqnr_measure, &hutchinson_measure};

}  // namespace

const SensitivityMeasure& sensitivity_measure(std::string_view name) {
  for (const SensitivityMeasure* measure : kMeasures)
    if (measure->name == name) return *measure;
  throw InputError(fmt::format("no measure of sensitivity is named '{}': use one of {}", name,
                               fmt::join(sensitivity_measure_names(), ", ")));
}

std::vector<std::string> sensitivity_measure_names() {
  std::vector<std::string> names;
  for (const SensitivityMeasure* measure : kMeasures) names.emplace_back(measure->name);
  return names;
}

}  // namespace bitloop::quant
