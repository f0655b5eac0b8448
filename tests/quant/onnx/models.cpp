#include "tests/quant/onnx/models.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <functional>
#include <opencv2/dnn.hpp>
#include <random>

namespace bitloop::quant {

OnnxModel::OnnxModel(int opset) {
  proto_.set_ir_version(7);
  proto_.add_opset_import()->set_version(opset);
  auto* quant = proto_.add_opset_import();
  quant->set_domain("qonnx.custom_op.general");
  quant->set_version(1);
  proto_.mutable_graph()->set_name("test");
}

OnnxModel& OnnxModel::input(const std::string& name, const Sizes& sizes) {
  onnx::ValueInfoProto& info = *proto_.mutable_graph()->add_input();
  info.set_name(name);
  auto& type = *info.mutable_type()->mutable_tensor_type();
  type.set_elem_type(onnx::TensorProto::FLOAT);
  for (const std::int64_t size : sizes) {
    auto& dim = *type.mutable_shape()->add_dim();
    if (size < 0) {
      dim.set_dim_param("N");
    } else {
      dim.set_dim_value(size);
    }
  }
  return *this;
}

OnnxModel& OnnxModel::output(const std::string& name) {
  onnx::ValueInfoProto& info = *proto_.mutable_graph()->add_output();
  info.set_name(name);
  auto& type = *info.mutable_type()->mutable_tensor_type();
  type.set_elem_type(onnx::TensorProto::FLOAT);
  type.mutable_shape()->add_dim()->set_dim_param("N");  // OpenCV wants a shape, whichever
  return *this;
}

onnx::TensorProto& OnnxModel::tensor(const std::string& name, const Sizes& sizes, int type) {
  onnx::TensorProto& tensor = *proto_.mutable_graph()->add_initializer();
  tensor.set_name(name);
  tensor.set_data_type(type);
  for (const std::int64_t size : sizes) tensor.add_dims(size);
  return tensor;
}

OnnxModel& OnnxModel::floats(const std::string& name, const Sizes& sizes, const std::vector<float>& values) {
  tensor(name, sizes, onnx::TensorProto::FLOAT).set_raw_data(values.data(), values.size() * sizeof(float));
  return *this;
}

OnnxModel& OnnxModel::weights(const std::string& name, const Sizes& sizes) {
  std::int64_t count = 1;
  for (const std::int64_t size : sizes) count *= size;
  return floats(name, sizes, random_floats(static_cast<std::size_t>(count), std::hash<std::string>()(name)));
}

OnnxModel& OnnxModel::positive(const std::string& name, const Sizes& sizes) {
  std::int64_t count = 1;
  for (const std::int64_t size : sizes) count *= size;
  return floats(name, sizes,
                random_floats(static_cast<std::size_t>(count), std::hash<std::string>()(name), 0.5F, 1.5F));
}

OnnxModel& OnnxModel::integers(const std::string& name, const std::vector<std::int64_t>& values) {
  tensor(name, {static_cast<std::int64_t>(values.size())}, onnx::TensorProto::INT64)
      .set_raw_data(values.data(), values.size() * sizeof(std::int64_t));
  return *this;
}

OnnxModel& OnnxModel::bytes(const std::string& name, const Sizes& sizes, const std::string& raw, int type) {
  tensor(name, sizes, type).set_raw_data(raw);
  return *this;
}

OnnxModel& OnnxModel::node(const std::string& op, const std::vector<std::string>& inputs,
                           const std::string& output, const std::vector<Named>& attributes) {
  onnx::NodeProto& node = *proto_.mutable_graph()->add_node();
  node.set_op_type(op);
  node.set_name("/" + output + "/" + op);
  if (op == "Quant" || op == "BipolarQuant" || op == "Trunc") node.set_domain("qonnx.custom_op.general");
  for (const std::string& name : inputs) node.add_input(name);
  node.add_output(output);
  for (const Named& named : attributes) {
    onnx::AttributeProto& attribute = *node.add_attribute();
    attribute.set_name(named.name);
    if (const auto* i = std::get_if<std::int64_t>(&named.value)) {
      attribute.set_type(onnx::AttributeProto::INT);
      attribute.set_i(*i);
    } else if (const auto* f = std::get_if<float>(&named.value)) {
      attribute.set_type(onnx::AttributeProto::FLOAT);
      attribute.set_f(*f);
    } else if (const auto* s = std::get_if<std::string>(&named.value)) {
      attribute.set_type(onnx::AttributeProto::STRING);
      attribute.set_s(*s);
    } else if (const auto* ints = std::get_if<Sizes>(&named.value)) {
      attribute.set_type(onnx::AttributeProto::INTS);
      for (const std::int64_t value : *ints) attribute.add_ints(value);
    } else {
      attribute.set_type(onnx::AttributeProto::FLOATS);
      for (const float value : std::get<std::vector<float>>(named.value)) attribute.add_floats(value);
    }
  }
  return *this;
}

void OnnxModel::save(const std::filesystem::path& path) const {
  std::ofstream(path, std::ios::binary) << serialized();
}

std::vector<float> random_floats(std::size_t count, std::uint64_t seed, float low, float high) {
  std::mt19937_64 generator(seed);
  std::vector<float> values(count);
  for (float& value : values)
    value = low + (high - low) * static_cast<float>(generator() >> 40) / static_cast<float>(1 << 24);
  return values;
}

std::vector<float> read_floats(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(float));
  return values;
}

namespace {

/// ONNX lets the weights say it; OpenCV wants it said.
void state_kernel_shapes(onnx::GraphProto& graph) {
  for (onnx::NodeProto& node : *graph.mutable_node()) {
    const auto is_weight = [&](const onnx::TensorProto& tensor) { return tensor.name() == node.input(1); };
    if (node.op_type() != "Conv") continue;
    const auto weight = std::find_if(graph.initializer().begin(), graph.initializer().end(), is_weight);
    onnx::AttributeProto& shape = *node.add_attribute();
    shape.set_name("kernel_shape");
    shape.set_type(onnx::AttributeProto::INTS);
    for (int i = 2; i < 4; ++i) shape.add_ints(weight->dims(i));
  }
}

}  // namespace

std::vector<float> run_opencv(OnnxModel model, const Sizes& input_sizes, const std::vector<float>& images) {
  state_kernel_shapes(*model.proto().mutable_graph());
  const std::string serialized = model.serialized();
  cv::dnn::Net net = cv::dnn::readNetFromONNX(serialized.data(), serialized.size());
  const std::vector<int> sizes(input_sizes.begin(), input_sizes.end());
  cv::Mat input(sizes, CV_32F);
  std::copy(images.begin(), images.end(), input.ptr<float>());
  net.setInput(input);
  const cv::Mat output = net.forward().clone();
  return {output.ptr<float>(), output.ptr<float>() + output.total()};
}

double relative_error(const std::vector<float>& values, const std::vector<float>& expected) {
  if (values.size() != expected.size() || expected.empty()) return 1e30;
  double difference = 0, largest = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (!std::isfinite(values[i])) return 1e30;
    difference = std::max<double>(difference, std::fabs(values[i] - expected[i]));
    largest = std::max<double>(largest, std::fabs(expected[i]));
  }
  return difference / largest;
}

}  // namespace bitloop::quant
