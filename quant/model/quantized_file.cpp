#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "host/base/error.h"
#include "quant/model/container.h"
#include "quant/model/geometry.h"
#include "quant/model/quantized_model.h"

namespace bitloop::quant {
namespace {

constexpr std::string_view kKind = "quantized-network";
// 2: all kinds of layers, several inputs and outputs, scales. Files of 1 state no format.
constexpr int kFormat = 2;
constexpr int kLargestShift = 47;
constexpr std::int64_t kBiasEnd = std::int64_t{1} << 49;  // 50 signed bits

using host::LayerKind;
using nlohmann::json;

json to_json(const host::Padding& pad) { return {pad.top, pad.left, pad.bottom, pad.right}; }

/// One number for both directions, or two.
json to_json(const host::Steps& steps) { return steps.y == steps.x ? json(steps.y) : json{steps.y, steps.x}; }

/// Paddings as one number before and one after both directions (-1: the same), else the four; what most
/// layers do not have only where it is there.
void put_window(json& layer, const host::Layer& l) {
  const host::Padding& pad = l.pad;
  layer["stride"] = to_json(l.stride);
  if (pad == host::Padding(pad.top, pad.top, pad.bottom, pad.bottom)) {
    layer["pad"] = pad.top;
    layer["pad_end"] = pad.bottom == pad.top ? -1 : pad.bottom;
  } else {
    layer["pad"] = to_json(pad);
  }
  if (l.dilation != host::Steps()) layer["dilation"] = to_json(l.dilation);
  if (l.uncounted.any()) layer["uncounted"] = to_json(l.uncounted);
}

/// A number where it is one for all filters.
json slopes_to_json(const std::vector<double>& slopes) {
  return slopes.size() == 1 ? json(slopes.front()) : json(slopes);
}

std::vector<double> slopes_from_json(const json& slopes) {
  if (slopes.is_number()) return {slopes.get<double>()};
  return slopes.get<std::vector<double>>();
}

/// JSON has no infinity: null stands for it.
json to_json(const host::Limits& limits) { return {limits.low, limits.high, limits.step}; }

/// Limits are stated where there are some.
json to_json(const host::Tensor& t) {
  json tensor = {{"name", t.name},
                 {"shape", {t.shape.channels, t.shape.height, t.shape.width}},
                 {"signed", t.is_signed}};
  if (t.limits.any()) tensor["limits"] = to_json(t.limits);
  if (t.narrow_limits.any()) tensor["narrow_limits"] = to_json(t.narrow_limits);
  return tensor;
}

json to_json(const host::Network& network) {
  json tensors = json::array(), layers = json::array();
  for (const host::Tensor& t : network.tensors) tensors.push_back(to_json(t));
  for (const host::Layer& l : network.layers) {
    json layer{{"name", l.name},
               {"kind", kind_number(l.kind)},
               {"inputs", l.inputs},
               {"output", l.output},
               {"kernel", {l.kernel_height, l.kernel_width}},
               {"activation", static_cast<int>(l.activation)},
               {"negative_slope", slopes_to_json(l.negative_slopes)},
               {"batch_norm", l.batch_norm}};
    put_window(layer, l);
    if (l.groups != 1) layer["groups"] = l.groups;
    if (!l.channels.empty()) layer["channels"] = l.channels;
    if (l.kind == LayerKind::function) layer["function"] = l.function;
    layers.push_back(std::move(layer));
  }
  return {{"name", network.name},
          {"tensors", tensors},
          {"layers", layers},
          {"input", network.input},
          {"outputs", network.outputs},
          {"image_input", network.image_input},
          {"output_bits", network.output_bits}};
}

/// Numbers of a header: whole, and in range.
int integer(const json& value, std::int64_t low = std::numeric_limits<int>::min(),
            std::int64_t high = std::numeric_limits<int>::max()) {
  const bool fits = value.is_number_integer() &&
                    !(value.is_number_unsigned() &&
                      value.get<std::uint64_t>() > std::uint64_t{std::numeric_limits<int>::max()});
  if (!fits || value.get<std::int64_t>() < low || value.get<std::int64_t>() > high)
    throw InputError(
        fmt::format("{} of the header is no whole number from {} to {}", value.dump(), low, high));
  return value.get<int>();
}

std::vector<int> integers(const json& values) {
  std::vector<int> list;
  for (const json& value : values) list.push_back(integer(value));
  return list;
}

host::Steps steps_from_json(const json& value) {
  if (!value.is_array()) return integer(value);
  return {integer(value.at(0)), integer(value.at(1))};
}

host::Padding padding_from_json(const json& value) {
  return {integer(value.at(0)), integer(value.at(1)), integer(value.at(2)), integer(value.at(3))};
}

void take_window(const json& l, host::Layer& layer) {
  layer.stride = steps_from_json(l.at("stride"));
  if (l.at("pad").is_array()) {
    layer.pad = padding_from_json(l.at("pad"));
  } else {
    const int pad = integer(l.at("pad")), end = integer(l.at("pad_end"), -1);
    layer.pad = {pad, pad, end < 0 ? pad : end, end < 0 ? pad : end};
  }
  if (l.contains("dilation")) layer.dilation = steps_from_json(l.at("dilation"));
  if (l.contains("uncounted")) layer.uncounted = padding_from_json(l.at("uncounted"));
}

host::Limits limits_from_json(const json& tensor, const char* key) {
  host::Limits limits;
  if (!tensor.contains(key)) return limits;
  const json& j = tensor.at(key);
  if (!j.at(0).is_null()) limits.low = j.at(0).get<double>();
  if (!j.at(1).is_null()) limits.high = j.at(1).get<double>();
  limits.step = j.at(2).get<double>();
  return limits;
}

host::Layer layer_from_json(const json& l) {
  host::Layer layer;
  layer.name = l.at("name").get<std::string>();
  layer.kind = kind_of_number(integer(l.at("kind")));
  layer.inputs = integers(l.at("inputs"));
  layer.output = integer(l.at("output"));
  layer.kernel_height = integer(l.at("kernel").at(0));
  layer.kernel_width = integer(l.at("kernel").at(1));
  take_window(l, layer);
  layer.activation = static_cast<host::Activation>(
      integer(l.at("activation"), 0, static_cast<int>(host::Activation::leaky_relu)));
  layer.negative_slopes = slopes_from_json(l.at("negative_slope"));
  layer.batch_norm = l.at("batch_norm").get<bool>();
  if (l.contains("groups")) layer.groups = integer(l.at("groups"), 1);
  if (l.contains("channels")) layer.channels = integers(l.at("channels"));
  if (layer.kind == LayerKind::function) layer.function = l.at("function").get<std::string>();
  return layer;
}

host::Network network_from_json(const json& j) {
  host::Network network;
  network.name = j.at("name").get<std::string>();
  network.input = integer(j.at("input"));
  network.outputs = integers(j.at("outputs"));
  network.image_input = j.at("image_input").get<bool>();
  network.output_bits = integer(j.at("output_bits"));
  for (const json& t : j.at("tensors")) {
    const json& shape = t.at("shape");
    network.tensors.push_back({t.at("name").get<std::string>(),
                               {integer(shape.at(0)), integer(shape.at(1)), integer(shape.at(2))},
                               t.at("signed").get<bool>(),
                               limits_from_json(t, "limits"),
                               limits_from_json(t, "narrow_limits")});
  }
  for (const json& l : j.at("layers")) network.layers.push_back(layer_from_json(l));
  network.validate();
  return network;
}

json to_json(const host::OutputRange& range) { return {range.zero, range.low, range.high}; }

/// Limits of codes of `bits` bits (32: signed numbers), on either side of the zero point.
host::OutputRange range_from_json(const json& j, int bits) {
  const bool wide = bits == 32;
  const std::int64_t least = wide ? std::numeric_limits<std::int32_t>::min() : 0;
  const std::int64_t most = wide ? std::numeric_limits<std::int32_t>::max() : (1 << bits) - 1;
  const int low = integer(j.at(1), least, most);
  const int high = integer(j.at(2), low, most);
  return {integer(j.at(0), low, high), low, high};
}

/// What a layer must have besides its output range.
struct Counts {
  std::size_t weights = 0;
  std::size_t sets = 0;
  std::size_t negative = 0;
  std::size_t pad_codes = 0;
  std::size_t table = 0;
};

Counts counts_of(const host::Network& network, const host::Layer& layer) {
  Counts counts;
  const auto filters = static_cast<std::size_t>(network.output_shape(layer).channels);
  const bool pads = layer.has_weights() || layer.kind == LayerKind::average_pool;
  counts.weights = static_cast<std::size_t>(network.weight_count(layer));
  counts.sets = layer.has_weights()                     ? filters
                : layer.kind == LayerKind::add          ? 2
                : layer.kind == LayerKind::average_pool ? host::counted_taps(network, layer).size()
                : layer.kind == LayerKind::product      ? 1
                                                        : 0;
  counts.negative = layer.activation == host::Activation::leaky_relu ? counts.sets : 0;
  counts.table = layer.kind == LayerKind::function ? host::kTableCodes : 0;
  counts.pad_codes = pads ? static_cast<std::size_t>(network.input_shape(layer).channels) : 0;
  return counts;
}

void append_sets(std::vector<std::byte>& payload, const std::vector<host::Requantization>& sets) {
  // A column per field, so that no padding bytes are written.
  std::vector<std::uint16_t> multipliers;
  std::vector<std::uint8_t> shifts;
  std::vector<std::int64_t> biases;
  for (const host::Requantization& r : sets) {
    multipliers.push_back(r.multiplier);
    shifts.push_back(r.shift);
    biases.push_back(r.bias);
  }
  append_values(payload, std::span<const std::uint16_t>(multipliers));
  append_values(payload, std::span<const std::uint8_t>(shifts));
  append_values(payload, std::span<const std::int64_t>(biases));
}

/// Takes checked numbers off a payload.
class Reader {
 public:
  Reader(const Container& container, const std::filesystem::path& path)
      : size_(container.payload.size()), payload_(container.payload, path) {}

  template <typename T>
  std::vector<T> take(std::size_t count) {
    // No more is allocated than the file has, whatever its header states.
    if (count > size_ / sizeof(T)) throw InputError("it is shorter than its header states");
    std::vector<T> values(count);
    payload_.take(std::span(values));
    return values;
  }

  std::vector<std::uint8_t> take_codes(std::size_t count, int bits) {
    auto codes = take<std::uint8_t>(count);
    if (std::any_of(codes.begin(), codes.end(), [&](std::uint8_t code) { return code >> bits != 0; }))
      throw InputError(fmt::format("one of its codes has more than {} bits", bits));
    return codes;
  }

  std::vector<float> take_scales(std::size_t count) {
    auto scales = take<float>(count);
    if (!std::all_of(scales.begin(), scales.end(), [](float s) { return std::isfinite(s) && s >= 0; }))
      throw InputError("one of its scales is no number from 0 upwards");
    return scales;
  }

  std::vector<host::Requantization> take_sets(std::size_t count) {
    const auto multipliers = take<std::uint16_t>(count);
    const auto shifts = take<std::uint8_t>(count);
    const auto biases = take<std::int64_t>(count);
    std::vector<host::Requantization> sets;
    for (std::size_t i = 0; i < count; ++i) {
      if (shifts[i] < 1 || shifts[i] > kLargestShift)
        throw InputError(fmt::format("its shift {} is not 1..{}", shifts[i], kLargestShift));
      if (biases[i] < -kBiasEnd || biases[i] >= kBiasEnd)
        throw InputError(fmt::format("its bias {} has more than 50 bits", biases[i]));
      sets.push_back({multipliers[i], shifts[i], biases[i]});
    }
    return sets;
  }

  void expect_end() const { payload_.expect_end(); }

 private:
  std::size_t size_;
  PayloadReader payload_;
};

json append_layer(std::vector<std::byte>& payload, const host::QuantizedLayer& layer,
                  std::span<const float> scales) {
  append_values(payload, std::span<const std::uint8_t>(layer.weights));
  append_sets(payload, layer.requantization);
  append_sets(payload, layer.negative);
  append_values(payload, std::span<const std::uint8_t>(layer.pad_codes));
  append_values(payload, std::span<const std::uint8_t>(layer.table));
  append_values(payload, scales);
  return {{"range", to_json(layer.range)}, {"scales", scales.size()}};
}

void take_layer(Reader& reader, const json& fields, QuantizedModel& model, std::size_t index,
                int weight_bits) {
  const host::QuantizedNetwork& integers = model.integers;
  const host::Layer& geometry = integers.network.layers[index];
  const Counts counts = counts_of(integers.network, geometry);
  host::QuantizedLayer& layer = model.integers.layers[index];
  if (geometry.has_weights()) layer.weight_bits = weight_bits;
  const int input_bits =
      geometry.has_weights() ? integers.bits.read(geometry.input()) : integers.bits.written[geometry.input()];
  layer.weights = reader.take_codes(counts.weights, layer.weight_bits);
  layer.requantization = reader.take_sets(counts.sets);
  layer.negative = reader.take_sets(counts.negative);
  layer.pad_codes = reader.take_codes(counts.pad_codes, input_bits);
  layer.table = reader.take_codes(counts.table, integers.bits.written[geometry.output]);
  const auto filters = static_cast<int>(geometry.has_weights() ? counts.sets : 0);
  const int scales = integer(fields.at("scales"), 0, filters);
  if (scales != 0 && scales != filters) throw InputError("a layer has scales for some of its filters only");
  model.weight_scales[index] = reader.take_scales(static_cast<std::size_t>(scales));
  if (!geometry.keeps_codes())
    layer.range = range_from_json(fields.at("range"), integers.bits.written[geometry.output]);
}

json append_tensor(std::vector<std::byte>& payload, const host::Narrowing& narrowing, bool narrow,
                   const TensorScales& scales) {
  json fields = {{"written", scales.written}, {"narrow", scales.narrow}};
  if (narrow) {
    append_sets(payload, {narrowing.requantization});
    fields["range"] = to_json(narrowing.range);
  }
  return fields;
}

double scale_from_json(const json& value) {
  const double scale = value.get<double>();
  if (!std::isfinite(scale) || scale < 0) throw InputError("one of its scales is no number from 0 upwards");
  return scale;
}

void take_tensor(Reader& reader, const json& fields, QuantizedModel& model, std::size_t index) {
  model.tensor_scales[index] = {scale_from_json(fields.at("written")), scale_from_json(fields.at("narrow"))};
  const int bits = model.integers.bits.narrow[index];
  if (bits == 0) return;
  model.integers.narrowing[index] = {reader.take_sets(1).front(), range_from_json(fields.at("range"), bits)};
}

/// Per channel of the image; empty where the model does not say.
std::vector<float> channel_numbers(const json& values, int channels, float least) {
  const auto numbers = values.get<std::vector<float>>();
  if (!numbers.empty() && numbers.size() != static_cast<std::size_t>(channels))
    throw InputError(
        fmt::format("it has a mean or deviation for {} channels of {}", numbers.size(), channels));
  for (const float number : numbers)
    if (!std::isfinite(number) || number < least) throw InputError("its mean or deviation is out of range");
  return numbers;
}

QuantizedModel model_from(const Container& container, const std::filesystem::path& path) {
  const json& header = container.header;
  QuantizedModel model;
  host::QuantizedNetwork& integers = model.integers;
  integers.network = network_from_json(header.at("network"));
  const host::Network& network = integers.network;
  integers.policy = host::policy_from_json(network, header.at("policy"), "its policy");
  integers.bits = host::tensor_bits(network, integers.policy);
  integers.layers.resize(network.layers.size());
  integers.narrowing.resize(network.tensors.size());
  model.tensor_scales.resize(network.tensors.size());
  model.weight_scales.resize(network.layers.size());
  const int channels = network.tensors[network.input].shape.channels;
  model.mean = channel_numbers(header.at("mean"), channels, -std::numeric_limits<float>::max());
  model.deviation = channel_numbers(header.at("deviation"), channels, std::numeric_limits<float>::min());
  model.quantizer = header.at("quantizer").get<std::string>();
  model.seconds = header.at("seconds").get<double>();
  model.split_hash = header.at("split").get<std::string>();
  Reader reader(container, path);
  auto weights = integers.policy.layers.begin();
  for (std::size_t i = 0; i < network.layers.size(); ++i) {
    const int bits = network.layers[i].has_weights() ? (weights++)->weight_bits : 0;
    take_layer(reader, header.at("layers").at(i), model, i, bits);
  }
  for (std::size_t t = 0; t < network.tensors.size(); ++t)
    take_tensor(reader, header.at("tensors").at(t), model, t);
  reader.expect_end();
  return model;
}

}  // namespace

void save_quantized(const QuantizedModel& model, const std::filesystem::path& path) {
  const host::QuantizedNetwork& integers = model.integers;
  const host::Network& network = integers.network;
  json layers = json::array(), tensors = json::array();
  std::vector<std::byte> payload;
  for (std::size_t i = 0; i < network.layers.size(); ++i) {
    const bool scaled = i < model.weight_scales.size();
    layers.push_back(
        append_layer(payload, integers.layers.at(i),
                     scaled ? std::span<const float>(model.weight_scales[i]) : std::span<const float>{}));
  }
  for (std::size_t t = 0; t < network.tensors.size(); ++t) {
    tensors.push_back(
        append_tensor(payload, integers.narrowing.at(t), integers.bits.narrow.at(t) != 0,
                      t < model.tensor_scales.size() ? model.tensor_scales[t] : TensorScales{}));
  }
  const json header = {{"format", kFormat},
                       {"network", to_json(network)},
                       {"policy", host::to_json(integers.policy)},
                       {"layers", layers},
                       {"tensors", tensors},
                       {"mean", model.mean},
                       {"deviation", model.deviation},
                       {"quantizer", model.quantizer},
                       {"seconds", model.seconds},
                       {"split", model.split_hash}};
  write_container({header, std::move(payload)}, kKind, path);
}

QuantizedModel load_quantized(const std::filesystem::path& path) {
  const Container container = read_container(kKind, path);
  try {
    const int format = container.header.contains("format") ? integer(container.header.at("format")) : 1;
    if (format != kFormat)
      throw InputError(fmt::format("it is of format {} and this program reads format {}", format, kFormat));
    return model_from(container, path);
  } catch (const json::exception& error) {
    throw InputError(
        fmt::format("{} has an incomplete header ({}): write it again", path.string(), error.what()));
  } catch (const InputError& error) {
    const std::string what = error.what();
    if (what.starts_with(path.string())) throw;
    throw InputError(fmt::format("{} is no quantized network: {}: write it again", path.string(), what));
  }
}

}  // namespace bitloop::quant
