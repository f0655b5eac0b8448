#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "quant/onnx/operators.h"
#include "quant/onnx/window.h"

namespace bitloop::quant::importer {
namespace {

using host::LayerKind;

Value append_pool(const Lowering& l, LayerKind kind, int tensor, const WindowShape& window,
                  const host::Padding& uncounted = {}) {
  host::Layer layer{.name = l.names.of_node(l.node), .kind = kind, .inputs = {tensor}};
  set_window(layer, window.window);
  layer.uncounted = uncounted;
  return l.append(std::move(layer), {l.draft.shape(tensor).channels, window.height, window.width});
}

constexpr int kMostRows = 65535;  // of a tensor; or columns

/// The window of a pool that states its kernel.
WindowShape pool_window(const Lowering& l, const Value& value) {
  const auto kernel = l.node.integers("kernel_shape", {});
  const bool sane =
      kernel.size() == 2 && std::ranges::all_of(kernel, [](auto k) { return k >= 1 && k <= kMostRows; });
  if (!sane) l.node.refuse(fmt::format("supported are kernels of two dimensions, each 1..{}", kMostRows));
  return window_shape(l.node, l.draft.shape(value.tensor), value.pads, kernel[0], kernel[1]);
}

std::int64_t channels_of(const Lowering& l) { return l.draft.shape(l.tensor(0).tensor).channels; }

constexpr int kLargestSide = 255;     // of a window, as descriptors hold it
constexpr int kMostSummed = 1 << 13;  // codes of 8 bits that the depthwise engine's 22 bits sum

/// The largest part into which rows or columns can be cut at the strides that the hardware has, 15 at most.
int largest_part(int size) {
  int part = std::min(size, 15);
  while (size % part != 0) --part;
  return part;
}

/// Pools a tensor in equal windows until one window can hold what is left: the mean of their means is that of
/// all, the largest of their largest the same. Returns the tensor that is left.
int pooled_in_parts(const Lowering& l, LayerKind kind, Value value) {
  for (;;) {
    const host::Shape& shape = l.draft.shape(value.tensor);
    const bool fits = std::max(shape.height, shape.width) <= kLargestSide &&
                      std::int64_t{shape.height} * shape.width <= kMostSummed;
    const int rows = largest_part(shape.height), columns = largest_part(shape.width);
    if (fits || rows * columns == 1) return value.tensor;
    host::Layer layer{.name = l.names.of_node(l.node), .kind = kind, .inputs = {value.tensor}};
    set_window(layer, {rows, columns, {rows, columns}});
    const Dims left{shape.channels, shape.height / rows, shape.width / columns};
    const int pooled = l.draft.append(l.node, std::move(layer), left, 1);
    l.draft.note_reader(value);
    value = {.tensor = pooled};
  }
}

/// A pool over the whole tensor, its result seen as `dims`.
Value global_pool(const Lowering& l, LayerKind kind, Dims dims) {
  const Value& value = l.image_like(l.tensor(0));
  const host::Shape shape = l.draft.shape(value.tensor);
  if (shape.height == 1 && shape.width == 1) return l.pass(value, std::move(dims));
  const int tensor = pooled_in_parts(l, kind, value);
  WindowShape window;
  window.window.height = l.draft.shape(tensor).height;
  window.window.width = l.draft.shape(tensor).width;
  Value result = append_pool(l, kind, tensor, window);
  result.dims = std::move(dims);
  return result;
}

/// How Resize finds the input of an output position.
struct Nearest {
  std::string coordinates = "asymmetric";
  std::string rounding = "floor";
};

double input_position(const Nearest& nearest, std::int64_t x, std::int64_t in, std::int64_t out) {
  const double scale = static_cast<double>(out) / static_cast<double>(in), position = static_cast<double>(x);
  if (nearest.coordinates == "half_pixel") return (position + 0.5) / scale - 0.5;
  if (nearest.coordinates == "pytorch_half_pixel") return out > 1 ? (position + 0.5) / scale - 0.5 : 0;
  if (nearest.coordinates == "tf_half_pixel_for_nn") return (position + 0.5) / scale;
  if (nearest.coordinates == "align_corners")
    return out > 1 ? position * static_cast<double>(in - 1) / static_cast<double>(out - 1) : 0;
  return position / scale;
}

double rounded(const Nearest& nearest, double position) {
  if (nearest.rounding == "floor") return std::floor(position);
  if (nearest.rounding == "ceil") return std::ceil(position);
  if (nearest.rounding == "round_prefer_ceil") return std::floor(position + 0.5);
  return std::ceil(position - 0.5);
}

bool repeats(const Nearest& nearest, std::int64_t in, std::int64_t factor) {
  for (std::int64_t x = 0; x < in * factor; ++x) {
    const double position = rounded(nearest, input_position(nearest, x, in, in * factor));
    if (std::clamp(position, 0.0, static_cast<double>(in - 1)) != static_cast<double>(x / factor))
      return false;
  }
  return true;
}

Nearest nearest_mode(const Node& node) {
  if (node.text("mode", "nearest") != "nearest") node.refuse("supported is mode nearest");
  if (node.op() == "Upsample" || node.opset() < 11) return {};
  Nearest nearest{node.text("coordinate_transformation_mode", "half_pixel"),
                  node.text("nearest_mode", "round_prefer_floor")};
  if (nearest.coordinates == "tf_crop_and_resize") node.refuse("tf_crop_and_resize is not supported");
  return nearest;
}

/// Rows or columns of the result for each dimension of the input.
std::vector<double> resized(const Lowering& l, const Dims& dims) {
  const auto scaled = [&](const std::vector<double>& scales) {
    std::vector<double> result;
    for (std::size_t i = 0; i < scales.size() && i < dims.size(); ++i)
      result.push_back(static_cast<double>(dims[i]) * scales[i]);
    return result;
  };
  const auto values = [](const Constant& constant) {
    std::vector<double> result;
    for (std::int64_t i = 0; i < constant.count(); ++i) result.push_back(constant.at(i));
    return result;
  };
  if (l.node.has("scales")) {
    const auto scales = l.node.numbers("scales");
    return scaled({scales.begin(), scales.end()});
  }
  const bool with_roi = l.node.op() == "Resize" && l.node.opset() >= 11;
  const Constant* scales = l.constant(with_roi ? 2 : 1);
  if (scales != nullptr && scales->count() > 0) return scaled(values(*scales));
  const Constant* sizes = l.constant(3);
  if (!with_roi || sizes == nullptr) l.node.refuse("its scales are missing");
  return values(*sizes);
}

}  // namespace

Value lower_pad(const Lowering& l) {
  Value value = l.padded_tensor(0);
  if (l.node.text("mode", "constant") != "constant") l.node.refuse("supported is mode constant");
  const bool attributes = l.node.opset() < 11;
  const Constant* number = attributes ? nullptr : l.constant(2);
  const double with = number != nullptr && number->count() == 1 ? number->at(0) : l.node.number("value", 0);
  const auto pads = attributes ? l.node.integers("pads", {}) : l.needed_constant(1).integers;
  if (with != 0 || pads.size() != 8 || value.dims.size() != 4)
    l.node.refuse("supported are zeros around rows and columns");
  for (std::size_t i = 0; i < pads.size(); ++i) {
    const bool spatial = i % 4 >= 2;
    if (pads[i] < 0 || pads[i] > (spatial ? 255 : 0))
      l.node.refuse("supported are up to 255 zeros around rows and columns");
  }
  value.pads.top += pads[2];
  value.pads.left += pads[3];
  value.pads.bottom += pads[6];
  value.pads.right += pads[7];
  value.dims[2] += pads[2] + pads[6];
  value.dims[3] += pads[3] + pads[7];
  return l.pass(std::move(value));
}

Value lower_max_pool(const Lowering& l) {
  const Value& value = l.image_like(l.padded_tensor(0));
  if (l.node.integer("storage_order", 0) != 0) l.node.refuse("supported is storage_order 0");
  if (value.pads.any() && !l.draft.non_negative(value))
    l.node.refuse("it reads zeros of a Pad around numbers that may be negative; pad in the pool itself");
  return append_pool(l, LayerKind::max_pool, value.tensor, pool_window(l, value));
}

Value lower_average_pool(const Lowering& l) {
  const Value& value = l.image_like(l.padded_tensor(0));
  const WindowShape window = pool_window(l, value);
  const host::Steps& dilation = window.window.dilation;
  if (dilation != host::Steps())
    l.node.refuse(fmt::format("dilations {}x{} are not supported; only 1x1 are", dilation.y, dilation.x));
  const bool counts = l.node.integer("count_include_pad", 0) != 0;
  return append_pool(l, LayerKind::average_pool, value.tensor, window, counts ? window.beyond : window.own);
}

Value lower_global_average_pool(const Lowering& l) {
  return global_pool(l, LayerKind::average_pool, {l.tensor(0).dims.front(), channels_of(l), 1, 1});
}

Value lower_global_max_pool(const Lowering& l) {
  return global_pool(l, LayerKind::max_pool, {l.tensor(0).dims.front(), channels_of(l), 1, 1});
}

Value lower_reduce_mean(const Lowering& l) {
  const Value& value = l.tensor(0);
  if (axes_of(l.node, l.constant(1), static_cast<std::int64_t>(value.dims.size())) !=
      std::vector<std::int64_t>{2, 3})
    l.node.refuse("supported is the mean over rows and columns (axes 2 and 3)");
  const std::int64_t channels = channels_of(l);
  const bool keep = l.node.integer("keepdims", 1) != 0;
  return global_pool(l, LayerKind::average_pool,
                     keep ? Dims{value.dims.front(), channels, 1, 1} : Dims{value.dims.front(), channels});
}

Value lower_resize(const Lowering& l) {
  const Value& value = l.image_like(l.tensor(0));
  const host::Shape shape = l.draft.shape(value.tensor);
  const Nearest nearest = nearest_mode(l.node);
  const std::vector<double> out = resized(l, value.dims);
  const auto factor = [&](std::size_t dimension, int size) {
    const double times = out.size() == 4 ? out[dimension] / size : 0;
    const bool whole = times >= 1 && times <= 255 && times == std::floor(times) && times * size <= kMostRows;
    return whole ? static_cast<int>(times) : 0;
  };
  const host::Steps times{factor(2, shape.height), factor(3, shape.width)};
  const bool whole = times.y > 0 && times.x > 0 && out[0] == static_cast<double>(value.dims[0]) &&
                     out[1] == static_cast<double>(value.dims[1]);
  if (!whole || !repeats(nearest, shape.height, times.y) || !repeats(nearest, shape.width, times.x)) {
    l.node.refuse(
        fmt::format("supported is a Resize that repeats rows and columns by whole factors (nearest); this "
                    "one makes {} of {}",
                    fmt::join(out, "x"), fmt::join(value.dims, "x")));
  }
  if (times == host::Steps()) return l.pass(value);
  host::Layer layer{.name = l.names.of_node(l.node),
                    .kind = LayerKind::upsample,
                    .inputs = {value.tensor},
                    .stride = times};
  return l.append(std::move(layer), {shape.channels, std::int64_t{shape.height} * times.y,
                                     std::int64_t{shape.width} * times.x});
}

}  // namespace bitloop::quant::importer
