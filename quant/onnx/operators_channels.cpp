#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>

#include "quant/onnx/operators.h"
#include "quant/onnx/view.h"

namespace bitloop::quant::importer {
namespace {

using host::LayerKind;

/// A tensor's channels as some of a view's dimensions divide them: [batch, before, size, behind, rows and
/// columns], where `size` is the dimension `axis`.
struct ChannelAxis {
  std::int64_t before = 1;
  std::int64_t size = 1;
  std::int64_t behind = 1;
  [[nodiscard]] std::int64_t channel(std::int64_t i, std::int64_t j, std::int64_t k) const {
    return (i * size + j) * behind + k;
  }
};

std::int64_t product(Dims::const_iterator first, Dims::const_iterator end) {
  return std::accumulate(first, end, std::int64_t{1}, std::multiplies<>());
}

/// Nothing where the dimension divides rows or columns, or the batch.
std::optional<ChannelAxis> channel_axis(const Lowering& l, const Value& value, std::int64_t axis) {
  const host::Shape& shape = l.draft.shape(value.tensor);
  const bool first = value.order == AxisOrder{kChannels, kRows, kColumns};
  if (axis < 1 || (!first && value.order.back() != kChannels)) return {};
  ChannelAxis result{product(value.dims.begin() + 1, value.dims.begin() + axis), value.dims[axis],
                     product(value.dims.begin() + axis + 1, value.dims.end())};
  const std::int64_t positions = std::int64_t{shape.height} * shape.width;
  std::int64_t& around = first ? result.behind : result.before;
  if (around % positions != 0) return {};
  around /= positions;
  const bool whole = result.before * result.size * result.behind == shape.channels;
  return whole ? std::optional(result) : std::nullopt;
}

std::int64_t axis_of(const Lowering& l, const Value& value, std::int64_t axis) {
  const auto rank = static_cast<std::int64_t>(value.dims.size());
  if (axis < 0) axis += rank;
  if (axis < 0 || axis >= rank) l.node.refuse("its axis lies outside of its input's dimensions");
  return axis;
}

/// A layer that gives the input's channels that `channels` names; its result is seen as `dims`.
Value append_select(const Lowering& l, const Value& value, std::vector<int> channels, Dims dims) {
  const host::Shape shape = l.draft.shape(value.tensor);
  l.budget.spend(l.node, static_cast<std::int64_t>(channels.size()));
  std::vector<int> sorted = channels;
  std::sort(sorted.begin(), sorted.end());
  if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end())
    l.node.refuse("it gives a channel twice; supported is each once");
  bool all = static_cast<int>(channels.size()) == shape.channels;
  for (std::size_t i = 0; i < channels.size(); ++i) all = all && channels[i] == static_cast<int>(i);
  if (all) return l.pass(value, std::move(dims));
  const auto count = static_cast<std::int64_t>(channels.size());
  host::Layer layer{.name = l.names.of_node(l.node), .kind = LayerKind::select, .inputs = {value.tensor}};
  layer.channels = std::move(channels);
  Value result = l.append(std::move(layer), {count, shape.height, shape.width}, std::move(dims));
  result.order = value.order;
  return result;
}

/// The `count` entries of one dimension that `index` gives in a row. A dimension that is taken whole may be
/// any.
template <typename Index>
Value entries(const Lowering& l, const Value& value, std::int64_t axis, std::int64_t count,
              const Index& index) {
  const std::int64_t size = value.dims[axis];
  if (count > size) l.node.refuse("it gives a channel twice; supported is each once");
  bool whole = count == size;
  for (std::int64_t i = 0; whole && i < size; ++i) whole = index(i) == i;
  if (whole) return l.pass(value);
  const auto channels = channel_axis(l, value, axis);
  if (!channels || count == 0) {
    l.node.refuse(fmt::format("it takes {} of the {} entries of dimension {} of {}; supported are channels",
                              count, size, axis, fmt::join(value.dims, "x")));
  }
  std::vector<int> taken;
  for (std::int64_t i = 0; i < channels->before; ++i)
    for (std::int64_t j = 0; j < count; ++j)
      for (std::int64_t k = 0; k < channels->behind; ++k)
        taken.push_back(static_cast<int>(channels->channel(i, index(j), k)));
  Dims dims = value.dims;
  dims[axis] = count;
  return append_select(l, value, std::move(taken), std::move(dims));
}

/// Sizes of the parts of a dimension of `size`.
std::vector<std::int64_t> split_sizes(const Lowering& l, std::int64_t size) {
  const Constant* constant = l.node.opset() < 13 ? nullptr : l.constant(1);
  std::vector<std::int64_t> sizes = constant != nullptr ? constant->integers : l.node.integers("split", {});
  const std::int64_t parts = l.node.proto().output_size();
  const std::int64_t each = (size + parts - 1) / parts;
  if (sizes.empty()) {
    for (std::int64_t first = 0; first < parts * each; first += each)
      sizes.push_back(std::clamp<std::int64_t>(size - first, 0, each));
  }
  const bool fits = static_cast<std::int64_t>(sizes.size()) == parts &&
                    std::ranges::all_of(sizes, [&](std::int64_t s) { return s > 0 && s <= size; }) &&
                    std::accumulate(sizes.begin(), sizes.end(), std::int64_t{0}) == size;
  if (!fits) l.node.refuse(fmt::format("its parts of {} do not make {}", fmt::join(sizes, ", "), size));
  return sizes;
}

/// What a Slice takes of each of its axes.
struct SliceRange {
  std::int64_t axis = 0;
  std::int64_t start = 0;
  std::int64_t end = 0;
  std::int64_t step = 1;
};

std::vector<SliceRange> slice_ranges(const Lowering& l) {
  const bool attributes = l.node.opset() < 10;
  const auto list = [&](std::size_t input, const char* name) -> std::vector<std::int64_t> {
    if (attributes) return l.node.integers(name, {});
    const Constant* constant = l.constant(input);
    return constant == nullptr ? std::vector<std::int64_t>{} : constant->integers;
  };
  const auto starts = list(1, "starts"), ends = list(2, "ends"), axes = list(3, "axes");
  const auto steps = attributes ? std::vector<std::int64_t>{} : list(4, "steps");
  const std::size_t count = starts.size();
  const bool fits = count > 0 && ends.size() == count && (axes.empty() || axes.size() == count) &&
                    (steps.empty() || steps.size() == count);
  if (!fits) l.node.refuse("its starts, ends, axes and steps must be lists of one length");
  std::vector<SliceRange> ranges;
  for (std::size_t i = 0; i < count; ++i) {
    ranges.push_back({axes.empty() ? static_cast<std::int64_t>(i) : axes[i], starts[i], ends[i],
                      steps.empty() ? 1 : steps[i]});
  }
  return ranges;
}

/// Entries of a dimension at equal distances.
struct EqualSteps {
  std::int64_t first = 0, step = 1, count = 0;
};

/// The entries that a range takes of a dimension of `size`, by ONNX's rules of clamping.
EqualSteps range_entries(const Lowering& l, const SliceRange& range, std::int64_t size) {
  if (range.step == 0) l.node.refuse("its step must not be 0");
  const bool back = range.step < 0;
  const auto clamped = [&](std::int64_t position) {
    if (position < 0) position = position < -size ? -1 : position + size;
    return std::clamp<std::int64_t>(position, back ? -1 : 0, back ? size - 1 : size);
  };
  const std::int64_t step = std::clamp<std::int64_t>(range.step, -size, size);
  const std::int64_t first = clamped(range.start), way = clamped(range.end) - first;
  const std::int64_t count = (way + step - (back ? -1 : 1)) / step;
  return {first, step, std::max<std::int64_t>(count, 0)};
}

}  // namespace

Value lower_concat(const Lowering& l) {
  const Value& first = l.tensor(0);
  const std::int64_t axis = axis_of(l, first, l.node.integer("axis", 1));
  const host::Shape shape = l.draft.shape(first.tensor);
  const bool flat = first.dims.size() == 2 && axis == 1;  // of equal rows and columns
  host::Layer layer{.name = l.names.of_node(l.node), .kind = LayerKind::concat, .inputs = {}};
  Dims dims = first.dims, result{0, shape.height, shape.width};
  dims[axis] = 0;
  for (std::size_t i = 0; i < l.inputs.size(); ++i) {
    const Value& part = l.tensor(i);
    const host::Shape& other = l.draft.shape(part.tensor);
    Dims like = part.dims;
    if (part.dims.size() == dims.size()) like[axis] = first.dims[axis];
    const auto channels = like == first.dims ? channel_axis(l, part, axis) : std::nullopt;
    const bool whole = channels && channels->before == 1 && channels->behind == 1;
    const bool fits = like == first.dims && part.order == first.order && other.height == shape.height &&
                      other.width == shape.width &&
                      (whole || (flat && part.order == AxisOrder{kChannels, kRows, kColumns}));
    if (!fits) {
      l.node.refuse(fmt::format(
          "it joins dimension {} of {} and {}; supported are channels of tensors of equal rows and columns",
          axis, fmt::join(first.dims, "x"), fmt::join(part.dims, "x")));
    }
    layer.inputs.push_back(part.tensor);
    dims[axis] += part.dims[axis];
    result[0] += other.channels;
  }
  if (l.inputs.size() == 1) return l.pass(first);
  Value joined = l.append(std::move(layer), result, std::move(dims));
  joined.order = first.order;
  return joined;
}

Value lower_split(const Lowering& l) {
  const Value& value = l.tensor(0);
  const std::int64_t axis = axis_of(l, value, l.node.integer("axis", 0));
  const std::vector<std::int64_t> sizes = split_sizes(l, value.dims[axis]);
  if (sizes.size() == 1) return l.pass(value);
  const auto part = sizes.begin() + l.output;
  const std::int64_t first = std::accumulate(sizes.begin(), part, std::int64_t{0});
  return entries(l, value, axis, *part, [=](std::int64_t i) { return first + i; });
}

Value lower_slice(const Lowering& l) {
  Value value = l.tensor(0);
  std::optional<SliceRange> cutting;
  for (const SliceRange& range : slice_ranges(l)) {
    const std::int64_t axis = axis_of(l, value, range.axis);
    const auto taken = range_entries(l, range, value.dims[axis]);
    if (range.step == 1 && taken.count == value.dims[axis]) continue;
    if (cutting) l.node.refuse("it cuts several dimensions; supported is one, the channels");
    cutting = range;
    cutting->axis = axis;
  }
  if (!cutting) return l.pass(std::move(value));
  const EqualSteps taken = range_entries(l, *cutting, value.dims[cutting->axis]);
  return entries(l, value, cutting->axis, taken.count,
                 [&](std::int64_t i) { return taken.first + i * taken.step; });
}

Value lower_gather(const Lowering& l) {
  const Value& value = l.tensor(0);
  const std::int64_t axis = axis_of(l, value, l.node.integer("axis", 0));
  const Constant& indices = l.needed_constant(1);
  if (indices.is_float() || indices.dims.size() > 1) l.node.refuse("supported is one list of whole numbers");
  std::vector<std::int64_t> taken = indices.integers;
  for (std::int64_t& index : taken) {
    if (index < 0) index += value.dims[axis];
    if (index < 0 || index >= value.dims[axis]) l.node.refuse("it takes what its input does not have");
  }
  Value result = entries(l, value, axis, indices.count(),
                         [&](std::int64_t i) { return taken[static_cast<std::size_t>(i)]; });
  if (indices.dims.empty()) result.dims.erase(result.dims.begin() + axis);
  return result;
}

std::optional<Value> lower_shuffle(const Lowering& l, const std::vector<std::int64_t>& order) {
  const Value& value = l.tensor(0);
  const auto rank = static_cast<std::int64_t>(order.size());
  std::int64_t first = 0, end = rank;  // of the dimensions that move
  while (first < rank && order[first] == first) ++first;
  while (end > first && order[end - 1] == end - 1) --end;
  if (first < 1 || first == end) return {};
  const auto outermost = channel_axis(l, value, first), last = channel_axis(l, value, end - 1);
  if (!outermost || !last) return {};
  // The moving dimensions of every result channel, counted up as a number of several digits.
  const std::int64_t outer = outermost->before, inner = last->behind;
  std::vector<std::int64_t> strides(rank, inner);
  for (std::int64_t i = end - 2; i >= first; --i) strides[i] = strides[i + 1] * value.dims[i + 1];
  const std::int64_t moved = strides[first] * value.dims[first];
  Dims dims;
  for (const std::int64_t from : order) dims.push_back(value.dims[from]);
  std::vector<int> channels;
  for (std::int64_t o = 0; o < outer; ++o) {
    for (std::int64_t rest = 0; rest < moved / inner; ++rest) {
      std::int64_t channel = o * moved, left = rest;
      for (std::int64_t i = end - 1; i >= first; --i) {
        channel += left % dims[i] * strides[order[i]];
        left /= dims[i];
      }
      for (std::int64_t k = 0; k < inner; ++k) channels.push_back(static_cast<int>(channel + k));
    }
  }
  return append_select(l, value, std::move(channels), std::move(dims));
}

}  // namespace bitloop::quant::importer
