#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "agent/console/progress.h"
#include "agent/console/table.h"
#include "agent/learning/verbs.h"
#include "host/error.h"
#include "quant/evaluation.h"
#include "quant/geometry.h"

namespace bitloop::learning {
namespace {

constexpr const char* kAbout =
    R"(bitloop train: trains a network in float and writes a checkpoint.

  bitloop train --model lenet --data fashion-mnist --epochs 5 --out lenet.pt
  bitloop train --model lenet --data mnist:data/mnist --epochs 5 --out lenet.pt
)";

}  // namespace

int train(const console::Arguments& arguments) {
  const quant::FloatTraining defaults;
  console::Options options("train", kAbout);
  options.text("model", "lenet", "network of the zoo");
  options.text("data", "fashion-mnist", "fashion-mnist or mnist:DIR");
  options.integer("epochs", defaults.epochs, "passes over the train split");
  options.integer("seed", static_cast<long>(defaults.seed), "of weights and order");
  options.text("out", "file of the checkpoint");
  options.format_option();
  if (!options.parse(arguments)) return 0;
  const auto format = console::parse_format(options.text_of("format"));
  const std::filesystem::path out = options.required("out", "--out lenet.pt");
  const host::Network network = host::zoo_network(options.text_of("model"));
  quant::FloatTraining training;
  training.epochs = static_cast<int>(options.integer_of("epochs", 1, 10'000));
  training.seed = static_cast<std::uint64_t>(options.integer_of("seed", 0, INT64_MAX));
  const std::filesystem::path folder = out.has_parent_path() ? out.parent_path() : ".";
  if (!std::filesystem::is_directory(folder)) {
    throw InputError(
        fmt::format("folder {} does not exist: make it or choose another --out", folder.string()));
  }
  const quant::Dataset data = quant::load_dataset(options.text_of("data"));

  console::ProgressBar bar("training");
  const auto checkpoint = quant::FloatCheckpoint::train(
      network, data, training, [&](double done, const std::string& note) { bar.update(done, note); });
  bar.finish();
  checkpoint.save(out);
  const double reward = checkpoint.accuracy(data.reward).accuracy;
  const double test = checkpoint.accuracy(data.test).accuracy;
  if (format == console::Format::json) {
    const nlohmann::ordered_json json{{"network", network.name},   {"data", data.name},
                                      {"epochs", training.epochs}, {"checkpoint", out.string()},
                                      {"reward_accuracy", reward}, {"test_accuracy", test}};
    console::print(json.dump(2) + "\n");
  } else {
    console::Table table({"network", "data", "epochs", "reward split", "test split", "checkpoint"});
    table.add_row({network.name, data.name, std::to_string(training.epochs), fmt::format("{:.4f}", reward),
                   fmt::format("{:.4f}", test), out.string()});
    console::print(format == console::Format::csv ? table.csv() : table.text());
  }
  return 0;
}

}  // namespace bitloop::learning
