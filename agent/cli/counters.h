#pragma once

#include <nlohmann/json.hpp>

#include "host/device/device.h"

namespace bitloop::cli {

/// Every counter by its name, in record order.
inline nlohmann::ordered_json counters_json(const host::Counters& counters) {
  nlohmann::ordered_json json;
  const auto names = host::counter_names();
  for (std::size_t i = 0; i < names.size() && i < counters.size(); ++i) json[names[i]] = counters[i];
  return json;
}

}  // namespace bitloop::cli
