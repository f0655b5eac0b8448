// Operators that give more rows and columns than they read. Their result is put together of phases: of
// strides y x x, the rows y * i + p and columns x * j + q for each p and q, which a convolution of its own
// gives.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>

#include "quant/onnx/operators.h"
#include "quant/onnx/window.h"

namespace bitloop::quant::importer {
namespace {

using host::LayerKind;

/// A transposed convolution along rows or columns.
struct Direction {
  std::int64_t size = 1, kernel = 1, stride = 1, dilation = 1, begin = 0, output = 1;
};

/// The taps of a kernel that one phase of the output reads, and the window of the input that they make.
struct Phase {
  std::vector<std::int64_t> taps;  ///< in the order of the input
  int dilation = 1;
  int before = 0, after = 0;  ///< padding
};

/// Output o takes input i by tap k where o + begin = i * stride + k * dilation.
Phase phase_of(const Node& node, const Direction& e, std::int64_t phase) {
  Phase result;
  std::int64_t first = 0, last = 0;  // input of the phase's output 0, by the first and last tap
  for (std::int64_t k = e.kernel - 1; k >= 0; --k) {
    const std::int64_t distance = phase + e.begin - k * e.dilation;
    if (distance % e.stride != 0) continue;
    last = distance / e.stride;
    if (result.taps.empty()) first = last;
    result.taps.push_back(k);
  }
  const auto count = static_cast<std::int64_t>(result.taps.size());
  const std::int64_t outputs = e.output / e.stride, after = outputs - 1 + last - (e.size - 1);
  if (count == 0)
    node.refuse("its kernel is smaller than its stride; supported is one that reaches everywhere");
  if (first > 0 || after < 0)
    node.refuse("it cuts off more than its kernel reaches; supported are pads smaller than the kernel");
  if (count > 1) result.dilation = static_cast<int>((last - first) / (count - 1));
  result.before = static_cast<int>(-first);
  result.after = static_cast<int>(after);
  return result;
}

/// Rows and columns of the input, kernel, result and what lies between them.
std::array<Direction, 2> extents_of(const Lowering& l, const host::Shape& shape, const Dims& weights) {
  const Node& node = l.node;
  const auto strides = node.integers("strides", {1, 1}), dilations = node.integers("dilations", {1, 1}),
             pads = node.integers("pads", {0, 0, 0, 0}), more = node.integers("output_padding", {0, 0}),
             kernel = node.integers("kernel_shape", {weights[2], weights[3]});
  if (node.text("auto_pad", "NOTSET") != "NOTSET" || node.has("output_shape"))
    node.refuse(
        "supported is a size that follows from pads and output_padding, without auto_pad and output_shape");
  if (strides.size() != 2 || dilations.size() != 2 || pads.size() != 4 || more.size() != 2 ||
      kernel != std::vector{weights[2], weights[3]})
    node.refuse("supported are windows of two dimensions, of the size of its weights");
  std::array<Direction, 2> extents;
  for (std::size_t i = 0; i < 2; ++i) {
    Direction& e = extents[i];
    e = {i == 0 ? shape.height : shape.width, weights[2 + i], strides[i], dilations[i], pads[i], 0};
    for (const std::int64_t value : {e.stride, e.dilation, e.begin, pads[i + 2], more[i]})
      if (value < 0 || value > 255) node.refuse("supported are strides, dilations and pads of at most 255");
    if (e.stride < 1 || e.dilation < 1) node.refuse("its strides and dilations must be at least 1");
    e.output = (e.size - 1) * e.stride + (e.kernel - 1) * e.dilation + 1 + more[i] - e.begin - pads[i + 2];
    if (e.output < 1 || e.output % e.stride != 0)
      node.refuse(
          fmt::format("it gives {} {} at a stride of {}; supported are multiples of the stride: another "
                      "output_padding or pads would do",
                      e.output, i == 0 ? "rows" : "columns", e.stride));
  }
  return extents;
}

/// Weights [filter][channel][row][column] of a phase, of [channel][filter][row][column].
std::vector<float> phase_weights(const std::vector<float>& weights, const Dims& dims, const Phase& rows,
                                 const Phase& columns) {
  std::vector<float> result;
  for (std::int64_t f = 0; f < dims[1]; ++f)
    for (std::int64_t c = 0; c < dims[0]; ++c)
      for (const std::int64_t row : rows.taps)
        for (const std::int64_t column : columns.taps)
          result.push_back(
              weights[static_cast<std::size_t>(((c * dims[1] + f) * dims[2] + row) * dims[3] + column)]);
  return result;
}

Value interleave(const Lowering& l, const std::string& name, std::vector<int> parts,
                 const host::Steps& steps) {
  const host::Shape shape = l.draft.shape(parts.front());
  host::Layer layer{.name = name, .kind = LayerKind::interleave, .inputs = std::move(parts), .stride = steps};
  return l.append(std::move(layer), {shape.channels, std::int64_t{shape.height} * steps.y,
                                     std::int64_t{shape.width} * steps.x});
}

}  // namespace

Value lower_conv_transpose(const Lowering& l) {
  const Value& value = l.image_like(l.tensor(0));
  const Constant& weights = l.needed_constant(1);
  const Dims& dims = weights.dims;
  const host::Shape shape = l.draft.shape(value.tensor);
  if (dims.size() != 4 || weights.count() < 1 || dims[0] != shape.channels)
    l.node.refuse(fmt::format("its weights {} do not fit {} channels", fmt::join(dims, "x"), shape.channels));
  if (l.node.integer("group", 1) != 1) l.node.refuse("supported is group 1");
  const auto [rows, columns] = extents_of(l, shape, dims);
  l.budget.spend(l.node, weights.count());
  const std::vector<float> numbers = l.numbers(weights);
  std::vector<float> bias(static_cast<std::size_t>(dims[1]), 0.0F);
  if (const Constant* given = l.constant(2)) bias = l.numbers(*given);
  if (static_cast<std::int64_t>(bias.size()) != dims[1])
    l.node.refuse(fmt::format("its bias has {} numbers, not one per filter ({})", bias.size(), dims[1]));
  const std::string name = l.names.of_weights(l.node, weights.name);
  const host::Steps steps{static_cast<int>(rows.stride), static_cast<int>(columns.stride)};
  const bool whole = steps == host::Steps();
  std::vector<int> parts;
  for (int i = 0; i < steps.y * steps.x; ++i) {
    const Phase y = phase_of(l.node, rows, i / steps.x), x = phase_of(l.node, columns, i % steps.x);
    host::Layer layer{.name = whole ? name : l.names.of_text(fmt::format("{}.{}", name, i)),
                      .inputs = {value.tensor},
                      .kernel_height = static_cast<int>(y.taps.size()),
                      .kernel_width = static_cast<int>(x.taps.size()),
                      .pad = {y.before, x.before, y.after, x.after},
                      .dilation = {y.dilation, x.dilation}};
    const host::Shape out = layer.window().over(shape);
    LayerParameters parameters;
    parameters.weight = phase_weights(numbers, dims, y, x);
    parameters.bias = bias;
    parts.push_back(l.draft.append(l.node, std::move(layer), {dims[1], out.height, out.width},
                                   whole ? l.readers : 1, std::move(parameters)));
    l.draft.note_reader(value);
  }
  l.draft.read_again(value.tensor, static_cast<int>(parts.size()) - 1);
  if (!whole) return interleave(l, name, std::move(parts), steps);
  Value result;
  result.tensor = parts.front();
  result.dims = {value.dims.front(), dims[1], rows.output, columns.output};
  return result;
}

Value lower_depth_to_space(const Lowering& l) {
  const Value& value = l.image_like(l.tensor(0));
  const std::int64_t block = l.node.integer("blocksize", 0), channels = l.draft.shape(value.tensor).channels;
  if (block < 1 || block > 15 || channels % (block * block) != 0)
    l.node.refuse(fmt::format("its blocksize {} does not divide {} channels", block, channels));
  if (block == 1) return l.pass(value);
  const std::string mode = l.node.text("mode", "DCR");
  if (mode != "DCR" && mode != "CRD") l.node.refuse("supported modes are DCR and CRD");
  const std::int64_t parts = block * block, each = channels / parts;
  std::vector<int> tensors = l.draft.concat_inputs(value.tensor);
  const bool joins_parts =
      mode == "DCR" && static_cast<std::int64_t>(tensors.size()) == parts &&
      std::ranges::all_of(tensors, [&](int t) { return l.draft.shape(t).channels == each; });
  if (!joins_parts) {
    if (!l.draft.can_cut_filters(value.tensor))
      l.node.refuse("supported is a DepthToSpace of a convolution, dense, whose result nothing else reads");
    std::vector<Draft::FilterRange> ranges;
    for (std::int64_t part = 0; part < parts; ++part)
      ranges.push_back(mode == "DCR" ? Draft::FilterRange{part * each, 1, each}
                                     : Draft::FilterRange{part, parts, each});
    tensors = l.draft.cut_filters(l.node, value.tensor, ranges);
  }
  Value result = interleave(l, l.names.of_node(l.node), std::move(tensors), static_cast<int>(block));
  if (joins_parts) l.draft.take_readings(value.tensor);
  result.limits = value.limits;
  result.narrow = value.narrow;
  return result;
}

}  // namespace bitloop::quant::importer
