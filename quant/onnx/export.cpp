#include "quant/onnx/export.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "host/base/atomic_file.h"
#include "host/base/error.h"
#include "quant/model/model.h"
#include "quant/onnx/exact_requantization.h"
#include "quant/onnx/graph_writer.h"
#include "quant/onnx/write_function.h"
#include "quant/onnx/write_weights.h"

namespace bitloop::quant {
namespace {

using host::LayerKind;

/// A tensor in one of its forms: a code stands for (code - zero) * scale.
struct Form {
  std::string value;  ///< its name in the file
  double scale = 0;
  std::vector<double> zeros;  ///< one, or of the image one per channel
  bool is_vector = false;     ///< [batch, numbers] in the file

  [[nodiscard]] double zero(int channel) const { return zero_of(zeros, channel); }
};

/// Names of what belongs to a layer or tensor are its own, a slash and a word: names of layers have no
/// slashes.
class Exporter {
 public:
  explicit Exporter(const QuantizedModel& model)
      : model_(model),
        network_(model.integers.network),
        writer_(network_.name),
        written_(network_.tensors.size()),
        narrow_(network_.tensors.size()) {}

  std::string run() {
    write_input();
    for (std::size_t i = 0; i < network_.layers.size(); ++i) write_layer(i);
    for (const int output : network_.outputs) {
      const host::Shape& shape = network_.tensors[output].shape;
      writer_.output(written_[output].value,
                     written_[output].is_vector
                         ? std::vector<std::int64_t>{1, shape.channels}
                         : std::vector<std::int64_t>{1, shape.channels, shape.height, shape.width});
    }
    write_metadata();
    return writer_.serialized();
  }

 private:
  [[noreturn]] void refuse(const host::Layer& layer, std::string_view what) const {
    throw InputError(fmt::format("network {}: layer {}: {}", network_.name, layer.name, what));
  }

  /// The pixel that stands for zero: what pads the image.
  [[nodiscard]] std::vector<double> image_zeros() const {
    std::vector<double> zeros;
    for (std::size_t i = 0; i < network_.layers.size(); ++i) {
      if (network_.layers[i].input() != network_.input) continue;
      const auto& pads = model_.integers.layers[i].pad_codes;
      const std::vector<double> these(pads.begin(), pads.end());
      if (!zeros.empty() && zeros != these)
        refuse(network_.layers[i],
               "pads the image otherwise than the layer before; one padding is supported");
      zeros = these;
    }
    return zeros;
  }

  void write_input() {
    if (!network_.image_input)
      throw InputError(
          fmt::format("network {} reads no image; only networks that do are exported", network_.name));
    const host::Tensor& image = network_.tensors[network_.input];
    Form& form = written_[network_.input];
    form.scale = 1.0 / 255;
    form.zeros = image_zeros();
    const std::string name =
        writer_.input(image.name, {1, image.shape.channels, image.shape.height, image.shape.width});
    const std::vector<float> zeros(form.zeros.begin(), form.zeros.end());
    const std::string zero = writer_.floats(image.name + "/zero", {1, image.shape.channels, 1, 1}, zeros);
    form.value = writer_.quant(image.name + "/quantized", name,
                               writer_.scalar(image.name + "/scale", form.scale), zero, 8, false, false);
  }

  /// What a layer reads of a tensor.
  [[nodiscard]] const Form& read(const host::Layer& layer, int tensor) const {
    return host::reads_narrow(model_.integers.bits, layer, tensor) ? narrow_[tensor] : written_[tensor];
  }

  void write_layer(std::size_t index) {
    const host::Layer& layer = network_.layers[index];
    Form& result = written_[layer.output];
    switch (layer.kind) {
      case LayerKind::conv:
      case LayerKind::depthwise:
      case LayerKind::linear:
        result = weight_layer(layer, model_.integers.layers[index], model_.weight_scales.at(index));
        break;
      case LayerKind::add:
        result = add(layer, model_.integers.layers[index]);
        break;
      case LayerKind::product:
        result = product(layer, model_.integers.layers[index]);
        break;
      case LayerKind::function:
        result = function(layer, model_.integers.layers[index]);
        break;
      case LayerKind::average_pool:
        result = average_pool(layer, model_.integers.layers[index]);
        break;
      default:
        result = kept_codes(layer);
    }
    write_narrow(layer.output);
  }

  void write_narrow(int tensor) {
    const int bits = model_.integers.bits.narrow[tensor];
    if (bits == 0) return;
    const host::Narrowing& narrowing = model_.integers.narrowing[tensor];
    const Form& wide = written_[tensor];
    const std::string name = network_.tensors[tensor].name + "/narrow";
    Form& form = narrow_[tensor];
    form = wide;
    form.scale = scale_of(tensor, model_.tensor_scales.at(tensor).narrow);
    const auto& r = narrowing.requantization;
    const std::string value = scaled(name, wide.value, wide, r.multiplier, 1, r, form.scale);
    form.value = quantized(name, value, narrowing.range, bits, form.scale);
    form.zeros = {static_cast<double>(narrowing.range.zero)};
  }

  [[nodiscard]] double scale_of(int tensor, double scale) const {
    if (!(scale > 0) || !std::isfinite(scale))
      throw InputError(fmt::format("network {}: tensor {} has no scale; quantize the network again",
                                   network_.name, network_.tensors[tensor].name));
    return scale;
  }

  /// Codes of a layer's result from its exact value; 32-bit results stay exact.
  Form result_form(const host::Layer& layer, const host::OutputRange& range, const std::string& value,
                   double scale, bool is_vector) {
    const int bits = model_.integers.bits.written[layer.output];
    if (bits > 8) return {value, scale, {static_cast<double>(range.zero)}, is_vector};
    return {quantized(layer.name, value, range, bits, scale),
            scale,
            {static_cast<double>(range.zero)},
            is_vector};
  }

  /// Limits that the Quant of `bits` does not have by itself become a Clip.
  std::string quantized(const std::string& name, std::string value, const host::OutputRange& range, int bits,
                        double scale) {
    const int largest = (1 << bits) - 1, middle = 1 << (bits - 1);
    const bool is_signed = range.zero == middle, narrow = is_signed && range.low == 1;
    const bool clipped = range.high < largest || range.low > (narrow ? 1 : 0);
    if (clipped) {
      value = writer_.node("Clip", name + "/limits",
                           {value, writer_.scalar(name + "/low", (range.low - range.zero) * scale),
                            writer_.scalar(name + "/high", (range.high - range.zero) * scale)});
    }
    const double zero = is_signed ? 0 : range.zero;
    return writer_.quant(name + "/quantized", value, writer_.scalar(name + "/scale", scale),
                         writer_.scalar(name + "/zero", zero), bits, is_signed, narrow);
  }

  std::string leaky(const host::Layer& layer, const std::string& value) {
    const std::string name = layer.name + "/activation";
    const std::vector<float> slopes(layer.negative_slopes.begin(), layer.negative_slopes.end());
    if (slopes.size() == 1)
      return writer_.node("LeakyRelu", name, {value}, {{}, {}, {{"alpha", layer.negative_slopes.front()}}});
    std::vector<std::int64_t> dims{std::ssize(slopes)};
    if (layer.kind != LayerKind::linear) dims.insert(dims.end(), {1, 1});
    return writer_.node("PRelu", name, {value, writer_.floats(name + "/slopes", dims, slopes)});
  }

  /// The activation that a layer's limits stand for. Sets those that it takes over to the ends of their
  /// range.
  std::string activated(const host::Layer& layer, const std::string& value, host::OutputRange& range,
                        double scale) {
    if (layer.activation == host::Activation::leaky_relu) return leaky(layer, value);
    if (layer.activation == host::Activation::none || range.low != range.zero) return value;
    const int largest = (1 << model_.integers.bits.written[layer.output]) - 1;
    range.low = 0;
    const bool six = layer.activation == host::Activation::relu6 &&
                     range.high == std::min<double>(largest, range.zero + std::nearbyint(6 / scale));
    if (!six) return writer_.node("Relu", layer.name + "/activation", {value});
    range.high = largest;
    return writer_.node("Clip", layer.name + "/activation",
                        {value, writer_.scalar(layer.name + "/activation/low", 0),
                         writer_.scalar(layer.name + "/activation/high", 6)});
  }

  Form weight_layer(const host::Layer& layer, const host::QuantizedLayer& integers,
                    const std::vector<float>& weight_scales) {
    const Form& in = read(layer, layer.input());
    const bool vector = layer.kind == LayerKind::linear;
    const double scale = scale_of(layer.output, model_.tensor_scales.at(layer.output).written);
    if (weight_scales.size() != integers.requantization.size())
      refuse(layer, "has no weight scales; quantize it again");
    check_padding(layer, integers, in);
    const std::string weights = write_weights(writer_, network_, layer, integers, weight_scales);
    std::string value;
    if (vector) {
      value = writer_.node("MatMul", layer.name, {flat(in, layer), weights});
    } else {
      value = writer_.node("Conv", layer.name, {in.value, weights}, window(layer));
    }
    value = batch_norm(layer, integers, weight_scales, in, scale, value);
    host::OutputRange range = integers.range;
    value = activated(layer, value, range, scale);
    Form result = result_form(layer, range, value, scale, vector);
    result.zeros = {static_cast<double>(integers.range.zero)};
    return result;
  }

  std::string flat(const Form& in, const host::Layer& layer) {
    return in.is_vector ? in.value
                        : writer_.node("Flatten", layer.name + "/flat", {in.value}, {{{"axis", 1}}, {}, {}});
  }

  [[nodiscard]] GraphWriter::Attributes window(const host::Layer& layer) const {
    GraphWriter::Attributes attributes;
    attributes.lists = {{"kernel_shape", {layer.kernel_height, layer.kernel_width}},
                        {"strides", {layer.stride.y, layer.stride.x}},
                        {"pads", {layer.pad.top, layer.pad.left, layer.pad.bottom, layer.pad.right}}};
    if (layer.dilation != host::Steps())
      attributes.lists.push_back({"dilations", {layer.dilation.y, layer.dilation.x}});
    if (layer.has_weights() && network_.groups(layer) != 1)
      attributes.integers = {{"group", network_.groups(layer)}};
    return attributes;
  }

  /// Zeros of the file pad as codes do only where those are the tensor's zero.
  void check_padding(const host::Layer& layer, const host::QuantizedLayer& integers, const Form& in) const {
    if (!layer.pad.any()) return;
    for (std::size_t c = 0; c < integers.pad_codes.size(); ++c)
      if (integers.pad_codes[c] != in.zero(static_cast<int>(c)))
        refuse(layer, "pads with another code than its input's zero; that cannot be exported");
  }

  /// d*M + B >> s of each filter; d counts codes, the file's dot product codes less their zero, times scales.
  std::string batch_norm(const host::Layer& layer, const host::QuantizedLayer& integers,
                         const std::vector<float>& weight_scales, const Form& in, double scale,
                         const std::string& value) {
    std::vector<float> gain, shift;
    for (std::size_t f = 0; f < weight_scales.size(); ++f) {
      const host::Requantization& r = integers.requantization[f];
      if (!(weight_scales[f] > 0)) refuse(layer, "has a weight scale that is not above zero");
      const double step = scale / power_of_two(r.shift);
      gain.push_back(
          static_cast<float>(r.multiplier * step / (static_cast<double>(weight_scales[f]) * in.scale)));
      shift.push_back(static_cast<float>(
          (zero_dot(network_, layer, integers, in.zeros, f) * r.multiplier + exact_bias(r)) * step));
    }
    const auto count = static_cast<std::int64_t>(gain.size());
    // Less the epsilon that ONNX adds by default, and FINN always.
    const std::vector<float> zeros(gain.size(), 0.0F),
        ones(gain.size(), static_cast<float>(1 - kBatchNormEpsilon));
    const std::string name = layer.name + "/norm";
    return writer_.node(
        "BatchNormalization", name,
        {value, writer_.floats(name + "/gain", {count}, gain),
         writer_.floats(name + "/shift", {count}, shift), writer_.floats(name + "/mean", {count}, zeros),
         writer_.floats(name + "/variance", {count}, ones)});
  }

  /// A value after a requantization by one multiplier; `count` codes are summed for a mean.
  std::string scaled(const std::string& name, std::string value, const Form& in, double multiplier,
                     double count, const host::Requantization& r, double scale) {
    const double times = factor(multiplier, count, r, in.scale, scale);
    if (times != 1.0)
      value = writer_.node("Mul", name + "/scaled", {value, writer_.scalar(name + "/factor", times)});
    return shifted(name, value, in.zero(0) * count * multiplier + exact_bias(r), r, scale);
  }

  /// Adds what the bias holds beyond the zero points and rounding.
  std::string shifted(const std::string& name, const std::string& value, double bias,
                      const host::Requantization& r, double scale) {
    if (is_rounding(bias, r)) return value;
    return writer_.node("Add", name + "/shifted",
                        {value, writer_.scalar(name + "/offset", bias / power_of_two(r.shift) * scale)});
  }

  Form add(const host::Layer& layer, const host::QuantizedLayer& integers) {
    const host::Requantization& r = integers.requantization.at(0);
    const double scale = scale_of(layer.output, model_.tensor_scales.at(layer.output).written);
    std::vector<std::string> operands;
    double bias = exact_bias(r);
    for (std::size_t i = 0; i < 2; ++i) {
      const Form& in = written_[layer.inputs[i]];
      const double multiplier = integers.requantization[i].multiplier;
      const double times = factor(multiplier, 1, r, in.scale, scale);
      const std::string name = fmt::format("{}/operand{}", layer.name, i);
      operands.push_back(
          times == 1.0 ? in.value
                       : writer_.node("Mul", name, {in.value, writer_.scalar(name + "/factor", times)}));
      bias += in.zero(0) * multiplier;
    }
    std::string value = writer_.node("Add", layer.name, operands);
    value = shifted(layer.name, value, bias, r, scale);
    return elementwise_result(layer, integers, value, scale, written_[layer.input()].is_vector);
  }

  Form elementwise_result(const host::Layer& layer, const host::QuantizedLayer& integers, std::string value,
                          double scale, bool is_vector) {
    host::OutputRange range = integers.range;
    value = activated(layer, value, range, scale);
    Form result = result_form(layer, range, value, scale, is_vector);
    result.zeros = {static_cast<double>(integers.range.zero)};
    return result;
  }

  Form average_pool(const host::Layer& layer, const host::QuantizedLayer& integers) {
    const Form& in = written_[layer.input()];
    check_padding(layer, integers, in);
    const host::Shape& shape = network_.input_shape(layer);
    const host::Requantization& r = integers.requantization.front();
    const double scale = scale_of(layer.output, model_.tensor_scales.at(layer.output).written);
    const bool global =
        layer.kernel_height == shape.height && layer.kernel_width == shape.width && !layer.pad.any();
    const std::string value =
        global ? writer_.node("GlobalAveragePool", layer.name, {in.value}) : counted_mean(layer, in);
    if (layer.uncounted.any()) {
      check_means(layer, integers, in, scale);
      return elementwise_result(layer, integers, value, scale, false);
    }
    const double taps = layer.window().taps();
    return elementwise_result(layer, integers, scaled(layer.name, value, in, r.multiplier, taps, r, scale),
                              scale, false);
  }

  /// The padding that counts by a Pad before the pool, where the pool has some that does not.
  std::string counted_mean(const host::Layer& layer, const Form& in) {
    host::Layer pool = layer;
    std::string value = in.value;
    if (layer.uncounted.any() && layer.uncounted != layer.pad) {
      const host::Padding &all = layer.pad, &out = layer.uncounted;
      value = writer_.pad(
          layer.name + "/padded", value,
          {all.top - out.top, all.left - out.left, all.bottom - out.bottom, all.right - out.right});
      pool.pad = out;
    }
    GraphWriter::Attributes attributes = window(pool);
    attributes.integers.push_back({"count_include_pad", layer.uncounted.any() ? 0 : 1});
    return writer_.node("AveragePool", layer.name, {value}, attributes);
  }

  /// Where windows count different numbers of taps, the file can say a plain mean only.
  void check_means(const host::Layer& layer, const host::QuantizedLayer& integers, const Form& in,
                   double scale) const {
    const std::vector<int> counts = host::counted_taps(network_, layer);
    for (std::size_t i = 0; i < counts.size(); ++i) {
      const host::Requantization& r = integers.requantization.at(i);
      const double bias = in.zero(0) * layer.window().taps() * r.multiplier + exact_bias(r);
      if (factor(r.multiplier, counts[i], r, in.scale, scale) != 1.0 || !is_rounding(bias, r))
        refuse(layer, "is no mean of what it counts; quantize the network again");
    }
  }

  Form product(const host::Layer& layer, const host::QuantizedLayer& integers) {
    const Form &first = written_[layer.inputs[0]], &second = written_[layer.inputs[1]];
    std::string vector = second.value;
    if (second.is_vector && !first.is_vector)
      vector = writer_.node("Unsqueeze", layer.name + "/vector",
                            {vector, writer_.integers(layer.name + "/axes", {2, 3})});
    const std::string value = writer_.node("Mul", layer.name, {first.value, vector});
    const double scale = scale_of(layer.output, model_.tensor_scales.at(layer.output).written);
    const host::Requantization& r = integers.requantization.front();
    const Form exact{value, first.scale * second.scale, {0}, first.is_vector};
    return elementwise_result(layer, integers, scaled(layer.name, value, exact, r.multiplier, 1, r, scale),
                              scale, first.is_vector);
  }

  Form function(const host::Layer& layer, const host::QuantizedLayer& integers) {
    const Form& in = written_[layer.input()];
    const double scale = scale_of(layer.output, model_.tensor_scales.at(layer.output).written);
    return result_form(layer, integers.range, write_function(writer_, layer, in.value), scale, in.is_vector);
  }

  Form kept_codes(const host::Layer& layer) {
    Form result = read(layer, layer.input());
    if (layer.kind == LayerKind::max_pool) {
      result.value = writer_.node("MaxPool", layer.name, {result.value}, window(layer));
    } else if (layer.kind == LayerKind::upsample) {
      result.value = writer_.upsample(layer.name, result.value, layer.stride);
    } else if (layer.kind == LayerKind::select) {
      result.value = writer_.gather(layer.name, result.value, layer.channels);
    } else {
      if (layer.kind == LayerKind::interleave && layer.stride.y != layer.stride.x)
        refuse(layer, "interleaves other numbers of rows than of columns; ONNX has no such operator");
      std::vector<std::string> parts;
      for (const int tensor : layer.inputs) {
        const Form& part = read(layer, tensor);
        if (part.zeros != result.zeros || part.scale != result.scale)
          refuse(layer, "joins tensors of different scales; quantize the network again");
        parts.push_back(part.value);
      }
      const bool interleaves = layer.kind == LayerKind::interleave;
      result.value = writer_.node("Concat", interleaves ? layer.name + "/parts" : layer.name, parts,
                                  {{{"axis", 1}}, {}, {}});
      if (interleaves)
        result.value = writer_.node("DepthToSpace", layer.name, {result.value},
                                    {{{"blocksize", layer.stride.y}}, {}, {}});
    }
    return result;
  }

  void write_metadata() {
    const auto list = [](const auto& values) { return fmt::format("{}", fmt::join(values, ",")); };
    std::vector<float> mean;
    for (const double zero : written_[network_.input].zeros) mean.push_back(static_cast<float>(zero / 255));
    writer_.metadata("bitloop.policy", host::to_json(model_.integers.policy).dump());
    writer_.metadata("bitloop.quantizer", model_.quantizer);
    writer_.metadata("bitloop.mean", list(mean));
    writer_.metadata("bitloop.deviation", list(std::vector<float>(mean.size(), 1.0F)));
    writer_.metadata("bitloop.training_mean", list(model_.mean));
    writer_.metadata("bitloop.training_deviation", list(model_.deviation));
  }

  const QuantizedModel& model_;
  const host::Network& network_;
  GraphWriter writer_;
  std::vector<Form> written_, narrow_;  // per tensor
};

}  // namespace

void export_onnx(const QuantizedModel& model, const std::filesystem::path& path) {
  std::error_code ignored;  // what follows says what is wrong
  if (path.has_parent_path()) std::filesystem::create_directories(path.parent_path(), ignored);
  host::write_file_atomically(path, Exporter(model).run());
}

}  // namespace bitloop::quant
