#include <gtest/gtest.h>
#include <torch/csrc/autograd/custom_function.h>

#include "quant/tensor/threads.h"
#include "quant/training/normalization.h"

namespace bitloop::quant {
namespace {

FloatLayer random_norm(std::int64_t channels) {
  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(3);
  FloatLayer p;
  p.gain = at::empty(channels).uniform_(-1.5, 1.5, generator).requires_grad_();
  p.shift = at::empty(channels).uniform_(-1, 3, generator).requires_grad_();
  p.mean = at::zeros(channels);
  p.variance = at::ones(channels);
  return p;
}

/// What a layer in training leaves: result, gradients, statistics.
struct Outcome {
  at::Tensor result, input_gradient, gain_gradient, shift_gradient, mean, variance;
};

Outcome train(host::Activation activation, const at::Tensor& sums, const at::Tensor& above) {
  FloatLayer p = random_norm(sums.size(1));
  const at::Tensor x = sums.detach().requires_grad_();
  const host::Layer layer{.name = "layer", .inputs = {0}, .activation = activation, .batch_norm = true};
  const at::Tensor y = normalized_and_activated(layer, p, x, /*training=*/true);
  y.backward(above);
  return {y.detach(), x.grad(), p.gain.grad(), p.shift.grad(), p.mean, p.variance};
}

void expect_close(const at::Tensor& a, const at::Tensor& b, const char* what) {
  EXPECT_LT((a - b).abs().max().item<double>(), 1e-4 * (1 + b.abs().max().item<double>())) << what;
}

class Fused : public testing::TestWithParam<host::Activation> {};

/// Values far from 0, as a convolution of an image's bright channel gives them.
TEST_P(Fused, training_equals_libtorchs_separate_operations) {
  at::manual_seed(1);
  const at::Tensor sums = at::randn({13, 21, 5, 7}) * 3 + 40;
  const at::Tensor above = at::randn_like(sums);
  const auto last = at::MemoryFormat::ChannelsLast;
  const Outcome plain = train(GetParam(), sums, above);
  for (const at::Tensor& gradient : {above, above.contiguous(last)}) {
    const Outcome fused = train(GetParam(), sums.contiguous(last), gradient);
    EXPECT_TRUE(fused.result.is_contiguous(last));
    expect_close(fused.result, plain.result, "result");
    expect_close(fused.input_gradient, plain.input_gradient, "input gradient");
    expect_close(fused.gain_gradient, plain.gain_gradient, "gain gradient");
    expect_close(fused.shift_gradient, plain.shift_gradient, "shift gradient");
    expect_close(fused.mean, plain.mean, "mean");
    expect_close(fused.variance, plain.variance, "variance");
  }
}

TEST_P(Fused, inference_equals_libtorchs_separate_operations) {
  const at::NoGradGuard no_grad;
  const FloatLayer p = random_norm(21);
  p.mean.uniform_(-1, 1);
  p.variance.uniform_(0.1, 2);
  const host::Layer layer{.name = "layer", .inputs = {0}, .activation = GetParam(), .batch_norm = true};
  const at::Tensor sums = at::randn({3, 21, 5, 7});
  expect_close(normalized_and_activated(layer, p, sums.contiguous(at::MemoryFormat::ChannelsLast), false),
               normalized_and_activated(layer, p, sums, false), "result");
}

INSTANTIATE_TEST_SUITE_P(Activations, Fused,
                         testing::Values(host::Activation::none, host::Activation::relu,
                                         host::Activation::relu6, host::Activation::leaky_relu));

TEST(Normalization, does_not_depend_on_the_number_of_threads) {
  at::manual_seed(2);
  const at::Tensor sums = at::randn({16, 24, 14, 14}).contiguous(at::MemoryFormat::ChannelsLast);
  const at::Tensor above = at::randn_like(sums);
  const auto with_threads = [&](int count) {
    const TorchThreads threads(count);
    return train(host::Activation::relu6, sums, above);
  };
  const Outcome one = with_threads(1), three = with_threads(3);
  EXPECT_TRUE(one.result.equal(three.result));
  EXPECT_TRUE(one.input_gradient.equal(three.input_gradient));
  EXPECT_TRUE(one.gain_gradient.equal(three.gain_gradient));
  EXPECT_TRUE(one.variance.equal(three.variance));
}

}  // namespace
}  // namespace bitloop::quant
