#include "quant/reference/requantizer.h"

#include <algorithm>
#include <cmath>

#include "quant/tensor/vectorized.h"

namespace bitloop::quant {
namespace {

constexpr std::size_t kPattern = 64;  // numbers: some vector registers of any machine

struct Limits {
  explicit Limits(const host::OutputRange& range) : zero(range.zero), low(range.low), high(range.high) {}
  double zero, low, high;
};

/// Per channel pattern: `period` numbers, after which channels repeat.
struct Pattern {
  const double* scale;
  const double* offset;
  std::size_t period;
};

/// Largest integer up to x, |x| < 2^51. std::floor would do, but keeps compilers from vectorizing where they
/// must preserve floating-point traps.
inline double floor_of(double x) {
  constexpr double kMagic = 6755399441055744.0;  // 1.5 * 2^52: doubles of this size are integers
  const double nearest = (x + kMagic) - kMagic;
  return nearest - (nearest > x ? 1.0 : 0.0);
}

/// |exact| < 2^50: 51 bits before a shift of at least 1.
inline double code(double exact, const Limits& limits) {
  const double y = floor_of(exact) + limits.zero;
  const double raised = y < limits.low ? limits.low : y;
  return raised > limits.high ? limits.high : raised;
}

template <typename In, typename Out>
inline void affine_codes(const In* __restrict in, std::size_t count, const Pattern pattern,
                         const Limits limits, Out* __restrict out) {
  for (std::size_t first = 0; first < count; first += pattern.period) {
    const std::size_t length = std::min(pattern.period, count - first);
    for (std::size_t i = 0; i < length; ++i) {
      const double exact = static_cast<double>(in[first + i]) * pattern.scale[i] + pattern.offset[i];
      out[first + i] = static_cast<Out>(code(exact, limits));
    }
  }
}

template <typename In, typename Out>
inline void leaky_codes(const In* __restrict in, std::size_t count, const Pattern pattern,
                        const Pattern negative, const Limits limits, Out* __restrict out) {
  for (std::size_t first = 0; first < count; first += pattern.period) {
    const std::size_t length = std::min(pattern.period, count - first);
    for (std::size_t i = 0; i < length; ++i) {
      const auto d = static_cast<double>(in[first + i]);
      const double above = d * pattern.scale[i] + pattern.offset[i];
      const double below = d * negative.scale[i] + negative.offset[i];
      // The offset holds the rounding 1/2: below it, the result itself is negative.
      out[first + i] = static_cast<Out>(code(above < 0.5 ? below : above, limits));
    }
  }
}

template <typename In, typename Out>
inline void codes(const In* in, std::size_t count, const Pattern& pattern, const Pattern& negative,
                  const Limits& limits, Out* out) {
  if (negative.period == 0) return affine_codes(in, count, pattern, limits, out);
  leaky_codes(in, count, pattern, negative, limits, out);
}

// Only functions that are no templates can have clones.
BITLOOP_VECTORIZED_FUSED void run(const float* in, std::size_t count, const Pattern& pattern,
                                  const Pattern& negative, const Limits& limits, float* out) {
  codes(in, count, pattern, negative, limits, out);
}
BITLOOP_VECTORIZED_FUSED void run(const float* in, std::size_t count, const Pattern& pattern,
                                  const Pattern& negative, const Limits& limits, double* out) {
  codes(in, count, pattern, negative, limits, out);
}
BITLOOP_VECTORIZED_FUSED void run(const double* in, std::size_t count, const Pattern& pattern,
                                  const Pattern& negative, const Limits& limits, float* out) {
  codes(in, count, pattern, negative, limits, out);
}
BITLOOP_VECTORIZED_FUSED void run(const double* in, std::size_t count, const Pattern& pattern,
                                  const Pattern& negative, const Limits& limits, double* out) {
  codes(in, count, pattern, negative, limits, out);
}

BITLOOP_VECTORIZED_FUSED void run_add(const float* __restrict x1, const float* __restrict x2,
                                      std::size_t count, double scale1, double scale2, double offset,
                                      const Limits limits, float* __restrict out) {
  for (std::size_t i = 0; i < count; ++i) {
    const double exact = static_cast<double>(x1[i]) * scale1 + (static_cast<double>(x2[i]) * scale2 + offset);
    out[i] = static_cast<float>(code(exact, limits));
  }
}

double times_power(std::int64_t number, int power) { return std::ldexp(static_cast<double>(number), power); }

}  // namespace

Requantizer::Affine Requantizer::affine_of(std::span<const host::Requantization> sets,
                                           std::span<const std::int64_t> constants) {
  Affine affine;
  const std::size_t channels = std::max(sets.size(), constants.size());
  if (channels == 0) return affine;
  while (affine.scale.size() < kPattern) {
    for (std::size_t c = 0; c < channels; ++c) {
      const host::Requantization& r = sets[sets.size() == 1 ? 0 : c];
      const std::int64_t constant = constants.empty() ? 0 : constants[c];
      affine.scale.push_back(times_power(r.multiplier, -r.shift));
      affine.offset.push_back(times_power(constant * r.multiplier + r.bias, -r.shift));
    }
  }
  return affine;
}

Requantizer::Requantizer(std::span<const host::Requantization> sets,
                         std::span<const host::Requantization> negative,
                         std::span<const std::int64_t> constants, const host::OutputRange& range)
    : affine_(affine_of(sets, constants)),
      negative_(negative.empty() ? Affine{} : affine_of(negative, constants)),
      range_(range) {}

at::Tensor Requantizer::operator()(const at::Tensor& numbers, bool wide) const {
  const at::Tensor in = in_channels_last(numbers);
  at::Tensor result = at::empty_like(in, in.options().dtype(wide ? at::kDouble : at::kFloat));
  const auto count = static_cast<std::size_t>(in.numel());
  const Pattern pattern{affine_.scale.data(), affine_.offset.data(), affine_.scale.size()};
  const Pattern negative{negative_.scale.data(), negative_.offset.data(), negative_.scale.size()};
  const auto to = [&](auto* out) {
    if (in.scalar_type() == at::kFloat)
      run(in.data_ptr<float>(), count, pattern, negative, Limits(range_), out);
    else
      run(in.data_ptr<double>(), count, pattern, negative, Limits(range_), out);
  };
  if (wide)
    to(result.data_ptr<double>());
  else
    to(result.data_ptr<float>());
  return result;
}

CodeTable::CodeTable(std::span<const std::uint8_t> codes) {
  std::copy_n(codes.begin(), codes_.size(), codes_.begin());
}

at::Tensor CodeTable::operator()(const at::Tensor& codes) const {
  const at::Tensor in = in_channels_last(codes);
  at::Tensor result = at::empty_like(in);
  const float* from = in.data_ptr<float>();
  std::transform(from, from + in.numel(), result.data_ptr<float>(),
                 [&](float code) { return codes_[static_cast<std::size_t>(code)]; });
  return result;
}

AddRequantizer::AddRequantizer(std::span<const host::Requantization> sets, const host::OutputRange& range)
    : scales_{times_power(sets[0].multiplier, -sets[0].shift),
              times_power(sets[1].multiplier, -sets[0].shift)},
      offset_(times_power(sets[0].bias, -sets[0].shift)),
      range_(range) {}

at::Tensor AddRequantizer::operator()(const at::Tensor& first, const at::Tensor& second) const {
  const at::Tensor x1 = in_channels_last(first), x2 = in_channels_last(second);
  at::Tensor sum = at::empty_like(x1);
  run_add(x1.data_ptr<float>(), x2.data_ptr<float>(), static_cast<std::size_t>(x1.numel()), scales_[0],
          scales_[1], offset_, Limits(range_), sum.data_ptr<float>());
  return sum;
}

at::Tensor in_channels_last(const at::Tensor& x) {
  const std::int64_t channels = x.size(1), height = x.size(2), width = x.size(3);
  return x.contiguous(at::MemoryFormat::ChannelsLast)
      .as_strided(x.sizes(), {height * width * channels, 1, width * channels, channels});
}

}  // namespace bitloop::quant
