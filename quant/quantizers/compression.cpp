#include "quant/quantizers/compression.h"

#include "quant/quantizers/clipping.h"
#include "quant/quantizers/encoding.h"

namespace bitloop::quant {

at::Tensor Clusters::weights() const {
  return centroids.index_select(0, assignment.flatten()).view_as(assignment);
}

Clusters cluster_weights(const at::Tensor& weights, int bits) {
  constexpr int kLargestRounds = 100;
  const std::int64_t count = std::int64_t{1} << bits;
  const at::Tensor flat = weights.detach().flatten().contiguous();
  at::Tensor centroids = at::linspace(flat.min().item(), flat.max().item(), count, flat.options());
  at::Tensor assignment;
  for (int round = 0; round < kLargestRounds; ++round) {
    const at::Tensor borders = centroids.slice(0, 1).add(centroids.slice(0, 0, count - 1)).div_(2);
    const at::Tensor nearest = at::bucketize(flat, borders);
    if (assignment.defined() && nearest.equal(assignment)) break;
    assignment = nearest;
    const at::Tensor members = at::bincount(assignment, {}, count);
    const at::Tensor sums = at::bincount(assignment, flat.to(at::kDouble), count);
    centroids = at::where(members > 0, sums.div(members.clamp_min(1)).to(flat.scalar_type()), centroids);
  }
  return {centroids, assignment.view(weights.sizes())};
}

at::Tensor project_to_levels(const at::Tensor& weights, int bits) {
  constexpr int kRounds = 5;
  const at::Tensor row = weights.detach().reshape({1, -1});
  at::Tensor scale = weight_scales(row, bits, Clipping::mse);
  at::Tensor values;
  for (int round = 0; round < kRounds; ++round) {
    values = weight_values(row / scale, bits);
    scale = values.mul(row).sum(1).div_(values.square().sum(1).clamp_min_(1)).clamp_min_(1e-8);
  }
  return values.mul(scale).view(weights.sizes());
}

}  // namespace bitloop::quant
