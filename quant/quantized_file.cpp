#include <fmt/format.h>

#include "host/error.h"
#include "quant/container.h"
#include "quant/quantized_model.h"
#include "quant/geometry.h"

namespace bitloop::quant {
namespace {

constexpr std::string_view kKind = "quantized-network";

using nlohmann::json;

json to_json(const host::Network& network) {
  json tensors = json::array(), layers = json::array();
  for (const host::Tensor& t : network.tensors)
    tensors.push_back({{"name", t.name},
                       {"shape", {t.shape.channels, t.shape.height, t.shape.width}},
                       {"signed", t.is_signed}});
  for (const host::Layer& l : network.layers)
    layers.push_back({{"name", l.name},
                      {"kind", kind_number(l.kind)},
                      {"input", l.input()},
                      {"output", l.output},
                      {"kernel", {l.kernel_height, l.kernel_width}},
                      {"stride", l.stride},
                      {"pad", l.pad},
                      {"activation", static_cast<int>(l.activation)},
                      {"batch_norm", l.batch_norm}});
  return {{"name", network.name},
          {"tensors", tensors},
          {"layers", layers},
          {"input", network.input},
          {"output", network.output()},
          {"image_input", network.image_input},
          {"output_bits", network.output_bits}};
}

template <typename Enum>
Enum enum_from(const json& value, Enum last) {
  const int number = value.get<int>();
  if (number < 0 || number > static_cast<int>(last))
    throw InputError("a number of the header is out of range");
  return static_cast<Enum>(number);
}

host::Network network_from_json(const json& j) {
  host::Network network;
  network.name = j.at("name").get<std::string>();
  network.input = j.at("input").get<int>();
  network.outputs = {j.at("output").get<int>()};
  network.image_input = j.at("image_input").get<bool>();
  network.output_bits = j.at("output_bits").get<int>();
  for (const json& t : j.at("tensors")) {
    const json& shape = t.at("shape");
    network.tensors.push_back({t.at("name").get<std::string>(),
                               {shape.at(0).get<int>(), shape.at(1).get<int>(), shape.at(2).get<int>()},
                               t.at("signed").get<bool>()});
  }
  for (const json& l : j.at("layers")) {
    host::Layer layer;
    layer.name = l.at("name").get<std::string>();
    layer.kind = kind_of_number(l.at("kind").get<int>());
    layer.inputs = {l.at("input").get<int>()};
    layer.output = l.at("output").get<int>();
    layer.kernel_height = l.at("kernel").at(0).get<int>();
    layer.kernel_width = l.at("kernel").at(1).get<int>();
    layer.stride = l.at("stride").get<int>();
    layer.pad = l.at("pad").get<int>();
    layer.activation = enum_from(l.at("activation"), host::Activation::relu6);
    layer.batch_norm = l.at("batch_norm").get<bool>();
    network.layers.push_back(std::move(layer));
  }
  network.validate();
  return network;
}

/// One file column per field, so that no padding bytes are written.
struct Columns {
  std::vector<std::uint16_t> multipliers;
  std::vector<std::uint8_t> shifts;
  std::vector<std::int64_t> biases;
};

void append_layer(std::vector<std::byte>& payload, const host::QuantizedLayer& layer) {
  Columns columns;
  for (const host::Requantization& r : layer.requantization) {
    columns.multipliers.push_back(r.multiplier);
    columns.shifts.push_back(r.shift);
    columns.biases.push_back(r.bias);
  }
  append_values(payload, std::span<const std::uint8_t>(layer.weights));
  append_values(payload, std::span<const std::uint16_t>(columns.multipliers));
  append_values(payload, std::span<const std::uint8_t>(columns.shifts));
  append_values(payload, std::span<const std::int64_t>(columns.biases));
  append_values(payload, std::span<const std::uint8_t>(layer.pad_codes));
}

void take_layer(PayloadReader& payload, const host::Network& network, const host::Layer& geometry,
                host::QuantizedLayer& layer) {
  const std::size_t filters = static_cast<std::size_t>(network.output_shape(geometry).channels);
  Columns columns{std::vector<std::uint16_t>(filters), std::vector<std::uint8_t>(filters),
                  std::vector<std::int64_t>(filters)};
  layer.weights.resize(static_cast<std::size_t>(network.weight_count(geometry)));
  layer.pad_codes.resize(static_cast<std::size_t>(network.input_shape(geometry).channels));
  payload.take(std::span(layer.weights));
  payload.take(std::span(columns.multipliers));
  payload.take(std::span(columns.shifts));
  payload.take(std::span(columns.biases));
  payload.take(std::span(layer.pad_codes));
  for (std::size_t f = 0; f < filters; ++f)
    layer.requantization.push_back({columns.multipliers[f], columns.shifts[f], columns.biases[f]});
}

}  // namespace

void save_quantized(const QuantizedModel& model, const std::filesystem::path& path) {
  json layers = json::array();
  std::vector<std::byte> payload;
  const host::Network& network = model.integers.network;
  for (std::size_t i = 0; i < network.layers.size(); ++i) {
    if (!network.layers[i].has_weights()) continue;
    const host::QuantizedLayer& layer = model.integers.layers.at(i);
    layers.push_back({{"weight_bits", layer.weight_bits},
                      {"zero", layer.range.zero},
                      {"low", layer.range.low},
                      {"high", layer.range.high}});
    append_layer(payload, layer);
  }
  const json header = {{"network", to_json(network)},
                       {"policy", host::to_json(model.integers.policy)},
                       {"layers", layers},
                       {"output_scale", model.output_scale()},
                       {"seconds", model.seconds},
                       {"split", model.split_hash}};
  write_container({header, std::move(payload)}, kKind, path);
}

QuantizedModel load_quantized(const std::filesystem::path& path) {
  const Container container = read_container(kKind, path);
  const json& header = container.header;
  QuantizedModel model;
  host::QuantizedNetwork& integers = model.integers;
  try {
    integers.network = network_from_json(header.at("network"));
    integers.policy = host::policy_from_json(integers.network, header.at("policy"), path.string());
    integers.bits = host::tensor_bits(integers.network, integers.policy);
    integers.layers.resize(integers.network.layers.size());
    integers.narrowing.resize(integers.network.tensors.size());
    model.tensor_scales.resize(integers.network.tensors.size());
    model.tensor_scales.at(integers.network.output()).written = header.at("output_scale").get<double>();
    model.seconds = header.at("seconds").get<double>();
    model.split_hash = header.at("split").get<std::string>();
    PayloadReader payload(container.payload, path);
    std::size_t weight_layer = 0;
    for (std::size_t i = 0; i < integers.network.layers.size(); ++i) {
      const host::Layer& geometry = integers.network.layers[i];
      if (!geometry.has_weights()) continue;
      const json& fields = header.at("layers").at(weight_layer++);
      host::QuantizedLayer& layer = integers.layers[i];
      layer.weight_bits = fields.at("weight_bits").get<int>();
      layer.range = {fields.at("zero").get<std::int32_t>(), fields.at("low").get<std::int32_t>(),
                     fields.at("high").get<std::int32_t>()};
      take_layer(payload, integers.network, geometry, layer);
    }
    payload.expect_end();
  } catch (const json::exception& error) {
    throw InputError(
        fmt::format("{} has an incomplete header ({}): write it again", path.string(), error.what()));
  }
  return model;
}

}  // namespace bitloop::quant
