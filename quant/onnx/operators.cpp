#include "quant/onnx/operators.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <set>

#include "quant/onnx/view.h"

namespace bitloop::quant::importer {
namespace {

constexpr std::string_view kOfConstants = "of constants and computed shapes";
constexpr std::string_view kOfChannels = "of channels, each once; of constants and computed shapes";

/// Alphabetical. The limits stand in docs/networks.md: change them there too.
constexpr Operator kOperators[] = {
    {"Abs", lower_function, "behind any layer"},
    {"Add", lower_add,
     "two tensors, of which one may have one position, or one number per channel; of functions of one "
     "tensor"},
    {"ArgMax", lower_arg_max, "over the channels, at the end: dropped, it changes no prediction"},
    {"AveragePool", lower_average_pool, "no dilation"},
    {"BatchNormalization", lower_batch_normalization, "inference"},
    {"BipolarQuant", lower_quant, "of weights"},
    {"Cast", lower_cast, "to floats; of constants also to integers"},
    {"Celu", lower_function, "behind any layer"},
    {"Clip", lower_clip, "any"},
    {"Concat", lower_concat, "of channels"},
    {"Constant", nullptr, kOfConstants},
    {"ConstantOfShape", nullptr, kOfConstants},
    {"Conv", lower_conv, "any"},
    {"ConvTranspose", lower_conv_transpose, "dense; results of whole multiples of the strides"},
    {"DepthToSpace", lower_depth_to_space, "behind a convolution that nothing else reads"},
    {"DequantizeLinear", lower_dequantize, "any; of tensors one scale"},
    {"Div", lower_div, "by one number per channel; of functions of one tensor"},
    {"Dropout", lower_dropout, "inference"},
    {"Elu", lower_function, "behind any layer"},
    {"Erf", lower_function, "behind any layer"},
    {"Exp", lower_function, "behind any layer"},
    {"Flatten", lower_flatten, "any that keeps the batch"},
    {"Gather", lower_gather, kOfChannels},
    {"Gelu", lower_function, "behind any layer"},
    {"Gemm", lower_gemm, "of a vector with constant weights"},
    {"GlobalAveragePool", lower_global_average_pool, "any"},
    {"GlobalMaxPool", lower_global_max_pool, "any"},
    {"HardSigmoid", lower_function, "behind any layer"},
    {"HardSwish", lower_function, "behind any layer"},
    {"Identity", lower_identity, "any"},
    {"LeakyRelu", lower_leaky_relu, "slopes of 0 to 1, behind layers with weights"},
    {"Log", lower_function, "behind any layer"},
    {"LogSoftmax", lower_softmax, "at the end: dropped, it changes no prediction"},
    {"MatMul", lower_matmul, "of a vector with constant weights"},
    {"Max", lower_function, "two operands of one tensor, or one and a single number"},
    {"MaxPool", lower_max_pool, "any; no window in the padding only"},
    {"Min", lower_function, "two operands of one tensor, or one and a single number"},
    {"Mish", lower_function, "behind any layer"},
    {"Mul", lower_mul, "by one number per channel, constant or computed; of functions of one tensor"},
    {"Neg", lower_function, "behind any layer"},
    {"PRelu", lower_prelu, "slopes of 0 to 1, one for all or one per channel"},
    {"Pad", lower_pad, "zeros around rows and columns, before a convolution or pool"},
    {"Pow", lower_function, "two operands of one tensor, or one and a single number"},
    {"Quant", lower_quant, "any; of tensors one scale"},
    {"QuantizeLinear", lower_quantize, "to 8 bits; of tensors one scale"},
    {"ReduceMean", lower_reduce_mean, "over rows and columns"},
    {"Relu", lower_relu, "any"},
    {"Reshape", lower_reshape,
     "any that keeps the batch, before a linear layer or around a shuffle of channels"},
    {"Resize", lower_resize, "nearest, by whole factors"},
    {"Round", lower_function, "behind any layer"},
    {"Selu", lower_function, "behind any layer"},
    {"Shape", lower_shape, kOfConstants},
    {"Sigmoid", lower_function, "behind any layer"},
    {"Slice", lower_slice, kOfChannels},
    {"Softmax", lower_softmax, "at the end: dropped, it changes no prediction"},
    {"Softplus", lower_function, "behind any layer"},
    {"Softsign", lower_function, "behind any layer"},
    {"Split", lower_split, "of channels"},
    {"Sqrt", lower_function, "behind any layer"},
    {"Squeeze", lower_squeeze, "any that keeps the batch"},
    {"Sub", lower_sub,
     "two tensors, of which one may have one position, or one number per channel; of functions of one "
     "tensor"},
    {"Sum", lower_sum, "of tensors of one shape and of numbers per channel"},
    {"Tanh", lower_function, "behind any layer"},
    {"Transpose", lower_transpose,
     "between channels first and channels last, or of parts of the channels (a shuffle)"},
    {"Unsqueeze", lower_unsqueeze, "any that keeps the batch"},
    {"Upsample", lower_resize, "nearest, by whole factors"},
};

const Operator* find_operator(std::string_view op) {
  const auto found = std::ranges::find(kOperators, op, &Operator::name);
  return found == std::end(kOperators) ? nullptr : &*found;
}

}  // namespace

std::span<const Operator> operators() { return kOperators; }

bool is_supported(std::string_view op) { return find_operator(op) != nullptr; }

bool has_several_results(std::string_view op) { return op == "Split"; }

Handler handler_of(std::string_view op) {
  const Operator* found = find_operator(op);
  return found == nullptr ? nullptr : found->handler;
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
  if (value.order != AxisOrder{kChannels, kRows, kColumns})
    node.refuse(
        "it reads channels last, behind a Transpose that nothing undoes; supported is channels first");
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

Value Lowering::append_like(const Value& value, host::Layer layer, LayerParameters parameters) const {
  const host::Shape& shape = draft.shape(value.tensor);
  const Dims same{shape.channels, shape.height, shape.width};
  const std::vector<int> read = layer.inputs;
  Value result = value;
  result.tensor = draft.append(node, std::move(layer), same, readers, std::move(parameters));
  result.limits = result.narrow = {};
  note_reader(read);
  return result;
}

Value Lowering::append(host::Layer layer, const Dims& shape, LayerParameters parameters) const {
  return append(std::move(layer), shape, {inputs.front().dims.front(), shape[0], shape[1], shape[2]},
                std::move(parameters));
}

Value Lowering::append(host::Layer layer, const Dims& shape, Dims dims, LayerParameters parameters) const {
  const std::vector<int> read = layer.inputs;
  Value result;
  result.tensor = draft.append(node, std::move(layer), shape, readers, std::move(parameters));
  result.dims = std::move(dims);
  note_reader(read);
  return result;
}

void Lowering::note_reader(const std::vector<int>& tensors) const {
  for (const int tensor : std::set(tensors.begin(), tensors.end())) {
    const auto reads = [&](const Value& value) { return value.tensor == tensor; };
    for (const Value& value : inputs)
      if (reads(value)) draft.note_reader(value);
    if (std::ranges::none_of(inputs, reads)) draft.note_reader({.tensor = tensor});  // made by this node
  }
}

std::vector<float> Lowering::numbers(const Constant& constant) const {
  if (!constant.is_float()) node.refuse(fmt::format("its constant {} must hold floats", constant.name));
  if (!std::all_of(constant.floats.begin(), constant.floats.end(), [](float x) { return std::isfinite(x); }))
    node.refuse("its weights hold numbers that are not finite");
  return constant.floats;
}

}  // namespace bitloop::quant::importer
