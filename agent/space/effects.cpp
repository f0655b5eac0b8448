#include "agent/space/effects.h"

#include <algorithm>
#include <cmath>

namespace bitloop::search {
namespace {

constexpr double kNoisePerImage = 1.6;  ///< variance of a rise per image, as a multiple of it (ResNet-20)
constexpr double kFewest = 3;           ///< effects that have a spread to speak of
constexpr int kBisections = 60;         ///< down to a double's precision

}  // namespace

void pool_violators(std::vector<MeasuredEffect>& effects) {
  struct Block {
    double sum;
    double variance;  ///< of the sum
    int count;
    [[nodiscard]] double mean() const { return sum / count; }
  };
  std::vector<Block> blocks;  // means falling
  for (const MeasuredEffect& effect : effects) {
    blocks.push_back({effect.value, effect.variance, 1});
    while (blocks.size() > 1 && blocks.back().mean() > blocks[blocks.size() - 2].mean()) {
      blocks[blocks.size() - 2].sum += blocks.back().sum;
      blocks[blocks.size() - 2].variance += blocks.back().variance;
      blocks[blocks.size() - 2].count += blocks.back().count;
      blocks.pop_back();
    }
  }
  std::size_t next = 0;
  for (const Block& block : blocks)
    for (int i = 0; i < block.count; ++i)
      effects[next++] = {block.mean(), block.variance / (block.count * block.count)};
}

void make_monotone(std::vector<double>& effects) {
  std::vector<MeasuredEffect> measured;
  for (const double effect : effects) measured.push_back({effect});
  pool_violators(measured);
  for (std::size_t i = 0; i < effects.size(); ++i) effects[i] = std::max(0.0, measured[i].value);
  effects.back() = 0;
}

void shrink(std::vector<std::reference_wrapper<MeasuredEffect>> effects) {
  const auto count = static_cast<double>(effects.size());
  if (count < kFewest) return;
  // Means and sums of squares, weighted by 1 / (truth + variance).
  const auto mean_at = [&](double truth) {
    double sum = 0;
    double weights = 0;
    for (const MeasuredEffect& effect : effects) {
      sum += effect.value / (truth + effect.variance);
      weights += 1 / (truth + effect.variance);
    }
    return sum / weights;
  };
  const auto squares = [&](double truth, double mean) {
    double sum = 0;
    for (const MeasuredEffect& effect : effects)
      sum += std::pow(effect.value - mean, 2) / (truth + effect.variance);
    return sum;
  };
  double plain_mean = 0;
  for (const MeasuredEffect& effect : effects) plain_mean += effect.value / count;
  double spread = 0;
  for (const MeasuredEffect& effect : effects) spread += std::pow(effect.value - plain_mean, 2) / (count - 1);
  if (spread == 0) return;
  // At most what the measured ones have: the squares fall with it.
  double low = 0;
  double truth = spread;
  for (int i = 0; i < kBisections; ++i) {
    const double middle = (low + truth) / 2;
    (squares(middle, mean_at(middle)) > count - 1 ? low : truth) = middle;
  }
  const double mean = mean_at(truth);
  for (MeasuredEffect& effect : effects)
    effect.value = mean + truth / (truth + effect.variance) * (effect.value - mean);
}

double rise_variance(double rise, int images) { return kNoisePerImage * std::max(kLeastRise, rise) / images; }

}  // namespace bitloop::search
