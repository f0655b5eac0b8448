#include "quant/onnx/signal.h"

#include <algorithm>
#include <iterator>
#include <string_view>

#include "quant/onnx/view.h"

namespace bitloop::quant::importer {
namespace {

constexpr std::string_view kWithWeights[] = {"Conv", "ConvTranspose"};
constexpr std::string_view kPools[] = {"AveragePool", "MaxPool", "GlobalAveragePool", "GlobalMaxPool"};

bool is_one_of(std::span<const std::string_view> names, std::string_view op) {
  return std::ranges::find(names, op) != names.end();
}

/// Attributes of a window along one dimension, for two: `neutral` stands in the other, before or behind it.
void widen(onnx::NodeProto& node, std::string_view attribute, std::int64_t neutral, bool before) {
  for (onnx::AttributeProto& candidate : *node.mutable_attribute()) {
    if (candidate.name() != attribute) continue;
    const std::vector<std::int64_t> values(candidate.ints().begin(), candidate.ints().end());
    candidate.clear_ints();
    for (const std::int64_t value : values) {
      if (before) candidate.add_ints(neutral);
      candidate.add_ints(value);
      if (!before) candidate.add_ints(neutral);
    }
  }
}

}  // namespace

bool reads_signal(const Node& node, const std::vector<Value>& inputs) {
  return (is_one_of(kWithWeights, node.op()) || is_one_of(kPools, node.op())) && !inputs.empty() &&
         inputs.front().tensor >= 0 && inputs.front().dims.size() == 3;
}

Value lower_on_signal(const Lowering& l, Handler handler) {
  const Value& signal = l.tensor(0);
  const auto axes = shown_axes(signal, l.draft.shape(signal.tensor));
  const bool along_rows = axes && axes->back() == kRows;
  const std::ptrdiff_t place = along_rows ? 3 : 2;  // of the dimension of one element
  onnx::NodeProto twin = l.node.proto();
  twin.set_name(l.node.name());
  widen(twin, "pads", 0, !along_rows);
  for (const std::string_view attribute : {"kernel_shape", "strides", "dilations", "output_padding"})
    widen(twin, attribute, attribute == "output_padding" ? 0 : 1, !along_rows);
  std::vector<Value> inputs = l.inputs;
  inputs.front().dims.insert(inputs.front().dims.begin() + place, 1);
  if (is_one_of(kWithWeights, l.node.op())) {
    const Constant& weights = l.needed_constant(1);
    if (weights.dims.size() != 3) l.node.refuse("supported are weights of as many dimensions as its input");
    l.budget.spend(l.node, weights.count());
    Constant widened = weights;
    widened.dims.insert(widened.dims.begin() + place, 1);
    inputs[1].constant = std::make_shared<const Constant>(std::move(widened));
  }
  const Node node(twin, 0, l.node.opset());
  Lowering image{node, inputs, l.draft, l.names, l.budget};
  image.readers = l.readers;
  Value result = handler(image);
  result.dims.erase(result.dims.begin() + place);
  return result;
}

}  // namespace bitloop::quant::importer
