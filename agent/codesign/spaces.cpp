#include "agent/codesign/spaces.h"

#include <fmt/format.h>

#include <algorithm>

#include "host/base/error.h"
#include "host/base/option_text.h"
#include "sim/sim_device.h"

namespace bitloop::codesign {
namespace {

struct Parameter {
  std::string name;
  std::vector<std::string> values;
};

/// One space: points with a name, and parameters that multiply.
struct Factors {
  std::vector<std::string> named;
  std::vector<Parameter> parameters;

  [[nodiscard]] double points() const {
    double product = parameters.empty() ? 0 : 1;
    for (const Parameter& parameter : parameters) product *= static_cast<double>(parameter.values.size());
    return product + static_cast<double>(named.size());
  }
};

Factors factors_of(std::string_view subject, std::string_view text, const std::vector<std::string>& names) {
  Factors factors;
  for (const std::string_view words : host::split(text, ' ')) {
    if (words.empty()) continue;
    for (const std::string_view item : host::split(words, ',')) {
      const std::size_t equals = item.find('=');
      const std::string value(equals == std::string_view::npos ? item : item.substr(equals + 1));
      if (value.empty()) {
        throw InputError(
            fmt::format("{} '{}' has an item without a value: write p=2,4 f=8,16", subject, text));
      }
      if (equals != std::string_view::npos) {
        const std::string name(item.substr(0, equals));
        if (std::ranges::any_of(factors.parameters, [&](const Parameter& p) { return p.name == name; })) {
          throw InputError(fmt::format("{} '{}' has {} twice: write its values behind one {}=, with commas",
                                       subject, text, name, name));
        }
        factors.parameters.push_back({name, {value}});
      } else if (std::ranges::find(names, value) != names.end()) {
        factors.named.push_back(value);
      } else if (!factors.parameters.empty()) {
        factors.parameters.back().values.push_back(value);
      } else {
        factors.named.push_back(value);  // which nobody knows: whoever opens it says so, with what is known
      }
    }
  }
  return factors;
}

std::vector<std::string> product(const std::vector<Parameter>& parameters) {
  std::vector<std::string> points;
  if (!parameters.empty()) points.emplace_back();
  for (const Parameter& parameter : parameters) {
    std::vector<std::string> longer;
    for (const std::string& point : points) {
      for (const std::string& value : parameter.values)
        longer.push_back(fmt::format("{}{}{}={}", point, point.empty() ? "" : ",", parameter.name, value));
    }
    points = std::move(longer);
  }
  return points;
}

void add_once(std::vector<std::string>& list, const std::string& text) {
  if (std::ranges::find(list, text) == list.end()) list.push_back(text);
}

}  // namespace

std::vector<std::string> points_of(std::string_view subject, std::string_view text,
                                   const std::vector<std::string>& names, const PointLimit& limit) {
  std::vector<Factors> spaces;
  double count = 0;
  for (const std::string_view space : host::split(text, ';')) {
    spaces.push_back(factors_of(subject, space, names));
    if (spaces.back().points() == 0)
      throw InputError(fmt::format("{} '{}' has an empty space: leave the ; out", subject, text));
    count += spaces.back().points();
  }
  if (count > static_cast<double>(limit.most)) {
    throw InputError(fmt::format("{} '{}' has {:.0f} points, more than {}: give fewer values{}", subject,
                                 text, count, limit.most, limit.advice));
  }
  std::vector<std::string> points;
  for (const Factors& space : spaces) {
    for (const std::string& point : space.named) points.push_back(point);
    for (const std::string& point : product(space.parameters)) points.push_back(point);
  }
  return points;
}

std::vector<std::string> hardware_space(std::string_view subject, std::string_view text,
                                        const std::vector<std::string>& rtl, const PointLimit& limit) {
  for (const std::string& folder : rtl) (void)sim::simulated_sources(folder);  // it is there
  std::vector<std::string> all;
  for (const std::string& point : points_of(subject, text, sim::hardware_names(), limit)) {
    const std::string name = sim::hardware_info(point).name;
    add_once(all, name);
    for (const std::string& folder : rtl) add_once(all, sim::with_rtl(name, folder));
  }
  return all;
}

std::vector<std::string> memory_space(std::string_view subject, std::string_view text,
                                      const PointLimit& limit) {
  std::vector<std::string> all;
  for (const std::string& point : points_of(subject, text, {sim::MemoryModel{}.name}, limit)) {
    (void)sim::parse_memory(point);
    add_once(all, point);
  }
  return all;
}

}  // namespace bitloop::codesign
