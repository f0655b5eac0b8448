#include "quant/onnx/draft.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "host/base/error.h"
#include "host/network/function.h"

namespace bitloop::quant::importer {
namespace {

constexpr std::size_t kMostLayers = 4096;
constexpr int kMostPaddedChannels = 4;             // of an image that the hardware pads or dilates
constexpr std::size_t kMostMixedChannels = 1024;   // of an image, by a convolution of one tap
constexpr std::int64_t kMostOwnWeights = 1 << 22;  // of layers that no file has
constexpr std::int64_t kMostChannels = 1 << 20, kLargestSide = 65535, kMostElements = std::int64_t{1} << 31;

bool has_affine_part(const host::Layer& layer) {
  return layer.has_weights() || layer.kind == host::LayerKind::add;
}

/// The one activation that two in a row amount to; null where there is none.
std::optional<host::Activation> both(host::Activation first, host::Activation second) {
  using host::Activation;
  if (first == Activation::none || (first == Activation::relu && second == Activation::relu6)) return second;
  const bool positive = first == Activation::relu || first == Activation::relu6;
  const bool unchanged = second == Activation::relu || second == Activation::leaky_relu || second == first;
  return positive && unchanged ? std::optional(first) : std::nullopt;
}

void multiply(std::vector<float>& values, const std::vector<double>& factors) {
  const std::size_t each = values.size() / factors.size();
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<float>(values[i] * factors[i / each]);
}

/// Weights of a convolution with `channels` in and out that multiplies each by its factor.
std::vector<float> diagonal(const std::vector<float>& factors) {
  if (factors.size() > kMostMixedChannels)
    throw InputError(
        fmt::format("has an image of {} channels; at most {} are supported where its first layer is "
                    "no convolution or linear layer, or pads or dilates it",
                    factors.size(), kMostMixedChannels));
  std::vector<float> weights(factors.size() * factors.size(), 0.0F);
  for (std::size_t c = 0; c < factors.size(); ++c) weights[c * factors.size() + c] = factors[c];
  return weights;
}

}  // namespace

int Draft::add_image(const std::string& name, const host::Shape& shape, int readers) {
  network_.tensors.push_back({name, shape, false});
  readers_.push_back(readers);
  readings_.emplace_back();
  writers_.push_back(-1);
  return network_.input = static_cast<int>(network_.tensors.size()) - 1;
}

int Draft::append(const Node& node, host::Layer layer, const Dims& shape, int readers,
                  LayerParameters parameters) {
  if (network_.layers.size() >= kMostLayers)
    node.refuse(fmt::format("at most {} layers are supported", kMostLayers));
  const std::int64_t channels = shape[0], height = shape[1], width = shape[2];
  const bool sane = channels >= 1 && channels <= kMostChannels && height >= 1 && height <= kLargestSide &&
                    width >= 1 && width <= kLargestSide && channels * height * width <= kMostElements;
  if (!sane) {
    node.refuse(
        fmt::format("its result has the shape {}; supported are 1..{} channels and 1..{} rows and columns",
                    fmt::join(shape, "x"), kMostChannels, kLargestSide));
  }
  const host::Shape result{static_cast<int>(channels), static_cast<int>(height), static_cast<int>(width)};
  return append_layer(std::move(layer), result, readers, std::move(parameters));
}

int Draft::append_layer(host::Layer layer, const host::Shape& shape, int readers,
                        LayerParameters parameters) {
  layer.output = static_cast<int>(network_.tensors.size());
  network_.tensors.push_back({layer.name, shape, false});
  readers_.push_back(readers);
  readings_.emplace_back();
  writers_.push_back(static_cast<int>(network_.layers.size()));
  network_.layers.push_back(std::move(layer));
  parameters_.push_back(std::move(parameters));
  return network_.layers.back().output;
}

void Draft::spend(std::int64_t weights) {
  own_weights_ += weights;
  if (own_weights_ > kMostOwnWeights)
    throw InputError(
        fmt::format("its image or its results have so many channels that the layers which pass them on would "
                    "have more than {} weights: end the network before them with --outputs",
                    kMostOwnWeights));
}

int Draft::append_copy(int tensor, const std::string& name) {
  const host::Shape shape = network_.tensors.at(tensor).shape;
  spend(shape.channels);
  host::Layer layer{.name = name, .kind = host::LayerKind::depthwise, .inputs = {tensor}};
  if (non_negative(tensor)) layer.activation = host::Activation::relu;  // changes nothing, and spares a sign
  LayerParameters parameters;
  parameters.weight.assign(static_cast<std::size_t>(shape.channels), 1.0F);
  parameters.bias.assign(static_cast<std::size_t>(shape.channels), 0.0F);
  return append_layer(std::move(layer), shape, 1, std::move(parameters));
}

bool Draft::needs_copy(int result) const {
  const host::Layer* layer = writer(result);
  const auto reads = [&](const host::Layer& reader) { return std::ranges::count(reader.inputs, result) > 0; };
  return layer != nullptr && (layer->keeps_codes() || std::ranges::any_of(network_.layers, reads));
}

void Draft::settle_results(std::vector<int>& outputs, Names& names) {
  std::vector<bool> copied;
  for (const int output : outputs) copied.push_back(needs_copy(output));
  for (std::size_t i = 0; i < outputs.size(); ++i)
    if (copied[i])
      outputs[i] = append_copy(outputs[i], names.of_text(network_.tensors[outputs[i]].name + ".result"));
}

bool Draft::scales(const host::Layer& layer) const {
  return layer.kind == host::LayerKind::depthwise && layer.kernel_height == 1 && layer.kernel_width == 1 &&
         shape(layer.output) == shape(layer.input());
}

bool Draft::read_image(std::size_t index) {
  host::Layer& layer = network_.layers[index];
  const host::Shape& image = shape(network_.input);
  if (layer.kind == host::LayerKind::linear) {
    layer.kernel_height = image.height;
    layer.kernel_width = image.width;
    layer.kind = host::LayerKind::conv;
  }
  if (scales(layer)) {
    layer.kind = host::LayerKind::conv;
    std::vector<float>& weights = parameters_[index].weight;
    weights = diagonal(weights);
    spend(static_cast<std::int64_t>(weights.size()));
  }
  const bool plain = !layer.pad.any() && layer.dilation.x == 1;
  return layer.kind == host::LayerKind::conv && (plain || image.channels <= kMostPaddedChannels);
}

Normalization Draft::take_normalization(const std::vector<int>& outputs) {
  std::vector<std::size_t> readers;
  for (std::size_t i = 0; i < network_.layers.size(); ++i)
    if (std::ranges::count(network_.layers[i].inputs, network_.input) > 0) readers.push_back(i);
  if (readers.size() != 1) return {};
  const host::Layer& layer = network_.layers[readers.front()];
  const LayerParameters& p = parameters_[readers.front()];
  const auto limited = [&](int tensor) {
    return network_.tensors[tensor].limits.any() || network_.tensors[tensor].narrow_limits.any();
  };
  const bool removable = scales(layer) && layer.activation == host::Activation::none &&
                         !limited(network_.input) && !limited(layer.output) &&
                         std::ranges::find(outputs, layer.output) == outputs.end();
  if (!removable) return {};
  Normalization result;
  for (std::size_t c = 0; c < p.weight.size(); ++c) {
    double scale = p.weight[c], shift = layer.batch_norm ? -p.mean[c] : p.bias[c];
    if (layer.batch_norm) {
      const double gain = p.gain[c] / std::sqrt(p.variance[c] + kBatchNormEpsilon);
      scale *= gain;
      shift = shift * gain + p.shift[c];
    }
    result.mean.push_back(static_cast<float>(-shift / scale));
    result.deviation.push_back(static_cast<float>(1 / scale));
    const bool sane = scale > 0 && std::isfinite(result.mean.back()) &&
                      std::isfinite(result.deviation.back()) && result.deviation.back() > 0;
    if (!sane) return {};
  }
  // What pads the image must be a pixel.
  const float most = result.of_bytes() ? 255 : 1;
  if (!std::ranges::all_of(result.mean, [=](float m) { return m >= 0 && m <= most; })) return {};
  const int output = layer.output;
  network_.layers.erase(network_.layers.begin() + static_cast<std::ptrdiff_t>(readers.front()));
  parameters_.erase(parameters_.begin() + static_cast<std::ptrdiff_t>(readers.front()));
  for (host::Layer& reader : network_.layers) std::ranges::replace(reader.inputs, output, network_.input);
  return result;
}

void Draft::settle_image(Names& names) {
  const int image = network_.input;
  int copy = -1;
  const std::size_t layers = network_.layers.size();
  for (std::size_t i = 0; i < layers; ++i) {
    const auto& inputs = network_.layers[i].inputs;
    if (std::ranges::find(inputs, image) == inputs.end() || read_image(i)) continue;
    if (copy < 0) copy = append_copy(image, names.of_text(network_.tensors[image].name + ".copy"));
    std::ranges::replace(network_.layers[i].inputs, image, copy);
  }
  if (copy < 0) return;
  read_image(layers);
  std::rotate(network_.layers.begin(), network_.layers.end() - 1, network_.layers.end());
  std::rotate(parameters_.begin(), parameters_.end() - 1, parameters_.end());
}

bool Draft::takes_affine(int tensor) const {
  const host::Layer* layer = writer(tensor);
  if (layer != nullptr && layer->kind == host::LayerKind::interleave && readers_[tensor] == 1)
    return std::ranges::all_of(layer->inputs, [&](int input) {
      return takes_affine(input) && !reads_limited(writers_[tensor], input);
    });
  return layer != nullptr && layer->has_weights() && layer->activation == host::Activation::none &&
         readers_[tensor] == 1;
}

void Draft::join_batch_norm(int tensor, std::vector<float> gain, std::vector<float> shift,
                            std::vector<float> mean, std::vector<float> variance, double epsilon) {
  host::Layer& layer = network_.layers.at(writers_.at(tensor));
  LayerParameters& parameters = parameters_.at(writers_.at(tensor));
  if (layer.kind == host::LayerKind::interleave) {
    for (const int input : layer.inputs) join_batch_norm(input, gain, shift, mean, variance, epsilon);
    return;
  }
  if (layer.batch_norm) {
    std::vector<double> scale, offset;
    for (std::size_t f = 0; f < gain.size(); ++f) {
      scale.push_back(gain[f] / std::sqrt(variance[f] + epsilon));
      offset.push_back(shift[f] - mean[f] * scale.back());
    }
    join_affine(tensor, scale, offset);
    return;
  }
  for (std::size_t f = 0; f < gain.size(); ++f) {
    if (!parameters.bias.empty()) mean[f] -= parameters.bias[f];
    const double moved = variance[f] + (epsilon - kBatchNormEpsilon);
    // A variance below the difference of the epsilons would become negative: then the gain carries it.
    if (moved < 0)
      gain[f] = static_cast<float>(gain[f] * std::sqrt(kBatchNormEpsilon / (variance[f] + epsilon)));
    variance[f] = static_cast<float>(std::max(moved, 0.0));
  }
  layer.batch_norm = true;
  parameters.bias.clear();
  parameters.gain = std::move(gain);
  parameters.shift = std::move(shift);
  parameters.mean = std::move(mean);
  parameters.variance = std::move(variance);
}

void Draft::join_affine(int tensor, const std::vector<double>& scale, const std::vector<double>& shift) {
  const host::Layer& layer = network_.layers.at(writers_.at(tensor));
  if (layer.kind == host::LayerKind::interleave) {
    for (const int input : layer.inputs) join_affine(input, scale, shift);
    return;
  }
  LayerParameters& p = parameters_.at(writers_.at(tensor));
  std::vector<float>& offsets = layer.batch_norm ? p.shift : p.bias;
  if (offsets.empty()) offsets.assign(scale.size(), 0);
  multiply(layer.batch_norm ? p.gain : p.weight, scale);
  if (!layer.batch_norm && !p.weight_scale.empty()) {
    multiply(p.weight_scale, scale);
    for (float& step : p.weight_scale) step = std::abs(step);
  }
  multiply(offsets, scale);
  for (std::size_t f = 0; f < shift.size(); ++f) offsets[f] = static_cast<float>(offsets[f] + shift[f]);
}

std::optional<std::string> Draft::affine_writers(int tensor, std::vector<int>& found) const {
  std::vector<int> open{tensor};
  while (!open.empty()) {
    const int current = open.back();
    open.pop_back();
    const host::Layer* layer = writer(current);
    const auto fail = [&](std::string_view reason) {
      return fmt::format("{} {}", network_.tensors[current].name, reason);
    };
    if (layer == nullptr) return fail("is the image; it can only follow a layer with weights or an add");
    if (readers_[current] != 1)
      return fail("is read without the activation too; it must have no other reader");
    if (has_affine_part(*layer)) {
      found.push_back(writers_[current]);
    } else if (layer->keeps_codes()) {
      for (const int input : layer->inputs)
        if (reads_limited(writers_[current], input)) return fail("is clipped or quantized before");
      open.insert(open.end(), layer->inputs.begin(), layer->inputs.end());
    } else {
      return fail("is an average or a function; it can only follow a layer with weights or an add");
    }
  }
  return {};
}

std::optional<std::string> Draft::join_activation(int tensor, host::Activation activation,
                                                  const std::vector<double>& slopes) {
  std::vector<int> layers;
  if (auto reason = affine_writers(tensor, layers)) return reason;
  if (slopes.size() > 1 && layers.front() != writers_[tensor])
    return "its slopes are of channels that other layers write";
  for (const int index : layers) {
    const host::Layer& layer = network_.layers[index];
    const auto joined = both(layer.activation, activation);
    if (!joined) return fmt::format("layer {} has another activation already", layer.name);
    if (*joined == host::Activation::leaky_relu && !layer.has_weights())
      return fmt::format("{} is an add; after adds, Relu and Clip are supported", layer.name);
  }
  for (const int index : layers) {
    host::Layer& layer = network_.layers[index];
    layer.activation = *both(layer.activation, activation);
    if (layer.activation == host::Activation::leaky_relu) layer.negative_slopes = slopes;
  }
  return {};
}

bool Draft::non_negative(int tensor) const {
  std::vector<bool> known(network_.tensors.size(), false);
  for (const host::Layer& layer : network_.layers) {
    const bool inputs =
        std::all_of(layer.inputs.begin(), layer.inputs.end(), [&](int i) { return known[i]; });
    const bool never_below = layer.kind == host::LayerKind::function
                                 ? !host::Function(layer.function).has_negative_results()
                                 : inputs && !layer.has_weights();
    known[layer.output] = network_.result_limits(layer).low >= 0 || never_below;
  }
  return known[tensor];
}

bool Draft::can_cut_filters(int tensor) const {
  const host::Layer* layer = writer(tensor);
  return layer != nullptr && layer->kind == host::LayerKind::conv && readers_[tensor] == 1;
}

std::vector<int> Draft::concat_inputs(int tensor) const {
  const host::Layer* layer = writer(tensor);
  if (layer == nullptr || layer->kind != host::LayerKind::concat || readers_[tensor] != 1) return {};
  return layer->inputs;
}

std::vector<int> Draft::cut_filters(const Node& node, int tensor, const std::vector<FilterRange>& ranges) {
  const host::Layer whole = *writer(tensor);
  const LayerParameters all = parameters_.at(writers_.at(tensor));
  const host::Shape shape = network_.tensors.at(tensor).shape;
  const auto filters = static_cast<std::int64_t>(shape.channels);
  std::vector<int> written;
  for (const FilterRange& range : ranges) {
    const auto taken = [&](const auto& values) {
      const std::int64_t each = static_cast<std::int64_t>(values.size()) / filters;
      std::decay_t<decltype(values)> some;
      for (std::int64_t i = 0; each > 0 && i < range.count; ++i) {
        const auto begin = values.begin() + (range.first + i * range.step) * each;
        some.insert(some.end(), begin, begin + each);
      }
      return some;
    };
    host::Layer layer = whole;
    layer.name = fmt::format("{}.{}", whole.name, written.size());
    if (whole.negative_slopes.size() > 1) layer.negative_slopes = taken(whole.negative_slopes);
    written.push_back(append(node, std::move(layer), {range.count, shape.height, shape.width}, 1,
                             {taken(all.weight), taken(all.bias), taken(all.gain), taken(all.shift),
                              taken(all.mean), taken(all.variance), taken(all.weight_scale)}));
  }
  readers_.at(whole.input()) += static_cast<int>(ranges.size()) - 1;  // the whole layer is dropped
  return written;
}

const host::Layer* Draft::function_that_writes(int tensor) const {
  const host::Layer* layer = writer(tensor);
  return layer != nullptr && layer->kind == host::LayerKind::function ? layer : nullptr;
}

void Draft::drop_unread(const std::vector<int>& outputs) {
  std::vector<bool> needed(network_.tensors.size(), false);
  for (const int output : outputs) needed[output] = true;
  for (auto layer = network_.layers.rbegin(); layer != network_.layers.rend(); ++layer)
    if (needed[layer->output])
      for (const int input : layer->inputs) needed[input] = true;
  needed[network_.input] = true;
  std::vector<int> moved(network_.tensors.size(), -1);
  host::Network kept = network_;
  kept.tensors.clear();
  kept.layers.clear();
  std::vector<LayerParameters> parameters;
  for (std::size_t i = 0; i < moved.size(); ++i) {
    if (!needed[i]) continue;
    moved[i] = static_cast<int>(kept.tensors.size());
    kept.tensors.push_back(network_.tensors[i]);
  }
  for (std::size_t i = 0; i < network_.layers.size(); ++i) {
    host::Layer layer = network_.layers[i];
    if (!needed[layer.output]) continue;
    for (int& input : layer.inputs) input = moved[input];
    layer.output = moved[layer.output];
    kept.layers.push_back(std::move(layer));
    if (network_.layers[i].has_weights()) parameters.push_back(std::move(parameters_[i]));
  }
  kept.input = moved[network_.input];
  for (const int output : outputs) kept.outputs.push_back(moved[output]);
  network_ = std::move(kept);
  parameters_ = std::move(parameters);
}

FloatNetwork Draft::finish(const std::string& name, std::vector<int> outputs, Names& names) {
  for (auto i = outputs.begin(); i != outputs.end();)  // a softmax beside its input names one tensor twice
    i = std::find(outputs.begin(), i, *i) != i ? outputs.erase(i) : i + 1;
  settle_limits();
  settle_results(outputs, names);
  FloatNetwork result;
  result.own = take_normalization(outputs);
  settle_image(names);
  drop_unread(outputs);
  result.network = std::move(network_);
  result.parameters = std::move(parameters_);
  host::Network& network = result.network;
  network.name = name;
  // Sums of 32 bits come from the dot-product array as they are; other results have 8 bits.
  const auto sums = [&](const host::Layer& layer) {
    return layer.activation == host::Activation::none && !network.tensors[layer.output].limits.any() &&
           (layer.kind == host::LayerKind::conv || layer.kind == host::LayerKind::linear);
  };
  for (const host::Layer& layer : network.layers)
    if (network.is_output(layer.output) && !sums(layer)) network.output_bits = 8;
  host::derive_signedness(network);
  network.validate();
  return result;
}

}  // namespace bitloop::quant::importer
