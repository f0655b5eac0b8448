#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <onnx/onnx_pb.h>

#include <bit>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "host/network/function.h"
#include "host/network/zoo/builder.h"
#include "quant/onnx/export.h"
#include "quant/onnx/import.h"
#include "quant/quantizers/encoding.h"
#include "tests/quant/files.h"
#include "tests/quant/fixtures.h"
#include "tests/quant/onnx/models.h"

namespace bitloop::quant {
namespace {

using host::zoo::NetworkBuilder;

onnx::ModelProto read_proto(const std::filesystem::path& path) {
  onnx::ModelProto model;
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(model.ParseFromIstream(&file));
  return model;
}

/// Runs the exported operators, those of QONNX by their definition, in doubles: what another tool would do.
class Evaluator {
 public:
  explicit Evaluator(const onnx::ModelProto& model) {
    for (const onnx::TensorProto& tensor : model.graph().initializer()) {
      std::vector<std::int64_t> sizes(tensor.dims().begin(), tensor.dims().end());
      if (tensor.data_type() == onnx::TensorProto::INT64) {
        values_[tensor.name()] = at::tensor(
            std::vector<std::int64_t>(tensor.int64_data().begin(), tensor.int64_data().end()), at::kLong);
        continue;
      }
      auto* data = const_cast<char*>(tensor.raw_data().data());
      values_[tensor.name()] = at::from_blob(data, sizes, at::kFloat).to(at::kDouble);
    }
  }

  void run(const onnx::ModelProto& model, const at::Tensor& input) {
    values_[model.graph().input(0).name()] = input;
    for (const onnx::NodeProto& node : model.graph().node()) values_[node.output(0)] = evaluate(node);
  }
  [[nodiscard]] const at::Tensor& at(const std::string& name) const { return values_.at(name); }
  [[nodiscard]] bool has(const std::string& name) const { return values_.contains(name); }

 private:
  static std::vector<std::int64_t> list(const onnx::NodeProto& node, const std::string& name) {
    for (const auto& a : node.attribute())
      if (a.name() == name) return {a.ints().begin(), a.ints().end()};
    return {};
  }
  static std::int64_t integer(const onnx::NodeProto& node, const std::string& name) {
    for (const auto& a : node.attribute())
      if (a.name() == name) return a.i();
    return 1;
  }
  static at::Tensor padded(const onnx::NodeProto& node, const at::Tensor& x, double value) {
    const auto p = list(node, "pads");
    return at::constant_pad_nd(x, {p[1], p[3], p[0], p[2]}, value);
  }

  at::Tensor evaluate(const onnx::NodeProto& node) const {
    const auto in = [&](int i) { return values_.at(node.input(i)); };
    const std::string& op = node.op_type();
    if (op == "Quant") return quant(node);
    if (op == "BipolarQuant") return at::where(in(0) >= 0, in(1), -in(1));
    if (op == "Conv") {
      return at::conv2d(padded(node, in(0), 0), in(1), at::Tensor(), list(node, "strides"),
                        at::IntArrayRef{0, 0}, at::IntArrayRef{1, 1}, integer(node, "group"));
    }
    if (op == "MatMul") return at::matmul(in(0), in(1));
    if (op == "Flatten") return in(0).flatten(1);
    if (op == "BatchNormalization") {
      const auto shape =
          in(0).dim() == 4 ? std::vector<std::int64_t>{1, -1, 1, 1} : std::vector<std::int64_t>{1, -1};
      return (in(0) - in(3).view(shape)) / (in(4).view(shape) + 1e-5).sqrt() * in(1).view(shape) +
             in(2).view(shape);
    }
    if (op == "Relu") return in(0).relu();
    if (op == "Clip") return in(0).clamp(in(1).item<double>(), in(2).item<double>());
    if (op == "LeakyRelu") return at::leaky_relu(in(0), node.attribute(0).f());
    if (op == "PRelu") return at::where(in(0) < 0, in(0) * in(1), in(0));
    if (op == "Add") return in(0) + in(1);
    if (op == "Mul") return in(0) * in(1);
    if (op == "Gather") return in(0).index_select(integer(node, "axis"), in(1));
    if (op == "Sigmoid") return in(0).sigmoid();
    if (op == "Div") return in(0) / in(1);
    if (op == "HardSigmoid") return (in(0) * node.attribute(0).f() + node.attribute(1).f()).clamp(0, 1);
    if (op == "Concat") return at::cat({in(0), in(1)}, 1);
    if (op == "MaxPool")
      return at::max_pool2d(padded(node, in(0), -1e30), list(node, "kernel_shape"), list(node, "strides"));
    if (op == "AveragePool")
      return at::avg_pool2d(padded(node, in(0), 0), list(node, "kernel_shape"), list(node, "strides"));
    if (op == "GlobalAveragePool") return in(0).mean({2, 3}, true);
    if (op == "Resize")
      return in(0)
          .repeat_interleave(static_cast<std::int64_t>(in(2)[2].item<double>()), 2)
          .repeat_interleave(static_cast<std::int64_t>(in(2)[3].item<double>()), 3);
    throw std::runtime_error("the export has an operator that this test does not know: " + op);
  }

  at::Tensor quant(const onnx::NodeProto& node) const {
    const auto in = [&](int i) { return values_.at(node.input(i)); };
    const double bits = in(3).item<double>();
    const bool is_signed = integer(node, "signed") != 0, narrow = integer(node, "narrow") != 0;
    const double steps = std::exp2(is_signed ? bits - 1 : bits);
    const double low = is_signed ? (narrow ? 1 - steps : -steps) : 0;
    const double high = is_signed ? steps - 1 : (narrow ? steps - 2 : steps - 1);
    // To even at ties, as QONNX states; the models of these tests have none.
    const at::Tensor codes = (in(0) / in(1) + in(2)).round().clamp(low, high);
    return (codes - in(2)) * in(1);
  }

  std::map<std::string, at::Tensor> values_;
};

constexpr double kSlope = 0.25;  // of every second filter half of it, where each has its own
constexpr int kSlopeShift = 2;

/// A network with every kind of layer; `widths` of its policy vary with the seed.
host::Network all_kinds() {
  NetworkBuilder net("all-kinds", {3, 12, 12});
  const int a = net.conv("a", net.image(), {.filters = 8, .kernel = 3});
  const int pooled = net.max_pool("pool", a, 2, 2, 0, 0);
  const int b = net.depthwise("b", pooled, {.kernel = 3, .activation = host::Activation::relu6});
  const int c = net.conv("c", b, {.filters = 8, .activation = host::Activation::none});
  const int sum = net.add("sum", pooled, c, host::Activation::relu);
  const int d = net.conv(
      "d", sum, {.filters = 6, .kernel = 3, .stride = 2, .activation = host::Activation::leaky_relu});
  const int up = net.upsample("up", d, 2);
  const int joined = net.concat("joined", {up, c});
  const int some = net.select("some", joined, {9, 2, 13, 0, 11, 4});
  const int grouped = net.conv("grouped", some, {.filters = 9, .kernel = 3, .groups = 3});
  const int twice = net.depthwise("twice", grouped, {.filters = 2, .kernel = 3});
  const int e = net.conv("e", twice, {.filters = 10, .kernel = 3});
  const int mean = net.global_average_pool("mean", e);
  const int f = net.linear("f", mean, 12, host::Activation::leaky_relu, true);
  host::Network network = net.finish({net.linear("g", f, 5, host::Activation::none, false)});
  for (host::Layer& layer : network.layers) layer.negative_slopes = {kSlope};
  network.layers[5].negative_slopes = {kSlope, kSlope / 2, kSlope, kSlope / 2, kSlope, kSlope / 2};
  return network;
}

std::int32_t zero_of(const host::Tensor& tensor, int bits) { return tensor.is_signed ? 1 << (bits - 1) : 0; }

/// Multipliers of 16 bits for one shift, as quantization gives them; random ones, often powers of two, make
/// ties.
void use_full_multipliers(std::span<host::Requantization> operands, std::mt19937_64& random) {
  int digits = 16;
  for (const auto& r : operands)
    digits = std::min(digits, 16 - static_cast<int>(std::bit_width(unsigned{r.multiplier})));
  for (host::Requantization& r : operands) {
    r.multiplier = static_cast<std::uint16_t>((r.multiplier << digits) | (random() % (1U << digits)) | 1U);
    r.bias = (r.bias << digits) + static_cast<std::int64_t>(random() % 1000);
    r.shift = static_cast<std::uint8_t>(r.shift + digits);
  }
}

/// Random integers with zero points and limits as quantization gives them, and scales that fit.
QuantizedModel random_model(const host::Network& network, const host::Policy& policy, std::uint64_t seed) {
  QuantizedModel model;
  model.integers = host::random_quantization(network, policy, seed);
  model.quantizer = "random";
  model.mean = {0.485F, 0.456F, 0.406F};
  model.deviation = {0.229F, 0.224F, 0.225F};
  std::mt19937_64 random(seed);
  const auto unit = [&] { return 0.5 + static_cast<double>(random() % 1000) / 1000; };
  const auto classes = host::width_classes(network);
  std::vector<double> range(network.tensors.size());  // largest value, one per class
  for (double& value : range) value = 4 + 8 * unit();
  for (std::size_t t = 0; t < network.tensors.size(); ++t) {
    const int written = model.integers.bits.written[t], narrow = model.integers.bits.narrow[t];
    const auto scale = [&](int bits) { return range[classes[t]] / std::exp2(std::min(bits, 12)); };
    model.tensor_scales.push_back({scale(written), narrow == 0 ? 0 : scale(narrow)});
    host::Narrowing& narrowing = model.integers.narrowing[t];
    if (narrow == 0) continue;
    narrowing.range.zero = zero_of(network.tensors[t], narrow);
    use_full_multipliers(std::span(&narrowing.requantization, 1), random);
  }
  model.tensor_scales[network.input] = {1.0 / 255, 0};
  for (std::size_t i = 0; i < network.layers.size(); ++i) {
    const host::Layer& layer = network.layers[i];
    host::QuantizedLayer& integers = model.integers.layers[i];
    model.weight_scales.emplace_back();
    if (layer.keeps_codes()) continue;
    const int bits = model.integers.bits.written[layer.output];
    if (bits <= 8) {
      integers.range.zero = zero_of(network.tensors[layer.output], bits);
      const bool rectified =
          layer.activation == host::Activation::relu || layer.activation == host::Activation::relu6;
      if (rectified) integers.range.low = integers.range.zero;
      const std::int64_t six =
          integers.range.zero + std::llround(6 / model.tensor_scales[layer.output].written);
      if (layer.activation == host::Activation::relu6)
        integers.range.high = static_cast<std::int32_t>(std::min<std::int64_t>(integers.range.high, six));
    }
    if (layer.kind == host::LayerKind::add) use_full_multipliers(integers.requantization, random);
    for (std::size_t f = 0; f < integers.requantization.size() && layer.kind != host::LayerKind::add; ++f) {
      use_full_multipliers(std::span(integers.requantization).subspan(f, 1), random);
      if (layer.has_weights()) model.weight_scales.back().push_back(static_cast<float>(0.01 * unit()));
      if (layer.activation != host::Activation::leaky_relu) continue;
      host::Requantization& below = integers.negative[f] = integers.requantization[f];
      below.shift += kSlopeShift + (layer.negative_slopes.size() > 1 ? f % 2 : 0);
      below.bias += (std::int64_t{1} << (below.shift - 1)) -
                    (std::int64_t{1} << (integers.requantization[f].shift - 1));
    }
    if (layer.input() == network.input) {
      integers.pad_codes = {124, 116, 104};
    } else {
      const int read = layer.has_weights() ? model.integers.bits.read(layer.input())
                                           : model.integers.bits.written[layer.input()];
      const std::int32_t zero = zero_of(network.tensors[layer.input()], read);
      std::fill(integers.pad_codes.begin(), integers.pad_codes.end(), static_cast<std::uint8_t>(zero));
    }
  }
  return model;
}

/// Codes of a value of the file.
std::vector<std::int32_t> codes_of(const at::Tensor& value, double scale, std::int32_t zero) {
  const at::Tensor codes = (value / scale).round().add(zero).to(at::kInt).contiguous();
  return {codes.data_ptr<int>(), codes.data_ptr<int>() + codes.numel()};
}

/// Pixels of a 3x12x12 image as the file's input.
at::Tensor image_of(const std::vector<std::uint8_t>& pixels) {
  const at::Tensor bytes = at::tensor(std::vector<double>(pixels.begin(), pixels.end()), at::kDouble);
  const at::Tensor zero = at::tensor({124.0, 116.0, 104.0}, at::kDouble);
  return (bytes.view({1, 12, 12, 3}) - zero).div(255).permute({0, 3, 1, 2}).contiguous();
}

class ExportedGraph : public ::testing::TestWithParam<int> {};

TEST_P(ExportedGraph, computes_the_codes_of_the_integers) {
  const auto seed = static_cast<std::uint64_t>(GetParam());
  const host::Network network = all_kinds();
  host::Policy policy = host::uniform_policy(network, host::kWidths[seed % 4], host::kWidths[(seed / 4) % 4]);
  const QuantizedModel model = random_model(network, policy, seed);
  const TemporaryFolder folder;
  export_onnx(model, folder.path() / "net.onnx");
  const onnx::ModelProto proto = read_proto(folder.path() / "net.onnx");

  const auto pixels = random_bytes(3 * 12 * 12, seed);
  const host::TensorCodes golden = host::golden_run(model.integers, pixels);
  Evaluator evaluator(proto);
  evaluator.run(proto, image_of(pixels));

  for (const host::Layer& layer : network.layers) {
    const host::Tensor& tensor = network.tensors[layer.output];
    const int bits = model.integers.bits.written[layer.output],
              narrow = model.integers.bits.narrow[layer.output];
    const TensorScales& scales = model.tensor_scales[layer.output];
    if (bits == 32) {
      const auto& expected = golden.written[layer.output].codes;
      const at::Tensor value = evaluator.at("g/norm");
      for (std::size_t i = 0; i < expected.size(); ++i) {
        const double logit = expected[i] * scales.written;
        EXPECT_NEAR(value.flatten()[static_cast<std::int64_t>(i)].item<double>(), logit,
                    1e-5 * std::fabs(logit) + scales.written);
      }
      continue;
    }
    if (!layer.keeps_codes()) {
      const std::string name = layer.name + "/quantized";
      ASSERT_TRUE(evaluator.has(name));
      EXPECT_EQ(codes_of(evaluator.at(name), scales.written, zero_of(tensor, bits)),
                golden.written[layer.output].codes)
          << tensor.name << ", policy " << policy.key();
    }
    if (narrow == 0) continue;
    EXPECT_EQ(
        codes_of(evaluator.at(tensor.name + "/narrow/quantized"), scales.narrow, zero_of(tensor, narrow)),
        golden.narrow[layer.output].codes)
        << tensor.name << ", narrow, policy " << policy.key();
  }
}

INSTANTIATE_TEST_SUITE_P(Onnx, ExportedGraph, ::testing::Range(0, 16));

host::Network plain_network() {
  NetworkBuilder net("plain", {3, 12, 12});
  int x = net.conv("conv1", net.image(), {.filters = 8, .kernel = 3});
  x = net.max_pool("pool", x, 2, 2, 0, 0);
  x = net.conv("conv2", x, {.filters = 8, .kernel = 3, .activation = host::Activation::relu6});
  x = net.linear("fc1", x, 12, host::Activation::relu, true);
  return net.finish({net.linear("fc2", x, 5, host::Activation::none, false)});
}

TEST(OnnxExport, is_read_back_with_its_weights_and_its_input) {
  for (const int bits : host::kWidths) {
    const host::Network network = plain_network();
    const QuantizedModel model = random_model(network, host::uniform_policy(network, bits, 4), 3);
    const TemporaryFolder folder;
    export_onnx(model, folder.path() / "plain.onnx");
    const FloatNetwork read = import_onnx(folder.path() / "plain.onnx");
    ASSERT_EQ(read.network.layers.size(), network.layers.size());
    std::size_t weight_layer = 0;
    for (std::size_t i = 0; i < network.layers.size(); ++i) {
      EXPECT_EQ(read.network.layers[i].name, network.layers[i].name);
      EXPECT_EQ(read.network.layers[i].kind, network.layers[i].kind);
      EXPECT_EQ(read.network.layers[i].pad, network.layers[i].pad);
      if (!network.layers[i].has_weights()) continue;
      EXPECT_EQ(read.network.layers[i].activation == host::Activation::none,
                network.layers[i].activation == host::Activation::none);
      const host::QuantizedLayer& integers = model.integers.layers[i];
      const auto& values = read.parameters.at(weight_layer++).weight;
      const host::WeightCode code = host::weight_code(bits);
      ASSERT_EQ(values.size(), integers.weights.size());
      const std::size_t each = values.size() / integers.requantization.size();
      for (std::size_t w = 0; w < values.size(); ++w) {
        const float scale = model.weight_scales[i][w / each];
        ASSERT_NEAR(values[w], (code.alpha * integers.weights[w] - code.beta) * scale, 1e-6)
            << network.layers[i].name;
      }
    }
    ASSERT_EQ(read.mean.size(), 3U);
    EXPECT_FLOAT_EQ(read.mean[0], 124.0F / 255);
    EXPECT_EQ(read.deviation, (std::vector<float>{1, 1, 1}));
  }
}

/// Windows that differ by direction, a mean that leaves out a part of its padding, positions side by side.
host::Network network_of_windows() {
  NetworkBuilder net("windows", {3, 6, 6});
  int x = net.conv("wide", net.image(), {.filters = 8, .kernel = 3});
  x = net.conv("dilated", x, {.filters = 8, .kernel = 3});
  x = net.depthwise("mean", x, {.kernel = 3});
  std::vector<int> phases;
  for (const char* name : {"p0", "p1", "p2", "p3"})
    phases.push_back(net.conv(name, x, {.filters = 8, .kernel = 1}));
  x = net.concat("sides", phases);
  host::Network network = net.finish({net.linear("fc", x, 5, host::Activation::none, false)});
  const auto layer = [&](std::string_view name) -> host::Layer& {
    return *std::ranges::find(network.layers, name, &host::Layer::name);
  };
  layer("wide").kernel_height = 1;
  layer("wide").kernel_width = 5;
  layer("wide").pad = {0, 3, 0, 1};
  layer("dilated").dilation = {2, 1};
  layer("dilated").pad = {1, 1, 3, 1};
  host::Layer& mean = layer("mean");
  mean.kind = host::LayerKind::average_pool;
  mean.activation = host::Activation::none;
  mean.batch_norm = false;
  mean.pad = {1, 2, 1, 0};
  mean.uncounted = {1, 1, 0, 0};
  layer("sides").kind = host::LayerKind::interleave;
  layer("sides").stride = 2;
  network.tensors[layer("sides").output].shape = {8, 12, 12};
  host::derive_signedness(network);
  network.validate();
  return network;
}

TEST(OnnxExport, windows_are_read_back_as_they_were) {
  const host::Network network = network_of_windows();
  QuantizedModel model = random_model(network, host::uniform_policy(network, 4, 4), 3);
  for (std::size_t i = 0; i < network.layers.size(); ++i) {
    const host::Layer& layer = network.layers[i];
    if (layer.kind != host::LayerKind::average_pool) continue;
    const double ratio =
        model.tensor_scales[layer.input()].written / model.tensor_scales[layer.output].written;
    std::vector<host::Requantization>& sets = model.integers.layers[i].requantization;
    sets.clear();
    for (const int taps : host::counted_taps(network, layer))
      sets.push_back(to_requantization(ratio / taps, 0));
    EXPECT_GT(sets.size(), 1U);
  }
  const TemporaryFolder folder;
  export_onnx(model, folder.path() / "windows.onnx");
  const FloatNetwork read = import_onnx(folder.path() / "windows.onnx");
  ASSERT_EQ(read.network.layers.size(), network.layers.size());
  for (std::size_t i = 0; i < network.layers.size(); ++i) {
    const host::Layer &a = read.network.layers[i], &b = network.layers[i];
    SCOPED_TRACE(b.name);
    EXPECT_EQ(a.kind, b.kind);
    EXPECT_EQ(std::pair(a.kernel_height, a.kernel_width), std::pair(b.kernel_height, b.kernel_width));
    EXPECT_EQ(a.stride, b.stride);
    EXPECT_EQ(a.dilation, b.dilation);
    EXPECT_EQ(a.pad, b.pad);
    EXPECT_EQ(a.uncounted, b.uncounted);
    EXPECT_EQ(a.inputs, b.inputs);
  }
}

/// Integers of layers without weights as quantization makes them: tables of the functions themselves,
/// multipliers of the scales' ratio.
void use_own_scales(QuantizedModel& model) {
  const host::Network& network = model.integers.network;
  const auto scale = [&](int tensor) {
    return model.tensor_scales[static_cast<std::size_t>(tensor)].written;
  };
  const auto zero = [&](int tensor) {
    return zero_of(network.tensors[tensor], model.integers.bits.written[tensor]);
  };
  for (std::size_t i = 0; i < network.layers.size(); ++i) {
    const host::Layer& layer = network.layers[i];
    host::QuantizedLayer& integers = model.integers.layers[i];
    if (layer.has_weights()) continue;
    integers.range = {zero(layer.output), 0, (1 << model.integers.bits.written[layer.output]) - 1};
    const double unit = scale(layer.input()) / scale(layer.output);
    if (layer.kind == host::LayerKind::average_pool) {
      const int taps = layer.kernel_height * layer.kernel_width;
      host::Requantization r = to_requantization(unit / taps, 0);
      r.bias -= std::int64_t{r.multiplier} * taps * zero(layer.input());
      integers.requantization = {r};
    } else if (layer.kind == host::LayerKind::product) {
      integers.requantization = {to_requantization(unit * scale(layer.inputs[1]), 0)};
    } else {
      for (int code = 0; code < host::kTableCodes; ++code) {
        const double y = host::Function(layer.function)((code - zero(layer.input())) * scale(layer.input()));
        const double result = std::floor(y / scale(layer.output) + 0.5) + integers.range.zero;
        integers.table[static_cast<std::size_t>(code)] =
            static_cast<std::uint8_t>(std::clamp(result, 0.0, static_cast<double>(integers.range.high)));
      }
    }
  }
}

host::Network network_of_functions() {
  NetworkBuilder net("functions", {3, 12, 12});
  int x = net.conv("conv1", net.image(), {.filters = 8, .kernel = 3, .activation = host::Activation::none});
  x = net.function("silu", x, "x x sigmoid mul");
  x = net.conv("conv2", x, {.filters = 8, .kernel = 3, .activation = host::Activation::none});
  x = net.function("swish", x, "x x 0.25 mul 0.5 add 0 max 1 min mul");
  x = net.conv("conv3", x, {.filters = 8, .kernel = 3, .activation = host::Activation::none});
  int gate = net.global_average_pool("mean", x);
  gate = net.conv("excite", gate, {.filters = 8, .activation = host::Activation::none});
  gate = net.function("gate", gate, "x 0.25 mul 0.5 add 0 max 1 min");
  x = net.product("gated", x, gate);
  return net.finish({net.linear("fc", x, 5, host::Activation::none, false)});
}

TEST(OnnxExport, functions_and_products_compute_the_codes_of_their_integers_and_are_read_back) {
  const host::Network network = network_of_functions();
  for (const int bits : {8, 4}) {
    QuantizedModel model = random_model(network, host::uniform_policy(network, 8, bits), 9);
    use_own_scales(model);
    const TemporaryFolder folder;
    export_onnx(model, folder.path() / "functions.onnx");
    const onnx::ModelProto proto = read_proto(folder.path() / "functions.onnx");
    const auto pixels = random_bytes(3 * 12 * 12, 9);
    const host::TensorCodes golden = host::golden_run(model.integers, pixels);
    Evaluator evaluator(proto);
    evaluator.run(proto, image_of(pixels));
    const FloatNetwork read = import_onnx(folder.path() / "functions.onnx");
    ASSERT_EQ(read.network.layers.size(), network.layers.size());
    for (std::size_t i = 0; i < network.layers.size(); ++i) {
      const host::Layer& layer = network.layers[i];
      EXPECT_EQ(read.network.layers[i].kind, layer.kind);
      EXPECT_EQ(read.network.layers[i].function, layer.function);
      if (layer.kind != host::LayerKind::function && layer.kind != host::LayerKind::product) continue;
      const auto written = static_cast<std::size_t>(layer.output);
      const auto codes = codes_of(evaluator.at(layer.name + "/quantized"),
                                  model.tensor_scales[written].written, model.integers.layers[i].range.zero);
      const auto& expected = golden.written[written].codes;
      ASSERT_EQ(codes.size(), expected.size());
      // A product's multiplier has 16 bits: what lies beside a tie may round to its other side.
      const int tolerance = layer.kind == host::LayerKind::product ? 1 : 0;
      for (std::size_t code = 0; code < codes.size(); ++code)
        ASSERT_NEAR(codes[code], expected[code], tolerance) << layer.name;
    }
  }
}

TEST(OnnxExport, states_policy_and_widths) {
  const host::Network network = plain_network();
  const QuantizedModel model = random_model(network, host::uniform_policy(network, 2, 4), 5);
  const TemporaryFolder folder;
  export_onnx(model, folder.path() / "plain.onnx");
  const onnx::ModelProto proto = read_proto(folder.path() / "plain.onnx");
  std::map<std::string, std::string> metadata;
  for (const auto& entry : proto.metadata_props()) metadata[entry.key()] = entry.value();
  EXPECT_EQ(host::policy_from_json(network, nlohmann::json::parse(metadata["bitloop.policy"]), "metadata"),
            model.integers.policy);
  EXPECT_EQ(metadata["bitloop.quantizer"], "random");
  EXPECT_EQ(metadata["bitloop.training_deviation"], "0.229,0.224,0.225");
  // 2-bit weights are odd integers of 3 bits.
  std::map<std::string, float> scalars;
  for (const auto& tensor : proto.graph().initializer())
    if (tensor.dims_size() == 0)
      std::memcpy(&scalars[tensor.name()], tensor.raw_data().data(), sizeof(float));
  EXPECT_EQ(scalars.at("conv2.weight/quantized/bits"), 3);
  EXPECT_EQ(scalars.at("conv1/quantized/bits"), 4);
}

TEST(OnnxExport, refuses_a_model_without_scales) {
  const host::Network network = plain_network();
  QuantizedModel model = random_model(network, host::uniform_policy(network, 4, 4), 5);
  model.tensor_scales[1] = {};
  const TemporaryFolder folder;
  EXPECT_THROW(export_onnx(model, folder.path() / "plain.onnx"), InputError);
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "plain.onnx"));
}

}  // namespace
}  // namespace bitloop::quant
