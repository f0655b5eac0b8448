#include "agent/learning/task_options.h"

#include <fmt/format.h>

#include "host/base/error.h"
#include "quant/quantizers/names.h"

namespace bitloop::learning {

void add_task_options(console::Options& options) {
  const agent::TaskSpec d;
  options.text("model", d.model, "network of the zoo (bitloop info lists them) or an .onnx file");
  options.text(
      "data", d.data,
      "fashion-mnist, mnist:DIR, cifar10:DIR, folder:DIR, npy:DIR (train_x.npy, train_y.npy, test_x.npy, "
      "test_y.npy), or noise (random pixels, to calibrate without data)");
  options.text("input", "CxHxW, size to which the images of a folder are brought (default: the network's)");
  options.text("outputs", "", "names in an .onnx file that end the network there, separated by commas");
  options.text(
      "classes",
      "file with the network's classes, a line each in the order of its outputs, where the folders of "
      "folder:DIR are some of them (default: the folders by name)");
  options.text("mean",
               "R,G,B of pixel/255, which the network subtracts (default: the model's, else what fits best)");
  options.text("std", "R,G,B of pixel/255, by which it divides then");
  options.text("reward-from", "train",
               "train: reward split from the training file; test: first half of the test file, where the "
               "network has seen the training file");
  options.text(
      "augment", d.augmentation,
      "what training does to images: usual (the data set's own: none for IDX files, shift=4,mirror for "
      "CIFAR-10), none, or such as shift=2,mirror");
  options.text("checkpoint",
               "float weights (bitloop train); default: the ONNX file's, or trained and cached");
  options.integer("float-epochs", d.float_epochs, "epochs of that training, where none is cached");
}

agent::TaskSpec task_spec(const console::Options& options) {
  agent::TaskSpec spec;
  spec.model = options.text_of("model");
  spec.data = options.text_of("data");
  if (options.has("input")) spec.input = options.shape_of("input");
  spec.outputs = options.words("outputs", {});
  if (options.has("mean")) spec.mean = options.numbers_of("mean");
  if (options.has("std")) spec.deviation = options.numbers_of("std");
  if (options.has("classes")) spec.class_names = options.text_of("classes");
  console::require_name("word in --reward-from", options.text_of("reward-from"), {"train", "test"});
  spec.reward_from_test = options.text_of("reward-from") == "test";
  if (options.has("checkpoint")) spec.checkpoint = options.text_of("checkpoint");
  spec.augmentation = options.text_of("augment");
  spec.float_epochs = static_cast<int>(options.integer_of("float-epochs", 1, 10'000));
  return agent::with_absolute_paths(spec);
}

agent::Task task_of(const agent::TaskSpec& spec) {
  agent::Task task = agent::open_task(spec);
  tell_note(task);
  return task;
}

void tell_note(const agent::Task& task) {
  if (!task.note.empty()) fmt::print(stderr, "bitloop: note: {}\n", task.note);
}

void add_retraining_options(console::Options& options, int images,
                            const std::vector<std::string>& more_quantizers) {
  const quant::Retraining d;
  std::string quantizers = "how weights and scales are trained: lsq, pact, dorefa or symmetric";
  if (!more_quantizers.empty()) quantizers += "; for comparison only: " + console::one_of(more_quantizers);
  options.text("quantizer", d.quantizer, quantizers.c_str());
  options.text("clipping", d.clipping,
               "start scales: mixed, max, mse, aciq, kl, percentile, equalized or stated");
  options.integer("retrain-images", images, "images per epoch of retraining (0: all)");
  options.text("optimizer", d.optimizer, "adam or sgd");
  options.number("learning-rate", d.learning_rate, "of the retraining, at its start");
  options.number("learning-rate-decay",
                 "factor of the rate from each epoch to the next (default: it falls along a cosine to zero)");
  options.number("distillation", d.distillation, "share of the float network's probabilities in the targets");
  options.integer("patience", d.patience, "stop after so many epochs without a better loss (0: never)");
  options.flag("retrain-augmented", "retrain on augmented images (--augment) too");
  options.integer("seed", static_cast<long>(d.seed), "of order and augmentation, and of what a search draws");
}

quant::Retraining retraining_of(const console::Options& options,
                                const std::vector<std::string>& more_quantizers) {
  quant::Retraining r;
  r.quantizer = options.text_of("quantizer");
  std::vector<std::string> quantizers = quant::method_names();
  quantizers.insert(quantizers.end(), more_quantizers.begin(), more_quantizers.end());
  console::require_name("quantizer", r.quantizer, quantizers);
  r.clipping = options.text_of("clipping");
  console::require_name("clipping", r.clipping, quant::clipping_names());
  r.images = static_cast<int>(options.integer_of("retrain-images", 0, 100'000'000));
  r.optimizer = options.text_of("optimizer");
  console::require_name("optimizer", r.optimizer, {"adam", "sgd"});
  r.learning_rate = options.number_of("learning-rate", 1e-9, 1e3);
  if (options.has("learning-rate-decay"))
    r.learning_rate_decay = options.number_of("learning-rate-decay", 1e-9, 1);
  r.distillation = options.number_of("distillation", 0, 1);
  r.patience = static_cast<int>(options.integer_of("patience", 0, 10'000));
  r.augment = options.is_set("retrain-augmented");
  r.seed = static_cast<std::uint64_t>(options.integer_of("seed", 0, INT64_MAX));
  return r;
}

void add_policy_options(console::Options& options) {
  options.text("policy", "w8a8",
               "wXaY (uniform), a policy.json, the text '8:8 4:8 ...' that tables print, or float where a "
               "verb says so");
  options.text("pin", "", "layers that keep 8 bits, separated by commas; also: first, last");
}

host::Policy policy_of(const console::Options& options, const host::Network& network) {
  return host::pinned_policy(network, host::load_policy(network, options.text_of("policy")),
                             options.words("pin", {}));
}

const std::vector<std::string>& task_option_names() {
  static const std::vector<std::string> names{"model",        "data",          "input",
                                              "outputs",      "classes",       "mean",
                                              "std",          "reward-from",   "augment",
                                              "checkpoint",   "float-epochs",  "quantizer",
                                              "clipping",     "retrain",       "retrain-images",
                                              "optimizer",    "learning-rate", "learning-rate-decay",
                                              "distillation", "patience",      "retrain-augmented",
                                              "seed",         "policy",        "pin"};
  return names;
}

}  // namespace bitloop::learning
