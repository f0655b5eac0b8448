#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "host/base/error.h"
#include "quant/training/float_network.h"
#include "tests/quant/fixtures.h"

namespace bitloop::quant {
namespace {

using host::Activation;
using host::LayerKind;

/// Every kind of layer and activation, windows with padding on one side only, beyond half a window and none.
host::Network every_kind() {
  host::Network network{.name = "every-kind",
                        .tensors = {{"image", {3, 9, 7}},
                                    {"stem", {4, 9, 7}},
                                    {"deep", {4, 5, 4}},
                                    {"point", {4, 5, 4}},
                                    {"sum", {4, 5, 4}},
                                    {"most", {4, 5, 4}},
                                    {"both", {8, 5, 4}},
                                    {"some", {6, 5, 4}},
                                    {"grouped", {9, 5, 4}},
                                    {"twice", {18, 5, 4}},
                                    {"up", {18, 10, 8}},
                                    {"mean", {18, 6, 5}},
                                    {"hidden", {5, 1, 1}},
                                    {"result", {3, 1, 1}}},
                        .layers = {},
                        .input = 0,
                        .outputs = {13}};
  network.layers = {
      {.name = "stem",
       .inputs = {0},
       .output = 1,
       .kernel_height = 3,
       .kernel_width = 3,
       .pad = 1,
       .activation = Activation::leaky_relu,
       .batch_norm = true,
       .negative_slopes = {0.1, 0.4, 0, 1}},
      {.name = "deep",
       .kind = LayerKind::depthwise,
       .inputs = {1},
       .output = 2,
       .kernel_height = 3,
       .kernel_width = 3,
       .stride = 2,
       .pad = 1,
       .activation = Activation::relu6,
       .batch_norm = true},
      {.name = "point", .inputs = {2}, .output = 3, .activation = Activation::none, .batch_norm = true},
      {.name = "sum", .kind = LayerKind::add, .inputs = {2, 3}, .output = 4, .activation = Activation::relu},
      {.name = "most",
       .kind = LayerKind::max_pool,
       .inputs = {4},
       .output = 5,
       .kernel_height = 2,
       .kernel_width = 2,
       .pad = {0, 0, 1, 1}},
      {.name = "both", .kind = LayerKind::concat, .inputs = {5, 3}, .output = 6},
      {.name = "some", .kind = LayerKind::select, .inputs = {6}, .output = 7, .channels = {5, 2, 7, 0, 3, 6}},
      {.name = "grouped",
       .inputs = {7},
       .output = 8,
       .kernel_height = 3,
       .kernel_width = 3,
       .pad = 1,
       .batch_norm = true,
       .groups = 3},
      {.name = "twice", .kind = LayerKind::depthwise, .inputs = {8}, .output = 9},
      {.name = "up", .kind = LayerKind::upsample, .inputs = {9}, .output = 10, .stride = 2},
      {.name = "mean",
       .kind = LayerKind::average_pool,
       .inputs = {10},
       .output = 11,
       .kernel_height = 3,
       .kernel_width = 3,
       .stride = 2,
       .pad = 2},
      {.name = "hidden",
       .kind = LayerKind::linear,
       .inputs = {11},
       .output = 12,
       .activation = Activation::relu,
       .batch_norm = true},
      {.name = "result", .kind = LayerKind::linear, .inputs = {12}, .output = 13}};
  host::derive_signedness(network);
  network.validate();
  return network;
}

/// Start weights, and batch norms that differ from doing nothing.
std::vector<FloatLayer> parameters_of(const host::Network& network) {
  std::vector<FloatLayer> layers = start_layers(network, 7);
  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(8);
  for (FloatLayer& layer : layers) {
    if (layer.bias.defined()) layer.bias.uniform_(-1, 1, generator);
    if (!layer.gain.defined()) continue;
    layer.gain.uniform_(-2, 2, generator);
    layer.shift.uniform_(-1, 1, generator);
    layer.mean.uniform_(-1, 1, generator);
    layer.variance.uniform_(0.2, 2, generator);
  }
  return layers;
}

using Values = std::vector<double>;

/// One image through a network by plain loops.
class ByHand {
 public:
  ByHand(const host::Network& network, const std::vector<FloatLayer>& parameters, const at::Tensor& image)
      : network_(network), values_(network.tensors.size()) {
    values_[network.input] = doubles(image);
    std::size_t weight_layer = 0;
    for (const host::Layer& layer : network.layers) {
      Values& out = values_[layer.output];
      out.resize(network.output_shape(layer).elements());
      compute(layer, layer.has_weights() ? &parameters[weight_layer++] : nullptr, out);
      const std::size_t area = out.size() / static_cast<std::size_t>(network.output_shape(layer).channels);
      for (std::size_t i = 0; i < out.size(); ++i) out[i] = activate(layer, out[i], i / area);
    }
  }
  [[nodiscard]] const Values& of(int tensor) const { return values_[tensor]; }

 private:
  static Values doubles(const at::Tensor& tensor) {
    const at::Tensor flat = tensor.contiguous().to(at::kDouble);
    return {flat.data_ptr<double>(), flat.data_ptr<double>() + flat.numel()};
  }
  static double activate(const host::Layer& layer, double x, std::size_t filter) {
    if (layer.activation == Activation::relu) return std::max(x, 0.0);
    if (layer.activation == Activation::relu6) return std::clamp(x, 0.0, 6.0);
    if (layer.activation != Activation::leaky_relu || x >= 0) return x;
    return x * layer.negative_slopes[layer.negative_slopes.size() == 1 ? 0 : filter];
  }
  /// Of the first input; `outside` beyond the edge.
  [[nodiscard]] double at(int tensor, int c, int y, int x, double outside = 0) const {
    const host::Shape& s = network_.tensors[tensor].shape;
    if (y < 0 || x < 0 || y >= s.height || x >= s.width) return outside;
    return values_[tensor][(static_cast<std::size_t>(c) * s.height + y) * s.width + x];
  }
  void compute(const host::Layer& layer, const FloatLayer* p, Values& out) const {
    const host::Shape& s = network_.output_shape(layer);
    std::size_t i = 0;
    for (int c = 0; c < s.channels; ++c)
      for (int y = 0; y < s.height; ++y)
        for (int x = 0; x < s.width; ++x)
          out[i++] = p != nullptr ? normalized(*p, c, weighted(layer, *p, c, y, x)) : other(layer, c, y, x);
  }
  [[nodiscard]] static double normalized(const FloatLayer& p, int c, double sum) {
    if (p.bias.defined()) return sum + p.bias[c].item<double>();
    const double deviation = std::sqrt(p.variance[c].item<double>() + 1e-5);
    return (sum - p.mean[c].item<double>()) / deviation * p.gain[c].item<double>() +
           p.shift[c].item<double>();
  }
  [[nodiscard]] double weighted(const host::Layer& layer, const FloatLayer& p, int c, int y, int x) const {
    const Values weights = doubles(p.weight[c]);
    double sum = 0;
    if (layer.kind == LayerKind::linear) {
      for (std::size_t i = 0; i < weights.size(); ++i) sum += weights[i] * values_[layer.input()][i];
      return sum;
    }
    const int first = network_.first_channel(layer, c);
    std::size_t i = 0;
    for (int from = first; from < first + network_.filter_channels(layer); ++from)
      for (int ky = 0; ky < layer.kernel_height; ++ky)
        for (int kx = 0; kx < layer.kernel_width; ++kx)
          sum +=
              weights[i++] * at(layer.input(), from, layer.window().row(y, ky), layer.window().column(x, kx));
    return sum;
  }
  [[nodiscard]] double other(const host::Layer& layer, int c, int y, int x) const {
    if (layer.kind == LayerKind::add) return at(layer.inputs[0], c, y, x) + at(layer.inputs[1], c, y, x);
    if (layer.kind == LayerKind::upsample)
      return at(layer.input(), c, y / layer.stride.y, x / layer.stride.x);
    if (layer.kind == LayerKind::select)
      return at(layer.input(), layer.channels[static_cast<std::size_t>(c)], y, x);
    if (layer.kind == LayerKind::concat) {
      const int first = network_.input_shape(layer).channels;
      return c < first ? at(layer.inputs[0], c, y, x) : at(layer.inputs[1], c - first, y, x);
    }
    const bool is_max = layer.kind == LayerKind::max_pool;
    double result = is_max ? -INFINITY : 0;
    for (int ky = 0; ky < layer.kernel_height; ++ky)
      for (int kx = 0; kx < layer.kernel_width; ++kx) {
        const double value = at(layer.input(), c, layer.window().row(y, ky), layer.window().column(x, kx),
                                is_max ? -INFINITY : 0);
        result = is_max ? std::max(result, value) : result + value;
      }
    return is_max ? result : result / (layer.window().taps());
  }

  const host::Network& network_;
  std::vector<Values> values_;
};

void expect_equals_loops(const at::Tensor& (*form)(const at::Tensor&)) {
  const host::Network network = every_kind();
  const auto parameters = parameters_of(network);
  const at::NoGradGuard no_grad;
  const at::Tensor images = at::randn({2, 3, 9, 7}, at::make_generator<at::CPUGeneratorImpl>(9));
  const FloatPass pass = float_forward(network, parameters, form(images), false);
  for (int image = 0; image < 2; ++image) {
    const ByHand loops(network, parameters, images[image]);
    for (std::size_t t = 0; t < network.tensors.size(); ++t) {
      const at::Tensor values = pass.tensors[t][image].contiguous();
      ASSERT_EQ(values.numel(), static_cast<std::int64_t>(loops.of(t).size())) << network.tensors[t].name;
      for (std::int64_t i = 0; i < values.numel(); ++i)
        ASSERT_NEAR(values.data_ptr<float>()[i], loops.of(t)[i], 1e-4)
            << network.tensors[t].name << " at " << i;
    }
  }
}

TEST(FloatForward, equals_plain_loops_for_every_kind_of_layer) {
  expect_equals_loops([](const at::Tensor& x) -> const at::Tensor& { return x; });
}

TEST(FloatForward, equals_plain_loops_for_images_whose_channels_lie_side_by_side) {
  static at::Tensor kept;
  expect_equals_loops([](const at::Tensor& x) -> const at::Tensor& { return kept = channels_last(x); });
}

TEST(FloatForward, keeping_the_results_alone_changes_no_result) {
  const host::Network network = every_kind();
  const auto parameters = parameters_of(network);
  const at::NoGradGuard no_grad;
  const at::Tensor images = at::randn({2, 3, 9, 7});
  const FloatPass all = float_forward(network, parameters, images, false);
  const FloatPass few = float_forward(network, parameters, images, false, Keep::results);
  EXPECT_TRUE(few.tensors.at(network.output()).equal(all.tensors.at(network.output())));
  EXPECT_FALSE(few.tensors.at(1).defined());
  EXPECT_EQ(all.sums.size(), network.weight_layers().size());
}

TEST(FloatForward, every_classifier_of_the_zoo_gives_each_class_a_number) {
  const at::NoGradGuard no_grad;
  for (const char* name : {"lenet", "mobilenet-v2-0.1", "resnet18", "resnet20", "resnet50", "resnet8",
                           "mobilenet-v1-0.25", "ds-cnn"})
    for (const int channels : {1, 3}) {
      const host::Network network = host::zoo_network(name, host::Shape{channels, 28, 33}, 7);
      const auto images = channels_last(at::rand({2, channels, 28, 33}));
      const auto layers = start_layers(network, 1);
      for (const bool training : {false, true}) {
        const FloatPass pass = float_forward(network, layers, images, training);
        const at::Tensor logits = pass.tensors.at(network.output());
        EXPECT_EQ(logits.sizes(), (std::vector<std::int64_t>{2, 7, 1, 1})) << name;
        EXPECT_TRUE(logits.isfinite().all().item<bool>()) << name;
      }
    }
}

TEST(FloatLayers, take_their_shapes_from_the_network_and_refuse_what_does_not_fit) {
  FloatNetwork model;
  model.network = every_kind();
  const auto parameters = parameters_of(model.network);
  for (const FloatLayer& layer : parameters) {
    const auto floats = [](const at::Tensor& t) {
      return t.defined() ? std::vector<float>(t.data_ptr<float>(), t.data_ptr<float>() + t.numel())
                         : std::vector<float>{};
    };
    model.parameters.push_back({floats(layer.weight), floats(layer.bias), floats(layer.gain),
                                floats(layer.shift), floats(layer.mean), floats(layer.variance)});
  }
  const auto layers = float_layers(model);
  for (std::size_t i = 0; i < layers.size(); ++i) {
    ASSERT_EQ(layers[i].tensors().size(), parameters[i].tensors().size());
    for (std::size_t t = 0; t < layers[i].tensors().size(); ++t)
      EXPECT_TRUE(layers[i].tensors()[t].equal(parameters[i].tensors()[t])) << i << " " << t;
  }
  model.parameters[1].gain.pop_back();
  EXPECT_THROW((void)float_layers(model), InputError);
  model.parameters.pop_back();
  EXPECT_THROW((void)float_layers(model), InputError);
}

}  // namespace
}  // namespace bitloop::quant
