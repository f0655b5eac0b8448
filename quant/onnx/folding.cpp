#include "quant/onnx/folding.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <string_view>

#include "quant/onnx/folding_quantizers.h"
#include "quant/onnx/shape_rules.h"

namespace bitloop::quant::importer {
namespace {

constexpr std::int64_t kLongestShape = 4096;  // elements of what ConstantOfShape, Slice and the like give

using Folder = SharedConstant (*)(const Folding&);

/// Another shape for the same values.
SharedConstant with_dims(const Folding& f, Dims dims) {
  if (element_count(dims) != f.at(0).count()) f.node.refuse("its result has another number of elements");
  f.budget.spend(f.node, f.at(0).count());
  Constant result = f.at(0);
  result.dims = std::move(dims);
  return share(std::move(result));
}

/// Wraps around as the standard's 64-bit integers do; floats as they are.
template <typename Wrapped, typename Plain>
SharedConstant arithmetic(const Folding& f, const Wrapped& wrapped, const Plain& plain) {
  const Constant &a = f.at(0), &b = f.at(1);
  if (a.is_float() != b.is_float()) f.node.refuse("its constant inputs have different types");
  struct Both {
    const Wrapped& wrapped;
    const Plain& plain;
    std::int64_t operator()(std::int64_t x, std::int64_t y) const { return wrapped(x, y); }
    double operator()(float x, double y) const { return plain(x, y); }
  };
  return elementwise(f, a, b, Both{wrapped, plain});
}

std::int64_t wrap(std::uint64_t value) { return static_cast<std::int64_t>(value); }

SharedConstant fold_add(const Folding& f) {
  return arithmetic(
      f, [](std::uint64_t x, std::uint64_t y) { return wrap(x + y); },
      [](double x, double y) { return x + y; });
}
SharedConstant fold_sub(const Folding& f) {
  return arithmetic(
      f, [](std::uint64_t x, std::uint64_t y) { return wrap(x - y); },
      [](double x, double y) { return x - y; });
}
SharedConstant fold_mul(const Folding& f) {
  return arithmetic(
      f, [](std::uint64_t x, std::uint64_t y) { return wrap(x * y); },
      [](double x, double y) { return x * y; });
}
SharedConstant fold_div(const Folding& f) {
  const auto divide = [&](std::int64_t x, std::int64_t y) {
    if (y == 0) f.node.refuse("it divides by zero");
    return y == -1 ? wrap(-static_cast<std::uint64_t>(x)) : x / y;
  };
  return arithmetic(f, divide, [](double x, double y) { return x / y; });
}

SharedConstant fold_identity(const Folding& f) {
  // PyTorch stores equal tensors once and names the copies by Identity nodes.
  const std::string& output = f.node.proto().output(0);
  const Constant& constant = f.at(0);
  if (!output.ends_with(".weight")) return f.inputs.front();
  f.budget.spend(f.node, constant.count());
  Constant renamed = constant;
  renamed.name = output;
  return share(std::move(renamed));
}

SharedConstant fold_constant(const Folding& f) {
  const Node& node = f.node;
  if (node.has("value")) return share(node.tensor("value"));
  if (node.has("value_int")) {
    Constant scalar = integer_constant({node.integer("value_int", 0)});
    scalar.dims.clear();
    return share(std::move(scalar));
  }
  if (node.has("value_ints")) return share(integer_constant(node.integers("value_ints", {})));
  if (!node.has("value_float") && !node.has("value_floats"))
    node.refuse("supported are the attributes value, value_int, value_ints, value_float and value_floats");
  Constant result;
  result.floats =
      node.has("value_float") ? std::vector{node.number("value_float", 0)} : node.numbers("value_floats");
  if (!node.has("value_float")) result.dims = {result.count()};
  return share(std::move(result));
}

SharedConstant fold_shape(const Folding& f) { return shape_of(f.node, f.at(0).dims); }

SharedConstant fold_cast(const Folding& f) {
  using onnx::TensorProto;
  const std::int64_t to = f.node.integer("to", 0);
  const bool to_float = is_float_type(static_cast<int>(std::clamp<std::int64_t>(to, 0, 1000)));
  const bool to_integer = to == TensorProto::INT64 || to == TensorProto::INT32 || to == TensorProto::BOOL;
  if (!to_float && !to_integer) f.node.refuse("constants are cast to floats, int32, int64 and bool only");
  const Constant& from = f.at(0);
  f.budget.spend(f.node, from.count());
  Constant result{from.name, static_cast<int>(to), from.dims, {}, {}};
  for (std::int64_t i = 0; i < from.count(); ++i) {
    const double value = from.at(i);
    if (to_float) {
      result.floats.push_back(static_cast<float>(value));
    } else if (!from.is_float()) {
      result.integers.push_back(from.integers[i]);
    } else {
      if (!(std::fabs(value) < 9e18)) f.node.refuse("a value lies outside of the integers");
      result.integers.push_back(static_cast<std::int64_t>(value));
    }
  }
  return share(std::move(result));
}

SharedConstant fold_reshape(const Folding& f) {
  return with_dims(f, reshaped(f.node, f.at(0).dims, f.at(1)));
}
SharedConstant fold_squeeze(const Folding& f) {
  return with_dims(f, squeezed(f.node, f.at(0).dims, f.optional(1)));
}
SharedConstant fold_unsqueeze(const Folding& f) {
  return with_dims(f, unsqueezed(f.node, f.at(0).dims, f.optional(1)));
}

void append(Constant& to, const Constant& from, std::int64_t first, std::int64_t count) {
  if (from.is_float()) {
    to.floats.insert(to.floats.end(), from.floats.begin() + first, from.floats.begin() + first + count);
  } else {
    to.integers.insert(to.integers.end(), from.integers.begin() + first,
                       from.integers.begin() + first + count);
  }
}

SharedConstant fold_concat(const Folding& f) {
  Constant result{f.at(0).name, f.at(0).type, {0}, {}, {}};
  for (std::size_t i = 0; i < f.inputs.size(); ++i) {
    const Constant& part = f.at(i);
    if (part.dims.size() != 1 || part.is_float() != result.is_float())
      f.node.refuse("constants are concatenated where they are vectors of one type only");
    f.budget.spend(f.node, part.count());
    append(result, part, 0, part.count());
  }
  result.dims = {result.count()};
  return share(std::move(result));
}

SharedConstant fold_gather(const Folding& f) {
  const Constant &data = f.at(0), &indices = f.at(1);
  if (data.dims.size() != 1 || indices.is_float())
    f.node.refuse("constants are gathered from vectors by integer indices only");
  Constant result{data.name, data.type, indices.dims, {}, {}};
  f.budget.spend(f.node, indices.count());
  for (std::int64_t index : indices.integers) {
    if (index < 0) index += data.count();
    if (index < 0 || index >= data.count()) f.node.refuse("an index lies outside of its data");
    append(result, data, index, 1);
  }
  return share(std::move(result));
}

/// One value of Slice's starts, ends or steps: attribute in opset 9, inputs later.
std::int64_t slice_value(const Folding& f, std::size_t input, const char* attribute, std::int64_t otherwise) {
  std::vector<std::int64_t> values;
  if (const Constant* constant = f.optional(input)) {
    values = constant->integers;
  } else if (f.node.has(attribute)) {
    values = f.node.integers(attribute, {});
  } else {
    return otherwise;
  }
  if (values.size() != 1) f.node.refuse("constants are sliced along one axis only");
  return values.front();
}

SharedConstant fold_slice(const Folding& f) {
  const Constant& data = f.at(0);
  const std::int64_t count = data.count();
  const bool plain = data.dims.size() == 1 && slice_value(f, 4, "steps", 1) == 1 &&
                     std::abs(std::clamp<std::int64_t>(slice_value(f, 3, "axes", 0), -2, 2)) < 2;
  if (!plain) f.node.refuse("constants are sliced where they are vectors, with step 1 only");
  const auto from_front = [&](std::int64_t index) {
    const std::int64_t bounded = std::clamp(index, -count - 1, count);
    return std::clamp<std::int64_t>(bounded < 0 ? bounded + count : bounded, 0, count);
  };
  const std::int64_t first = from_front(slice_value(f, 1, "starts", 0));
  const std::int64_t end = std::max(first, from_front(slice_value(f, 2, "ends", count)));
  f.budget.spend(f.node, end - first);
  Constant result{data.name, data.type, {end - first}, {}, {}};
  append(result, data, first, end - first);
  return share(std::move(result));
}

SharedConstant fold_constant_of_shape(const Folding& f) {
  const Dims dims = f.at(0).integers;
  if (f.at(0).is_float() || dims.size() > kHighestRank)
    f.node.refuse(fmt::format("its shape must be at most {} integers", kHighestRank));
  const std::int64_t count = element_count(dims);
  if (count < 0 || count > kLongestShape)
    f.node.refuse(fmt::format("it makes more than the {} elements that are supported", kLongestShape));
  f.budget.spend(f.node, count);
  Constant value;
  value.floats = {0};
  if (f.node.has("value")) value = f.node.tensor("value");
  if (value.count() != 1) f.node.refuse("its value is not a single number");
  Constant result{{}, value.type, dims, {}, {}};
  if (value.is_float()) {
    result.floats.assign(static_cast<std::size_t>(count), value.floats.front());
  } else {
    result.integers.assign(static_cast<std::size_t>(count), value.integers.front());
  }
  return share(std::move(result));
}

SharedConstant fold_transpose(const Folding& f) {
  const Constant& from = f.at(0);
  const std::size_t rank = from.dims.size();
  std::vector<std::int64_t> order(rank);
  std::iota(order.rbegin(), order.rend(), 0);
  order = f.node.integers("perm", order);
  std::vector<std::int64_t> sorted = order, counting(rank);
  std::sort(sorted.begin(), sorted.end());
  std::iota(counting.begin(), counting.end(), 0);
  if (sorted != counting) f.node.refuse("its perm is no permutation of its input's dimensions");
  f.budget.spend(f.node, from.count());
  Constant result{from.name, from.type, Dims(rank), {}, {}};
  std::vector<std::int64_t> strides(rank), moved(rank);
  std::int64_t stride = 1;
  for (std::size_t i = rank; i-- > 0; stride *= from.dims[i]) strides[i] = stride;
  for (std::size_t i = 0; i < rank; ++i) {
    result.dims[i] = from.dims[order[i]];
    moved[i] = strides[order[i]];
  }
  Dims position(rank, 0);
  for (std::int64_t i = 0; i < from.count(); ++i, advance(position, result.dims))
    append(result, from, std::inner_product(position.begin(), position.end(), moved.begin(), std::int64_t{0}),
           1);
  return share(std::move(result));
}

struct Entry {
  std::string_view op;
  Folder folder;
};
constexpr Entry kFolders[] = {
    {"Add", fold_add},
    {"BipolarQuant", fold_bipolar_quant},
    {"Cast", fold_cast},
    {"Concat", fold_concat},
    {"Constant", fold_constant},
    {"ConstantOfShape", fold_constant_of_shape},
    {"DequantizeLinear", fold_dequantize},
    {"Div", fold_div},
    {"Gather", fold_gather},
    {"Identity", fold_identity},
    {"Mul", fold_mul},
    {"Quant", fold_quant},
    {"QuantizeLinear", fold_quantize},
    {"Reshape", fold_reshape},
    {"Shape", fold_shape},
    {"Slice", fold_slice},
    {"Squeeze", fold_squeeze},
    {"Sub", fold_sub},
    {"Transpose", fold_transpose},
    {"Unsqueeze", fold_unsqueeze},
};

}  // namespace

void Budget::spend(const Node& node, std::int64_t elements) {
  if (elements > left_)
    node.refuse("weights are used so often that they would take far more memory than the file");
  left_ -= elements;
}

SharedConstant fold(const Node& node, const std::vector<SharedConstant>& inputs, Budget& budget) {
  const auto found = std::find_if(std::begin(kFolders), std::end(kFolders),
                                  [&](const Entry& entry) { return entry.op == node.op(); });
  return found == std::end(kFolders) ? nullptr : found->folder({node, inputs, budget});
}

}  // namespace bitloop::quant::importer
