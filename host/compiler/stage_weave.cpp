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
        drain_(hardware.pixels * segment.op.parameter_sets()),
        share_(static_cast<double>(segment.extent(segment.result_count() - 1).positions()) /
               static_cast<double>(segment.op.output_positions())) {
    const int blocks = std::max(1, unit_groups * hardware.filters / kBlockChannels);
    for (const Stage& stage : segment.stages) {
      if (stage.kind == StageKind::max_pool) continue;
      const double beats = static_cast<double>(stage.operands()) * kBlockChannels / hardware.filters;
      const double issue =
          static_cast<double>(words_per_block(8)) * stage.operands() * channel_passes(hardware);
      const StageTile tile{issue, hardware.pixels * beats};
      tiles_.insert(tiles_.end(), static_cast<std::size_t>(blocks), tile);
    }
  }

  [[nodiscard]] bool empty() const { return tiles_.empty(); }

  /// One after the other.
  [[nodiscard]] double following() const {
    double stages = 0;
    for (const StageTile& tile : tiles_) stages += std::max(tile.issue, tile.drain);
    return groups_ * std::max(array_, drain_) + share_ * stages;
  }

  /// `woven` of the groups take turns with the stages, whose tiles stand before the last part of a group's.
  [[nodiscard]] double inside(int woven, double last_part) const {
    double stages = 0;
    std::size_t next = 0;
    for (int g = 1; g <= woven; ++g) {
      double before = std::max(0.0, drain_ + kDrainGap - (array_ - last_part));  // of the drain that is left
      const std::size_t first = next;
      for (; next < tiles_.size() * static_cast<std::size_t>(g) / static_cast<std::size_t>(woven); ++next) {
        stages += std::max(tiles_[next].issue, before);
        before = tiles_[next].drain + kDrainGap;
      }
      if (next > first) stages += std::max(0.0, before - last_part);
    }
    return groups_ * std::max(array_, drain_) + share_ * stages;
  }

  /// The same, their tiles behind a group's.
  [[nodiscard]] double behind(int woven) const {
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
  double share_;  ///< tiles of the stages for one of the operation's: fewer behind a pool
  std::vector<StageTile> tiles_;
};

/// Behind a pool, the stages of the strip before stand between the tiles of the next: what they read beside
/// the pool's result would have to wait for them.
bool weaves(const Segment& segment, bool inside) {
  if (segment.op.kind != OpKind::conv || segment.stages.empty()) return false;
  if (!segment.pool) return true;
  return inside && std::all_of(segment.stages.begin(), segment.stages.end(),
                               [](const Stage& stage) { return stage.operands() < 2; });
}

}  // namespace

Weave plan_weave(const Segment& segment, const WeightPlan& weights, int unit_groups, bool inside,
                 const HardwareInfo& hardware) {
  if (!weaves(segment, inside)) return {};
  const WeaveModel model(segment, unit_groups, hardware);
  if (model.empty()) return {};
  Weave best{0, inside, model.following() * (1 - kLeastGain)};
  // Woven groups take turns: their weights are on chip together, and there is room for the next.
  const int parts = weights.part_count();
  int most = (weights.buffers - parts) / parts;
  if (segment.pool || (parts > 1 && !inside)) most = 1;
  const auto last_part = static_cast<double>(segment.op.tile_cycles(weights.parts.back()));
  for (int groups = 1; groups <= std::clamp(most, 1, unit_groups); ++groups) {
    const double cycles = inside ? model.inside(groups, last_part) : model.behind(groups);
    if (cycles < best.tile_cycles) best = {groups, inside, cycles};
  }
  return best.groups > 0 ? best : Weave{};
}

}  // namespace bitloop::host
