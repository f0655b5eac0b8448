#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "agent/console/progress.h"
#include "agent/console/table.h"
#include "agent/learning/task_options.h"
#include "agent/learning/verbs.h"
#include "host/base/error.h"
#include "quant/training/float_checkpoint.h"

namespace bitloop::learning {
namespace {

constexpr const char* kAboutTrain =
    R"(bitloop train: trains a network in float and writes a checkpoint.

  bitloop train --model lenet --data fashion-mnist --epochs 5 --out lenet.pt
  bitloop train --model lenet --data mnist:data/mnist --epochs 5 --out lenet.pt
  bitloop train --data mnist:data/mnist --images 200 --seed 3 --epochs 100 --batch 50 --out few.pt
  bitloop train --model mobilenet-v2 --data fashion-mnist --epochs 12 --optimizer sgd --learning-rate 0.1 \
    --augment shift=2,mirror --out mobilenet.pt
  bitloop train --model resnet20 --data cifar10:DIR --epochs 60 --optimizer sgd --learning-rate 0.1 --out resnet20.pt
)";

}  // namespace

int train(const console::Arguments& arguments) {
  const quant::FloatTraining defaults;
  console::Options options("train", kAboutTrain);
  add_task_options(options);
  options.integer("epochs", defaults.epochs, "passes over the train split");
  options.integer("images", defaults.images,
                  "only so many of the train split, which --seed draws: those of --retrain-images with the "
                  "same seed (0: all)");
  options.integer("seed", static_cast<long>(defaults.seed), "of weights, images, order and augmentation");
  options.text("optimizer", defaults.optimizer, "adam or sgd");
  options.number("learning-rate", defaults.learning_rate, "the largest of the cycle");
  options.integer("batch", defaults.batch, "images per step");
  options.text("out", "file of the checkpoint, in a form of Bitloop's own (not PyTorch's)");
  options.format_option();
  if (!options.parse(arguments)) return 0;
  const auto format = console::parse_format(options.text_of("format"));
  const std::filesystem::path out = options.required("out", "--out lenet.pt");
  quant::FloatTraining training;
  training.epochs = static_cast<int>(options.integer_of("epochs", 1, 10'000));
  training.images = static_cast<int>(options.integer_of("images", 0, 100'000'000));
  training.seed = static_cast<std::uint64_t>(options.integer_of("seed", 0, INT64_MAX));
  training.optimizer = options.text_of("optimizer");
  console::require_name("optimizer", training.optimizer, {"adam", "sgd"});
  training.learning_rate = options.number_of("learning-rate", 1e-9, 1e3);
  training.batch = static_cast<int>(options.integer_of("batch", 2, 65'536));
  options.require_writable(out, {"model", "checkpoint"});
  const agent::Task task = task_of(task_spec(options));
  const auto& model = task.model;
  const auto& data = task.data;

  console::ProgressBar bar("training");
  const auto checkpoint = quant::FloatCheckpoint::train(
      model.network, data, training, [&](double done, const std::string& note) { bar.update(done, note); });
  bar.finish();
  checkpoint.save(out);
  const quant::Accuracy reward = checkpoint.accuracy(data.reward);
  const quant::Accuracy test = checkpoint.accuracy(data.test);
  if (format == console::Format::json) {
    const nlohmann::ordered_json json{{"network", model.network.name},
                                      {"data", data.name},
                                      {"epochs", training.epochs},
                                      {"images", training.images > 0 ? training.images : data.train.size()},
                                      {"checkpoint", out.string()},
                                      {"reward_accuracy", reward.accuracy},
                                      {"test_accuracy", test.accuracy},
                                      {"test_loss", test.loss}};
    console::print(json.dump(2) + "\n");
  } else {
    console::Table table({"network", "data", "epochs", "reward split", "test split", "checkpoint"});
    table.add_row({model.network.name, data.name, std::to_string(training.epochs),
                   fmt::format("{:.4f}", reward.accuracy), fmt::format("{:.4f}", test.accuracy),
                   out.string()});
    console::print(format == console::Format::csv ? table.csv() : table.text());
  }
  return 0;
}

}  // namespace bitloop::learning
