#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <cmath>
#include <thread>

#include "host/base/error.h"
#include "host/network/zoo/builder.h"
#include "quant/reference/integer_reference.h"
#include "tests/host/network/random_cases.h"
#include "tests/host/network/random_graphs.h"
#include "tests/quant/fixtures.h"

namespace bitloop::quant {
namespace {

/// Compares every tensor in every form of some random images with the definition.
void expect_golden(const host::QuantizedNetwork& network, int images, std::uint64_t seed) {
  const host::Shape& shape = network.network.tensors.at(network.network.input).shape;
  const auto bytes = static_cast<std::size_t>(shape.elements());
  const auto pixels = random_bytes(bytes * static_cast<std::size_t>(images), seed);
  const auto results = IntegerReference(network).run(pixels);
  ASSERT_EQ(results.size(), static_cast<std::size_t>(images));
  for (int image = 0; image < images; ++image) {
    const auto first = bytes * static_cast<std::size_t>(image);
    const auto golden = host::golden_run(network, std::span(pixels).subspan(first, bytes));
    ASSERT_EQ(results[image].written.size(), golden.written.size());
    ASSERT_EQ(results[image].narrow.size(), golden.narrow.size());
    for (std::size_t t = 0; t < golden.written.size(); ++t) {
      const auto where =
          fmt::format("image {}, tensor {}, seed {}", image, network.network.tensors[t].name, seed);
      ASSERT_EQ(results[image].written[t], golden.written[t]) << where;
      ASSERT_EQ(results[image].narrow[t], golden.narrow[t]) << "narrow form, " << where;
    }
  }
}

class AllPairs : public ::testing::TestWithParam<std::tuple<int, int>> {};

TEST_P(AllPairs, integer_reference_equals_golden_run_on_lenet) {
  const auto [weight_bits, input_bits] = GetParam();
  const host::Network network = host::zoo_network("lenet");
  const host::Policy policy = host::uniform_policy(network, weight_bits, input_bits);
  for (const std::uint64_t seed : {11U, 12U})
    expect_golden(host::random_quantization(network, policy, seed), 2, seed);
}

INSTANTIATE_TEST_SUITE_P(Lenet, AllPairs,
                         ::testing::Combine(::testing::ValuesIn(host::kWidths),
                                            ::testing::ValuesIn(host::kWidths)),
                         [](const auto& instance) {
                           return fmt::format("w{}a{}", std::get<0>(instance.param),
                                              std::get<1>(instance.param));
                         });

TEST(IntegerReference, equals_golden_run_on_random_graphs_of_all_operations) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    const host::Network network = host::test::random_graph(seed);
    std::mt19937_64 random(seed);
    const host::Policy policy = host::test::random_policy(network, random);
    expect_golden(host::random_quantization(network, policy, seed), 2, seed);
    if (HasFatalFailure()) {
      for (const host::Layer& layer : network.layers)
        fmt::print("{} reads {}, pad {} {}\n", layer.name, fmt::join(layer.inputs, ","), layer.pad.top,
                   layer.pad.bottom);
      FAIL() << "graph " << seed << ", policy " << policy.key();
    }
  }
}

TEST(IntegerReference, equals_golden_run_on_groups_and_chosen_channels) {
  host::zoo::NetworkBuilder net("channels", {3, 9, 7});
  int x = net.conv("stem", net.image(), {.filters = 12, .kernel = 3, .activation = host::Activation::none});
  x = net.select("turned", x, {11, 4, 7, 0, 2, 9, 10, 1});
  x = net.conv("grouped", x, {.filters = 12, .kernel = 3, .activation = host::Activation::none, .groups = 4});
  x = net.depthwise("twice", x, {.filters = 2, .kernel = 3, .activation = host::Activation::none});
  const host::Network network = net.finish({net.linear("end", x, 5, host::Activation::none, false)});
  for (const int weight_bits : host::kWidths)
    for (const int input_bits : {2, 4, 8}) {
      const host::Policy policy = host::uniform_policy(network, weight_bits, input_bits);
      expect_golden(host::random_quantization(network, policy, 3), 2, 3);
    }
}

TEST(IntegerReference, accuracy_pools_and_narrows_as_golden_run_does) {
  int narrow = 0;
  for (std::uint64_t seed = 1000; seed < 1040; ++seed) {
    const host::Network network = host::test::random_graph(seed);
    std::mt19937_64 random(seed);
    const auto quantized =
        host::random_quantization(network, host::test::random_policy(network, random), seed);
    const auto bytes = static_cast<std::size_t>(network.tensors[network.input].shape.elements());
    Split split;
    split.pixels = random_bytes(3 * bytes, seed);
    const auto classes = static_cast<std::uint64_t>(network.tensors[network.output()].shape.elements());
    double loss = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      split.labels.push_back(static_cast<std::uint8_t>(random() % std::min<std::uint64_t>(classes, 256)));
      const auto golden = host::golden_run(quantized, std::span(split.pixels).subspan(i * bytes, bytes));
      const auto& codes = golden.written[network.output()].codes;
      double sum = 0;
      for (const std::int32_t code : codes)
        sum += std::exp((static_cast<double>(code) - codes[split.labels[i]]) * 1e-8);
      loss += std::log(sum);
    }
    for (const int bits : quantized.bits.narrow) narrow += bits != 0 ? 1 : 0;
    EXPECT_NEAR(IntegerReference(quantized).accuracy(split, 1e-8).loss, loss / 3, 1e-9 * loss)
        << "graph " << seed;
  }
  EXPECT_GT(narrow, 0);
}

TEST(IntegerReference, batches_do_not_change_results) {
  const host::Network network = host::zoo_network("lenet");
  const auto quantized = host::random_quantization(network, host::uniform_policy(network, 4, 4), 5);
  const auto pixels = random_bytes(784 * 60, 5);
  const IntegerReference reference(quantized);
  const auto together = reference.run(pixels);
  for (const std::size_t image : {0U, 49U, 50U, 59U})
    EXPECT_EQ(together[image].written, reference.run(std::span(pixels).subspan(784 * image, 784))[0].written)
        << image;
}

/// A conv of 3x3 windows over many channels: sums beyond the 2^24 that a float holds exactly.
host::QuantizedNetwork wide_conv(std::uint8_t weight, int channels) {
  host::QuantizedNetwork q;
  q.network.name = "wide";
  q.network.tensors = {{"image", {channels, 6, 6}, false}, {"conv", {3, 6, 6}, false}};
  host::Layer layer;
  layer.name = "conv";
  layer.inputs = {0};
  layer.output = 1;
  layer.kernel_height = layer.kernel_width = 3;
  layer.pad = 1;
  q.network.layers = {layer};
  q.network.outputs = {1};
  q.policy = host::uniform_policy(q.network, 8, 8);
  q.bits = {{8, 32}, {0, 0}};
  host::QuantizedLayer integers;
  integers.weights.assign(static_cast<std::size_t>(3 * channels * 9), weight);
  for (std::size_t i = 0; i < integers.weights.size(); i += 7)
    integers.weights[i] = static_cast<std::uint8_t>(i);
  integers.requantization = {{1, 1, 1}, {65535, 1, -12345}, {32769, 16, 1 << 15}};
  integers.range = {0, std::numeric_limits<std::int32_t>::min(), std::numeric_limits<std::int32_t>::max()};
  integers.pad_codes = random_bytes(static_cast<std::size_t>(channels), 3);
  q.layers = {integers};
  q.narrowing.resize(2);
  return q;
}

TEST(IntegerReference, large_sums_are_exact) {
  for (const int channels : {1, 16, 57, 512})
    for (const std::uint8_t weight : {1, 255}) {
      const host::QuantizedNetwork network = wide_conv(weight, channels);
      const auto bytes = static_cast<std::size_t>(channels) * 36;
      for (const std::uint8_t pixel : {254, 255}) {
        std::vector<std::uint8_t> pixels(bytes, pixel);
        for (std::size_t i = 0; i < bytes; i += 11) pixels[i] = static_cast<std::uint8_t>(i * 5);
        EXPECT_EQ(IntegerReference(network).run(pixels)[0].written, host::golden_run(network, pixels).written)
            << channels << " channels, weight " << int{weight};
      }
    }
}

TEST(IntegerReference, large_sums_of_linear_layers_are_exact) {
  for (const std::uint8_t weight : {0, 255}) {  // values of -128 and 127, over 64 elements of 20 channels
    host::QuantizedNetwork network = wide_conv(weight, 20);
    network.network.tensors = {{"image", {20, 8, 8}, false}, {"linear", {3, 1, 1}, false}};
    network.network.layers[0].kind = host::LayerKind::linear;
    network.network.layers[0].pad = 0;
    network.network.image_input = false;
    network.layers[0].weights.assign(3 * 1280, weight);
    for (std::size_t i = 0; i < 3 * 1280; i += 5) network.layers[0].weights[i] = static_cast<std::uint8_t>(i);
    for (const std::uint8_t pixel : {254, 255}) {
      std::vector<std::uint8_t> pixels(1280, pixel);
      for (std::size_t i = 0; i < 1280; i += 11) pixels[i] = static_cast<std::uint8_t>(i * 5);
      EXPECT_EQ(IntegerReference(network).run(pixels)[0].written, host::golden_run(network, pixels).written)
          << "weight " << int{weight};
    }
  }
}

TEST(IntegerReference, the_number_of_threads_changes_no_bit) {
  const host::Network network = host::zoo_network("lenet");
  const IntegerReference reference(
      host::random_quantization(network, host::uniform_policy(network, 4, 8), 6));
  const Split split = bars(500, 6);
  const Accuracy one = reference.accuracy(split, 1e-7);
  for (const int threads : {2, 3, 16}) {
    const Accuracy several = reference.accuracy(split, 1e-7, threads);
    EXPECT_EQ(several.accuracy, one.accuracy) << threads;
    EXPECT_EQ(several.loss, one.loss) << threads;
    EXPECT_EQ(several.images, one.images) << threads;
  }
}

TEST(IntegerReference, accuracy_counts_the_largest_result_of_golden_run) {
  const host::Network network = host::zoo_network("lenet");
  const auto quantized = host::random_quantization(network, host::uniform_policy(network, 2, 4), 8);
  const Split split = bars(120, 4);
  std::size_t right = 0;
  double loss = 0;
  constexpr double kScale = 1e-6;
  for (std::size_t i = 0; i < split.size(); ++i) {
    const auto tensors = host::golden_run(quantized, std::span(split.pixels).subspan(784 * i, 784));
    const auto& codes = tensors.written[static_cast<std::size_t>(network.output())].codes;
    right += std::max_element(codes.begin(), codes.end()) - codes.begin() == split.labels[i] ? 1 : 0;
    double sum = 0;
    for (const std::int32_t code : codes) sum += std::exp((code - codes[split.labels[i]]) * kScale);
    loss += std::log(sum);
  }
  const Accuracy accuracy = IntegerReference(quantized).accuracy(split, kScale);
  EXPECT_EQ(accuracy.images, split.size());
  EXPECT_DOUBLE_EQ(accuracy.accuracy, static_cast<double>(right) / 120);
  EXPECT_NEAR(accuracy.loss, loss / 120, 1e-6 * loss);
  const std::vector<int> classes = IntegerReference(quantized).classes(split, 2);
  std::size_t same = 0;
  for (std::size_t i = 0; i < split.size(); ++i) same += classes[i] == split.labels[i] ? 1 : 0;
  EXPECT_EQ(same, right);
}

TEST(IntegerReference, a_fold_has_every_so_manieth_image_whichever_others_are_chosen) {
  constexpr std::size_t kFolds = 7;  // of 18 and 17 images, less than a batch
  const host::Network network = host::zoo_network("lenet");
  const IntegerReference reference(
      host::random_quantization(network, host::uniform_policy(network, 4, 4), 3));
  const Split split = bars(120, 8);
  const auto all =
      reference.fold_accuracies(split, 1e-6, kFolds, std::vector<std::size_t>{0, 1, 2, 3, 4, 5, 6});
  FoldAccuracy sum;
  for (std::size_t fold = 0; fold < kFolds; ++fold) {
    Split own;
    for (std::size_t i = fold; i < split.size(); i += kFolds) {
      own.labels.push_back(split.labels[i]);
      const auto image = split.pixels.begin() + static_cast<std::ptrdiff_t>(784 * i);
      own.pixels.insert(own.pixels.end(), image, image + 784);
    }
    const Accuracy alone = reference.accuracy(own, 1e-6);
    ASSERT_EQ(all[fold].images, own.size()) << fold;
    EXPECT_EQ(static_cast<double>(all[fold].correct) / static_cast<double>(own.size()), alone.accuracy)
        << fold;
    EXPECT_EQ(all[fold].loss_sum / static_cast<double>(own.size()), alone.loss) << fold;
    sum = {sum.images + own.size(), sum.correct + all[fold].correct, sum.loss_sum + all[fold].loss_sum};
  }
  EXPECT_EQ(sum.images, split.size());
  EXPECT_NEAR(sum.loss_sum / 120, reference.accuracy(split, 1e-6).loss, 1e-12);
  EXPECT_EQ(reference.fold_accuracies(split, 1e-6, kFolds, std::vector<std::size_t>{5, 2}, /*threads=*/2),
            (std::vector{all[5], all[2]}));
  EXPECT_THROW((void)reference.fold_accuracies(split, 1e-6, kFolds, std::vector<std::size_t>{7}), InputError);
}

TEST(IntegerReference, several_threads_may_share_one) {
  const host::Network network = host::zoo_network("lenet");
  const auto quantized = host::random_quantization(network, host::uniform_policy(network, 8, 8), 9);
  const IntegerReference reference(quantized);
  const Split split = bars(200, 5);
  const Accuracy alone = reference.accuracy(split, 1e-6);
  Accuracy first, second;
  {
    std::jthread a([&] { first = reference.accuracy(split, 1e-6); });
    std::jthread b([&] { second = reference.accuracy(split, 1e-6); });
  }
  EXPECT_EQ(first.loss, alone.loss);
  EXPECT_EQ(second.loss, alone.loss);
}

}  // namespace
}  // namespace bitloop::quant
