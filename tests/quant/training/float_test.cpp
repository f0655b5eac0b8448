#include <gmock/gmock.h>

#include <cstdlib>

#include "host/base/error.h"
#include "quant/training/device.h"
#include "quant/training/float_checkpoint.h"
#include "quant/training/float_network.h"
#include "tests/quant/fixtures.h"

namespace bitloop::quant {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

/// An inverted residual block as MobileNet-V2's between a strided convolution and an average pool.
host::Network block_network() {
  using host::Activation;
  using host::LayerKind;
  host::Network network{.name = "block",
                        .tensors = {{"image", {1, 28, 28}},
                                    {"stem", {8, 7, 7}},
                                    {"wide", {24, 7, 7}},
                                    {"deep", {24, 7, 7}},
                                    {"narrow", {8, 7, 7}},
                                    {"sum", {8, 7, 7}},
                                    {"pooled", {8, 7, 7}},
                                    {"result", {10, 1, 1}}},
                        .layers = {},
                        .input = 0,
                        .outputs = {7}};
  const auto window = [](host::Layer layer, int kernel, int stride, int pad) {
    layer.kernel_height = layer.kernel_width = kernel;
    layer.stride = stride;
    layer.pad = pad;
    return layer;
  };
  network.layers = {
      window(
          {.name = "stem", .inputs = {0}, .output = 1, .activation = Activation::relu6, .batch_norm = true},
          4, 4, 0),
      {.name = "wide", .inputs = {1}, .output = 2, .activation = Activation::relu6, .batch_norm = true},
      window({.name = "deep",
              .kind = LayerKind::depthwise,
              .inputs = {2},
              .output = 3,
              .activation = Activation::relu6,
              .batch_norm = true},
             3, 1, 1),
      {.name = "narrow", .inputs = {3}, .output = 4, .batch_norm = true},
      {.name = "sum", .kind = LayerKind::add, .inputs = {1, 4}, .output = 5},
      window({.name = "pooled", .kind = LayerKind::average_pool, .inputs = {5}, .output = 6}, 3, 1, 1),
      {.name = "result", .kind = LayerKind::linear, .inputs = {6}, .output = 7}};
  host::derive_signedness(network);
  network.validate();
  return network;
}

const Dataset& bar_images() {
  static const Dataset data = bars_dataset();
  return data;
}

double accuracy_after(const FloatTraining& options) {
  return FloatCheckpoint::train(block_network(), bar_images(), options).accuracy(bar_images().test).accuracy;
}

TEST(FloatTraining, a_depthwise_residual_network_learns) {
  EXPECT_GT(accuracy_after({.epochs = 3, .learning_rate = 5e-3, .batch = 32}), 0.95);
}

TEST(FloatTraining, sgd_learns_too) {
  EXPECT_GT(accuracy_after({.epochs = 3, .learning_rate = 0.1, .batch = 32, .optimizer = "sgd"}), 0.95);
}

TEST(FloatTraining, repeats_exactly_and_changes_with_the_seed) {
  FloatTraining options{.epochs = 1, .batch = 64};
  Dataset data = bar_images();
  data.augmentation = {2, true};
  const auto deviations = [&] {
    return FloatCheckpoint::train(block_network(), data, options).weight_deviations();
  };
  const auto first = deviations();
  EXPECT_EQ(deviations(), first);
  options.seed = 2;
  EXPECT_NE(deviations(), first);
}

TEST(FloatTraining, reports_the_loss_and_ends_at_1) {
  double last = -1;
  std::string notes;
  (void)FloatCheckpoint::train(block_network(), bar_images(), {.epochs = 1},
                               [&](double done, const std::string& note) {
                                 EXPECT_GE(done, last);
                                 last = done;
                                 notes += note;
                               });
  EXPECT_EQ(last, 1);
  EXPECT_THAT(notes, HasSubstr("epoch 1, loss "));
}

TEST(FloatTraining, that_diverges_says_so) {
  EXPECT_THROW(accuracy_after({.epochs = 2, .learning_rate = 1e30, .optimizer = "sgd"}), InputError);
}

TEST(FloatTraining, unusable_options_are_refused) {
  for (const FloatTraining& options :
       {FloatTraining{.epochs = 0}, FloatTraining{.learning_rate = 0}, FloatTraining{.batch = 1},
        FloatTraining{.optimizer = "rmsprop"}, FloatTraining{.images = -1}, FloatTraining{.images = 2001}})
    EXPECT_THROW(accuracy_after(options), InputError);
}

/// The message of the InputError that `action` throws.
template <typename Action>
std::string refusal(const Action& action) {
  try {
    action();
  } catch (const InputError& error) {
    return error.what();
  }
  return "nothing was refused";
}

TEST(Fit, classes_and_sizes_that_differ_are_named_in_one_line) {
  Dataset data = bar_images();
  data.classes = 12;
  EXPECT_THAT(refusal([&] { (void)FloatCheckpoint::train(block_network(), data, {}); }),
              AllOf(HasSubstr("10 outputs"), HasSubstr("12 classes")));
  data.shape = {3, 32, 32};
  EXPECT_THAT(refusal([&] { (void)FloatCheckpoint::untrained(block_network(), data, 1); }),
              AllOf(HasSubstr("1x28x28"), HasSubstr("3x32x32")));
}

FloatNetwork model_of(const FloatCheckpoint& checkpoint) {
  FloatNetwork model;
  model.network = checkpoint.impl->network;
  for (const FloatLayer& layer : checkpoint.impl->layers) {
    const auto floats = [](const at::Tensor& t) {
      return t.defined() ? std::vector<float>(t.data_ptr<float>(), t.data_ptr<float>() + t.numel())
                         : std::vector<float>{};
    };
    model.parameters.push_back({floats(layer.weight), floats(layer.bias), floats(layer.gain),
                                floats(layer.shift), floats(layer.mean), floats(layer.variance)});
  }
  return model;
}

TEST(ImportedCheckpoint, computes_as_its_source_and_survives_a_file) {
  const Dataset& data = bar_images();
  const auto trained = FloatCheckpoint::train(block_network(), data, {.epochs = 1});
  const auto imported = FloatCheckpoint::imported(model_of(trained), data);
  const Accuracy expected = trained.accuracy(data.test);
  EXPECT_EQ(imported.accuracy(data.test).loss, expected.loss);

  const TemporaryFolder folder;
  imported.save(folder.path() / "float.pt");
  const auto loaded = FloatCheckpoint::load(block_network(), data, folder.path() / "float.pt");
  EXPECT_EQ(loaded.accuracy(data.test).loss, expected.loss);
}

TEST(ImportedCheckpoint, is_bound_to_no_data_split) {
  const TemporaryFolder folder;
  const auto start = FloatCheckpoint::untrained(block_network(), bar_images(), 1);
  FloatCheckpoint::imported(model_of(start), bar_images()).save(folder.path() / "float.pt");
  Dataset other = bar_images();
  other.split_hash = "other";
  EXPECT_NO_THROW((void)FloatCheckpoint::load(block_network(), other, folder.path() / "float.pt"));
}

TEST(ImportedCheckpoint, keeps_the_models_own_mean_and_deviation) {
  FloatNetwork model = model_of(FloatCheckpoint::untrained(block_network(), bar_images(), 1));
  EXPECT_EQ(FloatCheckpoint::imported(model, bar_images()).impl->mean, bar_images().mean);
  model.mean = {0.5F};
  model.deviation = {0.2F};
  const auto own = FloatCheckpoint::imported(model, bar_images());
  EXPECT_EQ(own.impl->mean, model.mean);
  EXPECT_EQ(own.impl->deviation, model.deviation);
}

TEST(TrainingDevice, is_what_the_environment_says) {
  const char* before = std::getenv("BITLOOP_DEVICE");
  const std::string kept = before == nullptr ? "" : before;
  setenv("BITLOOP_DEVICE", "cpu", 1);
  EXPECT_TRUE(training_device().is_cpu());
  setenv("BITLOOP_DEVICE", "gpu", 1);
  EXPECT_THAT(refusal([] { (void)training_device(); }), AllOf(HasSubstr("gpu"), HasSubstr("cpu or cuda")));
  before == nullptr ? unsetenv("BITLOOP_DEVICE") : setenv("BITLOOP_DEVICE", kept.c_str(), 1);
}

}  // namespace
}  // namespace bitloop::quant
