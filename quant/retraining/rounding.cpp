#include "quant/retraining/rounding.h"

#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "quant/tensor/per_filter.h"
#include "quant/tensor/vectorized.h"
#include "quant/training/function.h"

namespace bitloop::quant {
namespace {

/// Sums are formed in float over so many elements, then in double: fast and exact enough.
constexpr std::int64_t kBlock = 1024;

/// [outer][filter][inner]
struct Extent {
  std::int64_t outer = 1, filters = 1, inner = 1;
};

Extent extent_of(const at::Tensor& d, const at::Tensor& per_filter) {
  if (per_filter.numel() == 1) return {1, 1, d.numel()};
  return {d.size(0), d.size(1), d.numel() / (d.size(0) * d.size(1))};
}

/// `d` as rows of one filter each, long enough for vector units: a linear layer's results, of which each
/// image has one per filter, are transposed.
struct Rows {
  Rows(const at::Tensor& d, const at::Tensor& per_filter) : extent(extent_of(d, per_filter)) {
    transposed = extent.inner == 1 && extent.outer > 1;
    dense = arranged(d);
    if (transposed) extent = {1, extent.filters, extent.outer};
  }
  /// Another tensor of d's shape in the same order.
  [[nodiscard]] at::Tensor arranged(const at::Tensor& t) const {
    return transposed ? t.transpose(0, 1).contiguous() : t.contiguous();
  }
  /// A tensor in this order back to d's.
  [[nodiscard]] at::Tensor restored(const at::Tensor& t) const {
    return transposed ? t.transpose(0, 1).contiguous() : t;
  }

  Extent extent;
  at::Tensor dense;
  bool transposed = false;
};

struct Line {
  double multiplier, offset, negative_multiplier, negative_offset, slope;
};

BITLOOP_VECTORIZED void round_row(const float* d, std::int64_t count, Line line, double low, double high,
                                  float* codes) {
  for (std::int64_t i = 0; i < count; ++i) {
    const double code = std::floor(d[i] * line.multiplier + line.offset + 0.5);
    codes[i] = static_cast<float>(std::min(std::max(code, low), high));
  }
}

BITLOOP_VECTORIZED void round_leaky_row(const float* d, std::int64_t count, Line line, double low,
                                        double high, float* codes) {
  for (std::int64_t i = 0; i < count; ++i) {
    const double first = d[i] * line.multiplier + line.offset;
    const double second = d[i] * line.negative_multiplier + line.negative_offset;
    const double code = std::floor((first < 0 ? second : first) + 0.5);
    codes[i] = static_cast<float>(std::min(std::max(code, low), high));
  }
}

/// Of pixels whose channels lie side by side: lines repeat after `period` numbers.
struct Lines {
  std::vector<double> multiplier, offset, negative_multiplier, negative_offset;
};

BITLOOP_VECTORIZED void round_pixels(const float* d, std::int64_t count, const double* multiplier,
                                     const double* offset, std::int64_t period, double low, double high,
                                     float* codes) {
  for (std::int64_t first = 0; first < count; first += period) {
    const std::int64_t length = std::min(period, count - first);
    for (std::int64_t i = 0; i < length; ++i) {
      const double code = std::floor(d[first + i] * multiplier[i] + offset[i] + 0.5);
      codes[first + i] = static_cast<float>(std::min(std::max(code, low), high));
    }
  }
}

BITLOOP_VECTORIZED void round_leaky_pixels(const float* d, std::int64_t count, const Lines& lines,
                                           std::int64_t period, double low, double high, float* codes) {
  for (std::int64_t first = 0; first < count; first += period) {
    const std::int64_t length = std::min(period, count - first);
    for (std::int64_t i = 0; i < length; ++i) {
      const double above = d[first + i] * lines.multiplier[i] + lines.offset[i];
      const double below = d[first + i] * lines.negative_multiplier[i] + lines.negative_offset[i];
      const double code = std::floor((above < 0 ? below : above) + 0.5);
      codes[first + i] = static_cast<float>(std::min(std::max(code, low), high));
    }
  }
}

/// Sums over a block, of a gradient g that passes where `inside`.
struct RowSums {
  float product = 0;   ///< g * d
  float passed = 0;    ///< g
  float rounding = 0;  ///< g * (code - exact), inside
  float clipped = 0;   ///< g * code, outside
};

BITLOOP_VECTORIZED RowSums gradient_row(const float* g, const float* d, std::int64_t count, Line line,
                                        double low, double high, float* g_d) {
  const auto multiplier = static_cast<float>(line.multiplier), offset = static_cast<float>(line.offset);
  const auto least = static_cast<float>(low), most = static_cast<float>(high);
  float product = 0, passed = 0, rounding = 0, clipped = 0;
#pragma omp simd reduction(+ : product, passed, rounding, clipped)
  for (std::int64_t i = 0; i < count; ++i) {
    const float exact = d[i] * multiplier + offset;
    const float code = std::min(std::max(std::floor(exact + 0.5F), least), most);
    const bool inside = exact >= least && exact <= most;
    const float pass = inside ? g[i] : 0.0F;
    const float stop = inside ? 0.0F : g[i];
    product += pass * d[i];
    passed += pass;
    rounding += pass * (code - exact);
    clipped += stop * code;
    g_d[i] = pass * multiplier;
  }
  return {product, passed, rounding, clipped};
}

/// As gradient_row; `product` and `passed` with the slope below 0.
BITLOOP_VECTORIZED RowSums gradient_leaky_row(const float* g, const float* d, std::int64_t count, Line line,
                                              double low, double high, float* g_d) {
  const auto m1 = static_cast<float>(line.multiplier), o1 = static_cast<float>(line.offset);
  const auto m2 = static_cast<float>(line.negative_multiplier), o2 = static_cast<float>(line.negative_offset);
  const auto slope = static_cast<float>(line.slope);
  const auto least = static_cast<float>(low), most = static_cast<float>(high);
  float product = 0, passed = 0, rounding = 0, clipped = 0;
#pragma omp simd reduction(+ : product, passed, rounding, clipped)
  for (std::int64_t i = 0; i < count; ++i) {
    const float first = d[i] * m1 + o1;
    const float second = d[i] * m2 + o2;
    const bool below = first < 0;
    const float exact = below ? second : first;
    const float code = std::min(std::max(std::floor(exact + 0.5F), least), most);
    const bool inside = exact >= least && exact <= most;
    const float pass = inside ? g[i] : 0.0F;
    const float stop = inside ? 0.0F : g[i];
    const float sloped = below ? pass * slope : pass;
    product += sloped * d[i];
    passed += sloped;
    rounding += pass * (code - exact);
    clipped += stop * code;
    g_d[i] = pass * (below ? m2 : m1);
  }
  return {product, passed, rounding, clipped};
}

BITLOOP_VECTORIZED void add_row(const float* x1, const float* x2, std::int64_t count, double m1, double m2,
                                double low, double high, float* codes) {
  for (std::int64_t i = 0; i < count; ++i) {
    const double code = std::floor(x1[i] * m1 + x2[i] * m2 + 0.5);
    codes[i] = static_cast<float>(std::min(std::max(code, low), high));
  }
}

BITLOOP_VECTORIZED RowSums add_gradient_row(const float* g, const float* x1, const float* x2,
                                            std::int64_t count, float m1, float m2, float least, float most,
                                            float* out) {
  float rounding = 0, clipped = 0;
#pragma omp simd reduction(+ : rounding, clipped)
  for (std::int64_t i = 0; i < count; ++i) {
    const float exact = x1[i] * m1 + x2[i] * m2;
    const float code = std::min(std::max(std::floor(exact + 0.5F), least), most);
    const bool inside = exact >= least && exact <= most;
    const float pass = inside ? g[i] : 0.0F;
    const float stop = inside ? 0.0F : g[i];
    rounding += pass * (code - exact);
    clipped += stop * code;
    out[i] = pass;
  }
  return {0, 0, rounding, clipped};
}

BITLOOP_VECTORIZED void subtract_row(float* g, const float* sums, std::int64_t count, float a, float b) {
  for (std::int64_t i = 0; i < count; ++i) g[i] -= a + b * sums[i];
}

BITLOOP_VECTORIZED void subtract_pixels(float* __restrict g, const float* __restrict sums, std::int64_t count,
                                        const float* __restrict a, const float* __restrict b,
                                        std::int64_t period) {
  for (std::int64_t first = 0; first < count; first += period) {
    const std::int64_t length = std::min(period, count - first);
    for (std::int64_t i = 0; i < length; ++i) g[first + i] -= a[i] + b[i] * sums[first + i];
  }
}

/// Numbers per filter, repeated as channels repeat in pixels.
std::vector<float> repeated(const at::Tensor& per_filter) {
  const at::Tensor numbers = per_filter.contiguous();
  const std::int64_t filters = numbers.numel();
  std::vector<float> result;
  for (std::int64_t i = 0; i < channel_period(filters); ++i)
    result.push_back(numbers.data_ptr<float>()[i % filters]);
  return result;
}

/// What a scale's gradient consists of.
double scale_gradient(double rounding, double clipped, ScaleTraining training) {
  switch (training) {
    case ScaleTraining::learned:
      return rounding + clipped;
    case ScaleTraining::clipped:
      return clipped;
    default:
      return 0;
  }
}

/// The lines of all filters, on the CPU.
std::vector<Line> lines_of(const Affine& affine) {
  const auto read = [](const at::Tensor& t) { return t.contiguous(); };
  const at::Tensor m = read(affine.multiplier), o = read(affine.offset);
  const bool leaky = affine.negative_multiplier.defined();
  const at::Tensor m2 = leaky ? read(affine.negative_multiplier) : m;
  const at::Tensor o2 = leaky ? read(affine.negative_offset) : o;
  const at::Tensor slope = leaky ? read(affine.slope) : m;
  std::vector<Line> lines;
  for (std::int64_t f = 0; f < m.numel(); ++f)
    lines.push_back({m.data_ptr<float>()[f], o.data_ptr<float>()[f], m2.data_ptr<float>()[f],
                     o2.data_ptr<float>()[f], slope.data_ptr<float>()[f]});
  return lines;
}

/// Of pixels whose channels lie side by side: numbers of a line each, repeated.
struct FloatLines {
  explicit FloatLines(const std::vector<Line>& lines)
      : period(static_cast<std::size_t>(channel_period(static_cast<std::int64_t>(lines.size())))) {
    for (std::size_t i = 0; i < period; ++i) {
      const Line& line = lines[i % lines.size()];
      multiplier.push_back(static_cast<float>(line.multiplier));
      offset.push_back(static_cast<float>(line.offset));
      negative_multiplier.push_back(static_cast<float>(line.negative_multiplier));
      negative_offset.push_back(static_cast<float>(line.negative_offset));
      slope.push_back(static_cast<float>(line.slope));
    }
  }
  std::size_t period;
  std::vector<float> multiplier, offset, negative_multiplier, negative_offset, slope;
};

/// As RowSums, each [place in the period].
struct PixelSums {
  explicit PixelSums(std::size_t period)
      : product(period), passed(period), rounding(period), clipped(period) {}
  std::vector<float> product, passed, rounding, clipped;
};

template <bool kLeaky>
inline void pixel_gradients(const float* __restrict g, const float* __restrict d, std::size_t count,
                            const FloatLines& lines, float least, float most, PixelSums& sums,
                            float* __restrict g_d) {
  const float* __restrict m1 = lines.multiplier.data();
  const float* __restrict o1 = lines.offset.data();
  const float* __restrict m2 = lines.negative_multiplier.data();
  const float* __restrict o2 = lines.negative_offset.data();
  const float* __restrict slope = lines.slope.data();
  float* __restrict product = sums.product.data();
  float* __restrict passed = sums.passed.data();
  float* __restrict rounding = sums.rounding.data();
  float* __restrict clipped = sums.clipped.data();
  for (std::size_t first = 0; first < count; first += lines.period) {
    const std::size_t length = std::min(lines.period, count - first);
    for (std::size_t i = 0; i < length; ++i) {
      const float above = d[first + i] * m1[i] + o1[i];
      const bool below = kLeaky && above < 0;
      const float exact = below ? d[first + i] * m2[i] + o2[i] : above;
      const float code = std::min(std::max(std::floor(exact + 0.5F), least), most);
      const bool inside = exact >= least && exact <= most;
      const float pass = inside ? g[first + i] : 0.0F;
      const float stop = inside ? 0.0F : g[first + i];
      const float sloped = below ? pass * slope[i] : pass;
      product[i] += sloped * d[first + i];
      passed[i] += sloped;
      rounding[i] += pass * (code - exact);
      clipped[i] += stop * code;
      g_d[first + i] = pass * (below ? m2[i] : m1[i]);
    }
  }
}

BITLOOP_VECTORIZED void gradient_pixels(const float* g, const float* d, std::size_t count,
                                        const FloatLines& lines, float least, float most, PixelSums& sums,
                                        float* g_d) {
  pixel_gradients<false>(g, d, count, lines, least, most, sums, g_d);
}

BITLOOP_VECTORIZED void gradient_leaky_pixels(const float* g, const float* d, std::size_t count,
                                              const FloatLines& lines, float least, float most,
                                              PixelSums& sums, float* g_d) {
  pixel_gradients<true>(g, d, count, lines, least, most, sums, g_d);
}

RoundingGradient pixels_gradient(const at::Tensor& gradient, const at::Tensor& d, const Affine& affine,
                                 const CodeRange& range, ScaleTraining training) {
  constexpr std::size_t kPeriods = 64;  // that are summed in float
  const at::Tensor g = gradient.contiguous(at::MemoryFormat::ChannelsLast);
  const std::vector<Line> lines = lines_of(affine);
  const FloatLines repeated(lines);
  const auto count = static_cast<std::size_t>(d.numel()), block = kPeriods * repeated.period;
  RoundingGradient result;
  result.d = at::empty_like(d);
  const auto kernel = affine.negative_multiplier.defined() ? gradient_leaky_pixels : gradient_pixels;
  std::vector<double> products(lines.size()), passed(lines.size());
  double rounding = 0, clipped = 0;
  for (std::size_t first = 0; first < count; first += block) {
    PixelSums sums(repeated.period);
    kernel(g.data_ptr<float>() + first, d.data_ptr<float>() + first, std::min(block, count - first), repeated,
           static_cast<float>(range.low), static_cast<float>(range.high), sums,
           result.d.data_ptr<float>() + first);
    for (std::size_t i = 0; i < repeated.period; ++i) {
      products[i % lines.size()] += sums.product[i];
      passed[i % lines.size()] += sums.passed[i];
      rounding += sums.rounding[i];
      clipped += sums.clipped[i];
    }
  }
  result.multiplier = at::tensor(products, at::kFloat).view_as(affine.multiplier);
  result.offset = at::tensor(passed, at::kFloat).view_as(affine.multiplier);
  result.log_scale = scale_gradient(rounding, clipped, training);
  return result;
}

void round_pixels(const at::Tensor& d, const Affine& affine, const CodeRange& range, at::Tensor& codes) {
  const std::vector<Line> lines = lines_of(affine);
  const auto period = static_cast<std::size_t>(channel_period(static_cast<std::int64_t>(lines.size())));
  Lines all;
  for (std::size_t i = 0; i < period; ++i) {
    const Line& line = lines[i % lines.size()];
    all.multiplier.push_back(line.multiplier);
    all.offset.push_back(line.offset);
    all.negative_multiplier.push_back(line.negative_multiplier);
    all.negative_offset.push_back(line.negative_offset);
  }
  const float* from = d.data_ptr<float>();
  auto* to = codes.data_ptr<float>();
  const auto repeated = static_cast<std::int64_t>(period);
  if (affine.negative_multiplier.defined())
    round_leaky_pixels(from, d.numel(), all, repeated, range.low, range.high, to);
  else
    round_pixels(from, d.numel(), all.multiplier.data(), all.offset.data(), repeated, range.low, range.high,
                 to);
}

at::Tensor exact_codes(const at::Tensor& d, const Affine& affine) {
  const at::Tensor first = at::addcmul(channel(affine.offset, d), d, channel(affine.multiplier, d));
  if (!affine.negative_multiplier.defined()) return first;
  const at::Tensor second =
      at::addcmul(channel(affine.negative_offset, d), d, channel(affine.negative_multiplier, d));
  return at::where(first < 0, second, first);
}

at::Tensor sum_per_filter(const at::Tensor& t, const at::Tensor& per_filter) {
  if (per_filter.numel() == 1) return t.sum().view_as(per_filter);
  return t.transpose(0, 1).flatten(1).sum(1);
}

RoundingGradient general_gradient(const at::Tensor& gradient, const at::Tensor& d, const Affine& affine,
                                  const CodeRange& range, ScaleTraining training) {
  const at::Tensor exact = exact_codes(d, affine);
  const at::Tensor codes = exact.add(0.5).floor_().clamp_(range.low, range.high);
  const at::Tensor inside = exact.ge(range.low).logical_and_(exact.le(range.high));
  const at::Tensor pass = gradient * inside;
  RoundingGradient result;
  at::Tensor sloped = pass;
  result.d = pass * channel(affine.multiplier, d);
  if (affine.negative_multiplier.defined()) {
    const at::Tensor first = at::addcmul(channel(affine.offset, d), d, channel(affine.multiplier, d));
    sloped = at::where(first < 0, pass * channel(affine.slope, d), pass);
    result.d = at::where(first < 0, pass * channel(affine.negative_multiplier, d), result.d);
  }
  result.multiplier = sum_per_filter(sloped * d, affine.multiplier);
  result.offset = sum_per_filter(sloped, affine.multiplier);
  result.log_scale = scale_gradient((pass * (codes - exact)).sum().item<double>(),
                                    ((gradient - pass) * codes).sum().item<double>(), training);
  return result;
}

}  // namespace

SharedMultipliers share_multipliers(double first, double second) {
  constexpr double kLargest = 65535;
  constexpr int kLargestShift = 47;
  const auto rounded = [](double value, int shift) { return std::floor(std::ldexp(value, shift) + 0.5); };
  SharedMultipliers shared;
  shared.shift = kLargestShift;
  while (shared.shift > 1 && rounded(std::max(first, second), shared.shift) > kLargest) --shared.shift;
  shared.first = static_cast<std::uint16_t>(std::min(rounded(first, shared.shift), kLargest));
  shared.second = static_cast<std::uint16_t>(std::min(rounded(second, shared.shift), kLargest));
  return shared;
}

float round_to_bias(float offset, float multiplier) {
  constexpr int kMultiplierBits = 16, kLargestShift = 47;
  int exponent = 0;  // multiplier = 0.5..1 times 2^exponent
  std::frexp(multiplier, &exponent);
  const int shift = std::clamp(kMultiplierBits - exponent, 1, kLargestShift);
  const double units = std::floor(std::ldexp(static_cast<double>(offset), shift) + 0.5);
  // A whole number of 2^-s below 2^24 of them, or an offset that was one: a float holds it either way.
  return static_cast<float>(std::ldexp(units, -shift));
}

float round_to_parts(float offset) {
  constexpr float kParts = 1024;
  return std::nearbyint(offset * kParts) / kParts;
}

at::Tensor round_to_codes(const at::Tensor& d, const Affine& affine, const CodeRange& range) {
  if (!has_kernels(d)) return exact_codes(d, affine).add_(0.5).floor_().clamp_(range.low, range.high);
  if (pixels_in_rows(d)) {
    at::Tensor codes = at::empty_like(d);
    round_pixels(d, affine, range, codes);
    return codes;
  }
  const Rows rows(d, affine.multiplier);
  at::Tensor codes = at::empty_like(rows.dense);
  const Extent& extent = rows.extent;
  const std::vector<Line> lines = lines_of(affine);
  const bool leaky = affine.negative_multiplier.defined();
  const float* from = rows.dense.data_ptr<float>();
  auto* to = codes.data_ptr<float>();
  for (std::int64_t row = 0; row < extent.outer * extent.filters; ++row) {
    const Line& line = lines[static_cast<std::size_t>(row % extent.filters)];
    const std::int64_t first = row * extent.inner;
    (leaky ? round_leaky_row : round_row)(from + first, extent.inner, line, range.low, range.high,
                                          to + first);
  }
  return rows.restored(codes);
}

void round_to_codes(const at::Tensor& d, const Affine& affine, const CodeRange& range, at::Tensor codes) {
  if (has_kernels(d) && pixels_in_rows(d) && pixels_in_rows(codes))
    round_pixels(d, affine, range, codes);
  else
    codes.copy_(round_to_codes(d, affine, range));
}

RoundingGradient rounding_gradient(const at::Tensor& gradient, const at::Tensor& d, const Affine& affine,
                                   const CodeRange& range, ScaleTraining training) {
  if (!has_kernels(d)) return general_gradient(gradient, d, affine, range, training);
  if (pixels_in_rows(d)) return pixels_gradient(gradient, d, affine, range, training);
  const Rows rows(d, affine.multiplier);
  const at::Tensor g = rows.arranged(gradient);
  RoundingGradient result;
  at::Tensor g_d = at::empty_like(rows.dense);
  const Extent& extent = rows.extent;
  const std::vector<Line> lines = lines_of(affine);
  const bool leaky = affine.negative_multiplier.defined();
  std::vector<double> products(lines.size()), passed(lines.size());
  double rounding = 0, clipped = 0;
  for (std::int64_t row = 0; row < extent.outer * extent.filters; ++row) {
    const auto f = static_cast<std::size_t>(row % extent.filters);
    for (std::int64_t done = 0; done < extent.inner; done += kBlock) {
      const std::int64_t first = row * extent.inner + done, count = std::min(kBlock, extent.inner - done);
      const float* from = rows.dense.data_ptr<float>() + first;
      const float* above = g.data_ptr<float>() + first;
      float* to = g_d.data_ptr<float>() + first;
      const RowSums sums = leaky ? gradient_leaky_row(above, from, count, lines[f], range.low, range.high, to)
                                 : gradient_row(above, from, count, lines[f], range.low, range.high, to);
      products[f] += sums.product;
      passed[f] += sums.passed;
      rounding += sums.rounding;
      clipped += sums.clipped;
    }
  }
  result.d = rows.restored(g_d);
  result.multiplier = at::tensor(products, at::kFloat).view_as(affine.multiplier);
  result.offset = at::tensor(passed, at::kFloat).view_as(affine.multiplier);
  result.log_scale = scale_gradient(rounding, clipped, training);
  return result;
}

at::Tensor add_codes(const at::Tensor& x1, const at::Tensor& x2, double m1, double m2,
                     const CodeRange& range) {
  if (!has_kernels(x1)) return (x1 * m1 + x2 * m2).add_(0.5).floor_().clamp_(range.low, range.high);
  const at::MemoryFormat format = x1.suggest_memory_format();
  const at::Tensor a = x1.contiguous(format), b = x2.contiguous(format);
  at::Tensor codes = at::empty_like(a);
  add_row(a.data_ptr<float>(), b.data_ptr<float>(), a.numel(), m1, m2, range.low, range.high,
          codes.data_ptr<float>());
  return codes;
}

AddGradient add_gradient(const at::Tensor& gradient, const at::Tensor& x1, const at::Tensor& x2, double m1,
                         double m2, const CodeRange& range, ScaleTraining training) {
  if (!has_kernels(x1)) {
    const at::Tensor exact = x1 * m1 + x2 * m2;
    const at::Tensor codes = exact.add(0.5).floor_().clamp_(range.low, range.high);
    const at::Tensor pass = gradient * exact.ge(range.low).logical_and_(exact.le(range.high));
    return {pass, scale_gradient((pass * (codes - exact)).sum().item<double>(),
                                 ((gradient - pass) * codes).sum().item<double>(), training)};
  }
  const at::MemoryFormat format = x1.suggest_memory_format();
  const at::Tensor g = gradient.contiguous(format), a = x1.contiguous(format), b = x2.contiguous(format);
  AddGradient result{at::empty_like(a)};
  double rounding = 0, clipped = 0;
  for (std::int64_t first = 0; first < a.numel(); first += kBlock) {
    const RowSums sums =
        add_gradient_row(g.data_ptr<float>() + first, a.data_ptr<float>() + first,
                         b.data_ptr<float>() + first, std::min(kBlock, a.numel() - first),
                         static_cast<float>(m1), static_cast<float>(m2), static_cast<float>(range.low),
                         static_cast<float>(range.high), result.passed.data_ptr<float>() + first);
    rounding += sums.rounding;
    clipped += sums.clipped;
  }
  result.log_scale = scale_gradient(rounding, clipped, training);
  return result;
}

FunctionTable function_table(const host::Function& function, int least, double input_scale,
                             double result_scale, const CodeRange& range) {
  at::Tensor exact, slope;
  {
    const at::AutoGradMode with_gradients(true);
    const at::Tensor x =
        at::arange(least, least + host::kTableCodes, at::kDouble).mul_(input_scale).requires_grad_();
    exact = function_of(function, x) / result_scale;
    slope = torch::autograd::grad({exact.sum()}, {x}).front().mul_(input_scale).nan_to_num_(0, 0, 0);
  }
  exact = exact.detach().nan_to_num(0);
  const at::Tensor codes = exact.add(0.5).floor_().clamp_(range.low, range.high);
  const at::Tensor inside = exact.ge(range.low).logical_and_(exact.le(range.high));
  const auto where_inside = [&](const at::Tensor& numbers) {
    return at::where(inside, numbers, at::zeros_like(numbers)).to(at::kFloat);
  };
  return {codes.to(at::kFloat), where_inside(codes - exact), (codes * inside.logical_not()).to(at::kFloat),
          where_inside(slope)};
}

at::Tensor looked_up(const at::Tensor& table, const at::Tensor& codes, int least) {
  const at::Tensor index = codes.sub(least).to(at::kInt);  // dense, in the memory format of the codes
  return table.to(codes.device())
      .index_select(0, index.as_strided({index.numel()}, {1}))
      .as_strided(index.sizes(), index.strides());
}

FunctionGradient function_gradient(const at::Tensor& gradient, const at::Tensor& codes, int least,
                                   const FunctionTable& table, ScaleTraining training) {
  const auto sum = [&](const at::Tensor& values) {
    return (gradient * looked_up(values, codes, least)).sum().item<double>();
  };
  return {gradient * looked_up(table.slope, codes, least),
          scale_gradient(sum(table.rounding), sum(table.clipped), training)};
}

void subtract_affine(at::Tensor& gradient, const at::Tensor& sums, const at::Tensor& a, const at::Tensor& b) {
  const Extent extent = extent_of(sums, a);
  if (has_kernels(gradient) && pixels_in_rows(gradient) && pixels_in_rows(sums)) {
    const std::vector<float> from_a = repeated(a), from_b = repeated(b);
    subtract_pixels(gradient.data_ptr<float>(), sums.data_ptr<float>(), gradient.numel(), from_a.data(),
                    from_b.data(), static_cast<std::int64_t>(from_a.size()));
    return;
  }
  if (!has_kernels(gradient) || !gradient.is_contiguous() || !sums.is_contiguous() || extent.inner == 1) {
    gradient.sub_(at::addcmul(channel(a, sums), sums, channel(b, sums)));
    return;
  }
  const at::Tensor from_a = a.contiguous(), from_b = b.contiguous();
  for (std::int64_t row = 0; row < extent.outer * extent.filters; ++row) {
    const std::int64_t f = row % extent.filters;
    subtract_row(gradient.data_ptr<float>() + row * extent.inner, sums.data_ptr<float>() + row * extent.inner,
                 extent.inner, from_a.data_ptr<float>()[f], from_b.data_ptr<float>()[f]);
  }
}

}  // namespace bitloop::quant
