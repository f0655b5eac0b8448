#pragma once

#include <onnx/onnx_pb.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "host/base/error.h"
#include "quant/onnx/constant.h"

namespace bitloop::quant::importer {

/// Why one node is not supported. Names are printable.
class NodeRefusal : public InputError {
 public:
  NodeRefusal(std::string node, std::string op, std::string reason);
  [[nodiscard]] const std::string& node() const { return node_; }
  [[nodiscard]] const std::string& op() const { return op_; }
  [[nodiscard]] const std::string& reason() const { return reason_; }

 private:
  std::string node_, op_, reason_;
};

/// A node of the file as handlers see it: attributes with their defaults, and refusal by name. Points into
/// the file's model.
class Node {
 public:
  Node(onnx::NodeProto& proto, int index, int opset) : proto_(&proto), index_(index), opset_(opset) {}

  [[nodiscard]] const std::string& op() const { return proto_->op_type(); }
  /// As in the file; empty names become operator and position.
  [[nodiscard]] std::string name() const;
  [[nodiscard]] int opset() const { return opset_; }
  [[nodiscard]] const onnx::NodeProto& proto() const { return *proto_; }
  /// Whether the file names an input (optional ones may be left out).
  [[nodiscard]] bool has_input(int i) const { return i < proto_->input_size() && !proto_->input(i).empty(); }

  /// Each throws InputError where the attribute has another type.
  [[nodiscard]] bool has(std::string_view attribute) const { return find(attribute) != nullptr; }
  [[nodiscard]] std::int64_t integer(std::string_view attribute, std::int64_t otherwise) const;
  [[nodiscard]] float number(std::string_view attribute, float otherwise) const;
  [[nodiscard]] std::string text(std::string_view attribute, std::string_view otherwise) const;
  [[nodiscard]] std::vector<std::int64_t> integers(std::string_view attribute,
                                                   std::vector<std::int64_t> otherwise) const;
  [[nodiscard]] std::vector<float> numbers(std::string_view attribute) const;
  /// Takes the tensor out of the file's model.
  [[nodiscard]] Constant tensor(std::string_view attribute) const;

  /// Throws NodeRefusal. The file's name is added by the importer.
  [[noreturn]] void refuse(std::string_view reason) const;

 private:
  [[nodiscard]] onnx::AttributeProto* find(std::string_view attribute) const;
  [[nodiscard]] onnx::AttributeProto* find(std::string_view attribute,
                                           onnx::AttributeProto::AttributeType type) const;

  onnx::NodeProto* proto_;
  int index_;
  int opset_;
};

}  // namespace bitloop::quant::importer
