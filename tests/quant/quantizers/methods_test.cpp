#include "quant/quantizers/methods.h"

#include <gmock/gmock.h>
#include <torch/csrc/autograd/custom_function.h>

#include "host/base/error.h"
#include "quant/quantizers/encoding.h"

namespace bitloop::quant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

at::Tensor scale_like(const Method& method, const at::Tensor& weight, int bits) {
  const at::Tensor table = weight_scales(weight.detach(), bits, Clipping::mse);
  return method.start_scale != nullptr ? method.start_scale(weight.detach(), table, bits) : table;
}

TEST(Methods, are_listed_and_others_refused_with_the_list) {
  EXPECT_THAT(method_names(), ElementsAre("lsq", "pact", "dorefa", "symmetric"));
  for (const std::string& name : method_names()) {
    EXPECT_EQ(method_of(name).name, name);
    EXPECT_FALSE(method_of(name).about.empty());
    EXPECT_NE(method_of(name).ratio, nullptr);
  }
  try {
    method_of("wrpn");
    FAIL();
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), HasSubstr("wrpn"));
    EXPECT_THAT(error.what(), HasSubstr("symmetric"));
  }
}

TEST(Methods, have_the_gradients_of_their_ratios) {
  at::manual_seed(1);
  for (const std::string& name : method_names())
    for (const int bits : host::kWidths) {
      const Method& method = method_of(name);
      const at::Tensor weight = at::randn({3, 8}, at::kDouble).requires_grad_();
      const at::Tensor log_scale = at::rand({3, 1}, at::kDouble).requires_grad_();
      const at::Tensor gradient = at::randn({3, 8}, at::kDouble);
      const at::Tensor ratio = method.ratio(weight, log_scale.exp(), bits);
      ratio.backward(gradient);
      const RatioGradient below =
          method.ratio_gradient(gradient, weight.detach(), log_scale.detach().exp(), ratio.detach(), bits);
      if (below.log_scale.defined())
        EXPECT_TRUE(below.log_scale.allclose(log_scale.grad().flatten())) << name << " " << bits;
      else
        EXPECT_FALSE(log_scale.grad().defined()) << name << " " << bits;
      // All but the largest weight of each filter, on which the others' factor hangs (DoReFa).
      const at::Tensor others = weight.detach().abs().lt(weight.detach().abs().amax(1, true));
      EXPECT_TRUE((below.weight * others).allclose(weight.grad() * others)) << name << " " << bits;
    }
}

TEST(Methods, let_gradients_reach_every_weight_within_the_range) {
  at::manual_seed(1);
  for (const std::string& name : method_names())
    for (const int bits : host::kWidths) {
      const Method& method = method_of(name);
      const at::Tensor weight = at::rand({3, 8}).sub(0.5);
      const at::Tensor scale = scale_like(method, weight, bits).unsqueeze(1);
      const at::Tensor ratio = method.ratio(weight, scale, bits);
      const at::Tensor pass = weight_pass(ratio, bits);
      const at::Tensor below = method.ratio_gradient(pass, weight, scale, ratio, bits).weight;
      EXPECT_TRUE(below.gt(0).equal(pass.gt(0))) << name << " " << bits;
      EXPECT_GT(pass.sum().item<double>(), 12) << name << " " << bits;
    }
}

TEST(Methods, start_from_values_times_scales_near_the_weights) {
  at::manual_seed(2);
  const at::Tensor weight = at::randn({4, 200}).mul(0.1);
  for (const std::string& name : method_names()) {
    const Method& method = method_of(name);
    double previous = weight.square().sum().item<double>();
    for (const int bits : host::kWidths) {
      const at::Tensor scale = scale_like(method, weight, bits).unsqueeze(1);
      const at::Tensor quantized = weight_values(method.ratio(weight, scale, bits), bits).mul(scale);
      const double error = quantized.sub(weight).square().sum().item<double>();
      EXPECT_LT(error, previous) << name << " " << bits;
      previous = error;
    }
  }
}

TEST(Dorefa, fills_the_hardwares_values_from_end_to_end) {
  const at::Tensor weight = at::linspace(-3, 3, 61).view({1, -1});
  for (const int bits : {2, 4, 8}) {
    const at::Tensor values = weight_values(method_of("dorefa").ratio(weight, at::ones({1, 1}), bits), bits);
    const double largest = bits == 2 ? 3 : bits == 4 ? 7 : 127;
    EXPECT_EQ(values.max().item<double>(), largest);
    EXPECT_EQ(values.min().item<double>(), -largest);
  }
}

// q_2 of the paper: w_q = 2/3 round(3 (t/2 + 1/2)) - 1 with t = tanh(w) / max |tanh(w)|.
TEST(Dorefa, is_the_papers_quantizer_at_two_bits) {
  at::manual_seed(3);
  const at::Tensor weight = at::randn({1, 1000});
  const at::Tensor share = weight.tanh() / weight.tanh().abs().max();
  const at::Tensor paper = share.mul(0.5).add(0.5).mul(3).round().mul(2).sub(3);
  EXPECT_TRUE(weight_values(method_of("dorefa").ratio(weight, at::ones({1, 1}), 2), 2).equal(paper));
}

TEST(Dorefa, takes_ties_upwards_and_zero_as_plus_one_at_one_and_two_bits) {
  const at::Tensor weight = at::tensor({-1.0F, 0.0F, 1.0F}).view({1, 3});
  const Method& method = method_of("dorefa");
  const auto values = [&](int bits) {
    return weight_values(method.ratio(weight, at::full({1, 1}, 2.0 / 3), bits), bits);
  };
  EXPECT_TRUE(values(1).equal(at::tensor({-1.0F, 1.0F, 1.0F}).view({1, 3})));
  EXPECT_TRUE(values(2).equal(at::tensor({-3.0F, 1.0F, 3.0F}).view({1, 3})));
  EXPECT_TRUE(values(4).equal(at::tensor({-7.0F, 0.0F, 7.0F}).view({1, 3})));
}

TEST(Dorefa, one_bit_scale_is_the_mean_magnitude) {
  at::manual_seed(4);
  const at::Tensor weight = at::randn({2, 50});
  const at::Tensor table = weight_scales(weight, 1, Clipping::max);
  EXPECT_TRUE(method_of("dorefa").start_scale(weight, table, 1).allclose(weight.abs().mean(1)));
}

TEST(Dorefa, scale_is_the_least_squares_fit) {
  at::manual_seed(5);
  const at::Tensor weight = at::randn({1, 50});
  const Method& method = method_of("dorefa");
  const at::Tensor scale = method.start_scale(weight, at::ones(1), 4);
  const at::Tensor values = weight_values(method.ratio(weight, scale.unsqueeze(1), 4), 4);
  const auto error = [&](double factor) {
    return values.mul(scale * factor).sub(weight).square().sum().item<double>();
  };
  EXPECT_LT(error(1), error(1.01));
  EXPECT_LT(error(1), error(0.99));
}

TEST(Dorefa, a_dead_filter_has_finite_ratios_and_a_scale) {
  const at::Tensor weight = at::zeros({2, 9}).requires_grad_();
  const Method& method = method_of("dorefa");
  for (const int bits : host::kWidths) {
    EXPECT_TRUE(method.ratio(weight, at::ones({2, 1}), bits).isfinite().all().item<bool>());
    EXPECT_TRUE(method.start_scale(weight, at::full({2}, 1e-8), bits).gt(0).all().item<bool>());
  }
}

TEST(Pact, trains_activation_ranges_by_what_is_beyond_them_and_decays_them) {
  const Method& method = method_of("pact");
  EXPECT_EQ(method.activation_scale, ScaleTraining::clipped);
  EXPECT_FALSE(method.learns_weight_scales);
  EXPECT_GT(method.range_decay, 0);
}

TEST(Symmetric, brings_its_own_clipping) {
  EXPECT_EQ(method_of("symmetric").clipping, Clipping::equalized);
  EXPECT_EQ(method_of("lsq").clipping, std::nullopt);
}

}  // namespace
}  // namespace bitloop::quant
