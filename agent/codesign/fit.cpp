#include "agent/codesign/fit.h"

#include <fmt/format.h>

#include <limits>

#include "agent/codesign/area_model.h"
#include "host/base/error.h"
#include "sim/sim_device.h"

namespace bitloop::codesign {

std::string refusal_by(const Area& area, const Chip& chip) {
  if (fits(area, chip)) return "";
  const LargestShare scarcest = largest_share(area, chip);
  return fmt::format("takes {:.0f} % of the {} of {}", 100 * scarcest.share, scarcest.resource->title,
                     chip.name);
}

std::vector<std::string> fitting(const std::vector<std::string>& hardware, const Chip& chip) {
  std::vector<std::string> fit;
  std::string smallest;
  double least = std::numeric_limits<double>::infinity();
  for (const std::string& text : hardware) {
    const Area area = AreaModel::committed().total(sim::hardware_info(text));
    const std::string refusal = refusal_by(area, chip);
    if (refusal.empty()) fit.push_back(text);
    const double share = largest_share(area, chip).share;
    if (share >= least) continue;
    least = share;
    smallest = fmt::format("{}, {}", text, refusal);
  }
  if (fit.empty()) {
    throw InputError(
        fmt::format("no configuration of the space fits {}: the smallest is {}; give smaller values, "
                    "or another --chip",
                    chip.name, smallest));
  }
  return fit;
}

}  // namespace bitloop::codesign
