#include "quant/supernet/supernet.h"

#include <gmock/gmock.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <random>
#include <thread>
#include <vector>

#include "host/base/error.h"
#include "quant/quantizers/clipping.h"
#include "quant/retraining/start_point.h"
#include "quant/supernet/mixed_rounding.h"
#include "quant/tensor/order.h"
#include "quant/training/float_network.h"
#include "tests/quant/block_network.h"

namespace bitloop::quant {
namespace {

using Shares = Supernet::Shares;
using Mixture = Supernet::Mixture;

std::vector<RoundedForm> all_forms() {
  return {{0.9, code_range(1, false)},
          {0.4, code_range(2, false)},
          {0.11, code_range(4, false)},
          {0.006, code_range(8, false)}};
}

TEST(MixedRounding, IsTheSumOfRoundedFormsAndItsGradientPassesWhereTheyDoNotClip) {
  const at::AutoGradMode with_gradients(true);
  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(1);
  // Some below 0, some beyond each form's range; more than one block, and no multiple of one.
  const at::Tensor values = at::empty({3, 5, 17, 13}).uniform_(-0.3, 2, generator);
  const at::Tensor above = at::empty_like(values).uniform_(-1, 1, generator);
  const std::vector<double> taken{0.1, 0.2, 0.3, 0.4};
  at::Tensor sum = at::zeros_like(values), passed = at::zeros_like(values);
  std::vector<double> of_shares;
  for (std::size_t i = 0; i < 4; ++i) {
    const RoundedForm of = all_forms()[i];
    const double scale = of.scale;
    const CodeRange range = of.range;
    const at::Tensor form = (values / scale + 0.5).floor().clamp(range.low, range.high) * scale;
    sum += taken[i] * form;
    passed += taken[i] * ((values >= 0).logical_and(values <= range.high * scale));
    of_shares.push_back((above * form).sum(at::kDouble).item<double>());
  }
  for (const at::ScalarType type :
       {at::kFloat, at::kDouble}) {  // by the kernels, and by LibTorch's operations
    for (const at::MemoryFormat format : {at::MemoryFormat::Contiguous, at::MemoryFormat::ChannelsLast}) {
      const at::Tensor x = values.to(type).contiguous(format).requires_grad_();
      const at::Tensor shares = at::tensor(taken, at::kDouble).requires_grad_();
      const at::Tensor y = mixed_rounding(x, shares, all_forms());
      EXPECT_TRUE(y.is_contiguous(format));
      EXPECT_TRUE(at::allclose(y, sum.to(type), 1e-5, 1e-5));
      const auto gradients = torch::autograd::grad({y}, {x, shares}, {above.to(type)});
      EXPECT_TRUE(at::allclose(gradients[0], (above * passed).to(type), 1e-5, 1e-6));
      EXPECT_TRUE(at::allclose(gradients[1], at::tensor(of_shares, at::kDouble), 1e-4, 1e-3));
    }
  }
}

constexpr int kImages = 110;      // of them 22 train the shares
constexpr int kShareImages = 22;  // all in one batch
constexpr std::uint64_t kSeed = 7;

class SupernetTest : public ::testing::Test {
 protected:
  static Shares only(int bits) {
    Shares shares{};
    shares[Supernet::place_of(bits)] = 1;
    return shares;
  }
  static Mixture only(const std::vector<int>& weights, const std::vector<int>& inputs) {
    Mixture mixture;
    for (const int bits : weights) mixture.weights.push_back(only(bits));
    for (const int bits : inputs) mixture.inputs.push_back(only(bits));
    return mixture;
  }
  /// Of all widths that there are: a signed tensor has no 1 bit.
  static Mixture mixed() {
    const Shares all{0.1, 0.2, 0.3, 0.4};
    return {std::vector<Shares>(5, all), {all, all, {0, 0.2, 0.3, 0.5}, all, all}};
  }
  [[nodiscard]] Supernet supernet(std::uint64_t seed = kSeed) const {
    return {quantizer_, {}, {.batch = 64, .learning_rate = 0.02, .seed = seed}};
  }
  static std::size_t width(int bits) { return Supernet::place_of(bits); }
  [[nodiscard]] const ClippingTable& scales() const {
    return quantizer_->start().scales(Clipping::mixed, {.count = 512});
  }
  [[nodiscard]] at::Tensor weight(std::size_t layer, int bits) const {
    const at::Tensor float_weight = quantizer_->start().calibration({.count = 512}).layers[layer].weight;
    const at::Tensor step = scales().weights[layer][width(bits)].unsqueeze(1);
    const at::Tensor ratio = float_weight.flatten(1) / step;
    const int most = bits == 4 ? 7 : 127;
    const at::Tensor values = bits == 1   ? at::where(ratio >= 0, 1.0, -1.0).to(at::kFloat)
                              : bits == 2 ? ((ratio / 2).floor() * 2 + 1).clamp(-3, 3)
                                          : (ratio + 0.5).floor().clamp(-most, most);
    return (values * step).view_as(float_weight);
  }
  /// Straight through rounding, not through clipping.
  [[nodiscard]] at::Tensor read(int tensor, const at::Tensor& x, int bits) const {
    const double step = scales().activations[tensor][width(bits)];
    const int zero = network_.tensors[tensor].is_signed ? 1 << (bits - 1) : 0;
    const at::Tensor clipped = (x / step).clamp(-zero, (1 << bits) - 1 - zero);
    const at::Tensor code = (x.detach() / step + 0.5).floor().clamp(-zero, (1 << bits) - 1 - zero);
    return (clipped + (code - clipped.detach())) * step;
  }
  /// The step for the shares by hand.
  [[nodiscard]] Supernet::Step by_hand(const Mixture& mixture) const {
    const at::AutoGradMode with_gradients(true);
    std::mt19937_64 random(kSeed);
    const at::Tensor places = shuffled_order(kImages, random).narrow(0, 0, kShareImages);
    const at::Tensor pixels =
        at::tensor(data_.train.pixels).view({kImages, 1, 6, 6}).index_select(0, places).to(at::kFloat);
    const auto& layers = quantizer_->start().calibration({.count = 512}).layers;
    std::vector<at::Tensor> of_weights, of_inputs;  // leaves: shares [width]
    for (const auto& [rows, leaves] :
         {std::pair(&mixture.weights, &of_weights), {&mixture.inputs, &of_inputs}})
      for (const Shares& shares : *rows)
        leaves->push_back(
            at::tensor(std::vector<double>(shares.begin(), shares.end()), at::kFloat).requires_grad_());
    const auto blend = [](const at::Tensor& shares, const Shares& taken, const auto& form) {
      at::Tensor sum;
      for (const int bits : host::kWidths) {
        const auto w = static_cast<std::int64_t>(width(bits));
        if (taken[width(bits)] == 0) continue;
        const at::Tensor part = shares[w] * form(bits);
        sum = sum.defined() ? sum + part : part;
      }
      return sum;
    };
    const auto w = [&](std::size_t layer) {
      return blend(of_weights[layer], mixture.weights[layer], [&](int bits) { return weight(layer, bits); });
    };
    const auto x = [&](std::size_t layer, int tensor, const at::Tensor& from) {
      return blend(of_inputs[layer], mixture.inputs[layer],
                   [&](int bits) { return read(tensor, from, bits); });
    };
    const auto normal = [&](const at::Tensor& sums, const FloatLayer& p) {
      return at::batch_norm(sums, p.gain, p.shift, {}, {}, /*training=*/true, 0, kBatchNormEpsilon, false);
    };
    const at::Tensor a = normal(at::conv2d((pixels - 51) / 255, w(0), {}, 1, 1), layers[0]).relu();
    const at::Tensor b = normal(at::conv2d(x(1, 1, a), w(1), {}, 1, 1, 1, 4), layers[1]);
    const at::Tensor c = normal(at::conv2d(x(2, 2, b), w(2)), layers[2]);
    const at::Tensor d = at::constant_pad_nd(x(3, 4, (a + c).relu()), {0, 1, 0, 1});
    const at::Tensor e = normal(at::conv2d(d, w(3), {}, 2), layers[3]).relu();
    const at::Tensor logits = at::linear(x(4, 5, e).flatten(1), w(4), layers[4].bias);
    const at::Tensor loss =
        at::cross_entropy_loss(logits, label_tensor(data_.train.labels).index_select(0, places));
    std::vector<at::Tensor> leaves = of_weights;
    leaves.insert(leaves.end(), of_inputs.begin() + 1, of_inputs.end());
    const auto gradients = torch::autograd::grad({loss}, leaves);
    Supernet::Step step{loss.item<double>(), {{}, {Shares{}}}};
    for (std::size_t i = 0; i < gradients.size(); ++i) {
      Shares& shares = (i < 5 ? step.gradient.weights : step.gradient.inputs).emplace_back();
      for (std::size_t width = 0; width < shares.size(); ++width)
        shares[width] = gradients[i][static_cast<std::int64_t>(width)].item<double>();
    }
    return step;
  }

  const host::Network network_ = block_network();
  const Dataset data_ = random_images(kImages);
  const std::shared_ptr<const Quantizer> quantizer_ =
      std::make_shared<const Quantizer>(network_, FloatCheckpoint::untrained(network_, data_, 3), data_);
};

TEST_F(SupernetTest, OfOneWidthEachIsTheNetworkWithTheseQuantizers) {
  for (const auto& [weights, inputs] :
       {std::pair<std::vector<int>, std::vector<int>>{{8, 8, 8, 8, 8}, {8, 8, 8, 8, 8}},
        {{1, 2, 4, 8, 2}, {8, 2, 4, 1, 8}},
        {{4, 1, 2, 1, 8}, {8, 1, 2, 4, 2}}}) {
    const Mixture mixture = only(weights, inputs);
    EXPECT_NEAR(supernet().step(mixture, 0).loss, by_hand(mixture).loss, 1e-4);
  }
}

TEST_F(SupernetTest, LossAndGradientsOfMixturesAreThoseOfTheGraphByHand) {
  const Mixture mixture = mixed();
  const Supernet::Step step = supernet().step(mixture, 0), expected = by_hand(mixture);
  EXPECT_NEAR(step.loss, expected.loss, 1e-4);
  for (const auto part : {&Mixture::weights, &Mixture::inputs}) {
    for (std::size_t layer = 0; layer < 5; ++layer) {
      for (std::size_t w = 0; w < 4; ++w) {
        EXPECT_NEAR((step.gradient.*part)[layer][w], (expected.gradient.*part)[layer][w], 1e-3)
            << (part == &Mixture::weights ? "weights" : "input") << " of layer " << layer << ", width " << w;
      }
    }
  }
}

/// Where nothing behind a blend rounds, the straight line through rounding is none: a gradient is a slope.
TEST_F(SupernetTest, GradientsOfTheLastLayersSharesAreSlopesOfTheLoss) {
  Supernet net = supernet();
  constexpr double kStep = 0.05;
  for (const auto part : {&Mixture::weights, &Mixture::inputs}) {
    const Shares gradient = (net.step(mixed(), 0).gradient.*part)[4];
    for (std::size_t w = 0; w < gradient.size(); ++w) {
      Mixture more = mixed(), less = mixed();
      (more.*part)[4][w] += kStep;
      (less.*part)[4][w] -= kStep;
      const double slope = (net.step(more, 0).loss - net.step(less, 0).loss) / (2 * kStep);
      EXPECT_NEAR(gradient[w], slope, 1e-3 + 1e-2 * std::abs(slope)) << w;
    }
  }
}

TEST_F(SupernetTest, WidthsOfShare0HaveNoGradient) {
  const Supernet::Step step = supernet().step(only({8, 8, 8, 8, 8}, {8, 8, 8, 8, 8}), 0);
  for (const auto& part : {step.gradient.weights, step.gradient.inputs})
    for (const Shares& shares : part)
      for (std::size_t w = 0; w < 3; ++w) EXPECT_EQ(shares[w], 0);
}

/// Losses and gradients of steps that move the weights, and of those between that do not.
std::vector<double> history(Supernet net, const Mixture& mixture) {
  std::vector<double> numbers;
  for (int i = 0; i < 12; ++i) {
    const Supernet::Step step = net.step(mixture, i % 3 == 2 ? 0 : 1);
    numbers.push_back(step.loss);
    for (const auto& part : {step.gradient.weights, step.gradient.inputs})
      for (const Shares& shares : part) numbers.insert(numbers.end(), shares.begin(), shares.end());
  }
  return numbers;
}

TEST_F(SupernetTest, RepeatsExactlyWhateverElseRuns) {
  const std::vector<double> alone = history(supernet(), mixed());
  std::vector<double> first, second, other;
  {
    const std::jthread a([&] { first = history(supernet(), mixed()); });
    const std::jthread b([&] { second = history(supernet(), mixed()); });
    const std::jthread c([&] { other = history(supernet(kSeed + 1), mixed()); });
  }
  EXPECT_EQ(first, alone);
  EXPECT_EQ(second, alone);
  EXPECT_NE(other, alone);
}

TEST_F(SupernetTest, StepsThatMoveNothingRepeatAndOthersLearn) {
  Supernet net = supernet();
  const Mixture mixture = only({4, 4, 4, 4, 4}, {8, 4, 4, 4, 4});
  const double before = net.step(mixture, 0).loss;
  EXPECT_NEAR(net.step(mixture, 0).loss, before, 1e-5);  // the same images in another order
  double first = 0, last = 0;
  for (int i = 0; i < 120; ++i) {
    const double loss = net.step(mixture, 1).loss;
    (i < 10 ? first : last) += i < 10 || i >= 110 ? loss / 10 : 0;
  }
  EXPECT_LT(last, 0.8 * first);  // noise is learned by heart
}

TEST_F(SupernetTest, WhatCannotBeTrainedIsRefused) {
  EXPECT_THROW((Supernet{quantizer_, {}, {.batch = 0}}), InputError);
  EXPECT_THROW((Supernet{quantizer_, {}, {.learning_rate = 0}}), InputError);
  EXPECT_THROW((Supernet{quantizer_, {.quantizer = "none"}, {}}), InputError);
  Dataset data = data_;
  data.classes = 4;
  const auto more_classes =
      std::make_shared<const Quantizer>(network_, FloatCheckpoint::untrained(network_, data_, 3), data);
  EXPECT_THROW((Supernet{more_classes, {}, {}}), InputError);
}

}  // namespace
}  // namespace bitloop::quant
