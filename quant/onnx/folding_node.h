#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "quant/onnx/folding.h"

namespace bitloop::quant::importer {

/// A node all of whose inputs are constants.
struct Folding {
  const Node& node;
  const std::vector<SharedConstant>& inputs;
  Budget& budget;

  [[nodiscard]] const Constant* optional(std::size_t i) const {
    return i < inputs.size() ? inputs[i].get() : nullptr;
  }
  [[nodiscard]] const Constant& at(std::size_t i) const {
    const Constant* found = optional(i);
    if (found == nullptr) node.refuse(fmt::format("input {} is missing", i));
    return *found;
  }
};

inline SharedConstant share(Constant constant) {
  return std::make_shared<const Constant>(std::move(constant));
}

/// Index into a tensor of `dims` (aligned at its last dimension, ones repeated) at a position of `out`.
class BroadcastIndex {
 public:
  BroadcastIndex(const Dims& dims, const Dims& out) : strides_(out.size(), 0) {
    std::int64_t stride = 1;
    for (std::size_t i = 0; i < dims.size(); ++i) {
      const std::size_t from_dim = dims.size() - 1 - i, to_dim = out.size() - 1 - i;
      if (dims[from_dim] != 1) strides_[to_dim] = stride;
      stride *= dims[from_dim];
    }
  }
  [[nodiscard]] std::int64_t at(const Dims& position) const {
    return std::inner_product(position.begin(), position.end(), strides_.begin(), std::int64_t{0});
  }

 private:
  Dims strides_;
};

inline void advance(Dims& position, const Dims& dims) {
  for (std::size_t i = dims.size(); i-- > 0;) {
    if (++position[i] < dims[i]) return;
    position[i] = 0;
  }
}

inline Dims broadcast_dims(const Node& node, const Dims& a, const Dims& b) {
  Dims out(std::max(a.size(), b.size()), 1);
  for (std::size_t i = 0; i < out.size(); ++i) {
    const std::int64_t x = i < a.size() ? a[a.size() - 1 - i] : 1;
    const std::int64_t y = i < b.size() ? b[b.size() - 1 - i] : 1;
    if (x != y && x != 1 && y != 1) node.refuse("the shapes of its constant inputs do not fit together");
    out[out.size() - 1 - i] = x == 1 ? y : x;
  }
  return out;
}

/// op(first, second) on all elements, in the type of the first input.
template <typename Operation>
SharedConstant elementwise(const Folding& f, const Constant& a, const Constant& b,
                           const Operation& operation) {
  Constant result;
  result.name = a.name;
  result.type = a.type;
  result.dims = broadcast_dims(f.node, a.dims, b.dims);
  const std::int64_t count = element_count(result.dims);
  if (count < 0) f.node.refuse("its result is too large");
  f.budget.spend(f.node, count);
  const BroadcastIndex first(a.dims, result.dims), second(b.dims, result.dims);
  Dims position(result.dims.size(), 0);
  for (std::int64_t i = 0; i < count; ++i, advance(position, result.dims)) {
    if (a.is_float()) {
      result.floats.push_back(
          static_cast<float>(operation(a.floats[first.at(position)], b.at(second.at(position)))));
    } else {
      result.integers.push_back(operation(a.integers[first.at(position)], b.integers[second.at(position)]));
    }
  }
  return share(std::move(result));
}

}  // namespace bitloop::quant::importer
