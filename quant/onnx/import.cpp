#include "quant/onnx/import.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <map>
#include <set>

#include "host/base/error.h"
#include "quant/onnx/file.h"
#include "quant/onnx/operators.h"

namespace bitloop::quant {
namespace {

using namespace importer;

constexpr int kMostNodes = 1 << 16;
constexpr int kMostInputs = 1000;  // of a node
constexpr int kFirstOpset = 7, kLastOpset = 17;
constexpr std::int64_t kLargestSide = 65535, kMostImageChannels = 1 << 20;

/// Domains of the QONNX operators, old and new.
constexpr std::string_view kQuantDomains[] = {"qonnx.custom_op.general", "finn.custom_op.general",
                                              "onnx.brevitas"};
constexpr std::string_view kQuantOperators[] = {"Quant", "BipolarQuant", "Trunc"};

bool contains(std::span<const std::string_view> names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

/// Reads the nodes in the file's order, which ONNX requires to be that of execution.
class Importer {
 public:
  Importer(onnx::ModelProto& model, std::int64_t file_bytes)
      : model_(model), graph_(*model.mutable_graph()), budget_(file_bytes) {}

  FloatNetwork run(const std::string& name) {
    check_model();
    find_live_nodes();
    add_input();
    add_initializers();
    for (const int index : live_) lower(index);
    std::vector<int> outputs;
    bool softmax = false;
    for (const onnx::ValueInfoProto& output : graph_.output()) {
      const Value& value = result(output.name());
      outputs.push_back(value.tensor);
      softmax = softmax || value.softmax;
    }
    FloatNetwork network = draft_.finish(name, std::move(outputs));
    network.softmax = softmax;
    read_metadata(network);
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
    if (graph_.output_size() < 1) throw InputError("has no output; the network needs one");
    if (graph_.sparse_initializer_size() > 0)
      throw InputError("has sparse weights; only dense ones are supported");
    for (int i = 0; i < graph_.node_size(); ++i) check_node(node(i));
  }

  void check_node(const Node& node) const {
    const onnx::NodeProto& proto = node.proto();
    const bool quant = contains(kQuantOperators, proto.op_type());
    const bool domain = quant ? contains(kQuantDomains, proto.domain())
                              : proto.domain().empty() || proto.domain() == "ai.onnx";
    if (!domain || !is_supported(proto.op_type())) {
      node.refuse(fmt::format("this operator{} is not supported; supported are {}",
                              proto.domain().empty() ? "" : " of domain " + printable(proto.domain()),
                              supported_operators()));
    }
    if (proto.input_size() > kMostInputs)
      node.refuse(fmt::format("at most {} inputs are supported", kMostInputs));
    if (proto.output_size() < 1) node.refuse("it has no output");
  }

  /// Nodes that the results depend on, and how many of them read each name. Shape reads no elements.
  void find_live_nodes() {
    std::set<std::string_view> wanted;
    for (const onnx::ValueInfoProto& output : graph_.output()) {
      wanted.insert(output.name());
      ++readers_[output.name()];
    }
    for (int i = graph_.node_size() - 1; i >= 0; --i) {
      const onnx::NodeProto& proto = graph_.node(i);
      if (std::none_of(proto.output().begin(), proto.output().end(),
                       [&](const std::string& output) { return wanted.contains(output); }))
        continue;
      live_.push_back(i);
      for (const std::string& input : proto.input()) {
        wanted.insert(input);
        readers_[input] += proto.op_type() == "Shape" ? 0 : 1;
      }
    }
    std::reverse(live_.begin(), live_.end());
  }

  void add_input() {
    std::set<std::string_view> initialized;
    for (const onnx::TensorProto& initializer : graph_.initializer()) initialized.insert(initializer.name());
    const onnx::ValueInfoProto* image = nullptr;
    for (const onnx::ValueInfoProto& input : graph_.input()) {
      if (initialized.contains(input.name())) continue;
      if (image != nullptr) {
        throw InputError(fmt::format("has the inputs {} and {}; supported is one, the image",
                                     printable(image->name()), printable(input.name())));
      }
      image = &input;
    }
    if (image == nullptr) throw InputError("has no input; supported is one, the image");
    Value value;
    value.dims = image_dims(*image);
    const host::Shape shape{static_cast<int>(value.dims[1]), static_cast<int>(value.dims[2]),
                            static_cast<int>(value.dims[3])};
    value.tensor = draft_.add_image(names_.of_text(image->name()), shape, readers_[image->name()]);
    values_.emplace(image->name(), std::move(value));
  }

  /// [batch, channels, height, width]; a batch that is not fixed counts as 1.
  static Dims image_dims(const onnx::ValueInfoProto& image) {
    const onnx::TypeProto::Tensor& type = image.type().tensor_type();
    const std::string name = printable(image.name());
    if (type.elem_type() != onnx::TensorProto::FLOAT || type.shape().dim_size() != 4) {
      throw InputError(
          fmt::format("its input {} has {} dimensions of type {}; supported is an image of floats, batch x "
                      "channels x height x width",
                      name, type.shape().dim_size(), type.elem_type()));
    }
    Dims dims;
    for (const auto& dim : type.shape().dim()) dims.push_back(dim.has_dim_value() ? dim.dim_value() : 0);
    if (dims[0] < 1 || dims[0] > kLargestSide) dims[0] = 1;
    constexpr std::string_view kAxes[] = {"batch", "channels", "height", "width"};
    for (std::size_t i = 1; i < dims.size(); ++i) {
      if (dims[i] < 1) {
        throw InputError(
            fmt::format("its input {} has a dynamic {}; all dimensions but the batch must be fixed: export "
                        "it for one image size",
                        name, kAxes[i]));
      }
      if (dims[i] > (i == 1 ? kMostImageChannels : kLargestSide))
        throw InputError(fmt::format("its input {} has {} of {}; at most {} are supported", name, kAxes[i],
                                     dims[i], i == 1 ? kMostImageChannels : kLargestSide));
    }
    return dims;
  }

  void add_initializers() {
    for (onnx::TensorProto& tensor : *graph_.mutable_initializer()) {
      if (!readers_.contains(tensor.name())) continue;
      Value value;
      value.constant = std::make_shared<const Constant>(read_tensor(tensor));
      define(tensor.name(), std::move(value));
    }
  }

  void define(const std::string& name, Value value) {
    if (!values_.emplace(name, std::move(value)).second)
      throw InputError(fmt::format("two nodes or tensors are named {}; names must differ", printable(name)));
  }

  void lower(int index) {
    const Node current = node(index);
    std::vector<Value> inputs;
    std::vector<SharedConstant> constants;
    bool all_constant = true;
    for (const std::string& name : current.proto().input()) {
      inputs.push_back(name.empty() ? Value{} : read(current, name));
      constants.push_back(inputs.back().constant);
      all_constant = all_constant && (name.empty() || constants.back() != nullptr);
    }
    const std::string& output = current.proto().output(0);
    Value result;
    if (all_constant) result.constant = fold(current, constants, budget_);
    if (result.constant == nullptr) {
      const Handler handler = handler_of(current.op());
      if (handler == nullptr || inputs.empty())
        current.refuse("it is supported for constants and computed shapes only");
      const auto readers = readers_.find(output);
      result = handler(
          {current, inputs, draft_, names_, budget_, readers == readers_.end() ? 0 : readers->second});
    }
    if (output.empty()) current.refuse("its first output has no name");
    define(output, std::move(result));
  }

  const Value& read(const Node& reader, const std::string& name) const {
    const auto found = values_.find(name);
    if (found == values_.end()) {
      reader.refuse(
          fmt::format("it reads {}, which nothing before it writes; nodes must be in the order of execution, "
                      "and only first results may be read",
                      printable(name)));
    }
    return found->second;
  }

  const Value& result(const std::string& name) const {
    const auto found = values_.find(name);
    if (found == values_.end() || found->second.tensor < 0 || found->second.pads.any())
      throw InputError(fmt::format("its output {} is not written by a layer", printable(name)));
    return found->second;
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
    std::vector<float> numbers;
    const char *next = entry.value().data(), *end = next + entry.value().size();
    bool good = true;
    while (good && next <= end) {
      float number = 0;
      const auto [rest, error] = std::from_chars(next, end, number);
      good = error == std::errc() && std::isfinite(number) && (rest == end || *rest == ',') &&
             numbers.size() < 100;
      numbers.push_back(number);
      next = rest + 1;
    }
    const int channels = network.network.tensors.at(network.network.input).shape.channels;
    if (!good || static_cast<int>(numbers.size()) != channels) {
      throw InputError(fmt::format("its metadata {} is '{}'; it must be {} numbers with commas between them",
                                   entry.key(), printable(entry.value()), channels));
    }
    return numbers;
  }

  [[nodiscard]] Node node(int index) const { return {*graph_.mutable_node(index), index, opset_}; }

  onnx::ModelProto& model_;
  onnx::GraphProto& graph_;
  int opset_ = 0;
  std::vector<int> live_;                // nodes, in order
  std::map<std::string, int> readers_;   // of a name
  std::map<std::string, Value> values_;  // of a name
  Draft draft_;
  Names names_;
  Budget budget_;
};

}  // namespace

FloatNetwork import_onnx(const std::filesystem::path& path) {
  onnx::ModelProto model = read_model(path);
  const auto file_bytes = static_cast<std::int64_t>(std::filesystem::file_size(path));
  try {
    return Importer(model, file_bytes).run(Names().of_text(path.stem().string()));
  } catch (const InputError& error) {
    throw InputError(fmt::format("{}: {}", path.string(), error.what()));
  }
}

}  // namespace bitloop::quant
