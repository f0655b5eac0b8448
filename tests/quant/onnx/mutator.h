#pragma once

#include <onnx/onnx_pb.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <random>
#include <string>

namespace bitloop::quant {

/// Changes one thing of a model that a parser lets through.
class Mutator {
 public:
  explicit Mutator(std::uint64_t seed) : random_(seed) {}

  void mutate(onnx::ModelProto& model) {
    onnx::GraphProto& graph = *model.mutable_graph();
    onnx::NodeProto& node = one_of(*graph.mutable_node());
    onnx::TensorProto& tensor = one_of(*graph.mutable_initializer());
    switch (below(16)) {
      case 0:
        return change_attribute(node);
      case 1:
        return change_dims(tensor);
      case 2:
        return node.set_op_type(one_of(*graph.mutable_node()).op_type());
      case 3:
        return rename(node, result(graph));
      case 4:
        return rename(node, tensor.name());
      case 5:
        return rename(node, "");
      case 6:
        return void(one_of(*node.mutable_output()) = result(graph));
      case 7:
        return one_of(*graph.mutable_output()).set_name(result(graph));
      case 8:
        return tensor.set_data_type(below(20));
      case 9:
        return tensor.set_name(one_of(*graph.mutable_initializer()).name());
      case 10:
        return node.Swap(&one_of(*graph.mutable_node()));
      case 11:
        return void(*graph.add_node() = onnx::NodeProto(node));
      case 12:
        return one_of(*model.mutable_opset_import()).set_version(below(25));
      case 13:
        return change_image(one_of(*graph.mutable_input()));
      case 14:
        return node.add_input(result(graph));
      default:
        return change_values(tensor);
    }
  }

 private:
  int below(int limit) { return static_cast<int>(random_() % static_cast<std::uint64_t>(limit)); }
  /// An element of a list, of which it gets one where it has none.
  template <typename List>
  typename List::value_type& one_of(List& list) {
    return list.empty() ? *list.Add() : *list.Mutable(below(list.size()));
  }
  std::string result(onnx::GraphProto& graph) {
    return one_of(*one_of(*graph.mutable_node()).mutable_output());
  }
  std::int64_t number() {
    constexpr std::array<std::int64_t, 18> kTricky{0,
                                                   1,
                                                   2,
                                                   3,
                                                   4,
                                                   8,
                                                   255,
                                                   256,
                                                   65535,
                                                   65536,
                                                   -1,
                                                   -2,
                                                   1LL << 31,
                                                   1LL << 32,
                                                   1LL << 40,
                                                   (1LL << 62) + 1,
                                                   std::numeric_limits<std::int64_t>::max(),
                                                   std::numeric_limits<std::int64_t>::min()};
    return kTricky[static_cast<std::size_t>(below(kTricky.size()))];
  }
  void change_attribute(onnx::NodeProto& node) {
    if (node.attribute_size() == 0) return;
    onnx::AttributeProto& attribute = one_of(*node.mutable_attribute());
    if (below(8) == 0) return attribute.set_type(static_cast<onnx::AttributeProto::AttributeType>(below(12)));
    attribute.set_i(number());
    attribute.set_f(below(2) == 0 ? std::numeric_limits<float>::quiet_NaN() : static_cast<float>(number()));
    if (below(2) == 0) attribute.set_s("");
    if (below(4) == 0) attribute.add_ints(number());
    if (attribute.ints_size() > 0) attribute.set_ints(below(attribute.ints_size()), number());
  }
  void change_dims(onnx::TensorProto& tensor) {
    if (below(4) == 0 || tensor.dims_size() == 0) return tensor.add_dims(number());
    if (below(4) == 0) return void(tensor.mutable_dims()->RemoveLast());
    tensor.set_dims(below(tensor.dims_size()), number());
    if (below(2) == 0) tensor.mutable_dims()->SwapElements(0, below(tensor.dims_size()));
  }
  void change_values(onnx::TensorProto& tensor) {
    std::string& raw = *tensor.mutable_raw_data();
    if (below(4) == 0) raw.clear();
    if (below(4) == 0) raw.append(64, '\x7f');
    for (int i = 0; i < 8 && !raw.empty(); ++i)
      raw[random_() % raw.size()] = static_cast<char>(below(2) == 0 ? random_() : 0xff);
  }
  void change_image(onnx::ValueInfoProto& image) {
    auto& shape = *image.mutable_type()->mutable_tensor_type()->mutable_shape();
    if (shape.dim_size() > 0) shape.mutable_dim(below(shape.dim_size()))->set_dim_value(number());
  }
  void rename(onnx::NodeProto& node, const std::string& name) {
    if (node.input_size() > 0) node.set_input(below(node.input_size()), name);
  }

  std::mt19937_64 random_;
};

}  // namespace bitloop::quant
