#include "quant/onnx/graph_writer.h"

namespace bitloop::quant {
namespace {

constexpr int kIrVersion = 7;
constexpr int kOpset = 13;
constexpr const char* kQuantDomain = "qonnx.custom_op.general";

void describe(onnx::ValueInfoProto& info, const std::string& name, const std::vector<std::int64_t>& dims) {
  info.set_name(name);
  auto& type = *info.mutable_type()->mutable_tensor_type();
  type.set_elem_type(onnx::TensorProto::FLOAT);
  for (const std::int64_t dim : dims) type.mutable_shape()->add_dim()->set_dim_value(dim);
}

onnx::AttributeProto& attribute(onnx::NodeProto& node, const std::string& name,
                                onnx::AttributeProto::AttributeType type) {
  onnx::AttributeProto& added = *node.add_attribute();
  added.set_name(name);
  added.set_type(type);
  return added;
}

void set_integer(onnx::NodeProto& node, const std::string& name, std::int64_t value) {
  attribute(node, name, onnx::AttributeProto::INT).set_i(value);
}
void set_text(onnx::NodeProto& node, const std::string& name, const std::string& value) {
  attribute(node, name, onnx::AttributeProto::STRING).set_s(value);
}

}  // namespace

GraphWriter::GraphWriter(const std::string& name) {
  model_.set_ir_version(kIrVersion);
  model_.set_producer_name("bitloop");
  model_.mutable_graph()->set_name(name);
  model_.add_opset_import()->set_version(kOpset);
  auto& quant = *model_.add_opset_import();
  quant.set_domain(kQuantDomain);
  quant.set_version(1);
}

std::string GraphWriter::input(const std::string& name, const std::vector<std::int64_t>& dims) {
  describe(*model_.mutable_graph()->add_input(), name, dims);
  return name;
}

void GraphWriter::output(const std::string& name, const std::vector<std::int64_t>& dims) {
  describe(*model_.mutable_graph()->add_output(), name, dims);
}

std::string GraphWriter::floats(const std::string& name, const std::vector<std::int64_t>& dims,
                                std::span<const float> values) {
  onnx::TensorProto& tensor = *model_.mutable_graph()->add_initializer();
  tensor.set_name(name);
  tensor.set_data_type(onnx::TensorProto::FLOAT);
  for (const std::int64_t dim : dims) tensor.add_dims(dim);
  tensor.set_raw_data(values.data(), values.size_bytes());
  return name;
}

std::string GraphWriter::integers(const std::string& name, const std::vector<std::int64_t>& values) {
  onnx::TensorProto& tensor = *model_.mutable_graph()->add_initializer();
  tensor.set_name(name);
  tensor.set_data_type(onnx::TensorProto::INT64);
  tensor.add_dims(static_cast<std::int64_t>(values.size()));
  for (const std::int64_t value : values) tensor.add_int64_data(value);
  return name;
}

std::string GraphWriter::scalar(const std::string& name, double value) {
  const auto number = static_cast<float>(value);
  return floats(name, {}, std::span(&number, 1));
}

onnx::NodeProto& GraphWriter::add_node(const std::string& op, const std::string& name,
                                       const std::vector<std::string>& inputs) {
  onnx::NodeProto& node = *model_.mutable_graph()->add_node();
  node.set_op_type(op);
  node.set_name(name);
  for (const std::string& input : inputs) node.add_input(input);
  node.add_output(name);
  return node;
}

std::string GraphWriter::node(const std::string& op, const std::string& name,
                              const std::vector<std::string>& inputs, const Attributes& attributes) {
  onnx::NodeProto& node = add_node(op, name, inputs);
  for (const Integer& integer : attributes.integers) set_integer(node, integer.name, integer.value);
  for (const Integers& list : attributes.lists) {
    onnx::AttributeProto& values = attribute(node, list.name, onnx::AttributeProto::INTS);
    for (const std::int64_t value : list.values) values.add_ints(value);
  }
  for (const Number& number : attributes.numbers)
    attribute(node, number.name, onnx::AttributeProto::FLOAT).set_f(static_cast<float>(number.value));
  return name;
}

std::string GraphWriter::pad(const std::string& name, const std::string& input, const host::Padding& pad) {
  add_node("Pad", name,
           {input, integers(name + "/pads", {0, 0, pad.top, pad.left, 0, 0, pad.bottom, pad.right})});
  return name;
}

std::string GraphWriter::upsample(const std::string& name, const std::string& input,
                                  const host::Steps& factor) {
  const float scales[] = {1, 1, static_cast<float>(factor.y), static_cast<float>(factor.x)};
  onnx::NodeProto& node = add_node("Resize", name, {input, "", floats(name + "/scales", {4}, scales)});
  set_text(node, "mode", "nearest");
  set_text(node, "coordinate_transformation_mode", "asymmetric");
  set_text(node, "nearest_mode", "floor");
  return name;
}

std::string GraphWriter::gather(const std::string& name, const std::string& input,
                                std::span<const int> channels) {
  set_integer(
      add_node("Gather", name, {input, integers(name + "/channels", {channels.begin(), channels.end()})}),
      "axis", 1);
  return name;
}

std::string GraphWriter::quant(const std::string& name, const std::string& input, const std::string& scale,
                               const std::string& zero, int bits, bool is_signed, bool narrow) {
  onnx::NodeProto& node = add_node("Quant", name, {input, scale, zero, scalar(name + "/bits", bits)});
  node.set_domain(kQuantDomain);
  set_integer(node, "signed", is_signed ? 1 : 0);
  set_integer(node, "narrow", narrow ? 1 : 0);
  set_text(node, "rounding_mode", "ROUND");
  return name;
}

std::string GraphWriter::bipolar_quant(const std::string& name, const std::string& input,
                                       const std::string& scale) {
  add_node("BipolarQuant", name, {input, scale}).set_domain(kQuantDomain);
  return name;
}

void GraphWriter::metadata(const std::string& key, const std::string& value) {
  onnx::StringStringEntryProto& entry = *model_.add_metadata_props();
  entry.set_key(key);
  entry.set_value(value);
}

}  // namespace bitloop::quant
