#include "quant/training/normalization.h"

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "quant/tensor/vectorized.h"

namespace bitloop::quant {
namespace {

constexpr double kMomentum = 0.1;
constexpr std::int64_t kChunks = 32;  // of rows: parts of a sum, whoever forms them
constexpr std::int64_t kBlock = 32;   // rows that are summed in single precision

/// Results outside of these are clamped.
struct Limits {
  float low = -std::numeric_limits<float>::infinity();
  float high = std::numeric_limits<float>::infinity();
};

/// Of activations that are a clamp.
Limits limits_of(host::Activation activation) {
  switch (activation) {
    case host::Activation::relu:
      return {.low = 0};
    case host::Activation::relu6:
      return {.low = 0, .high = 6};
    default:
      return {};
  }
}

/// Adds the rows' deviations from `center`, and their squares, to two sums per channel.
BITLOOP_VECTORIZED_FUSED
void add_moments(const float* x, std::int64_t rows, std::int64_t channels, const float* center, float* sum,
                 float* squares) {
  for (std::int64_t row = 0; row < rows; ++row, x += channels) {
#pragma omp simd
    for (std::int64_t c = 0; c < channels; ++c) {
      const float d = x[c] - center[c];
      sum[c] += d;
      squares[c] += d * d;
    }
  }
}

/// y = clamp(x * scale + offset).
BITLOOP_VECTORIZED_FUSED
void apply(const float* x, std::int64_t rows, std::int64_t channels, const float* scale, const float* offset,
           Limits limits, float* y) {
  for (std::int64_t row = 0; row < rows; ++row, x += channels, y += channels) {
#pragma omp simd
    for (std::int64_t c = 0; c < channels; ++c) {
      const float value = x[c] * scale[c] + offset[c];
      const float floored = value < limits.low ? limits.low : value;
      y[c] = floored > limits.high ? limits.high : floored;
    }
  }
}

/// Adds the gradients that the clamp lets through, and those times x - mean, to two sums per channel.
BITLOOP_VECTORIZED_FUSED
void add_gradients(const float* gradient, const float* x, std::int64_t rows, std::int64_t channels,
                   const float* scale, const float* offset, const float* mean, Limits limits, float* sum,
                   float* products) {
  for (std::int64_t row = 0; row < rows; ++row, x += channels, gradient += channels) {
#pragma omp simd
    for (std::int64_t c = 0; c < channels; ++c) {
      const float value = x[c] * scale[c] + offset[c];
      const float passed = (value > limits.low) & (value < limits.high) ? gradient[c] : 0.0F;
      sum[c] += passed;
      products[c] += passed * (x[c] - mean[c]);
    }
  }
}

/// Per channel: input gradient = passed gradient * scale + x * slope + constant.
BITLOOP_VECTORIZED_FUSED
void apply_gradients(const float* gradient, const float* x, std::int64_t rows, std::int64_t channels,
                     const float* scale, const float* offset, const float* slope, const float* constant,
                     Limits limits, float* result) {
  for (std::int64_t row = 0; row < rows; ++row, x += channels, gradient += channels, result += channels) {
#pragma omp simd
    for (std::int64_t c = 0; c < channels; ++c) {
      const float value = x[c] * scale[c] + offset[c];
      const float passed = (value > limits.low) & (value < limits.high) ? gradient[c] : 0.0F;
      result[c] = passed * scale[c] + (x[c] * slope[c] + constant[c]);
    }
  }
}

/// A channels-last tensor as a matrix.
struct Rows {
  explicit Rows(const at::Tensor& x)
      : data(x.data_ptr<float>()), channels(x.size(1)), count(x.numel() / x.size(1)) {}
  [[nodiscard]] float* at(std::int64_t row) const { return data + row * channels; }

  float* data;
  std::int64_t channels, count;
};

/// Calls `work(chunk, first row, rows)` for all chunks.
template <typename Work>
void for_chunks(std::int64_t rows, const Work& work) {
  at::parallel_for(0, kChunks, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t chunk = begin; chunk < end; ++chunk) {
      const std::int64_t first = rows * chunk / kChunks;
      work(chunk, first, rows * (chunk + 1) / kChunks - first);
    }
  });
}

using PerChannel = std::vector<double>;

/// Two sums per channel over all rows; `add(first, rows, sum, sum)` adds a few rows' in single precision.
template <typename Add>
std::array<PerChannel, 2> sums_over_rows(std::int64_t rows, std::int64_t channels, const Add& add) {
  std::vector<double> parts(static_cast<std::size_t>(kChunks * 2 * channels), 0.0);
  for_chunks(rows, [&](std::int64_t chunk, std::int64_t first, std::int64_t count) {
    double* part = parts.data() + chunk * 2 * channels;
    std::vector<float> block(static_cast<std::size_t>(2 * channels));
    for (std::int64_t row = 0; row < count; row += kBlock) {
      std::fill(block.begin(), block.end(), 0.0F);
      add(first + row, std::min(kBlock, count - row), block.data(), block.data() + channels);
      for (std::int64_t i = 0; i < 2 * channels; ++i) part[i] += block[i];
    }
  });
  std::array<PerChannel, 2> sums{PerChannel(channels, 0.0), PerChannel(channels, 0.0)};
  for (std::int64_t chunk = 0; chunk < kChunks; ++chunk)
    for (std::int64_t c = 0; c < channels; ++c) {
      sums[0][c] += parts[chunk * 2 * channels + c];
      sums[1][c] += parts[(chunk * 2 + 1) * channels + c];
    }
  return sums;
}

/// The affine map that normalization is, for given statistics.
struct Affine {
  std::vector<float> scale, offset;
};

Affine affine_of(const at::Tensor& gain, const at::Tensor& shift, const PerChannel& mean,
                 const PerChannel& variance) {
  const auto* gains = gain.data_ptr<float>();
  const auto* shifts = shift.data_ptr<float>();
  Affine affine;
  for (std::size_t c = 0; c < mean.size(); ++c) {
    const double scale = gains[c] / std::sqrt(variance[c] + kBatchNormEpsilon);
    affine.scale.push_back(static_cast<float>(scale));
    affine.offset.push_back(static_cast<float>(shifts[c] - mean[c] * scale));
  }
  return affine;
}

at::Tensor applied(const at::Tensor& sums, const Affine& affine, Limits limits) {
  at::Tensor result = at::empty_like(sums);
  const Rows x(sums), y(result);
  for_chunks(x.count, [&](std::int64_t, std::int64_t first, std::int64_t rows) {
    apply(x.at(first), rows, x.channels, affine.scale.data(), affine.offset.data(), limits, y.at(first));
  });
  return result;
}

struct Moments {
  PerChannel mean, variance;  ///< the variance of the batch itself, divided by its size
};

Moments moments_of(const at::Tensor& sums) {
  const Rows x(sums);
  // Deviations from the first row: squares of values far from 0 would cancel.
  auto [mean, variance] = sums_over_rows(
      x.count, x.channels, [&](std::int64_t first, std::int64_t rows, float* sum, float* squares) {
        add_moments(x.at(first), rows, x.channels, x.data, sum, squares);
      });
  const auto count = static_cast<double>(x.count);
  for (std::int64_t c = 0; c < x.channels; ++c) {
    const double deviation = mean[c] / count;
    variance[c] = std::max(0.0, variance[c] / count - deviation * deviation);
    mean[c] = x.data[c] + deviation;
  }
  return {std::move(mean), std::move(variance)};
}

void update_statistics(const at::Tensor& mean, const at::Tensor& variance, const Moments& batch,
                       double count) {
  const double unbiased = count > 1 ? count / (count - 1) : 1;
  for (std::size_t c = 0; c < batch.mean.size(); ++c) {
    float& m = mean.data_ptr<float>()[c];
    float& v = variance.data_ptr<float>()[c];
    m += static_cast<float>(kMomentum * (batch.mean[c] - m));
    v += static_cast<float>(kMomentum * (batch.variance[c] * unbiased - v));
  }
}

/// The fused pass in training.
class NormalizeAndClamp : public torch::autograd::Function<NormalizeAndClamp> {
 public:
  using Context = torch::autograd::AutogradContext;

  static at::Tensor forward(Context* context, const at::Tensor& sums, const at::Tensor& gain,
                            const at::Tensor& shift, const at::Tensor& mean, const at::Tensor& variance,
                            double low, double high) {
    const Moments batch = moments_of(sums);
    update_statistics(mean, variance, batch, static_cast<double>(Rows(sums).count));
    context->save_for_backward({sums, gain, shift});
    context->saved_data["mean"] = batch.mean;
    context->saved_data["variance"] = batch.variance;
    context->saved_data["low"] = low;
    context->saved_data["high"] = high;
    return applied(sums, affine_of(gain, shift, batch.mean, batch.variance),
                   {static_cast<float>(low), static_cast<float>(high)});
  }

  static torch::autograd::variable_list backward(Context* context, torch::autograd::variable_list above) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &sums = saved[0], &gain = saved[1], &shift = saved[2];
    const PerChannel mean = context->saved_data["mean"].toDoubleVector();
    const PerChannel variance = context->saved_data["variance"].toDoubleVector();
    const Limits limits{static_cast<float>(context->saved_data["low"].toDouble()),
                        static_cast<float>(context->saved_data["high"].toDouble())};
    const at::Tensor gradient = above[0].contiguous(at::MemoryFormat::ChannelsLast);
    const Affine affine = affine_of(gain, shift, mean, variance);
    const Rows x(sums), g(gradient);
    const std::vector<float> center(mean.begin(), mean.end());
    const auto [sum, products] = sums_over_rows(
        x.count, x.channels, [&](std::int64_t first, std::int64_t rows, float* plain, float* weighted) {
          add_gradients(g.at(first), x.at(first), rows, x.channels, affine.scale.data(), affine.offset.data(),
                        center.data(), limits, plain, weighted);
        });

    // scale * (passed - sum / n - (x - mean) / (variance + epsilon) * products / n)
    at::Tensor gain_gradient = at::empty_like(gain), shift_gradient = at::empty_like(shift);
    std::vector<float> slope(mean.size()), constant(mean.size());
    const auto count = static_cast<double>(x.count);
    for (std::size_t c = 0; c < mean.size(); ++c) {
      const double inverse = 1 / (variance[c] + kBatchNormEpsilon);
      const double s = -affine.scale[c] * inverse * products[c] / count;
      slope[c] = static_cast<float>(s);
      constant[c] = static_cast<float>(-affine.scale[c] * sum[c] / count - s * mean[c]);
      gain_gradient.data_ptr<float>()[c] = static_cast<float>(products[c] * std::sqrt(inverse));
      shift_gradient.data_ptr<float>()[c] = static_cast<float>(sum[c]);
    }
    at::Tensor result = at::empty_like(sums);
    const Rows to(result);
    for_chunks(x.count, [&](std::int64_t, std::int64_t first, std::int64_t rows) {
      apply_gradients(g.at(first), x.at(first), rows, x.channels, affine.scale.data(), affine.offset.data(),
                      slope.data(), constant.data(), limits, to.at(first));
    });
    return {result, gain_gradient, shift_gradient, {}, {}, {}, {}};
  }
};

bool can_fuse(const at::Tensor& sums) {
  return sums.is_cpu() && sums.scalar_type() == at::kFloat && sums.dim() == 4 && sums.numel() > 0 &&
         sums.suggest_memory_format() == at::MemoryFormat::ChannelsLast &&
         sums.is_contiguous(at::MemoryFormat::ChannelsLast);
}

PerChannel doubles(const at::Tensor& values) {
  return {values.data_ptr<float>(), values.data_ptr<float>() + values.numel()};
}

at::Tensor leaky(const std::vector<double>& slopes, const at::Tensor& x) {
  if (slopes.size() == 1) return at::leaky_relu(x, slopes.front());
  return at::prelu(x, at::tensor(slopes, x.options()));
}

}  // namespace

at::Tensor activated(const host::Layer& layer, const at::Tensor& x) {
  switch (layer.activation) {
    case host::Activation::relu:
      return x.relu();
    case host::Activation::relu6:
      return x.clamp(0, 6);
    case host::Activation::leaky_relu:
      return leaky(layer.negative_slopes, x);
    default:
      return x;
  }
}

at::Tensor limited(const host::Limits& limits, const at::Tensor& x) {
  if (!limits.any()) return x;
  const at::Tensor clipped = x.clamp(limits.low, limits.high);
  if (limits.step == 0) return clipped;
  const at::Tensor rounded = clipped.detach().div(limits.step).round_().mul_(limits.step);
  return clipped.requires_grad() ? clipped + (rounded - clipped.detach()) : rounded;
}

at::Tensor normalized_and_activated(const host::Layer& layer, const FloatLayer& p, const at::Tensor& sums,
                                    bool training) {
  const bool is_clamp = layer.activation != host::Activation::leaky_relu;
  const Limits limits = limits_of(layer.activation);
  if (can_fuse(sums) && training) {
    const at::Tensor y =
        NormalizeAndClamp::apply(sums, p.gain, p.shift, p.mean, p.variance, limits.low, limits.high);
    return is_clamp ? y : activated(layer, y);
  }
  if (can_fuse(sums) && !at::GradMode::is_enabled()) {
    const at::Tensor y =
        applied(sums, affine_of(p.gain, p.shift, doubles(p.mean), doubles(p.variance)), limits);
    return is_clamp ? y : activated(layer, y);
  }
  return activated(layer, at::batch_norm(sums, p.gain, p.shift, p.mean, p.variance, training, kMomentum,
                                         kBatchNormEpsilon, /*cudnn_enabled=*/false));
}

}  // namespace bitloop::quant
