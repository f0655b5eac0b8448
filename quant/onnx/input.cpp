#include "quant/onnx/input.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string_view>

#include "host/base/error.h"
#include "quant/onnx/file.h"
#include "quant/onnx/view.h"

namespace bitloop::quant::importer {
namespace {

constexpr std::int64_t kLargestInputSide = 65535, kMostInputChannels = 1 << 20;

const onnx::ValueInfoProto& only_input(const onnx::GraphProto& graph) {
  std::set<std::string_view> initialized;
  for (const onnx::TensorProto& initializer : graph.initializer()) initialized.insert(initializer.name());
  const onnx::ValueInfoProto* image = nullptr;
  for (const onnx::ValueInfoProto& input : graph.input()) {
    if (initialized.contains(input.name())) continue;
    if (image != nullptr)
      throw InputError(fmt::format("has the inputs {} and {}; supported is one, the image",
                                   printable(image->name()), printable(input.name())));
    image = &input;
  }
  if (image == nullptr) throw InputError("has no input; supported is one, the image");
  return *image;
}

/// The first node on the way from the input that is no operation on single elements; null where there is
/// none.
const onnx::NodeProto* first_reader(const onnx::GraphProto& graph, const LiveGraph& live,
                                    const std::string& input) {
  constexpr std::string_view kElementwise[] = {"Add",      "Cast", "Clip",  "DequantizeLinear", "Div",
                                               "Identity", "Mul",  "Quant", "QuantizeLinear",   "Sub"};
  std::set<std::string_view> same{input};
  for (const int index : live.nodes) {
    const onnx::NodeProto& node = graph.node(index);
    if (std::ranges::none_of(node.input(), [&](const std::string& name) { return same.contains(name); }))
      continue;
    if (node.op_type() == "Shape" || node.output().empty()) continue;
    if (std::ranges::find(kElementwise, node.op_type()) == std::end(kElementwise)) return &node;
    same.insert(node.output(0));
  }
  return nullptr;
}

/// Which axis each dimension behind the batch is: by their number, and by who reads them.
std::vector<int> axes_of_input(int rank, const onnx::NodeProto* reader, const Dims& dims) {
  const std::string op = reader == nullptr ? "" : reader->op_type();
  const bool flattened = op == "Flatten" || op == "Reshape" || op == "MatMul" || op == "Gemm";
  if (rank == 2) return {kChannels};
  if (rank == 3) {
    if (op == "Transpose") return {kColumns, kChannels};
    return flattened || op == "Unsqueeze" ? std::vector<int>{kRows, kColumns}
                                          : std::vector<int>{kChannels, kColumns};
  }
  const auto moves_channels_first = [&] {
    for (const onnx::AttributeProto& attribute : reader->attribute())
      if (attribute.name() == "perm") return attribute.ints_size() == 4 && attribute.ints(1) == 3;
    return false;
  };
  // Linear layers read images either way; no picture has more than four channels, or so few rows.
  const bool few_last = dims[3] >= 1 && dims[3] <= 4 && dims[1] > 4;
  if ((op == "Transpose" && moves_channels_first()) || (flattened && few_last))
    return {kRows, kColumns, kChannels};
  return {kChannels, kRows, kColumns};
}

}  // namespace

ImageInput image_input(const onnx::GraphProto& graph, const LiveGraph& live,
                       const std::optional<host::Shape>& given) {
  using onnx::TensorProto;
  const onnx::ValueInfoProto& declared = only_input(graph);
  const onnx::TypeProto::Tensor& type = declared.type().tensor_type();
  const std::string name = printable(declared.name());
  const int rank = type.shape().dim_size();
  ImageInput input;
  input.name = declared.name();
  input.bytes = type.elem_type() == TensorProto::UINT8;
  if ((!input.bytes && !is_float_type(type.elem_type())) || rank < 2 || rank > 4) {
    throw InputError(fmt::format(
        "its input {} has {} dimensions of type {}; supported are floats or bytes (uint8), batch x "
        "channels x height x width, batch x channels x length, or batch x numbers",
        name, rank, type.elem_type()));
  }
  Dims& dims = input.view.dims;
  for (const auto& dim : type.shape().dim()) dims.push_back(dim.has_dim_value() ? dim.dim_value() : 0);
  if (dims[0] < 1 || dims[0] > kLargestInputSide) dims[0] = 1;
  const std::vector<int> axes = axes_of_input(rank, first_reader(graph, live, input.name), dims);
  std::array<std::int64_t, 3> sizes{1, 1, 1};
  constexpr std::string_view kAxes[] = {"number of channels", "height", "width"};
  for (std::size_t i = 0; i < axes.size(); ++i) {
    std::int64_t& size = dims[i + 1];
    const int axis = axes[i];
    if (size < 1 && given)
      size = std::array{given->channels, given->height, given->width}[static_cast<std::size_t>(axis)];
    if (size < 1)
      throw InputError(
          fmt::format("its input {} has a free {}: say it with --input CxHxW, or export it for one "
                      "size",
                      name, kAxes[axis]));
    const std::int64_t most = axis == kChannels ? kMostInputChannels : kLargestInputSide;
    if (size > most)
      throw InputError(fmt::format("its input {} has a {} of {}; at most {} are supported", name, kAxes[axis],
                                   size, most));
    sizes[static_cast<std::size_t>(axis)] = size;
  }
  input.shape = {static_cast<int>(sizes[0]), static_cast<int>(sizes[1]), static_cast<int>(sizes[2])};
  input.view.order = order_of(axes, input.shape);
  return input;
}

}  // namespace bitloop::quant::importer
