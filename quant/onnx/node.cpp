#include "quant/onnx/node.h"

#include <fmt/format.h>

#include "quant/onnx/file.h"

namespace bitloop::quant::importer {

std::string Node::name() const {
  return proto_->name().empty() ? fmt::format("{}.{}", proto_->op_type(), index_) : proto_->name();
}

onnx::AttributeProto* Node::find(std::string_view attribute) const {
  for (onnx::AttributeProto& candidate : *proto_->mutable_attribute())
    if (candidate.name() == attribute) return &candidate;
  return nullptr;
}

onnx::AttributeProto* Node::find(std::string_view attribute, onnx::AttributeProto::AttributeType type) const {
  onnx::AttributeProto* found = find(attribute);
  // Files of the first IR versions state no types.
  if (found != nullptr && found->type() != type && found->type() != onnx::AttributeProto::UNDEFINED)
    refuse(fmt::format("its attribute {} is of another type than ONNX states", attribute));
  return found;
}

std::int64_t Node::integer(std::string_view attribute, std::int64_t otherwise) const {
  const auto* found = find(attribute, onnx::AttributeProto::INT);
  return found == nullptr ? otherwise : found->i();
}

float Node::number(std::string_view attribute, float otherwise) const {
  const auto* found = find(attribute, onnx::AttributeProto::FLOAT);
  return found == nullptr ? otherwise : found->f();
}

std::string Node::text(std::string_view attribute, std::string_view otherwise) const {
  const auto* found = find(attribute, onnx::AttributeProto::STRING);
  return found == nullptr ? std::string(otherwise) : found->s();
}

std::vector<std::int64_t> Node::integers(std::string_view attribute,
                                         std::vector<std::int64_t> otherwise) const {
  const auto* found = find(attribute, onnx::AttributeProto::INTS);
  if (found == nullptr) return otherwise;
  return {found->ints().begin(), found->ints().end()};
}

std::vector<float> Node::numbers(std::string_view attribute) const {
  const auto* found = find(attribute, onnx::AttributeProto::FLOATS);
  if (found == nullptr) return {};
  return {found->floats().begin(), found->floats().end()};
}

Constant Node::tensor(std::string_view attribute) const {
  auto* found = find(attribute, onnx::AttributeProto::TENSOR);
  if (found == nullptr) refuse(fmt::format("its attribute {} is missing", attribute));
  try {
    return read_tensor(*found->mutable_t());
  } catch (const InputError& error) {
    refuse(error.what());
  }
}

void Node::refuse(std::string_view reason) const {
  throw NodeRefusal(printable(name()), printable(op()), std::string(reason));
}

NodeRefusal::NodeRefusal(std::string node, std::string op, std::string reason)
    : InputError(fmt::format("node {} ({}): {}", node, op, reason)),
      node_(std::move(node)),
      op_(std::move(op)),
      reason_(std::move(reason)) {}

}  // namespace bitloop::quant::importer
