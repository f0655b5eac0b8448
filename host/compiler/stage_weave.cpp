#include "host/compiler/stage_weave.h"

#include <algorithm>
#include <vector>

namespace bitloop::host {
namespace {

constexpr double kDrainGap = 7;       // cycles of the drain between tiles of different instructions
constexpr double kLeastGain = 0.003;  // of a tile's cycles: woven, it takes more descriptors

/// Cycles of a tile of one channel block in a stage.
struct StageTile {
  double issue = 0;
  double drain = 0;
};

/// A tile cannot finish before the one before it is drained: what follows a stage's tile hides its drain.
class WeaveModel {
 public:
  WeaveModel(const Segment& segment, int unit_groups, const HardwareInfo& hardware)
      : groups_(unit_groups),
        array_(static_cast<double>(segment.op.tile_cycles(segment.op.whole()))),
        drain_(hardware.pixels * segment.op.parameter_sets()) {
    const int blocks = std::max(1, unit_groups * hardware.filters / kBlockChannels);
    for (const Stage& stage : segment.stages) {
      const double beats = static_cast<double>(stage.operands()) * kBlockChannels / hardware.filters;
      const StageTile tile{static_cast<double>(words_per_block(8)) * stage.operands(),
                           hardware.pixels * beats};
      tiles_.insert(tiles_.end(), static_cast<std::size_t>(blocks), tile);
    }
  }

  /// One after the other.
  [[nodiscard]] double following() const {
    double cycles = groups_ * std::max(array_, drain_);
    for (const StageTile& tile : tiles_) cycles += tile.drain;
    return cycles;
  }

  /// `woven` of the groups take turns with the stages.
  [[nodiscard]] double woven(int woven) const {
    double cycles = (groups_ - woven) * std::max(array_, drain_);
    double before = tiles_.back().drain;  // of the tile before
    std::size_t next = 0;
    for (int g = 1; g <= woven; ++g) {
      cycles += std::max(array_, before + kDrainGap);
      before = drain_;
      for (; next < tiles_.size() * static_cast<std::size_t>(g) / static_cast<std::size_t>(woven); ++next) {
        cycles += std::max(tiles_[next].issue, before + kDrainGap);
        before = tiles_[next].drain;
      }
    }
    return cycles;
  }

 private:
  int groups_;
  double array_;  ///< cycles of a group's tile
  double drain_;
  std::vector<StageTile> tiles_;
};

}  // namespace

Weave plan_weave(const Segment& segment, const WeightPlan& weights, int unit_groups,
                 const HardwareInfo& hardware) {
  if (segment.op.kind != OpKind::conv || segment.stages.empty() || segment.pool) return {};
  const WeaveModel model(segment, unit_groups, hardware);
  Weave best{0, model.following() * (1 - kLeastGain)};
  // Woven groups take turns: their weights are on chip together, and there is room for the next.
  const int most = weights.part_count() > 1 ? 1 : std::clamp(weights.buffers - 1, 1, unit_groups);
  for (int groups = 1; groups <= most; ++groups) {
    const double cycles = model.woven(groups);
    if (cycles < best.tile_cycles) best = {groups, cycles};
  }
  return best.groups > 0 ? best : Weave{};
}

}  // namespace bitloop::host
