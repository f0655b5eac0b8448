#include "agent/tables/space_json.h"

#include <nlohmann/json.hpp>

namespace bitloop::search {

using nlohmann::json;
using nlohmann::ordered_json;

Space space_from(const json& file) {
  Space space{.name = file.at("name"), .features = file.at("features")};
  for (const json& d : file.at("decisions")) {
    Decision decision{
        .name = d.at("name"), .kind = d.at("kind"), .group = d.at("group"), .features = d.at("features")};
    for (const json& c : d.at("choices")) decision.choices.push_back({c.at(0), c.at(1)});
    space.decisions.push_back(std::move(decision));
  }
  space.validate();
  return space;
}

void add_space(ordered_json& file, const Space& space) {
  file["features"] = space.features;
  for (const Decision& d : space.decisions) {
    ordered_json choices = ordered_json::array();
    for (const Choice& c : d.choices) choices.push_back({c.label, c.bits});
    file["decisions"].push_back({{"name", d.name},
                                 {"kind", d.kind},
                                 {"group", d.group},
                                 {"choices", choices},
                                 {"features", d.features}});
  }
}

}  // namespace bitloop::search
