#include "agent/codesign/chips.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "host/base/error.h"

namespace bitloop::codesign {

Area& Area::operator+=(const Area& other) {
  for (const Resource& resource : kResources) this->*resource.amount += other.*resource.amount;
  return *this;
}

nlohmann::ordered_json to_json(const Area& area) {
  nlohmann::ordered_json json;
  for (const Resource& resource : kResources) json[resource.name] = area.*resource.amount;
  return json;
}

const std::vector<Chip>& chips() {
  static const std::vector<Chip> all = [] {
    const auto json = nlohmann::json::parse(chips_json());
    std::vector<Chip> read;
    for (const auto& entry : json.at("chips")) {
      Chip chip{entry.at("name"), entry.at("title"), {}};
      for (const Resource& resource : kResources) chip.capacity.*resource.amount = entry.at(resource.name);
      read.push_back(std::move(chip));
    }
    return read;
  }();
  return all;
}

const Chip& chip_named(std::string_view name) {
  std::string known;
  for (const Chip& chip : chips()) {
    if (chip.name == name) return chip;
    known += (known.empty() ? "" : ", ") + chip.name;
  }
  throw InputError(fmt::format("chip '{}' is unknown: --chip takes one of {}", name, known));
}

Area share(const Area& area, const Chip& chip) {
  Area part;
  for (const Resource& resource : kResources) {
    part.*resource.amount = area.*resource.amount / chip.capacity.*resource.amount;
  }
  return part;
}

LargestShare largest_share(const Area& area, const Chip& chip) {
  const Area part = share(area, chip);
  const auto* most =
      std::max_element(kResources.begin(), kResources.end(),
                       [&](const Resource& a, const Resource& b) { return part.*a.amount < part.*b.amount; });
  return {most, part.*(most->amount)};
}

bool fits(const Area& area, const Chip& chip) { return largest_share(area, chip).share <= 1; }

}  // namespace bitloop::codesign
