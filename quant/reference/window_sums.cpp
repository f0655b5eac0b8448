#include "quant/reference/window_sums.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "quant/tensor/order.h"
#include "quant/tensor/window.h"

namespace bitloop::quant {
namespace {

using host::LayerKind;

/// Padding codes as [1, channel, 1, 1]; undefined where there is no padding or it is 0.
at::Tensor padding(const host::Layer& layer, const host::QuantizedLayer& integers) {
  const bool padded = layer.kind != LayerKind::linear && layer.pad.any();
  const bool zero = std::all_of(integers.pad_codes.begin(), integers.pad_codes.end(),
                                [](std::uint8_t code) { return code == 0; });
  if (!padded || zero) return {};
  const std::vector<float> codes(integers.pad_codes.begin(), integers.pad_codes.end());
  return at::tensor(codes).view({1, -1, 1, 1});
}

/// `codes` with those of each channel around them: [1, channel, 1, 1].
at::Tensor framed(const at::Tensor& codes, const host::Padding& pad, const at::Tensor& around) {
  std::vector<std::int64_t> sizes = codes.sizes().vec();
  sizes[2] += pad.top + pad.bottom;
  sizes[3] += pad.left + pad.right;
  at::Tensor result = at::empty(sizes, codes.options(), at::MemoryFormat::ChannelsLast).copy_(around);
  unpadded(result, pad).copy_(codes);
  return result;
}

/// How far partial sums of each filter and input channel reach from 0, to either side: [filter, channel, 2].
/// `pad` is what is subtracted from the codes, [filter or 1, channel or 1].
at::Tensor reaches(const at::Tensor& values, const at::Tensor& pad, int input_bits) {
  const at::Tensor above = values.clamp_min(0).flatten(2).sum(2);
  const at::Tensor below = values.clamp_max(0).neg().flatten(2).sum(2);
  const at::Tensor high = std::ldexp(1.0, input_bits) - 1 - pad;  // codes lie in [-pad, high]
  return at::stack({above * high + below * pad, above * pad + below * high}, 2);
}

std::vector<std::int64_t> integers_of(const at::Tensor& x) {
  const at::Tensor values = x.to(at::kLong).contiguous();
  return {values.data_ptr<std::int64_t>(), values.data_ptr<std::int64_t>() + values.numel()};
}

}  // namespace

WindowSums::WindowSums(const host::Network& network, const host::Layer& layer,
                       const host::QuantizedLayer& integers, int input_bits)
    : pad_(padding(layer, integers)) {
  if (layer.has_weights()) {
    set_weights(network, layer, integers, input_bits);
    return;
  }
  const double taps = static_cast<double>(layer.kernel_height) * layer.kernel_width;
  // A window's sum is exact as a whole, or every channel is summed in double.
  const bool fits = taps * (std::ldexp(1.0, input_bits) - 1) < kExactInFloat;
  parts_ = {{0, network.input_shape(layer).channels, at::ones({1}, fits ? at::kFloat : at::kDouble)}};
  if (pad_.defined()) constants_ = integers_of(pad_.to(at::kDouble).flatten().mul(taps));
}

void WindowSums::set_weights(const host::Network& network, const host::Layer& layer,
                             const host::QuantizedLayer& integers, int input_bits) {
  const std::int64_t channels = network.input_shape(layer).channels;
  const std::int64_t filters = network.output_shape(layer).channels;
  groups_ = network.groups(layer);
  const host::Window window = host::layer_window(network, layer);
  const auto [alpha, beta] = host::weight_code(integers.weight_bits);
  at::Tensor values =
      at::tensor(std::vector<double>(integers.weights.begin(), integers.weights.end()), at::kDouble)
          .mul_(alpha)
          .sub_(beta)
          .view({filters, channels / groups_, window.height, window.width});
  // What each filter's channels are padded with: [filter or 1, channel that it reads or 1].
  at::Tensor pad = at::zeros({1, 1}, at::kDouble);
  // A linear layer's as the input lies in memory.
  const bool linear = layer.kind == LayerKind::linear;
  const at::Tensor flat = linear ? values.permute({0, 2, 3, 1}).reshape({filters, -1, 1, 1}) : values;
  if (takes_bytes(layer, flat, input_bits)) return;
  if (pad_.defined()) {
    pad = pad_.to(at::kDouble).view({groups_, -1}).repeat_interleave(groups_ == 1 ? 1 : filters / groups_, 0);
    constants_ = integers_of((values * pad.unsqueeze(2).unsqueeze(3)).flatten(1).sum(1));
  }
  values = flat;
  if (groups_ == 1) return cut(values, pad, input_bits);
  const double reach = reaches(values, pad, input_bits).sum(1).max().item<double>();
  parts_ = {{0, channels, in_channels_last(values.to(reach < kExactInFloat ? at::kFloat : at::kDouble))}};
}

bool WindowSums::takes_bytes(const host::Layer& layer, const at::Tensor& values, int input_bits) {
  const at::Tensor sizes = values.abs();
  const double pad = pad_.defined() ? pad_.max().item<double>() : 0;
  const double code = std::max(std::ldexp(1.0, input_bits) - 1, pad);
  const double most = sizes.flatten(1).sum(1).max().item<double>() * code;
  if (most >= kExactInFloat ||
      !ByteConvolution::is_exact(static_cast<std::int64_t>(code), sizes.max().item<std::int64_t>()))
    return false;
  host::Window window = layer.kind == LayerKind::linear ? host::Window{} : layer.window();
  if (pad_.defined()) window.pad = 0;
  window.height = static_cast<int>(values.size(2));
  window.width = static_cast<int>(values.size(3));
  bytes_.emplace(values, window, groups_);
  return true;
}

void WindowSums::cut(const at::Tensor& values, const at::Tensor& pad, int input_bits) {
  const std::int64_t inputs = values.size(1);
  const at::Tensor reach = reaches(values, pad, input_bits);
  const auto take = [&](std::int64_t first, std::int64_t count, at::ScalarType type) {
    parts_.push_back({first, count, in_channels_last(values.narrow(1, first, count).to(type))});
  };
  if (reach.max().item<double>() >= kExactInFloat) return take(0, inputs, at::kDouble);
  std::int64_t first = 0;
  while (first < inputs) {
    const at::Tensor grown =
        std::get<0>(reach.narrow(1, first, inputs - first).cumsum(1).transpose(0, 1).flatten(1).max(1));
    const std::int64_t count = grown.lt(kExactInFloat).sum().item<std::int64_t>();
    take(first, count, at::kFloat);
    first += count;
  }
}

at::Tensor WindowSums::sum(const host::Layer& layer, const at::Tensor& x, const Part& part) const {
  const bool whole = part.count == x.size(1);
  at::Tensor in = (whole ? x : x.narrow(1, part.first, part.count)).to(part.values.scalar_type());
  if (layer.kind == LayerKind::linear) return at::linear(in, part.values.flatten(1));
  const bool pool = layer.kind == LayerKind::average_pool;
  const bool by_libtorch = !pool && pads_evenly(layer.pad);
  in = in_channels_last(by_libtorch ? in : padded(in, layer.pad));
  if (pool)
    return at::avg_pool2d(in, kernel_of(layer.window()), sides(layer.stride), 0, false, true,
                          /*divisor_override=*/1);
  return at::conv2d(in, part.values, {}, sides(layer.stride), own_padding(layer.pad, by_libtorch),
                    sides(layer.dilation), groups_);
}

at::Tensor WindowSums::operator()(const host::Layer& layer, const at::Tensor& codes) const {
  const bool linear = layer.kind == LayerKind::linear;
  const auto row = [](const at::Tensor& x) { return in_channels_last(x).permute({0, 2, 3, 1}).flatten(1); };
  if (bytes_) {
    if (linear) return (*bytes_)(row(codes).unsqueeze(2).unsqueeze(3), at::kInt);
    return (*bytes_)(pad_.defined() ? framed(codes, layer.pad, pad_) : codes, at::kInt);
  }
  at::Tensor x = codes.to(at::kFloat);
  if (pad_.defined()) x = x.sub_(pad_);
  if (linear) x = row(x);
  at::Tensor total = sum(layer, x, parts_.front());
  if (parts_.size() > 1) total = total.to(at::kDouble);
  for (std::size_t i = 1; i < parts_.size(); ++i) total.add_(sum(layer, x, parts_[i]));
  return linear ? total.unsqueeze(2).unsqueeze(3) : total;
}

namespace {

/// out[i] = the larger of out[i] and in[i]
template <typename T>
void raise(T* out, const T* in, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) out[i] = std::max(out[i], in[i]);
}

/// Taps of a window at `start` that lie inside [0, size): [first, end). Every window of a pool has one.
struct Inside {
  std::int64_t first = 0, end = 0;
};
Inside taps_inside(std::int64_t start, std::int64_t kernel, std::int64_t dilation, std::int64_t size) {
  const std::int64_t first = start < 0 ? (dilation - 1 - start) / dilation : 0;
  return {first, std::min(kernel, (size - start + dilation - 1) / dilation)};
}

/// First the rows of each window, in whole rows of the image, then its columns.
template <typename T>
void maxima(const host::Layer& layer, const at::Tensor& x, at::Tensor& result) {
  const std::int64_t channels = x.size(1), height = x.size(2), width = x.size(3), row = width * channels;
  const host::Window w = layer.window();
  std::vector<T> tallest(static_cast<std::size_t>(row));
  const T* image = x.data_ptr<T>();
  T* out = result.data_ptr<T>();
  for (std::int64_t n = 0; n < x.size(0); ++n, image += height * row)
    for (int y = 0; y < result.size(2); ++y) {
      const std::int64_t top = w.row(y, 0);
      const Inside rows = taps_inside(top, w.height, w.dilation.y, height);
      std::copy_n(image + (top + rows.first * w.dilation.y) * row, row, tallest.begin());
      for (std::int64_t i = rows.first + 1; i < rows.end; ++i)
        raise(tallest.data(), image + (top + i * w.dilation.y) * row, row);
      for (int column = 0; column < result.size(3); ++column, out += channels) {
        const std::int64_t left = w.column(column, 0);
        const Inside columns = taps_inside(left, w.width, w.dilation.x, width);
        std::copy_n(tallest.data() + (left + columns.first * w.dilation.x) * channels, channels, out);
        for (std::int64_t j = columns.first + 1; j < columns.end; ++j)
          raise(out, tallest.data() + (left + j * w.dilation.x) * channels, channels);
      }
    }
}

}  // namespace

at::Tensor window_maxima(const host::Layer& layer, const at::Tensor& x) {
  const at::Tensor in = in_channels_last(x);
  const host::Shape out =
      layer.window().over({1, static_cast<int>(in.size(2)), static_cast<int>(in.size(3))});
  at::Tensor result = at::empty({in.size(0), in.size(1), out.height, out.width}, in.options(),
                                at::MemoryFormat::ChannelsLast);
  switch (in.scalar_type()) {
    case at::kByte:
      maxima<std::uint8_t>(layer, in, result);
      break;
    case at::kInt:
      maxima<std::int32_t>(layer, in, result);
      break;
    case at::kFloat:
      maxima<float>(layer, in, result);
      break;
    default:
      maxima<double>(layer, in, result);
  }
  return result;
}

}  // namespace bitloop::quant
