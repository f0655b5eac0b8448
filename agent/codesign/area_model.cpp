#include "agent/codesign/area_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <nlohmann/json.hpp>

#include "host/base/error.h"
#include "host/base/option_text.h"
#include "sim/hardware_text.h"
#include "sim/sim_device.h"

namespace bitloop::codesign {
namespace {

using Json = nlohmann::json;

std::size_t parameter_named(std::string_view name) {
  const auto& all = sim::kHardwareParameters;
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const auto& each) { return each.name == name; });
  if (found == all.end()) throw Error(fmt::format("the hardware has no parameter '{}'", name));
  return static_cast<std::size_t>(found - all.begin());
}

int integer_of(std::string_view text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) {
    throw Error(fmt::format("'{}' is no integer", text));
  }
  return number;
}

/// A tree of LUTs that take four inputs each.
int multiplexer_luts(int inputs) {
  int luts = 0;
  while (inputs > 1) {
    inputs = (inputs + 3) / 4;
    luts += inputs;
  }
  return luts;
}

int log2_of(int power) { return std::countr_zero(static_cast<unsigned>(power)); }

/// Steps of two between configurations.
int distance(const std::vector<int>& one, const std::vector<int>& other) {
  int steps = 0;
  for (std::size_t i = 0; i < one.size(); ++i) steps += std::abs(log2_of(one[i]) - log2_of(other[i]));
  return steps;
}

std::vector<int> values_of(const host::HardwareInfo& hardware) {
  std::vector<int> values;
  for (const auto& parameter : sim::kHardwareParameters) values.push_back(hardware.*parameter.value);
  return values;
}

/// A count: nothing is negative, block RAMs come in halves.
double counted(const Resource& resource, double value) {
  const double unit = resource.amount == &Area::bram ? 0.5 : 1;
  return std::max(0.0, std::round(value / unit) * unit);
}

}  // namespace

Area total(const std::vector<BlockArea>& blocks) {
  Area sum;
  for (const BlockArea& block : blocks) sum += block.area;
  return sum;
}

AreaModel::AreaModel(std::string_view text) try {
  const Json json = Json::parse(text);
  rtl_ = json.at("rtl");
  tool_ = json.at("tool");
  const Json& error = json.at("error");
  deviation_ = {static_cast<int>(error.at("configurations").size()), error.at("total_lut"),
                error.at("block_lut")};
  for (const Json& hardware : json.at("fitted"))
    fitted_.push_back(values_of(sim::hardware_info(hardware.get<std::string>())));
  for (const auto& [name, entry] : json.at("blocks").items()) {
    Block block{name, {}, {}, entry.at("levels")};
    if (entry.contains("absent")) block.absent = factors_of(entry.at("absent").get<std::string>());
    if (block.levels.size() != fitted_.size()) throw Error(name + " has too few or too many levels");
    for (const Json& each : entry.at("terms")) {
      Term term{factors_of(each.at("of").get<std::string>()), {}, each.value("instances", 0.0)};
      for (const Resource& resource : kResources) {
        term.area.*resource.amount = each.value(resource.name, 0.0);
      }
      block.terms.push_back(std::move(term));
    }
    blocks_.push_back(std::move(block));
  }
} catch (const std::exception& e) {
  throw Error(fmt::format("this is no area model: {}: scripts/fit_area makes one", e.what()));
}

const AreaModel& AreaModel::committed() {
  static const AreaModel model(area_model_json());
  return model;
}

AreaModel::Factor AreaModel::Factor::parse(std::string_view text) {
  Factor factor;
  const auto shape = [&](std::string_view name) {
    if (!text.starts_with(name) || !text.ends_with(')')) return false;
    text = text.substr(name.size(), text.size() - name.size() - 1);
    return true;
  };
  const auto cut = [&](char separator) {
    const std::size_t at = text.find(separator);
    const std::string_view rest = at == std::string_view::npos ? "" : text.substr(at + 1);
    text = text.substr(0, at);
    return rest;
  };
  if (shape("log2(")) {
    factor.kind = Kind::log2;
  } else if (shape("max(")) {
    factor.kind = Kind::at_least;
    factor.number = integer_of(cut(','));
  } else if (shape("mux(")) {
    factor.kind = Kind::multiplexer;
  } else if (const auto number = cut('='); !number.empty()) {
    factor.kind = Kind::equals;
    factor.number = integer_of(number);
  }
  if (const auto over = cut('/'); !over.empty()) factor.over = parameter_named(over);
  const std::size_t name = std::min(text.find_first_not_of("0123456789"), text.size());
  if (name > 0) factor.times = integer_of(text.substr(0, name));
  factor.parameter = parameter_named(text.substr(name));
  return factor;
}

double AreaModel::Factor::value(const Values& values) const {
  const int operand = times * values[parameter] / (over ? values[*over] : 1);
  switch (kind) {
    case Kind::value:
      break;
    case Kind::log2:
      return log2_of(operand);
    case Kind::at_least:
      return std::max(operand, number);
    case Kind::equals:
      return operand == number ? 1 : 0;
    case Kind::multiplexer:
      return multiplexer_luts(operand);
  }
  return operand;
}

AreaModel::Factors AreaModel::factors_of(std::string_view product) {
  Factors factors;
  for (const std::string_view text : host::split(product, '*')) {
    if (text != "1") factors.push_back(Factor::parse(text));
  }
  return factors;
}

double AreaModel::value_of(const Factors& factors, const Values& values) {
  double product = 1;
  for (const Factor& factor : factors) product *= factor.value(values);
  return product;
}

std::vector<std::size_t> AreaModel::nearest(const Values& values) const {
  std::vector<std::size_t> found;
  int least = 0;
  for (std::size_t i = 0; i < fitted_.size(); ++i) {
    const int steps = distance(values, fitted_[i]);
    if (found.empty() || steps < least) {
      found.clear();
      least = steps;
    }
    if (steps == least) found.push_back(i);
  }
  return found;
}

std::vector<BlockArea> AreaModel::blocks(const host::HardwareInfo& hardware) const {
  const Values values = values_of(hardware);
  const std::vector<std::size_t> like = nearest(values);
  std::vector<BlockArea> all;
  for (const Block& block : blocks_) {
    if (!block.absent.empty() && value_of(block.absent, values) != 0) continue;
    BlockArea sum{block.name, 0, {}, 0};
    double instances = 0;
    for (const Term& term : block.terms) {
      const double times = value_of(term.factors, values);
      instances += times * term.instances;
      for (const Resource& resource : kResources) {
        sum.area.*resource.amount += times * term.area.*resource.amount;
      }
    }
    for (const Resource& resource : kResources) {
      sum.area.*resource.amount = counted(resource, sum.area.*resource.amount);
    }
    sum.instances = static_cast<int>(std::lround(instances));
    for (const std::size_t i : like) sum.levels = std::max(sum.levels, block.levels[i]);
    all.push_back(std::move(sum));
  }
  return all;
}

Area AreaModel::total(const host::HardwareInfo& hardware) const { return codesign::total(blocks(hardware)); }

std::string AreaModel::beyond(const host::HardwareInfo& hardware) const {
  const Values values = values_of(hardware);
  std::string text;
  const auto add = [&](const std::string& what) { text += (text.empty() ? "" : ",") + what; };
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto within = [&](auto compare) {
      return std::any_of(fitted_.begin(), fitted_.end(),
                         [&](const Values& fitted) { return compare(values[i], fitted[i]); });
    };
    if (!within(std::less_equal<>{}) || !within(std::greater_equal<>{})) {
      add(fmt::format("{}={}", sim::kHardwareParameters[i].name, values[i]));
    }
  }
  const auto units = [](const Values& of) { return of[parameter_named("p")] * of[parameter_named("f")]; };
  if (text.empty() && std::none_of(fitted_.begin(), fitted_.end(),
                                   [&](const Values& fitted) { return units(values) <= units(fitted); })) {
    add(fmt::format("p*f={}", units(values)));
  }
  return text;
}

bool model_is_of_rtl(const host::HardwareInfo& hardware) {
  const std::string now = sim::synthesized_sources(sim::rtl_of(hardware.name));
  return now.empty() || now == AreaModel::committed().rtl();
}

void note_limits(const std::vector<host::HardwareInfo>& hardware) {
  std::string other_rtl, beyond;
  const auto add = [](std::string& list, const std::string& what) {
    list += (list.empty() ? "" : "; ") + what;
  };
  for (const host::HardwareInfo& each : hardware) {
    if (!model_is_of_rtl(each)) add(other_rtl, each.name);
    if (const std::string parameters = AreaModel::committed().beyond(each);
        !parameters.empty() && beyond.find(parameters) == std::string::npos)
      add(beyond, parameters);
  }
  if (!other_rtl.empty()) {
    fmt::print(
        stderr,
        "bitloop: note: the area model was fitted to other RTL than that of {}: bitloop area --synthesize "
        "counts it, scripts/fit_area fits the model anew (half an hour)\n",
        other_rtl);
  }
  if (!beyond.empty()) {
    fmt::print(
        stderr,
        "bitloop: note: {} lies beyond what the area model was fitted to: what it says is extrapolated, "
        "bitloop area --synthesize counts\n",
        beyond);
  }
}

}  // namespace bitloop::codesign
