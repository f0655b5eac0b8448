#include "quant/reference/integer_reference.h"
#include "quant/retraining/quantizer.h"
#include "quant/tensor/per_filter.h"
#include "quant/training/float_network.h"

#include <gmock/gmock.h>

#include <fstream>
#include <functional>
#include <optional>
#include <set>
#include <thread>

#include "host/base/error.h"
#include "quant/data/batches.h"
#include "quant/model/geometry.h"
#include "quant/reference/plan.h"
#include "quant/retraining/pooling.h"
#include "tests/quant/fixtures.h"

namespace bitloop::quant {
namespace {

using ::testing::HasSubstr;

bool same_integers(const host::QuantizedLayer& a, const host::QuantizedLayer& b) {
  return a.weight_bits == b.weight_bits && a.weights == b.weights && a.requantization == b.requantization &&
         a.range == b.range && a.pad_codes == b.pad_codes;
}

void expect_same_integers(const QuantizedModel& a, const QuantizedModel& b) {
  EXPECT_EQ(a.output_scale(), b.output_scale());
  EXPECT_EQ(a.integers.policy, b.integers.policy);
  EXPECT_EQ(a.integers.bits, b.integers.bits);
  ASSERT_EQ(a.integers.layers.size(), b.integers.layers.size());
  for (std::size_t i = 0; i < a.integers.layers.size(); ++i)
    EXPECT_TRUE(same_integers(a.integers.layers[i], b.integers.layers[i])) << "layer " << i;
}

/// One trained float network for all tests of this file.
class LenetTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    network_ = new host::Network(host::zoo_network("lenet"));
    data_ = new Dataset(bars_dataset());
    checkpoint_ = new FloatCheckpoint(FloatCheckpoint::train(*network_, *data_, {.epochs = 3, .batch = 32}));
    quantizer_ = new Quantizer(*network_, *checkpoint_, *data_);
  }
  static void TearDownTestSuite() {
    delete quantizer_;
    delete checkpoint_;
    delete data_;
    delete network_;
  }
  static QuantizedModel quantize(std::string_view policy, const Retraining& options) {
    return quantizer_->quantize(host::load_policy(*network_, policy), options);
  }
  static double test_accuracy(const QuantizedModel& model) {
    return IntegerReference(model.integers).accuracy(data_->test, model.output_scale()).accuracy;
  }

  static inline host::Network* network_ = nullptr;
  static inline Dataset* data_ = nullptr;
  static inline FloatCheckpoint* checkpoint_ = nullptr;
  static inline Quantizer* quantizer_ = nullptr;
  static inline const Retraining kShort{.images = 640};
};

TEST_F(LenetTest, float_network_learns) { EXPECT_GT(checkpoint_->accuracy(data_->test).accuracy, 0.95); }

TEST_F(LenetTest, float_training_repeats_exactly) {
  const FloatTraining options{.epochs = 1, .batch = 64};
  const auto first = FloatCheckpoint::train(*network_, *data_, options);
  const auto second = FloatCheckpoint::train(*network_, *data_, options);
  EXPECT_EQ(first.weight_deviations(), second.weight_deviations());
}

TEST_F(LenetTest, without_retraining_8_bits_agree_with_float) {
  const QuantizedModel model = quantize("w8a8", {.epochs = 0});
  EXPECT_NEAR(test_accuracy(model), checkpoint_->accuracy(data_->test).accuracy, 0.01);
}

/// The same function, its norms folded into weights and biases or, with a `scale`, norms that scale by it and
/// shift, of statistics that are not those of any results.
FloatCheckpoint rewritten(const FloatCheckpoint& checkpoint, std::optional<float> scale) {
  auto impl = std::make_shared<FloatCheckpoint::Impl>(*checkpoint.impl);
  std::size_t index = 0;
  for (host::Layer& layer : impl->network.layers) {
    if (!layer.has_weights()) continue;
    FloatLayer& p = impl->layers.at(index++);
    if (!layer.batch_norm) continue;
    layer.batch_norm = scale.has_value();
    const at::Tensor gain = p.gain * p.variance.add(kBatchNormEpsilon).rsqrt();
    FloatLayer same;
    same.weight = p.weight * column(gain / scale.value_or(1), p.weight);
    const at::Tensor shift = p.shift - p.mean * gain;
    if (scale) {
      same.gain = at::full_like(gain, *scale);
      same.shift = shift + 0.5;
      same.mean = at::full_like(gain, 0.5 / *scale);
      same.variance = at::full_like(gain, 1 - kBatchNormEpsilon);
    } else {
      same.bias = shift;
    }
    p = same;
  }
  FloatCheckpoint result;
  result.impl = std::move(impl);
  return result;
}

TEST_F(LenetTest, norms_as_trained_as_scale_and_shift_and_folded_quantize_alike) {
  for (const std::optional<float> scale :
       {std::optional<float>(), std::optional(1.0F), std::optional(4.0F)}) {
    const FloatCheckpoint other = rewritten(*checkpoint_, scale);
    const Quantizer quantizer(other.impl->network, other, *data_);
    for (const char* policy : {"w8a8", "w2a4"}) {
      const auto predicted = [&](const Quantizer& by, const host::Network& network) {
        return by.quantize_and_predict(host::load_policy(network, policy), {.epochs = 0}, data_->test)
            .classes;
      };
      const auto classes = predicted(quantizer, other.impl->network);
      const auto trained = predicted(*quantizer_, *network_);
      std::size_t same = 0;
      for (std::size_t i = 0; i < classes.size(); ++i) same += classes[i] == trained[i] ? 1 : 0;
      EXPECT_GE(same, classes.size() * 98 / 100) << policy << ", scale " << scale.value_or(0);
    }
  }
}

TEST_F(LenetTest, retraining_recovers_what_narrow_widths_lose) {
  const double before = test_accuracy(quantize("w1a2", {.epochs = 0}));
  const double after = test_accuracy(quantize("w1a2", {.images = 0}));
  EXPECT_GT(after, 0.9);
  EXPECT_GE(after, before);
}

TEST_F(LenetTest, integers_equal_golden_run_after_retraining) {
  for (const char* policy : {"w8a8", "w4a2", "w2a4", "w1a1"}) {
    const QuantizedModel model = quantize(policy, kShort);
    const auto image = std::span(data_->test.pixels).first(784);
    EXPECT_EQ(IntegerReference(model.integers).run(image)[0].written,
              host::golden_run(model.integers, image).written)
        << policy;
  }
}

TEST_F(LenetTest, multipliers_use_16_bits_and_shifts_are_legal) {
  for (const char* policy : {"w8a8", "w1a1"})
    for (const host::QuantizedLayer& layer : quantize(policy, kShort).integers.layers)
      for (const host::Requantization& r : layer.requantization) {
        EXPECT_TRUE(r.multiplier >= 32768 || r.shift == 47) << r.multiplier << " " << int{r.shift};
        EXPECT_TRUE(r.shift >= 1 && r.shift <= 47);
        EXPECT_LT(std::abs(r.bias), std::int64_t{1} << 49);
      }
}

TEST_F(LenetTest, the_image_is_padded_with_its_mean) {
  EXPECT_EQ(quantize("w8a8", kShort).integers.layers[0].pad_codes, std::vector<std::uint8_t>{64});
}

TEST_F(LenetTest, same_policy_and_options_give_the_same_integers_from_any_thread) {
  const QuantizedModel first = quantize("w2a2", kShort);
  expect_same_integers(first, quantize("w2a2", kShort));
  QuantizedModel second, third;
  {
    std::jthread a([&] { second = quantize("w2a2", kShort); });
    std::jthread b([&] { third = quantize("w2a2", kShort); });
  }
  expect_same_integers(first, second);
  expect_same_integers(first, third);
}

TEST_F(LenetTest, the_seed_changes_the_integers) {
  Retraining other = kShort;
  other.seed = 2;
  EXPECT_NE(quantize("w4a4", kShort).integers.layers[2].weights,
            quantize("w4a4", other).integers.layers[2].weights);
}

TEST(LearningRate, falls_along_a_cosine_or_by_a_factor_from_epoch_to_epoch) {
  const Retraining cosine{.epochs = 4, .learning_rate = 0.5};
  EXPECT_DOUBLE_EQ(learning_rate(cosine, 0, 0, 8), 0.5);
  EXPECT_DOUBLE_EQ(learning_rate(cosine, 2, 4, 8), 0.25);
  EXPECT_DOUBLE_EQ(learning_rate(cosine, 3, 8, 8), 0);
  const Retraining decaying{.epochs = 4, .learning_rate = 0.5, .learning_rate_decay = 0.8};
  EXPECT_DOUBLE_EQ(learning_rate(decaying, 0, 0, 8), 0.5);
  EXPECT_DOUBLE_EQ(learning_rate(decaying, 0, 1, 8), 0.5);
  EXPECT_DOUBLE_EQ(learning_rate(decaying, 3, 6, 8), 0.5 * 0.8 * 0.8 * 0.8);
}

TEST_F(LenetTest, a_decaying_rate_gives_other_integers) {
  Retraining decaying = kShort;
  decaying.learning_rate_decay = 1;
  EXPECT_NE(quantize("w4a4", kShort).integers.layers[2].weights,
            quantize("w4a4", decaying).integers.layers[2].weights);
}

/// Other labels for all training images but those that a pass of `images` draws by the seed.
Dataset with_other_labels(Dataset data, std::int64_t images, std::uint64_t seed) {
  const at::Tensor drawn = drawn_places(static_cast<std::int64_t>(data.train.size()), images, seed);
  const std::set<std::int64_t> kept(drawn.data_ptr<std::int64_t>(), drawn.data_ptr<std::int64_t>() + images);
  for (std::size_t i = 0; i < data.train.size(); ++i)
    if (!kept.contains(static_cast<std::int64_t>(i))) data.train.labels[i] = (data.train.labels[i] + 1) % 10;
  return data;
}

TEST_F(LenetTest, float_training_and_retraining_draw_the_same_few_images_by_their_seed) {
  constexpr int kImages = 200;
  const FloatTraining training{.epochs = 2, .seed = 3, .batch = 50, .images = kImages};
  const Retraining retraining{.epochs = 2, .images = kImages, .seed = 3};
  const Dataset same = with_other_labels(*data_, kImages, 3), other = with_other_labels(*data_, kImages, 4);
  const auto trained = [&](const Dataset& data) {
    return FloatCheckpoint::train(*network_, data, training).content_hash();
  };
  EXPECT_EQ(trained(same), trained(*data_));
  EXPECT_NE(trained(other), trained(*data_));
  const auto retrained = [&](const Dataset& data) {
    return Quantizer(*network_, *checkpoint_, data)
        .quantize(host::load_policy(*network_, "w4a4"), retraining);
  };
  expect_same_integers(retrained(same), retrained(*data_));
  EXPECT_NE(retrained(other).integers.layers[2].weights, retrained(*data_).integers.layers[2].weights);
}

TEST_F(LenetTest, illegal_policies_and_options_are_refused) {
  host::Policy policy = host::uniform_policy(*network_, 8, 8);
  EXPECT_THROW((void)quantizer_->quantize(policy, {.batch = 0}), InputError);
  EXPECT_THROW((void)quantizer_->quantize(policy, {.learning_rate_decay = 1.5}), InputError);
  policy.layers.pop_back();
  EXPECT_THROW((void)quantizer_->quantize(policy, kShort), InputError);
}

/// Flips a filter's weights, gain and mean: the same function.
FloatCheckpoint with_negative_gains(const FloatCheckpoint& checkpoint) {
  auto changed = std::make_shared<FloatCheckpoint::Impl>(*checkpoint.impl);
  for (FloatLayer& layer : changed->layers) {
    if (!layer.gain.defined()) continue;
    at::Tensor sign = at::ones_like(layer.gain);
    sign.slice(0, 0, sign.size(0), 2).fill_(-1);
    layer.weight = layer.weight * (layer.weight.dim() == 4 ? sign.view({-1, 1, 1, 1}) : sign.view({-1, 1}));
    layer.gain = layer.gain * sign;
    layer.mean = layer.mean * sign;
  }
  return {changed};
}

TEST_F(LenetTest, a_negative_gain_flips_its_filters_weights) {
  const FloatCheckpoint flipped = with_negative_gains(*checkpoint_);
  ASSERT_EQ(flipped.accuracy(data_->test).accuracy, checkpoint_->accuracy(data_->test).accuracy);
  const Quantizer other(*network_, flipped, *data_);
  // Odd encodings are symmetric, so that both networks are the same integers.
  const auto policy = host::load_policy(*network_, "w2a4");
  expect_same_integers(other.quantize(policy, {.epochs = 0}), quantizer_->quantize(policy, {.epochs = 0}));
  EXPECT_NEAR(test_accuracy(other.quantize(policy, kShort)),
              test_accuracy(quantizer_->quantize(policy, kShort)), 0.02);
}

/// Codes from floating-point arithmetic on the layer's dot products, by the formula that training uses.
TEST_F(LenetTest, multipliers_and_biases_follow_the_float_network) {
  const QuantizedModel model = quantize("w8a8", {.epochs = 0});
  const at::NoGradGuard no_grad;
  const auto image = std::span(data_->test.pixels).first(784);
  const auto codes = IntegerReference(model.integers).run(image)[0].written;
  const FloatPass pass =
      float_forward(*network_, checkpoint_->impl->layers,
                    normalize(pixel_tensor(data_->shape, image), data_->mean, data_->deviation), false);
  const auto& logits = codes[static_cast<std::size_t>(network_->output())].codes;
  for (int i = 0; i < 10; ++i) {
    const double expected =
        pass.tensors[static_cast<std::size_t>(network_->output())].flatten()[i].item<double>();
    EXPECT_NEAR(logits[i] * model.output_scale(), expected, 0.3 + 0.05 * std::abs(expected)) << i;
  }
}

TEST_F(LenetTest, quantized_models_survive_a_file) {
  const TemporaryFolder folder;
  const QuantizedModel model = quantize("w2a4", kShort);
  save_quantized(model, folder.path() / "a" / "model.bin");
  const QuantizedModel loaded = load_quantized(folder.path() / "a" / "model.bin");
  expect_same_integers(model, loaded);
  EXPECT_EQ(model.seconds, loaded.seconds);
  EXPECT_EQ(loaded.split_hash, data_->split_hash);
  EXPECT_EQ(test_accuracy(model), test_accuracy(loaded));
}

TEST_F(LenetTest, checkpoints_survive_a_file) {
  const TemporaryFolder folder;
  checkpoint_->save(folder.path() / "float.pt");
  const auto loaded = FloatCheckpoint::load(*network_, *data_, folder.path() / "float.pt");
  EXPECT_EQ(loaded.accuracy(data_->test).accuracy, checkpoint_->accuracy(data_->test).accuracy);
  EXPECT_EQ(loaded.weight_deviations(), checkpoint_->weight_deviations());
}

TEST_F(LenetTest, checkpoints_of_other_images_or_networks_are_refused) {
  const TemporaryFolder folder;
  checkpoint_->save(folder.path() / "float.pt");
  Dataset other = *data_;
  other.split_hash = "other";
  EXPECT_THROW((void)FloatCheckpoint::load(*network_, other, folder.path() / "float.pt"), InputError);
  EXPECT_THROW(Quantizer(*network_, *checkpoint_, other), InputError);
  host::Network changed = *network_;
  changed.layers[0].activation = host::Activation::relu6;
  EXPECT_THROW((void)FloatCheckpoint::load(changed, *data_, folder.path() / "float.pt"), InputError);
}

TEST(Geometry, kinds_keep_their_numbers_in_files) {
  EXPECT_EQ(kind_number(host::LayerKind::conv), 0);
  EXPECT_EQ(kind_number(host::LayerKind::linear), 1);
  EXPECT_EQ(kind_number(host::LayerKind::max_pool), 2);
  for (int number = 0; number < 12; ++number) EXPECT_EQ(kind_number(kind_of_number(number)), number);
  EXPECT_THROW((void)kind_of_number(12), InputError);
}

TEST(Geometry, lenets_hash_stays_so_that_stored_checkpoints_do) {
  EXPECT_EQ(geometry_hash(host::zoo_network("lenet")),
            "5222fdd8d805450148e28870e60a51184b658d89b5508a42d2552ed2e86fe72f");
}

TEST_F(LenetTest, changed_files_are_refused) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "float.pt";
  checkpoint_->save(path);
  EXPECT_THROW((void)load_quantized(path), InputError);
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(-100, std::ios::end);
  file.put('\x5a').put('\x5b');
  file.close();
  EXPECT_THROW((void)FloatCheckpoint::load(*network_, *data_, path), InputError);
  std::filesystem::resize_file(path, 40);
  EXPECT_THROW((void)FloatCheckpoint::load(*network_, *data_, path), InputError);
  EXPECT_THROW((void)FloatCheckpoint::load(*network_, *data_, folder.path() / "absent"), InputError);
}

TEST_F(LenetTest, the_cache_trains_once) {
  const TemporaryFolder folder;
  const char* before = std::getenv("XDG_CACHE_HOME");
  const std::string kept = before == nullptr ? "" : before;
  setenv("XDG_CACHE_HOME", folder.path().c_str(), 1);
  int trained = 0;
  const auto count = [&](double, const std::string&) { ++trained; };
  const FloatTraining options{.epochs = 1};
  const auto first = FloatCheckpoint::cached(*network_, *data_, options, count);
  const int reports = trained;
  const auto second = FloatCheckpoint::cached(*network_, *data_, options, count);
  EXPECT_GT(reports, 0);
  EXPECT_EQ(trained, reports);
  EXPECT_EQ(first.weight_deviations(), second.weight_deviations());
  before == nullptr ? unsetenv("XDG_CACHE_HOME") : setenv("XDG_CACHE_HOME", kept.c_str(), 1);
}

TEST(Pooling, equals_libtorch_in_values_and_gradients_also_at_ties) {
  const host::Network network = host::zoo_network("lenet");
  const host::Layer& tiled = *std::find_if(network.layers.begin(), network.layers.end(),
                                           [](const host::Layer& l) { return !l.has_weights(); });
  host::Layer overlapping = tiled;
  overlapping.kernel_height = overlapping.kernel_width = 3;
  overlapping.pad = 1;
  for (const host::Layer& layer : {tiled, overlapping}) {
    at::Tensor x = at::randint(-3, 3, {5, 3, 14, 10}).to(at::kFloat);
    const at::Tensor pooled = max_pool(layer, x);
    const at::Tensor gradient = at::randn_like(pooled);
    x.set_requires_grad(true);
    const at::Tensor expected =
        at::max_pool2d(x, {layer.kernel_height, layer.kernel_width}, layer.stride.y, layer.pad.top);
    expected.backward(gradient);
    EXPECT_TRUE(pooled.equal(expected));
    EXPECT_TRUE(max_pool_gradient(layer, gradient, x.detach()).equal(x.grad()));
  }
}

TEST(Plan, fuses_a_pool_with_the_only_layer_that_it_reads) {
  const host::Network network = host::zoo_network("lenet");
  EXPECT_EQ(plan(network, true).size(), 5U);
  EXPECT_EQ(plan(network, false).size(), 7U);
}

}  // namespace
}  // namespace bitloop::quant
