#include "quant/quantizers/clipping.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "host/base/error.h"
#include "quant/quantizers/analytic_clipping.h"
#include "quant/quantizers/histogram_clipping.h"
#include "quant/quantizers/input_patches.h"
#include "quant/quantizers/level_grid.h"

namespace bitloop::quant {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr Clipping kAll[] = {Clipping::max,        Clipping::mse,   Clipping::aciq,      Clipping::kl,
                             Clipping::percentile, Clipping::mixed, Clipping::equalized, Clipping::stated};
constexpr Clipping kSimple[] = {Clipping::max, Clipping::mse, Clipping::aciq, Clipping::kl,
                                Clipping::percentile};

at::Tensor gauss(std::int64_t count, std::uint64_t seed) {
  std::mt19937_64 generator(seed);
  std::normal_distribution<float> normal;
  std::vector<float> sample(count);
  for (float& value : sample) value = normal(generator);
  return at::tensor(sample);
}

/// Of unit mean magnitude.
at::Tensor laplace(std::int64_t count, std::uint64_t seed) {
  std::mt19937_64 generator(seed);
  std::exponential_distribution<float> magnitude;
  std::vector<float> sample(count);
  for (float& value : sample) value = (generator() % 2 == 0 ? 1.0F : -1.0F) * magnitude(generator);
  return at::tensor(sample);
}

double mean_error(const at::Tensor& weights, int bits, Clipping clipping) {
  const at::Tensor scale = weight_scales(weights, bits, clipping);
  return squared_error(weights, scale, weight_grid(bits)).sum().item<double>() /
         static_cast<double>(weights.numel());
}

double activation_error(const at::Tensor& sample, int bits, Clipping clipping) {
  const CodeRange range = code_range(bits, false);
  const at::Tensor scale = at::full({1}, activation_scale(sample, range, clipping));
  return squared_error(sample.reshape({1, -1}), scale, activation_grid(range)).item<double>();
}

TEST(ClippingNames, are_read_back_and_unknown_ones_refused_with_a_list) {
  for (const Clipping clipping : kAll) EXPECT_EQ(clipping_of(name_of(clipping)), clipping);
  EXPECT_EQ(clipping_names().size(), std::size(kAll));
  try {
    clipping_of("octav");
    FAIL();
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), HasSubstr("octav"));
    EXPECT_THAT(error.what(), HasSubstr("percentile"));
  }
}

// The classical optimal quantizers (Max 1960) for the hardware's codes; a step of 1 and 2 bits is two scales.
TEST(AnalyticClipping, gives_the_optimal_steps_and_errors_of_unit_densities) {
  struct Row {
    Density density;
    LevelGrid grid;
    double scale, error;
  };
  const Row rows[] = {
      {Density::gauss, weight_grid(1), 1.596 / 2, 0.3634},
      {Density::gauss, weight_grid(2), 0.996 / 2, 0.1188},
      {Density::gauss, weight_grid(4), 0.354, 0.01289},
      {Density::gauss, weight_grid(8), 0.0309, 9e-5},
      {Density::laplace, weight_grid(1), 1.0, 1.0},
      {Density::laplace, weight_grid(2), 1.537 / 2, 0.393},
  };
  for (const Row& row : rows) {
    const double scale = optimal_scale(row.density, row.grid);
    EXPECT_NEAR(scale / row.scale, 1, 0.01);
    EXPECT_NEAR(expected_error(row.density, row.grid, scale) / row.error, 1, row.grid.high > 7 ? 0.1 : 0.01);
  }
  const double rectified[] = {1.223, 0.650, 0.193, 0.0165};
  for (const int bits : host::kWidths)
    EXPECT_NEAR(optimal_scale(Density::gauss, activation_grid(code_range(bits, false))) /
                    rectified[width_index(bits)],
                1, 0.01)
        << bits << " bits";
}

TEST(AnalyticClipping, no_other_scale_has_less_expected_error) {
  for (const Density density : {Density::gauss, Density::laplace})
    for (const LevelGrid& grid :
         {weight_grid(1), weight_grid(2), weight_grid(4), weight_grid(8),
          activation_grid(code_range(1, false)), activation_grid(code_range(4, false)),
          activation_grid(code_range(2, true)), activation_grid(code_range(8, true))}) {
      const double least = expected_error(density, grid, optimal_scale(density, grid));
      for (double end = 0.3; end < 30; end *= 1.03)
        EXPECT_GE(expected_error(density, grid, end / grid.high), least * (1 - 1e-6)) << grid.high;
    }
}

TEST(AnalyticClipping, expects_the_error_that_samples_have) {
  for (const int bits : {2, 4}) {
    const LevelGrid grid = weight_grid(bits);
    for (const double scale : {0.2, 0.5, 1.0}) {
      const at::Tensor at_scale = at::full({1}, scale);
      const double of_gauss = squared_error(gauss(400'000, 1).view({1, -1}), at_scale, grid).item<double>();
      EXPECT_NEAR(of_gauss / 400'000 / expected_error(Density::gauss, grid, scale), 1, 0.02);
      const double of_laplace =
          squared_error(laplace(400'000, 2).view({1, -1}), at_scale, grid).item<double>();
      EXPECT_NEAR(of_laplace / 400'000 / expected_error(Density::laplace, grid, scale), 1, 0.03);
    }
  }
}

TEST(AnalyticClipping, tells_laplace_from_gauss_per_filter) {
  const at::Tensor weights = at::stack({gauss(20'000, 3).mul(0.5), laplace(20'000, 4).mul(3)});
  const at::Tensor scales = weight_scales(weights, 4, Clipping::aciq);
  EXPECT_NEAR(scales[0].item<double>() / (0.5 * optimal_scale(Density::gauss, weight_grid(4))), 1, 0.02);
  EXPECT_NEAR(scales[1].item<double>() / (3 * optimal_scale(Density::laplace, weight_grid(4))), 1, 0.02);
}

TEST(MseClipping, reaches_the_optimal_error_of_a_gaussian) {
  const at::Tensor weights = gauss(200'000, 5).view({2, -1});
  EXPECT_NEAR(mean_error(weights, 1, Clipping::mse) / 0.3634, 1, 0.02);
  EXPECT_NEAR(mean_error(weights, 2, Clipping::mse) / 0.1188, 1, 0.02);
  EXPECT_NEAR(mean_error(weights, 4, Clipping::mse) / 0.01289, 1, 0.02);
}

TEST(MseClipping, finds_the_optimal_step_of_a_rectified_gaussian) {
  const at::Tensor sample = gauss(200'000, 6).clamp_min(0);
  EXPECT_NEAR(activation_scale(sample, code_range(1, false), Clipping::mse), 1.223, 0.03);
  EXPECT_NEAR(activation_scale(sample, code_range(2, false), Clipping::mse), 0.650, 0.015);
  EXPECT_NEAR(activation_scale(sample, code_range(4, false), Clipping::mse), 0.193, 0.005);
}

TEST(MseClipping, represents_a_single_weight_exactly) {
  const at::Tensor weight = at::tensor({-0.3F}).view({1, 1});
  for (const int bits : host::kWidths)
    EXPECT_LT(mean_error(weight, bits, Clipping::mse), 1e-5) << bits << " bits";
}

TEST(MaxClipping, clips_nothing) {
  const at::Tensor weights = gauss(1000, 7).view({10, 100});
  for (const int bits : {2, 4, 8}) {
    const at::Tensor scale = weight_scales(weights, bits, Clipping::max).unsqueeze(1);
    EXPECT_TRUE(weight_pass(weights / scale * (1 - 1e-6), bits).eq(1).all().item<bool>()) << bits << " bits";
  }
  const at::Tensor sample = at::tensor({-8.0F, 3.5F, 7.0F});
  EXPECT_DOUBLE_EQ(activation_scale(sample, code_range(4, true), Clipping::max), 1);
  EXPECT_DOUBLE_EQ(activation_scale(sample, code_range(4, false), Clipping::max), 7.0F / 15);
}

TEST(KlClipping, clips_outliers) {
  at::Tensor sample = gauss(50'000, 8).abs();
  sample[7] = 100;
  const double end = activation_scale(sample, code_range(8, false), Clipping::kl) * 255;
  EXPECT_LT(end, 15);
  EXPECT_GT(end, 2);
}

TEST(KlClipping, keeps_a_uniform_range) {
  EXPECT_NEAR(divergence_threshold(at::linspace(0, 5, 40'961), 128), 5, 0.05);
}

TEST(KlClipping, does_not_count_exact_zeros) {
  const at::Tensor sample = gauss(50'000, 9).abs();
  const double alone = divergence_threshold(sample, 16);
  EXPECT_DOUBLE_EQ(divergence_threshold(at::cat({sample, at::zeros(300'000)}), 16), alone);
}

TEST(PercentileClipping, is_exact) {
  const at::Tensor shuffled = at::arange(1, 1001, at::kFloat).flip(0);
  EXPECT_DOUBLE_EQ(percentile_threshold(shuffled, 0.999), 999);
  EXPECT_DOUBLE_EQ(percentile_threshold(shuffled, 0.9991), 1000);
  EXPECT_DOUBLE_EQ(percentile_threshold(shuffled, 0.5), 500);
  EXPECT_DOUBLE_EQ(percentile_threshold(at::tensor({3.0F}), 0.999), 3);
  EXPECT_NEAR(activation_scale(at::arange(1, 10'001, at::kFloat), code_range(4, false), Clipping::percentile),
              9990.0 / 15, 1e-3);
}

TEST(EqualizedClipping, takes_the_mean_of_the_images_largest_values) {
  const at::Tensor sample = at::tensor({1.0F, 2.0F, 0.5F, 8.0F}).view({2, 2});
  EXPECT_NEAR(activation_scale(sample, code_range(2, false), Clipping::equalized), (2 + 8) / 2.0 / 3, 1e-6);
  EXPECT_NEAR(activation_scale(sample.flatten(), code_range(2, false), Clipping::equalized), 8 / 3.0, 1e-6);
}

TEST(EqualizedClipping, gives_a_layer_one_weight_scale) {
  const at::Tensor weights = at::tensor({0.1F, -0.7F, 0.2F, 0.01F}).view({2, 2});
  EXPECT_TRUE(weight_scales(weights, 4, Clipping::equalized).allclose(at::full({2}, 0.1)));
}

TEST(MixedClipping, is_never_worse_than_each_method_by_its_own_criterion) {
  const at::Tensor weights = at::stack({gauss(500, 10), laplace(500, 11), gauss(500, 12).pow(3)});
  const at::Tensor patches = laplace(100'000, 13).view({200, 500});
  const at::Tensor exact = at::mm(weights, patches.t());
  for (const int bits : {2, 4, 8}) {
    const auto error = [&](Clipping clipping) {
      const at::Tensor scales = weight_scales({weights, patches, {}}, bits, clipping).unsqueeze(1);
      const at::Tensor quantized = weight_values(weights / scales, bits).mul(scales);
      return at::mm(quantized, patches.t()).sub(exact).var(1, false).sum().item<double>();
    };
    for (const Clipping clipping : kSimple)
      EXPECT_LE(error(Clipping::mixed), error(clipping) * (1 + 1e-4)) << name_of(clipping) << " " << bits;
  }
}

TEST(MixedClipping, says_which_method_it_took) {
  const at::Tensor weights = at::stack({gauss(500, 10), laplace(500, 11)});
  Clipping chosen = Clipping::mixed;
  const at::Tensor scales = weight_scales({weights, {}, {}}, 4, Clipping::mixed, &chosen);
  EXPECT_NE(chosen, Clipping::mixed);
  EXPECT_TRUE(scales.equal(weight_scales(weights, 4, chosen)));
  const at::Tensor sample = gauss(5000, 14).abs();
  const double scale = activation_scale({sample}, code_range(4, false), Clipping::mixed, &chosen);
  EXPECT_NE(chosen, Clipping::mixed);
  EXPECT_EQ(scale, activation_scale(sample, code_range(4, false), chosen));
}

TEST(MixedClipping, keeps_a_large_weight_only_where_what_it_multiplies_varies) {
  const at::Tensor weights = gauss(1000, 15).view({1, -1});
  weights[0][0] = 30;
  const at::Tensor silent = gauss(100'000, 16).view({100, 1000});
  const at::Tensor loud = silent.clone();
  silent.select(1, 0).fill_(5);  // a constant is in the mean alone
  loud.select(1, 0).mul_(1000);
  Clipping chosen = Clipping::mixed;
  weight_scales({weights, silent, {}}, 4, Clipping::mixed, &chosen);
  EXPECT_NE(chosen, Clipping::max);
  weight_scales({weights, loud, {}}, 4, Clipping::mixed, &chosen);
  EXPECT_EQ(chosen, Clipping::max);
}

TEST(MixedClipping, weighs_filters_by_their_gain) {
  // One filter that only max fits, one that it does not. A single large weight would not do: what clips it
  // changes the results' deviation alone, which re-estimated statistics repair. Of two, on max's levels,
  // clipping at less than 6/7 of the larger one changes the ratio.
  const at::Tensor weights = gauss(2000, 17).view({2, -1});
  weights[0][0] = 60;
  weights[0][1] = 60 * 3.0 / 7;
  weights[1][0] = 60;
  const at::Tensor patches = gauss(200'000, 18).view({200, 1000});
  const at::Tensor depthwise = at::stack({patches, patches});
  depthwise[0].narrow(1, 0, 2).mul_(1000);
  depthwise[1].select(1, 0).zero_();
  Clipping chosen = Clipping::mixed;
  const at::Tensor scales = weight_scales({weights, depthwise, at::tensor({1.0F, 0.0F})}, 4, Clipping::mixed);
  EXPECT_GT(scales[0].item<double>() * 7, 60 * 6.0 / 7);  // the ratio is kept
  weight_scales({weights, depthwise, at::tensor({0.0F, 1.0F})}, 4, Clipping::mixed, &chosen);
  EXPECT_NE(chosen, Clipping::max);
}

TEST(MaxClipping, knows_values_that_are_not_in_the_sample) {
  const ActivationSample sample{gauss(100, 19).abs().view({2, 50}), false, at::tensor({6.0F, 30.0F})};
  EXPECT_NEAR(activation_scale(sample, code_range(4, false), Clipping::max), 2, 1e-6);
  EXPECT_NEAR(activation_scale(sample, code_range(4, false), Clipping::equalized), 18 / 15.0, 1e-6);
}

TEST(InputPatches, are_what_a_filter_multiplies) {
  at::manual_seed(1);
  const at::Tensor x = at::rand({3, 2, 7, 6});
  host::Layer layer;
  layer.kernel_height = layer.kernel_width = 3;
  layer.stride = 2;
  layer.pad = 1;
  const at::Tensor weights = at::rand({4, 2, 3, 3});
  // 4 x 3 results per image; with as many places as that, every result comes up once.
  const at::Tensor all = at::conv2d(x, weights, {}, 2, 1).permute({0, 2, 3, 1}).reshape({3, 12, 4});
  const at::Tensor some = at::mm(input_patches(layer, x, 12), weights.flatten(1).t()).view({3, 12, 4});
  EXPECT_TRUE(std::get<0>(some.sort(1)).allclose(std::get<0>(all.sort(1)), 1e-4, 1e-5));
  EXPECT_EQ(input_patches(layer, x, 5).sizes(), (std::vector<std::int64_t>{15, 18}));
  layer.kind = host::LayerKind::depthwise;
  const at::Tensor depthwise = input_patches(layer, x, 12);
  const at::Tensor filters = weights.select(0, 0).flatten(1);  // [channel, taps]
  const at::Tensor own = at::bmm(depthwise, filters.unsqueeze(2)).view({2, 3, 12});
  const at::Tensor expected =
      at::conv2d(x, filters.view({2, 1, 3, 3}), {}, 2, 1, 1, 2).flatten(2).transpose(0, 1);
  EXPECT_TRUE(std::get<0>(own.sort(2)).allclose(std::get<0>(expected.sort(2)), 1e-4, 1e-5));
}

TEST(OneBitWeights, have_the_mean_magnitude_as_scale_whatever_the_method) {
  const at::Tensor weights = gauss(300, 16).view({3, 100});
  for (const Clipping clipping : kAll)
    EXPECT_TRUE(weight_scales(weights, 1, clipping).allclose(weights.abs().mean(1))) << name_of(clipping);
}

TEST(StatedScales, of_weights_on_levels_are_theirs) {
  for (const int bits : {2, 4, 8}) {
    const at::Tensor scale = at::tensor({0.013F, 0.5F, 0.07F});
    const at::Tensor weights = rounded(gauss(300, 21).view({3, 100}) * 0.05, scale, weight_grid(bits));
    for (const Clipping clipping : {Clipping::mixed, Clipping::stated}) {
      Clipping chosen = Clipping::max;
      const WeightSample sample{.values = weights, .patches = gauss(5000, 22).view({50, 100}), .gain = {}};
      const at::Tensor scales = weight_scales(sample, bits, clipping, &chosen);
      EXPECT_EQ(chosen, Clipping::stated) << bits;
      EXPECT_TRUE(rounded(weights, scales, weight_grid(bits)).allclose(weights, 1e-4, 1e-6)) << bits;
    }
    EXPECT_NEAR(weight_scales(weights, bits, Clipping::stated)[0].item<float>(), 0.013F, 1e-6F) << bits;
  }
}

TEST(StatedScales, of_activations_are_the_steps_of_their_width) {
  ActivationSample sample{.values = gauss(1000, 23).clamp_min(0)};
  sample.stated = {{0, 255 * 0.01, 0.01}, {0, 3 * 0.4, 0.4}};
  Clipping chosen = Clipping::max;
  EXPECT_EQ(activation_scale(sample, code_range(8, false), Clipping::mixed, &chosen), 0.01);
  EXPECT_EQ(chosen, Clipping::stated);
  EXPECT_EQ(activation_scale(sample, code_range(2, false), Clipping::mixed), 0.4);
  activation_scale(sample, code_range(4, false), Clipping::mixed, &chosen);
  EXPECT_NE(chosen, Clipping::stated);
  EXPECT_DOUBLE_EQ(activation_scale(sample, code_range(4, false), Clipping::stated), 255 * 0.01 / 15);
}

TEST(Clipping, finds_a_positive_finite_scale_for_dead_tensors_and_single_values) {
  for (const Clipping clipping : kAll)
    for (const int bits : host::kWidths) {
      for (const at::Tensor& weights : {at::zeros({2, 9}), at::full({1, 1}, -0.5), at::full({3, 4}, 1e-20)}) {
        const at::Tensor scales = weight_scales(weights, bits, clipping);
        EXPECT_TRUE(scales.gt(0).logical_and(scales.isfinite()).all().item<bool>())
            << name_of(clipping) << " " << bits;
      }
      for (const at::Tensor& sample : {at::zeros(100), at::full({1}, 2.5), at::full({4, 5}, 1.0)})
        for (const bool is_signed : {false, true}) {
          if (is_signed && bits == 1) continue;
          const double scale = activation_scale(sample, code_range(bits, is_signed), clipping);
          EXPECT_TRUE(scale > 0 && std::isfinite(scale)) << name_of(clipping) << " " << bits;
        }
    }
}

TEST(Clipping, survives_a_tensor_that_is_nearly_all_zero) {
  at::Tensor sample = at::zeros(100'000);
  sample[5] = 3;
  for (const Clipping clipping : kAll)
    EXPECT_GT(activation_scale(sample, code_range(4, false), clipping), 1e-3) << name_of(clipping);
}

TEST(Clipping, more_bits_mean_finer_scales_and_less_error) {
  const at::Tensor weights = at::cat({gauss(4000, 17), laplace(4000, 18)}).view({8, 1000});
  const at::Tensor sample = gauss(20'000, 19).clamp_min(0);
  for (const Clipping clipping :
       {Clipping::max, Clipping::mse, Clipping::aciq, Clipping::percentile, Clipping::mixed})
    for (const auto& [fewer, more] : {std::pair{1, 2}, std::pair{2, 4}, std::pair{4, 8}}) {
      // At 2 bits a range up to the largest weight is worse than the mean magnitude at 1 bit.
      if (clipping != Clipping::max || fewer > 1) {
        EXPECT_LT(mean_error(weights, more, clipping), mean_error(weights, fewer, clipping))
            << name_of(clipping) << " " << more;
      }
      EXPECT_LT(activation_error(sample, more, clipping), activation_error(sample, fewer, clipping))
          << name_of(clipping) << " " << more;
      EXPECT_LT(activation_scale(sample, code_range(more, false), clipping),
                activation_scale(sample, code_range(fewer, false), clipping));
    }
}

TEST(ClippingTables, hold_the_scales_of_every_layer_tensor_and_width) {
  ClippingSamples samples;
  samples.weights = {{gauss(64, 20).view({4, 16}), {}, {}}, {gauss(36, 21).view({4, 9}), {}, {}}};
  samples.activations = {
      {gauss(256, 22).view({8, 32}).abs(), false}, {}, {gauss(256, 23).view({8, 32}), true}};
  const ClippingTable table = make_clipping_table(samples, Clipping::aciq);
  ASSERT_EQ(table.weights.size(), 2U);
  ASSERT_EQ(table.activations.size(), 3U);
  for (const int bits : host::kWidths) {
    const int w = width_index(bits);
    EXPECT_TRUE(table.weights[1][w].equal(weight_scales(samples.weights[1].values, bits, Clipping::aciq)));
    EXPECT_EQ(table.activations[0][w],
              activation_scale(samples.activations[0].values, code_range(bits, false), Clipping::aciq));
    if (bits > 1) {
      EXPECT_EQ(table.activations[2][w],
                activation_scale(samples.activations[2].values, code_range(bits, true), Clipping::aciq));
    }
  }
  EXPECT_THAT(table.activations[1], Each(0.0));
  EXPECT_THAT(table.weight_choices[0], Each(Clipping::aciq));
}

}  // namespace
}  // namespace bitloop::quant
