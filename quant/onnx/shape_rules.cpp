#include "quant/onnx/shape_rules.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>

namespace bitloop::quant::importer {

SharedConstant shape_of(const Node& node, const Dims& dims) {
  const auto rank = static_cast<std::int64_t>(dims.size());
  const auto bound = [&](std::int64_t index) {
    index = std::max(index, -rank);
    return std::clamp<std::int64_t>(index < 0 ? index + rank : index, 0, rank);
  };
  const std::int64_t first = bound(node.integer("start", 0));
  const std::int64_t end = std::max(first, bound(node.integer("end", rank)));
  return std::make_shared<const Constant>(integer_constant({dims.begin() + first, dims.begin() + end}));
}

std::vector<std::int64_t> axes_of(const Node& node, const Constant* input, std::int64_t rank) {
  std::vector<std::int64_t> axes = input != nullptr ? input->integers : node.integers("axes", {});
  for (std::int64_t& axis : axes) {
    if (axis < 0) axis += rank;
    if (axis < 0 || axis >= rank) node.refuse(fmt::format("an axis lies outside of the {} dimensions", rank));
  }
  std::sort(axes.begin(), axes.end());
  if (std::adjacent_find(axes.begin(), axes.end()) != axes.end()) node.refuse("it names an axis twice");
  return axes;
}

Dims squeezed(const Node& node, const Dims& dims, const Constant* input) {
  const auto axes = axes_of(node, input, static_cast<std::int64_t>(dims.size()));
  Dims result;
  for (std::size_t i = 0; i < dims.size(); ++i) {
    const bool named = std::binary_search(axes.begin(), axes.end(), static_cast<std::int64_t>(i));
    if (named && dims[i] != 1) node.refuse(fmt::format("dimension {} has {} elements, not 1", i, dims[i]));
    if (!named && (!axes.empty() || dims[i] != 1)) result.push_back(dims[i]);
  }
  return result;
}

Dims unsqueezed(const Node& node, const Dims& dims, const Constant* input) {
  const std::size_t named = input != nullptr ? input->integers.size() : node.integers("axes", {}).size();
  if (named + dims.size() > kHighestRank)
    node.refuse(fmt::format("at most {} dimensions are supported", kHighestRank));
  Dims result = dims;
  for (const std::int64_t axis : axes_of(node, input, static_cast<std::int64_t>(named + dims.size())))
    result.insert(result.begin() + axis, 1);
  return result;
}

Dims reshaped(const Node& node, const Dims& dims, const Constant& shape) {
  Dims result = shape.integers;
  if (shape.is_float() || result.size() > kHighestRank)
    node.refuse(fmt::format("its shape must be at most {} integers", kHighestRank));
  const bool copy_zeros = node.integer("allowzero", 0) == 0;
  for (std::size_t i = 0; i < result.size(); ++i)
    if (result[i] == 0 && copy_zeros && i < dims.size()) result[i] = dims[i];
  const auto free = std::find(result.begin(), result.end(), -1);
  const std::int64_t count = element_count(dims);
  if (free != result.end()) {
    *free = 1;
    const std::int64_t others = element_count(result);
    if (others <= 0 || count % others != 0) node.refuse("its shape does not fit its input");
    *free = count / others;
  }
  if (element_count(result) != count) {
    node.refuse(fmt::format("its shape ({}) has other elements than its input ({})", fmt::join(result, "x"),
                            fmt::join(dims, "x")));
  }
  return result;
}

}  // namespace bitloop::quant::importer
