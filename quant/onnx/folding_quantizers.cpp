#include "quant/onnx/folding_quantizers.h"

#include <cmath>
#include <functional>

#include "quant/onnx/integer_range.h"

namespace bitloop::quant::importer {
namespace {

/// A per-axis parameter of QuantizeLinear and DequantizeLinear as it broadcasts over `dims`.
Constant along_axis(const Folding& f, const Constant& parameter, const Dims& dims) {
  Constant result = parameter;
  if (parameter.count() == 1) {
    result.dims = {};
    return result;
  }
  const auto rank = static_cast<std::int64_t>(dims.size());
  std::int64_t axis = f.node.integer("axis", 1);
  if (axis < 0) axis += rank;
  if (axis < 0 || axis >= rank || parameter.dims.size() != 1 || parameter.count() != dims[axis])
    f.node.refuse("its scale and zero point must be one number, or one per element of its axis");
  result.dims.assign(static_cast<std::size_t>(rank - axis), 1);
  result.dims.front() = parameter.count();
  return result;
}

Constant as_floats(Constant constant) {
  if (constant.is_float()) return constant;
  constant.floats.assign(constant.integers.begin(), constant.integers.end());
  constant.integers.clear();
  constant.type = onnx::TensorProto::FLOAT;
  return constant;
}

/// Zero point as floats; zero where there is none.
Constant zero_point(const Folding& f, const Dims& dims) {
  if (f.optional(2) != nullptr) return along_axis(f, as_floats(f.at(2)), dims);
  Constant zero;
  zero.floats = {0};
  return zero;
}

SharedConstant multiples(const SharedConstant& values, const Constant& scale) {
  Constant result = *values;
  result.scale = share(scale);
  return share(std::move(result));
}

}  // namespace

SharedConstant fold_dequantize(const Folding& f) {
  const Constant& codes = f.at(0);
  if (codes.is_float() || !f.at(1).is_float())
    f.node.refuse("its input must be integers and its scale floats");
  const auto difference = elementwise(f, as_floats(codes), zero_point(f, codes.dims), std::minus<double>());
  const Constant scale = along_axis(f, f.at(1), codes.dims);
  return multiples(elementwise(f, *difference, scale, std::multiplies<double>()), scale);
}

SharedConstant fold_quantize(const Folding& f) {
  const Constant& values = f.at(0);
  if (!values.is_float() || !f.at(1).is_float()) f.node.refuse("its input and its scale must be floats");
  const IntegerRange range = quantize_range(f.node, f.optional(2));
  const auto ratio = elementwise(f, values, along_axis(f, f.at(1), values.dims),
                                 [](double x, double scale) { return std::nearbyint(x / scale); });
  const auto sums = elementwise(f, *ratio, zero_point(f, values.dims), [&](double x, double zero) {
    return std::clamp(std::isnan(x) ? 0.0 : x + zero, range.low, range.high);
  });
  Constant result{values.name,
                  f.optional(2) == nullptr ? int{onnx::TensorProto::UINT8} : f.at(2).type,
                  sums->dims,
                  {},
                  {}};
  for (const float sum : sums->floats) result.integers.push_back(static_cast<std::int64_t>(sum));
  return share(std::move(result));
}

/// (clamp(round(x / scale + zero point)) - zero point) * scale.
SharedConstant fold_quant(const Folding& f) {
  const Constant& values = f.at(0);
  const std::string mode = f.node.text("rounding_mode", "ROUND");
  if (mode != "ROUND" && mode != "FLOOR" && mode != "CEIL")
    f.node.refuse("supported rounding modes are ROUND, FLOOR and CEIL");
  for (int i = 0; i < 4; ++i)
    if (!f.at(i).is_float()) f.node.refuse("its four inputs must be floats");
  const IntegerRange range = quant_range(f.node, f.at(3));
  const auto ratio = elementwise(f, values, f.at(1), std::divides<double>());
  const auto codes = elementwise(f, *ratio, f.at(2), [&](double x, double zero) {
    const double sum = x + zero;
    const double rounded = mode == "FLOOR"  ? std::floor(sum)
                           : mode == "CEIL" ? std::ceil(sum)
                                            : std::nearbyint(sum);
    return std::clamp(rounded, range.low, range.high) - zero;
  });
  return multiples(elementwise(f, *codes, f.at(1), std::multiplies<double>()), f.at(1));
}

SharedConstant fold_bipolar_quant(const Folding& f) {
  if (!f.at(0).is_float() || !f.at(1).is_float()) f.node.refuse("its inputs must be floats");
  const auto signs = [](double x, double scale) { return x >= 0 ? scale : -scale; };
  return multiples(elementwise(f, f.at(0), f.at(1), signs), f.at(1));
}

}  // namespace bitloop::quant::importer
