#include "quant/onnx/import.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <map>

#include "host/base/atomic_file.h"
#include "host/base/error.h"
#include "quant/onnx/external.h"
#include "quant/onnx/file.h"
#include "quant/onnx/graph.h"
#include "quant/onnx/input.h"
#include "quant/onnx/operators.h"
#include "quant/onnx/refusals.h"
#include "quant/onnx/signal.h"

namespace bitloop::quant {
namespace {

using namespace importer;

constexpr int kMostNodes = 1 << 16;
constexpr int kMostInputs = 1000;  // and results, of a node or of all
constexpr int kFirstOpset = 7, kLastOpset = 22;

/// Domains of the QONNX operators, old and new.
constexpr std::string_view kQuantDomains[] = {"qonnx.custom_op.general", "finn.custom_op.general",
                                              "onnx.brevitas"};
constexpr std::string_view kQuantOperators[] = {"Quant", "BipolarQuant"};

bool contains(std::span<const std::string_view> names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

/// Reads the live nodes, each behind those that it reads.
class Importer {
 public:
  Importer(onnx::ModelProto& model, const std::filesystem::path& path, const ImportOptions& options)
      : model_(model),
        graph_(*model.mutable_graph()),
        options_(options),
        external_(path.parent_path()),
        budget_(static_cast<std::int64_t>(std::filesystem::file_size(path))) {}

  FloatNetwork run(const std::string& name) {
    check_model();
    live_ = live_graph(graph_, options_.outputs);
    const ImageInput image = add_input();
    add_initializers();
    for (const int index : live_.nodes) lower(index);
    if (refusals_.any()) throw InputError(refusals_.text(ends_));
    std::vector<int> outputs;
    bool softmax = false;
    for (const std::string& output : live_.results) {
      const Value& value = result(output);
      outputs.push_back(value.tensor);
      draft_.note_reader(value, /*result=*/true);
      softmax = softmax || value.softmax;
    }
    FloatNetwork network = draft_.finish(name, std::move(outputs), names_);
    network.softmax = softmax;
    read_metadata(network);
    set_normalization(network, image.bytes);
    return network;
  }

 private:
  void check_model() {
    opset_ = 0;
    for (const onnx::OperatorSetIdProto& set : model_.opset_import())
      if (set.domain().empty() || set.domain() == "ai.onnx")
        opset_ = std::clamp<std::int64_t>(set.version(), 0, 999);
    if (opset_ < kFirstOpset || opset_ > kLastOpset) {
      throw InputError(
          fmt::format("its operator set is version {}; supported are {} to {}: export it again with one of "
                      "them",
                      opset_, kFirstOpset, kLastOpset));
    }
    if (graph_.node_size() > kMostNodes)
      throw InputError(fmt::format("has {} nodes; at most {} are supported", graph_.node_size(), kMostNodes));
    if (graph_.output_size() < 1 && options_.outputs.empty())
      throw InputError("has no output; the network needs one");
    if (graph_.output_size() > kMostInputs)
      throw InputError(
          fmt::format("has {} outputs; at most {} are supported", graph_.output_size(), kMostInputs));
    if (graph_.sparse_initializer_size() > 0)
      throw InputError("has sparse weights; only dense ones are supported");
  }

  static void check_node(const Node& node) {
    const onnx::NodeProto& proto = node.proto();
    const bool quant = contains(kQuantOperators, proto.op_type());
    const bool domain = quant ? contains(kQuantDomains, proto.domain())
                              : proto.domain().empty() || proto.domain() == "ai.onnx";
    if (!domain || !is_supported(proto.op_type())) node.refuse(unknown_operator(node));
    if (proto.input_size() > kMostInputs || proto.output_size() > kMostInputs)
      node.refuse(fmt::format("at most {} inputs and results are supported", kMostInputs));
    if (proto.output_size() < 1 || proto.output(0).empty()) node.refuse("its first output has no name");
  }

  ImageInput add_input() {
    ImageInput image = image_input(graph_, live_, options_.image);
    Value value = image.view;
    value.tensor = draft_.add_image(names_.of_text(image.name), image.shape, live_.readers[image.name]);
    define(image.name, std::move(value));
    return image;
  }

  void add_initializers() {
    for (onnx::TensorProto& tensor : *graph_.mutable_initializer()) {
      if (!live_.readers.contains(tensor.name())) continue;
      external_.load(tensor);
      Value value;
      value.constant = std::make_shared<const Constant>(read_tensor(tensor));
      define(tensor.name(), std::move(value));
    }
    budget_.add_file(external_.bytes());
  }

  void define(const std::string& name, Value value) {
    if (!values_.emplace(name, std::move(value)).second)
      throw InputError(fmt::format("two nodes or tensors are named {}; names must differ", printable(name)));
  }

  /// What a node computes is defined, or refused together with all that follows from it.
  void lower(int index) {
    const Node current = node(index);
    std::vector<Value> inputs, results;
    bool refused = false;
    try {
      check_node(current);
      for (const std::string& name : current.proto().input())
        inputs.push_back(name.empty() ? Value{} : read(current, name));
      refused = std::ranges::any_of(inputs, &Value::refused);
      if (!refused) results = computed(current, inputs);
    } catch (const NodeRefusal& refusal) {
      refusals_.add(refusal);
      refused = true;
    }
    if (refused) {
      note_ends(current);
      results.assign(static_cast<std::size_t>(current.proto().output_size()), {});
      for (Value& result : results) result.refused = true;
    }
    for (std::size_t i = 0; i < results.size(); ++i) {
      const std::string& output = current.proto().output(static_cast<int>(i));
      if (!output.empty()) define(output, std::move(results[i]));
    }
  }

  /// What a node gives: its first result, or all where it has several.
  std::vector<Value> computed(const Node& current, std::vector<Value>& inputs) {
    std::vector<SharedConstant> constants;
    bool all_constant = true;
    for (const Value& input : inputs) {
      constants.push_back(input.constant);
      all_constant = all_constant && input.tensor < 0;
    }
    Value folded;
    if (all_constant) folded.constant = fold(current, constants, budget_);
    if (folded.constant != nullptr) return {folded};
    const Handler handler = handler_of(current.op());
    if (handler == nullptr || inputs.empty())
      current.refuse("it is supported for constants and computed shapes only");
    if (auto function = joined_function(lowering(current, inputs, 0))) return {*function};
    for (std::size_t i = 0; i < inputs.size(); ++i)
      if (!inputs[i].function.empty()) inputs[i] = settled(current.proto().input(static_cast<int>(i)));
    std::vector<Value> results;
    const int count = has_several_results(current.op()) ? current.proto().output_size() : 1;
    // The layer of each result reads the first input.
    if (count > 1 && inputs.front().tensor >= 0) draft_.pass_on(inputs.front().tensor, count);
    for (int i = 0; i < count; ++i) {
      const Lowering result = lowering(current, inputs, i);
      results.push_back(reads_signal(current, inputs) ? lower_on_signal(result, handler) : handler(result));
    }
    return results;
  }

  /// Layers' results that a refused node reads: the network could end there.
  void note_ends(const Node& refused) {
    for (const std::string& name : refused.proto().input()) {
      if (ends_.size() > Refusals::kMostEnds) return;
      const auto found = values_.find(name);
      const bool result = found != values_.end() && found->second.tensor >= 0 &&
                          !draft_.is_image(found->second.tensor) && !found->second.pads.any();
      const bool plain =
          std::ranges::all_of(name, [](unsigned char c) { return c > ' ' && c < 127 && c != ','; });
      if (result && plain && std::ranges::find(ends_, name) == ends_.end()) ends_.push_back(name);
    }
  }

  /// Of result `number` of a node.
  [[nodiscard]] Lowering lowering(const Node& node, const std::vector<Value>& inputs, int number) {
    return {node, inputs, draft_, names_, budget_, readers_of(node.proto().output(number)), number};
  }

  /// The value of a name, its function computed by a layer.
  const Value& settled(const std::string& name) {
    Value& value = values_.at(name);
    if (value.function.empty()) return value;
    const std::vector<Value> inputs{value};
    return value = append_function({*value.writer, inputs, draft_, names_, budget_, readers_of(name), 0});
  }

  [[nodiscard]] int readers_of(const std::string& name) const {
    const auto found = live_.readers.find(name);
    return found == live_.readers.end() ? 0 : found->second;
  }

  const Value& read(const Node& reader, const std::string& name) const {
    const auto found = values_.find(name);
    if (found == values_.end()) {
      reader.refuse(
          fmt::format("it reads {}, which is no first result of another node and nothing else of the file",
                      printable(name)));
    }
    return found->second;
  }

  const Value& result(const std::string& name) {
    const auto found = values_.find(name);
    if (found == values_.end() || found->second.tensor < 0 || found->second.pads.any())
      throw InputError(fmt::format("its output {} is not written by a layer", printable(name)));
    return settled(name);
  }

  /// The pixels' mean and deviation: the metadata's, else what bytes as input say, and what the file itself
  /// does then.
  static void set_normalization(FloatNetwork& network, bool bytes) {
    const auto channels =
        static_cast<std::size_t>(network.network.tensors.at(network.network.input).shape.channels);
    Normalization input{network.mean, network.deviation};
    if (input.empty() && !bytes) return;
    if (input.empty()) input = {std::vector(channels, 0.0F), std::vector(channels, 1.0F / 255)};
    const Normalization all = in_a_row(input, network.own);
    network.mean = all.mean;
    network.deviation = all.deviation;
  }

  void read_metadata(FloatNetwork& network) const {
    for (const onnx::StringStringEntryProto& entry : model_.metadata_props()) {
      if (entry.key() == "bitloop.mean") network.mean = channel_numbers(network, entry);
      if (entry.key() == "bitloop.deviation") network.deviation = channel_numbers(network, entry);
    }
    const bool positive =
        std::all_of(network.deviation.begin(), network.deviation.end(), [](float d) { return d > 0; });
    if (!positive || network.mean.empty() != network.deviation.empty())
      throw InputError(
          "its metadata must hold both bitloop.mean and bitloop.deviation, the latter above zero");
  }

  /// Numbers with commas between them, one per channel of the image.
  static std::vector<float> channel_numbers(const FloatNetwork& network,
                                            const onnx::StringStringEntryProto& entry) {
    const auto channels =
        static_cast<std::size_t>(network.network.tensors.at(network.network.input).shape.channels);
    std::vector<float> numbers;
    const char *next = entry.value().data(), *end = next + entry.value().size();
    bool good = true;
    while (good && next <= end) {
      float number = 0;
      const auto [rest, error] = std::from_chars(next, end, number);
      good = error == std::errc() && std::isfinite(number) && (rest == end || *rest == ',') &&
             numbers.size() < channels;
      numbers.push_back(number);
      next = rest + 1;
    }
    if (!good || numbers.size() != channels) {
      throw InputError(fmt::format("its metadata {} is '{}'; it must be {} numbers with commas between them",
                                   entry.key(), printable(entry.value()), channels));
    }
    return numbers;
  }

  [[nodiscard]] Node node(int index) const { return {*graph_.mutable_node(index), index, opset_}; }

  onnx::ModelProto& model_;
  onnx::GraphProto& graph_;
  const ImportOptions& options_;
  int opset_ = 0;
  LiveGraph live_;
  std::map<std::string, Value> values_;  // of a name
  Refusals refusals_;
  std::vector<std::string> ends_;  // names before nodes that are not supported
  Draft draft_;
  Names names_;
  ExternalData external_;
  Budget budget_;
};

}  // namespace

FloatNetwork import_onnx(const std::filesystem::path& path, const ImportOptions& options) {
  onnx::ModelProto model = read_model(path);
  try {
    return Importer(model, path, options).run(Names().of_text(path.stem().string()));
  } catch (const InputError& error) {
    throw InputError(fmt::format("{}: {}", path.string(), error.what()));
  }
}

void copy_onnx(const std::filesystem::path& from, const std::filesystem::path& to) {
  onnx::ModelProto model = read_model(from);
  ExternalData external(from.parent_path());
  try {
    for (onnx::TensorProto& tensor : *model.mutable_graph()->mutable_initializer()) external.load(tensor);
  } catch (const InputError& error) {
    throw InputError(fmt::format("{}: {}", from.string(), error.what()));
  }
  host::write_file_atomically(to, model.SerializeAsString());
}

}  // namespace bitloop::quant
