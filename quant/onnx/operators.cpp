#include "quant/onnx/operators.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <iterator>

namespace bitloop::quant::importer {
namespace {

struct Operator {
  std::string_view name;
  Handler handler;  ///< null: its inputs must be constants
};
constexpr Operator kOperators[] = {
    {"Add", lower_add},
    {"AveragePool", lower_average_pool},
    {"BatchNormalization", lower_batch_normalization},
    {"BipolarQuant", lower_quant},
    {"Cast", nullptr},
    {"Clip", lower_clip},
    {"Concat", lower_concat},
    {"Constant", nullptr},
    {"ConstantOfShape", nullptr},
    {"Conv", lower_conv},
    {"DequantizeLinear", lower_dequantize},
    {"Div", lower_div},
    {"Dropout", lower_dropout},
    {"Flatten", lower_flatten},
    {"Gather", nullptr},
    {"Gemm", lower_gemm},
    {"GlobalAveragePool", lower_global_average_pool},
    {"Identity", lower_identity},
    {"LeakyRelu", lower_leaky_relu},
    {"LogSoftmax", lower_softmax},
    {"MatMul", lower_matmul},
    {"MaxPool", lower_max_pool},
    {"Mul", lower_mul},
    {"Pad", lower_pad},
    {"Quant", lower_quant},
    {"QuantizeLinear", lower_quantize},
    {"ReduceMean", lower_reduce_mean},
    {"Relu", lower_relu},
    {"Reshape", lower_reshape},
    {"Resize", lower_resize},
    {"Shape", lower_shape},
    {"Slice", nullptr},
    {"Softmax", lower_softmax},
    {"Squeeze", lower_squeeze},
    {"Sub", lower_sub},
    {"Transpose", lower_transpose},
    {"Trunc", lower_quant},
    {"Unsqueeze", lower_unsqueeze},
    {"Upsample", lower_resize},
};

}  // namespace

bool is_supported(std::string_view op) {
  return std::any_of(std::begin(kOperators), std::end(kOperators),
                     [&](const Operator& o) { return o.name == op; });
}

Handler handler_of(std::string_view op) {
  const auto found = std::find_if(std::begin(kOperators), std::end(kOperators),
                                  [&](const Operator& candidate) { return candidate.name == op; });
  return found == std::end(kOperators) ? nullptr : found->handler;
}

std::string supported_operators() {
  std::vector<std::string_view> names;
  for (const Operator& supported : kOperators) names.push_back(supported.name);
  return fmt::format("{}", fmt::join(names, ", "));
}

const Value& Lowering::padded_tensor(std::size_t i) const {
  if (i >= inputs.size() || (inputs[i].tensor < 0 && inputs[i].constant == nullptr))
    node.refuse(fmt::format("input {} is missing", i));
  const Value& value = inputs[i];
  if (value.constant != nullptr)
    node.refuse(fmt::format("input {} is a constant; supported is a tensor that depends on the image", i));
  if (value.softmax) node.refuse("it reads a softmax; one is supported at the end of the network only");
  return value;
}

const Value& Lowering::tensor(std::size_t i) const {
  const Value& value = padded_tensor(i);
  if (value.pads.any())
    node.refuse("it reads the result of a Pad; supported readers are Conv, MaxPool and AveragePool");
  return value;
}

const Value& Lowering::image_like(const Value& value) const {
  const host::Shape& shape = draft.shape(value.tensor);
  const Pads& pads = value.pads;
  const bool fits = value.dims.size() == 4 && value.dims[1] == shape.channels &&
                    value.dims[2] == shape.height + pads.top + pads.bottom &&
                    value.dims[3] == shape.width + pads.left + pads.right;
  if (!fits) {
    node.refuse(fmt::format(
        "its input was reshaped to {} from {}x{}x{}; that is supported before Gemm and MatMul only",
        fmt::join(value.dims, "x"), shape.channels, shape.height, shape.width));
  }
  return value;
}

const Constant* Lowering::constant(std::size_t i) const {
  if (i >= inputs.size()) return nullptr;
  if (inputs[i].tensor >= 0)
    node.refuse(fmt::format("input {} depends on the image; it must be a constant", i));
  return inputs[i].constant.get();
}

const Constant& Lowering::needed_constant(std::size_t i) const {
  const Constant* found = constant(i);
  if (found == nullptr) node.refuse(fmt::format("input {} is missing", i));
  return *found;
}

Value Lowering::pass(Value value) const {
  draft.pass_on(value.tensor, readers);
  return value;
}

Value Lowering::pass(Value value, Dims dims) const {
  value.dims = std::move(dims);
  return pass(std::move(value));
}

Value Lowering::append(host::Layer layer, const Dims& shape, LayerParameters parameters) const {
  return append(std::move(layer), shape, {inputs.front().dims.front(), shape[0], shape[1], shape[2]},
                std::move(parameters));
}

Value Lowering::append(host::Layer layer, const Dims& shape, Dims dims, LayerParameters parameters) const {
  Value result;
  result.tensor = draft.append(node, std::move(layer), shape, readers, std::move(parameters));
  result.dims = std::move(dims);
  return result;
}

std::vector<float> Lowering::numbers(const Constant& constant) const {
  if (!constant.is_float()) node.refuse(fmt::format("its constant {} must hold floats", constant.name));
  if (!std::all_of(constant.floats.begin(), constant.floats.end(), [](float x) { return std::isfinite(x); }))
    node.refuse("its weights hold numbers that are not finite");
  return constant.floats;
}

}  // namespace bitloop::quant::importer
