#include <fmt/format.h>
#include <openssl/evp.h>

#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "host/base/atomic_file.h"
#include "quant/model/quantized_model.h"

namespace bitloop::quant {
namespace {

using host::LayerKind;
using nlohmann::ordered_json;

constexpr int kVersion = 1;

const char* name_of(LayerKind kind) {
  switch (kind) {
    case LayerKind::conv:
      return "conv";
    case LayerKind::depthwise:
      return "depthwise";
    case LayerKind::linear:
      return "linear";
    case LayerKind::add:
      return "add";
    case LayerKind::max_pool:
      return "max_pool";
    case LayerKind::average_pool:
      return "average_pool";
    case LayerKind::concat:
      return "concat";
    case LayerKind::interleave:
      return "interleave";
    case LayerKind::select:
      return "select";
    case LayerKind::function:
      return "function";
    case LayerKind::product:
      return "product";
    default:
      return "upsample";
  }
}

const char* name_of(host::Activation activation) {
  switch (activation) {
    case host::Activation::relu:
      return "relu";
    case host::Activation::relu6:
      return "relu6";
    case host::Activation::leaky_relu:
      return "leaky_relu";
    default:
      return "none";
  }
}

std::string base64(std::span<const std::uint8_t> bytes) {
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');  // OpenSSL ends with a zero
  const int length = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), bytes.data(),
                                     static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(length));
  return text;
}

/// A column per field of the formula.
void put_sets(ordered_json& json, std::span<const host::Requantization> sets) {
  ordered_json multipliers = ordered_json::array(), shifts = multipliers, biases = multipliers;
  for (const host::Requantization& r : sets) {
    multipliers.push_back(r.multiplier);
    shifts.push_back(r.shift);
    biases.push_back(r.bias);
  }
  json["multipliers"] = multipliers;
  json["shifts"] = shifts;
  json["biases"] = biases;
}

void put_range(ordered_json& json, const host::OutputRange& range) {
  json["zero"] = range.zero;
  json["low"] = range.low;
  json["high"] = range.high;
}

/// One number for both directions, or [rows, columns].
ordered_json both(const host::Steps& steps) {
  return steps.y == steps.x ? ordered_json(steps.y) : ordered_json{steps.y, steps.x};
}

/// [before, after] both directions, or [top, left, bottom, right].
ordered_json sides(const host::Padding& pad) {
  if (pad == host::Padding(pad.top, pad.top, pad.bottom, pad.bottom)) return {pad.top, pad.bottom};
  return {pad.top, pad.left, pad.bottom, pad.right};
}

class Guide {
 public:
  explicit Guide(const QuantizedModel& model)
      : model_(model), integers_(model.integers), network_(model.integers.network), zeros_(zeros()) {}

  /// Tensors and layers on a line each, so that people and `diff` can read them.
  [[nodiscard]] std::string text() const {
    std::vector<ordered_json> tensors, layers;
    for (std::size_t t = 0; t < network_.tensors.size(); ++t) tensors.push_back(tensor(t));
    for (std::size_t i = 0; i < network_.layers.size(); ++i) layers.push_back(layer(i));
    std::string text = "{";
    const ordered_json start = head();
    for (const auto& [key, value] : start.items()) text += fmt::format("\"{}\": {},\n", key, value.dump());
    return text + lines("tensors", tensors) + ",\n" + lines("layers", layers) + "}\n";
  }

 private:
  static std::string lines(const char* key, const std::vector<ordered_json>& values) {
    std::string text = fmt::format("\"{}\": [", key);
    for (std::size_t i = 0; i < values.size(); ++i)
      text += fmt::format("{}\n  {}", i == 0 ? "" : ",", values[i].dump());
    return text + "\n]";
  }

  /// Per tensor the code that stands for 0: layers that keep codes hand on that of their input.
  [[nodiscard]] std::vector<std::int32_t> zeros() const {
    std::vector<std::int32_t> list(network_.tensors.size(), 0);
    if (!network_.image_input && network_.tensors[network_.input].is_signed)
      list[network_.input] = 1 << (integers_.bits.written[network_.input] - 1);
    for (std::size_t i = 0; i < network_.layers.size(); ++i) {
      const host::Layer& l = network_.layers[i];
      const bool narrow = host::reads_narrow(integers_.bits, l, l.input());
      list[l.output] = !l.keeps_codes() ? integers_.layers[i].range.zero
                       : narrow         ? integers_.narrowing[l.input()].range.zero
                                        : list[l.input()];
    }
    return list;
  }

  [[nodiscard]] ordered_json head() const {
    ordered_json results = ordered_json::array();
    for (const int output : network_.outputs) results.push_back(network_.tensors[output].name);
    ordered_json policy = ordered_json::array();
    for (const host::LayerBits& bits : integers_.policy.layers)
      policy.push_back(
          {{"name", bits.name}, {"weight_bits", bits.weight_bits}, {"input_bits", bits.input_bits}});
    ordered_json json;
    json["format"] = "bitloop-guide";
    json["version"] = kVersion;
    json["network"] = network_.name;
    json["quantizer"] = model_.quantizer;
    json["formula"] = {
        {"d", "sum(code * (alpha * weight - beta))"},
        {"y", "clamp(((d * multiplier + bias) >> shift) + zero, low, high)"},
        {"negative", "its set replaces the first where d * multiplier + bias < 1 << (shift - 1)"},
        {"real", "(code - zero) * scale"}};
    json["policy"] = policy;
    json["input"] = {{"tensor", network_.tensors[network_.input].name},
                     {"image", network_.image_input},
                     {"mean", model_.mean},
                     {"deviation", model_.deviation}};
    json["results"] = results;
    return json;
  }

  [[nodiscard]] ordered_json tensor(std::size_t index) const {
    const host::Tensor& t = network_.tensors[index];
    const TensorScales scales =
        index < model_.tensor_scales.size() ? model_.tensor_scales[index] : TensorScales{};
    ordered_json json;
    json["name"] = t.name;
    json["shape"] = {t.shape.channels, t.shape.height, t.shape.width};
    json["signed"] = t.is_signed;
    json["written"] = {
        {"bits", integers_.bits.written[index]}, {"zero", zeros_[index]}, {"scale", scales.written}};
    if (integers_.bits.narrow[index] == 0) return json;
    const host::Narrowing& narrowing = integers_.narrowing[index];
    ordered_json narrow{{"bits", integers_.bits.narrow[index]}, {"scale", scales.narrow}};
    put_sets(narrow, std::span(&narrowing.requantization, 1));
    put_range(narrow, narrowing.range);
    json["narrow"] = narrow;
    return json;
  }

  [[nodiscard]] ordered_json layer(std::size_t index) const {
    const host::Layer& l = network_.layers[index];
    const host::QuantizedLayer& q = integers_.layers[index];
    ordered_json inputs = ordered_json::array();
    for (const int input : l.inputs) {
      const bool narrow = host::reads_narrow(integers_.bits, l, input);
      inputs.push_back({{"tensor", network_.tensors[input].name}, {"form", narrow ? "narrow" : "written"}});
    }
    ordered_json json;
    json["name"] = l.name;
    json["kind"] = name_of(l.kind);
    json["inputs"] = inputs;
    json["output"] = network_.tensors[l.output].name;
    if (l.kind == LayerKind::upsample || l.kind == LayerKind::interleave) json["factor"] = both(l.stride);
    if (l.kind == LayerKind::select) json["channels"] = l.channels;
    if (l.groups != 1) json["groups"] = l.groups;
    if (l.has_weights() || l.kind == LayerKind::max_pool || l.kind == LayerKind::average_pool) {
      const host::Window window = host::layer_window(network_, l);
      json["kernel"] = {window.height, window.width};
      json["stride"] = both(window.stride);
      if (window.dilation != host::Steps()) json["dilation"] = both(window.dilation);
      json["pad"] = sides(window.pad);
      if (l.uncounted.any()) json["counts"] = host::counted_taps(network_, l);
      if (l.uncounted.any()) json["uncounted"] = sides(l.uncounted);
    }
    if (l.keeps_codes()) return json;
    if (l.kind == LayerKind::function) {
      json["function"] = l.function;
      json["table"] = q.table;
      put_range(json, q.range);
      return json;
    }
    if (l.kind == LayerKind::product) json["zeros"] = {counted_from(l.inputs[0]), counted_from(l.inputs[1])};
    json["activation"] = name_of(l.activation);
    if (!q.pad_codes.empty()) json["pad_codes"] = q.pad_codes;
    put_sets(json, q.requantization);
    if (!q.negative.empty()) put_sets(json["negative"], q.negative);
    put_range(json, q.range);
    if (l.has_weights()) put_weights(json, q, index);
    return json;
  }

  /// What a product takes off the 8-bit codes of its operand.
  [[nodiscard]] int counted_from(int tensor) const { return network_.tensors[tensor].is_signed ? 128 : 0; }

  void put_weights(ordered_json& json, const host::QuantizedLayer& q, std::size_t index) const {
    const host::WeightCode code = host::weight_code(q.weight_bits);
    json["weight_bits"] = q.weight_bits;
    json["alpha"] = code.alpha;
    json["beta"] = code.beta;
    if (index < model_.weight_scales.size()) json["weight_scales"] = model_.weight_scales[index];
    json["weights"] = base64(q.weights);
  }

  const QuantizedModel& model_;
  const host::QuantizedNetwork& integers_;
  const host::Network& network_;
  std::vector<std::int32_t> zeros_;
};

}  // namespace

void export_guide(const QuantizedModel& model, const std::filesystem::path& path) {
  const std::string text = Guide(model).text();
  host::write_file_atomically(path, std::as_bytes(std::span(text)));
}

}  // namespace bitloop::quant
