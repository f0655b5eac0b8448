#include "quant/reference/requantizer.h"

#include <algorithm>
#include <cmath>

#include "quant/tensor/order.h"
#include "quant/tensor/vectorized.h"

namespace bitloop::quant {
namespace {

constexpr std::size_t kPattern = 64;  // numbers: some vector registers of any machine

/// Of the range less its zero, and that.
struct Limits {
  explicit Limits(const host::OutputRange& range)
      : low(static_cast<double>(range.low) - range.zero),
        high(static_cast<double>(range.high) - range.zero),
        zero(range.zero) {}
  double low, high;
  std::int32_t zero;
};

/// Per channel pattern: `period` numbers, after which channels repeat.
struct Pattern {
  const double* scale;
  const double* offset;
  std::size_t period;
};

/// clamp(floor(exact) + zero, low, high): both ends are integers, so that the floor may come after the clamp,
/// and for bytes be taken in 32 bits.
inline double code_less_zero(double exact, const Limits& limits) {
  const double raised = exact < limits.low ? limits.low : exact;
  return std::floor(raised > limits.high ? limits.high : raised);
}
inline void put(double exact, const Limits& limits, double* out) {
  *out = code_less_zero(exact, limits) + limits.zero;
}
inline void put(double exact, const Limits& limits, std::uint8_t* out) {
  *out = static_cast<std::uint8_t>(static_cast<std::int32_t>(code_less_zero(exact, limits)) + limits.zero);
}

template <typename In, typename Out>
inline void affine_codes(const In* __restrict in, std::size_t count, const Pattern pattern,
                         const Limits limits, Out* __restrict out) {
  for (std::size_t first = 0; first < count; first += pattern.period) {
    const std::size_t length = std::min(pattern.period, count - first);
    for (std::size_t i = 0; i < length; ++i) {
      const double exact = static_cast<double>(in[first + i]) * pattern.scale[i] + pattern.offset[i];
      put(exact, limits, out + first + i);
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
      put(above < 0.5 ? below : above, limits, out + first + i);
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
#define BITLOOP_RUN(In, Out)                                                                   \
  BITLOOP_VECTORIZED_FUSED void run(const In* in, std::size_t count, const Pattern& pattern,   \
                                    const Pattern& negative, const Limits& limits, Out* out) { \
    codes(in, count, pattern, negative, limits, out);                                          \
  }
BITLOOP_RUN(std::uint8_t, std::uint8_t)
BITLOOP_RUN(std::int32_t, std::uint8_t)
BITLOOP_RUN(float, std::uint8_t)
BITLOOP_RUN(double, std::uint8_t)
BITLOOP_RUN(std::uint8_t, double)
BITLOOP_RUN(std::int32_t, double)
BITLOOP_RUN(float, double)
BITLOOP_RUN(double, double)
#undef BITLOOP_RUN

BITLOOP_VECTORIZED_FUSED void run_add(const std::uint8_t* __restrict x1, const std::uint8_t* __restrict x2,
                                      std::size_t count, double scale1, double scale2, double offset,
                                      const Limits limits, std::uint8_t* __restrict out) {
  for (std::size_t i = 0; i < count; ++i) {
    const double exact = static_cast<double>(x1[i]) * scale1 + (static_cast<double>(x2[i]) * scale2 + offset);
    put(exact, limits, out + i);
  }
}

/// Calls `work(numbers)` with a tensor's numbers in their type.
template <typename Work>
void with_numbers(const at::Tensor& x, const Work& work) {
  switch (x.scalar_type()) {
    case at::kByte:
      return work(x.data_ptr<std::uint8_t>());
    case at::kInt:
      return work(x.data_ptr<std::int32_t>());
    case at::kFloat:
      return work(x.data_ptr<float>());
    default:
      return work(x.data_ptr<double>());
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
  at::Tensor result = at::empty_like(in, in.options().dtype(wide ? at::kDouble : at::kByte));
  const auto count = static_cast<std::size_t>(in.numel());
  const Pattern pattern{affine_.scale.data(), affine_.offset.data(), affine_.scale.size()};
  const Pattern negative{negative_.scale.data(), negative_.offset.data(), negative_.scale.size()};
  with_numbers(in, [&](const auto* from) {
    if (wide)
      run(from, count, pattern, negative, Limits(range_), result.data_ptr<double>());
    else
      run(from, count, pattern, negative, Limits(range_), result.data_ptr<std::uint8_t>());
  });
  return result;
}

CodeTable::CodeTable(std::span<const std::uint8_t> codes) {
  std::copy_n(codes.begin(), codes_.size(), codes_.begin());
}

at::Tensor CodeTable::operator()(const at::Tensor& codes) const {
  const at::Tensor in = in_channels_last(codes);
  at::Tensor result = at::empty_like(in);
  const auto* from = in.data_ptr<std::uint8_t>();
  std::transform(from, from + in.numel(), result.data_ptr<std::uint8_t>(),
                 [&](std::uint8_t code) { return codes_[code]; });
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
  run_add(x1.data_ptr<std::uint8_t>(), x2.data_ptr<std::uint8_t>(), static_cast<std::size_t>(x1.numel()),
          scales_[0], scales_[1], offset_, Limits(range_), sum.data_ptr<std::uint8_t>());
  return sum;
}

}  // namespace bitloop::quant
