#include "quant/sensitivity/sensitivity.h"

#include <gmock/gmock.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>

#include "host/base/error.h"
#include "quant/quantizers/clipping.h"
#include "quant/retraining/start_point.h"
#include "quant/tensor/order.h"
#include "quant/training/float_network.h"
#include "tests/quant/block_network.h"

namespace bitloop::quant {
namespace {

using ::testing::HasSubstr;

constexpr double kMean = 0.2, kDeviation = 0.25;  // the data's
constexpr int kImages = 110;                      // batches of at most 100 and 25

class SensitivityTest : public ::testing::Test {
 protected:
  /// The network computed by hand: weights [0..4], and what layers with weights read of tensors [0..3].
  struct Graph {
    std::vector<at::Tensor> weights, reads;
    at::Tensor loss;    ///< sum over the images
    at::Tensor logits;  ///< [image, class]
  };
  [[nodiscard]] Graph graph(std::int64_t first, std::int64_t count) const {
    const std::vector<FloatLayer> layers = on_device(checkpoint_.impl->layers, at::kCPU);
    Graph g;
    for (const FloatLayer& layer : layers) g.weights.push_back(layer.weight.clone().requires_grad_());
    const auto read = [&](const at::Tensor& x) { return g.reads.emplace_back(x * 1); };
    const at::Tensor pixels =
        at::tensor(std::vector<std::uint8_t>(data_.train.pixels)).view({-1, 1, 6, 6}).narrow(0, first, count);
    const at::Tensor x = (pixels.to(at::kFloat) / 255 - kMean) / kDeviation;
    const at::Tensor h = at::conv2d(x, g.weights[0], {}, 1, 1);
    const auto channel = [](const at::Tensor& t) { return t.view({1, -1, 1, 1}); };
    const FloatLayer& stem = layers[0];
    const at::Tensor normal = (h - channel(stem.mean)) / channel((stem.variance + kBatchNormEpsilon).sqrt());
    const at::Tensor a = (normal * channel(stem.gain) + channel(stem.shift)).relu();
    const at::Tensor b = at::conv2d(read(a), g.weights[1], layers[1].bias, 1, 1, 1, 4);
    const at::Tensor c = at::conv2d(read(b), g.weights[2], layers[2].bias);
    const at::Tensor d = at::constant_pad_nd(read((a + c).relu()), {0, 1, 0, 1});
    const at::Tensor e = at::conv2d(d, g.weights[3], layers[3].bias, 2).relu();
    g.logits = at::linear(read(e).flatten(1), g.weights[4], layers[4].bias);
    const at::Tensor labels = label_tensor(data_.train.labels).narrow(0, first, count);
    g.loss = at::cross_entropy_loss(g.logits, labels, {}, at::Reduction::Sum);
    return g;
  }
  [[nodiscard]] Sensitivities measured(std::string_view name,
                                       SensitivityOptions options = {.images = kImages, .threads = 2}) const {
    return sensitivity_measure(name).measure(quantizer_, {}, options, {});
  }
  [[nodiscard]] const ClippingTable& scales() const {
    return quantizer_.start().scales(Clipping::mixed, {.count = 512});
  }
  /// Quantized - float weights, in the float network's units.
  [[nodiscard]] at::Tensor weight_error(std::size_t layer, int bits) const {
    // The image's deviation is part of the first layer's quantized weights.
    const double unit = layer == 0 ? kDeviation : 1;
    const at::Tensor weight = checkpoint_.impl->layers.at(layer).weight.flatten(1);
    const at::Tensor step =
        scales().weights[layer][static_cast<std::size_t>(width_index(bits))].unsqueeze(1) * unit;
    const at::Tensor ratio = weight / step;
    const at::Tensor values = bits == 1 ? at::where(ratio >= 0, 1.0, -1.0).to(at::kFloat)
                              : bits == 2
                                  ? ((ratio / 2).floor() * 2 + 1).clamp(-3, 3)
                                  : (ratio + 0.5).floor().clamp(bits == 4 ? -7 : -127, bits == 4 ? 7 : 127);
    return (values * step - weight).view_as(checkpoint_.impl->layers.at(layer).weight);
  }
  [[nodiscard]] at::Tensor input_error(std::size_t read, const at::Tensor& values, int bits) const {
    const int tensor = std::array{1, 2, 4, 5}.at(read);
    const double step = scales().activations[tensor][static_cast<std::size_t>(width_index(bits))];
    const int zero = network_.tensors[tensor].is_signed ? 1 << (bits - 1) : 0;
    return (values / step + 0.5).floor().clamp(-zero, (1 << bits) - 1 - zero) * step - values;
  }

  const host::Network network_ = block_network();
  const Dataset data_ = random_images(kImages);
  const FloatCheckpoint checkpoint_ = FloatCheckpoint::untrained(network_, data_, 3);
  const Quantizer quantizer_{network_, checkpoint_, data_};
};

constexpr int kBits[] = {1, 2, 4, 8};

TEST_F(SensitivityTest, fisher_is_the_mean_of_single_images_squared_gradients_times_squared_errors) {
  const Sensitivities found = measured("fisher");
  // [layer or read tensor][width]: of every image.
  std::vector<std::array<std::vector<double>, 4>> weights(5), inputs(4);
  for (int image = 0; image < kImages; ++image) {
    const Graph g = graph(image, 1);
    std::vector<at::Tensor> points = g.weights;
    points.insert(points.end(), g.reads.begin(), g.reads.end());
    const auto gradients = torch::autograd::grad({g.loss}, points);
    const at::NoGradGuard no_grad;
    for (std::size_t w = 0; w < 4; ++w) {
      for (std::size_t i = 0; i < 5; ++i)
        weights[i][w].push_back((gradients[i] * weight_error(i, kBits[w])).square().sum().item<double>() / 2);
      for (std::size_t i = 0; i < 4; ++i)
        inputs[i][w].push_back(
            (gradients[5 + i] * input_error(i, g.reads[i], kBits[w])).square().sum().item<double>() / 2);
    }
  }
  const auto expect = [](const Estimate& estimate, const std::vector<double>& images) {
    const at::Tensor all = at::tensor(images, at::kDouble);
    const auto mean = all.mean().item<double>();
    EXPECT_NEAR(estimate.value, mean, 1e-3 * mean);
    const double variance = all.var().item<double>() / kImages;
    EXPECT_NEAR(estimate.variance, variance, 1e-2 * variance);
  };
  for (std::size_t w = 0; w < 4; ++w) {
    for (std::size_t i = 0; i < 5; ++i) {
      SCOPED_TRACE(fmt::format("weights of layer {} at {} bits", i, kBits[w]));
      expect(found.weights.at(i)[w], weights[i][w]);
    }
    for (std::size_t i = 0; i < 4; ++i) {
      if (i == 1 && w == 0) continue;  // signed
      SCOPED_TRACE(fmt::format("input of layer {} at {} bits", i + 1, kBits[w]));
      expect(found.inputs.at(i + 1)[w], inputs[i][w]);
    }
    EXPECT_EQ(found.inputs[0][w].value, 0);  // the image
  }
  EXPECT_EQ(found.passes, 3 * kImages);
  EXPECT_EQ(found.weight_images, kImages);
}

TEST_F(SensitivityTest, sqnr_is_noise_over_signal_of_all_images) {
  const at::NoGradGuard no_grad;
  const Sensitivities found = measured("sqnr");
  const Graph g = graph(0, kImages);
  const auto share = [](const at::Tensor& noise, const at::Tensor& signal) {
    return noise.square().sum(at::kDouble).item<double>() / signal.square().sum(at::kDouble).item<double>();
  };
  for (std::size_t w = 0; w < 4; ++w) {
    for (std::size_t i = 0; i < 5; ++i) {
      const double expected = share(weight_error(i, kBits[w]), g.weights[i]);
      EXPECT_NEAR(found.weights.at(i)[w].value, expected, 1e-3 * expected) << i << " at " << kBits[w];
      EXPECT_EQ(found.weights.at(i)[w].variance, 0);
    }
    for (std::size_t i = 0; i < 4; ++i) {
      if (i == 1 && w == 0) continue;  // signed
      const double expected = share(input_error(i, g.reads[i], kBits[w]), g.reads[i]);
      EXPECT_NEAR(found.inputs.at(i + 1)[w].value, expected, 1e-3 * expected) << i << " at " << kBits[w];
      EXPECT_GT(found.inputs.at(i + 1)[w].variance, 0);
    }
  }
  EXPECT_EQ(found.passes, kImages);
  EXPECT_EQ(found.weight_images, 0);
}

/// Trace of the Hessian of the loss by a point, entry by entry.
double exact_trace(const at::Tensor& loss, const at::Tensor& point) {
  const at::Tensor gradient =
      torch::autograd::grad({loss}, {point}, {}, /*retain_graph=*/true, /*create_graph=*/true)[0].flatten();
  double trace = 0;
  for (std::int64_t i = 0; i < gradient.numel(); ++i)
    trace += torch::autograd::grad({gradient[i]}, {point}, {}, /*retain_graph=*/true)[0]
                 .flatten()[i]
                 .item<double>();
  return trace;
}

TEST_F(SensitivityTest, hutchinson_finds_the_exact_trace_within_its_own_variance) {
  constexpr int kProbes = 50;
  const Sensitivities found = measured("hutchinson", {.images = kImages, .probes = kProbes, .threads = 2});
  const Graph all = graph(0, kImages);
  const auto expect = [](const Estimate& estimate, double expected) {
    EXPECT_NEAR(estimate.value, expected, 4.5 * std::sqrt(estimate.variance));
    EXPECT_LT(std::sqrt(estimate.variance), 0.35 * std::abs(expected));
  };
  const std::size_t width = 1;
  for (std::size_t i = 0; i < 5; ++i) {
    SCOPED_TRACE(fmt::format("weights of layer {}", i));
    const double mean_trace =
        exact_trace(all.loss, all.weights[i]) / kImages / static_cast<double>(all.weights[i].numel());
    expect(found.weights.at(i)[width],
           mean_trace * weight_error(i, kBits[width]).square().sum().item<double>() / 2);
  }
  // By formula: behind the last linear layer's input x the block is W'(diag(p) - pp')W.
  const at::NoGradGuard no_grad;
  const at::Tensor p = all.logits.softmax(1);
  const at::Tensor squares = all.weights[4].square().sum(1);  // [class]
  const at::Tensor traces = (p * squares).sum(1) - at::mm(p, all.weights[4]).square().sum(1);
  const at::Tensor& x = all.reads[3];
  const double error = input_error(3, x, kBits[width]).square().sum().item<double>() / kImages;
  expect(found.inputs.at(4)[width], traces.mean().item<double>() / 18 * error / 2);
  EXPECT_EQ(found.passes, kImages * (3 + 12 * kProbes));
}

TEST_F(SensitivityTest, threads_change_no_bit_and_another_seed_takes_other_images) {
  const auto numbers = [&](std::string_view name, const SensitivityOptions& options) {
    const Sensitivities found = measured(name, options);
    std::vector<double> all;
    for (const auto& part : {found.weights, found.inputs})
      for (const auto& widths : part)
        for (const Estimate& estimate : widths) all.insert(all.end(), {estimate.value, estimate.variance});
    return all;
  };
  for (const std::string& name : sensitivity_measure_names()) {
    const auto one = numbers(name, {.images = 105, .threads = 1});
    EXPECT_EQ(numbers(name, {.images = 105, .threads = 3}), one) << name;
    EXPECT_NE(numbers(name, {.images = 105, .seed = 2, .threads = 3}), one) << name;
  }
}

TEST_F(SensitivityTest, labels_that_the_network_cannot_give_are_refused) {
  Dataset data = data_;
  data.classes = 4;
  const Quantizer quantizer(network_, checkpoint_, data);
  try {
    (void)sensitivity_measure("fisher").measure(quantizer, {}, {.images = 10}, {});
    FAIL() << "no error";
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), HasSubstr("ask for sensitivities by sqnr alone"));
  }
  EXPECT_THROW((void)sensitivity_measure("gradient"), InputError);
}

}  // namespace
}  // namespace bitloop::quant
