#include "quant/retraining/comparison.h"

#include <gmock/gmock.h>

#include <cmath>
#include <random>
#include <set>

#include "host/base/error.h"
#include "quant/quantizers/compression.h"
#include "tests/quant/fixtures.h"

namespace bitloop::quant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::set<float> distinct(const at::Tensor& tensor) {
  const at::Tensor flat = tensor.flatten().contiguous();
  return {flat.data_ptr<float>(), flat.data_ptr<float>() + flat.numel()};
}

/// 28x28 image to 10 classes by way of 32 hidden values: few enough to train in a test.
host::Network toy_network() {
  host::Network network;
  network.name = "toy";
  network.tensors = {{"image", {1, 28, 28}}, {"hidden", {32, 1, 1}}, {"logits", {10, 1, 1}, true}};
  host::Layer hidden;
  hidden.name = "fc1";
  hidden.kind = host::LayerKind::linear;
  hidden.inputs = {0};
  hidden.output = 1;
  hidden.activation = host::Activation::relu;
  hidden.batch_norm = true;
  host::Layer logits = hidden;
  logits.name = "fc2";
  logits.inputs = {1};
  logits.output = 2;
  logits.activation = host::Activation::none;
  logits.batch_norm = false;
  network.layers = {hidden, logits};
  network.outputs = {2};
  return network;
}

const Dataset& data() {
  static const Dataset bars = bars_dataset();
  return bars;
}

const FloatCheckpoint& trained_toy() {
  static const FloatCheckpoint checkpoint =
      FloatCheckpoint::train(toy_network(), data(), {.epochs = 4, .batch = 64});
  return checkpoint;
}

TEST(WeightSharing, recovers_clusters) {
  std::mt19937_64 generator(1);
  std::normal_distribution<float> noise(0, 0.01F);
  const float centers[] = {-1.0F, -0.2F, 0.9F, 2.0F};
  std::vector<float> weights;
  for (int i = 0; i < 400; ++i) weights.push_back(centers[i % 4] + noise(generator));
  const Clusters clusters = cluster_weights(at::tensor(weights).view({20, 20}), 2);
  EXPECT_TRUE(clusters.centroids.allclose(at::tensor({-1.0F, -0.2F, 0.9F, 2.0F}), 0, 0.01));
  for (int i = 0; i < 400; ++i) EXPECT_EQ(clusters.assignment.flatten()[i].item<int>(), i % 4);
}

TEST(WeightSharing, gives_every_weight_its_nearest_centroid) {
  at::manual_seed(1);
  const at::Tensor weights = at::randn({30, 10});
  const Clusters clusters = cluster_weights(weights, 4);
  const at::Tensor distances = weights.unsqueeze(2).sub(clusters.centroids).abs();
  EXPECT_TRUE(clusters.weights().sub(weights).abs().allclose(std::get<0>(distances.min(2)), 0, 1e-6));
}

TEST(WeightSharing, copes_with_equal_weights) {
  const at::Tensor weights = at::full({3, 3}, 0.25);
  EXPECT_TRUE(cluster_weights(weights, 4).weights().equal(weights));
}

TEST(WeightSharing, sums_the_gradients_of_a_cluster) {
  Clusters clusters = cluster_weights(at::tensor({-1.0F, -1.0F, 1.0F}), 1);
  clusters.centroids.requires_grad_();
  clusters.weights().mul(at::tensor({1.0F, 10.0F, 100.0F})).sum().backward();
  EXPECT_TRUE(clusters.centroids.grad().equal(at::tensor({11.0F, 100.0F})));
}

TEST(Projection, ends_on_scaled_levels) {
  at::manual_seed(2);
  const at::Tensor weights = at::randn({8, 50});
  for (const int bits : host::kWidths) {
    const at::Tensor projected = project_to_levels(weights, bits);
    const std::set<float> values = distinct(projected);
    EXPECT_LE(values.size(), std::exp2(bits));
    EXPECT_TRUE(project_to_levels(projected, bits).allclose(projected, 1e-3, 1e-5)) << bits << " bits";
  }
  EXPECT_THAT(distinct(project_to_levels(at::tensor({-2.0F, 2.0F, 1.0F, -1.0F}), 1)),
              ElementsAre(-1.5F, 1.5F));
}

TEST(Projection, more_bits_come_nearer) {
  at::manual_seed(3);
  const at::Tensor weights = at::randn({8, 50});
  double previous = weights.square().sum().item<double>();
  for (const int bits : host::kWidths) {
    const double error = project_to_levels(weights, bits).sub(weights).square().sum().item<double>();
    EXPECT_LT(error, previous) << bits << " bits";
    previous = error;
  }
}

TEST(Comparisons, train_a_small_network_and_say_that_the_hardware_cannot_run_it) {
  const double accuracy = trained_toy().accuracy(data().test).accuracy;
  ASSERT_GT(accuracy, 0.95);
  for (const std::string& name : comparison_names()) {
    Retraining options;
    options.quantizer = name;
    options.epochs = 2;
    options.images = 0;
    const host::Policy policy = host::uniform_policy(toy_network(), 2, 8);
    const ComparisonResult result =
        compare_quantizer(toy_network(), trained_toy(), data(), policy, options, data().test);
    EXPECT_GT(result.accuracy.accuracy, accuracy - 0.05) << name;
    EXPECT_EQ(result.accuracy.images, data().test.size());
    EXPECT_FALSE(result.executable) << name;
    EXPECT_FALSE(result.note.empty()) << name;
    const std::int64_t weights = 784 * 32 + 32 * 10;
    EXPECT_EQ(result.size_bits, 2 * weights + 2 * (name == "k-means" ? 4 * 32 : 32)) << name;
  }
}

TEST(Comparisons, training_helps) {
  Retraining options;
  options.quantizer = "k-means";
  options.images = 0;
  const host::Policy policy = host::uniform_policy(toy_network(), 1, 8);
  const auto loss = [&](int epochs) {
    options.epochs = epochs;
    return compare_quantizer(toy_network(), trained_toy(), data(), policy, options, data().test)
        .accuracy.loss;
  };
  EXPECT_LT(loss(1), loss(0));
}

TEST(Comparisons, refuse_what_they_do_not_know) {
  const host::Policy policy = host::uniform_policy(toy_network(), 2, 8);
  Retraining options;
  options.quantizer = "lsq";
  const auto compare = [&] {
    return compare_quantizer(toy_network(), trained_toy(), data(), policy, options, data().test);
  };
  try {
    compare();
    FAIL();
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), HasSubstr("k-means"));
  }
  options.quantizer = "admm";
  options.optimizer = "lion";
  EXPECT_THROW(compare(), InputError);
  options.optimizer = "adam";
  options.epochs = -1;
  EXPECT_THROW(compare(), InputError);
}

}  // namespace
}  // namespace bitloop::quant
