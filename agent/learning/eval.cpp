#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "agent/console/progress.h"
#include "agent/console/table.h"
#include "agent/learning/verbs.h"
#include "agent/run_folder.h"
#include "agent/statistics.h"
#include "host/error.h"
#include "quant/evaluation.h"
#include "quant/geometry.h"

namespace bitloop::learning {
namespace {

constexpr const char* kAbout =
    R"(bitloop eval: accuracy of a network under a policy, on the test split, by the hardware's integers.

  bitloop eval --model lenet --data fashion-mnist --policy w8a8 --retrain 1
  bitloop eval --model lenet --policy policy.json --format json
  bitloop eval --model lenet --policy float
  bitloop eval --model lenet --checkpoint lenet.pt --policy w4a4
  bitloop eval --run runs/demo
)";

/// What was evaluated, and how it does on the test split.
struct Evaluation {
  std::string network;
  std::string data;
  std::string policy;
  quant::Accuracy accuracy;
  bool is_float = false;  ///< without a loss
};

/// The integers that a finished search has stored.
Evaluation evaluate_run(const console::Options& options) {
  for (const char* name : {"model", "data", "policy", "checkpoint", "retrain", "retrain-images", "seed"}) {
    if (options.given(name)) {
      throw InputError(
          fmt::format("--run takes network, data and integers from the run: leave --{} out", name));
    }
  }
  const auto run = agent::open_finished_run(options.text_of("run"));
  const quant::Dataset data = quant::load_dataset(agent::load_config(run.config()).data);
  const quant::QuantizedModel model = agent::load_model(run, data);
  return {.network = model.integers.network.name,
          .data = data.name,
          .policy = model.integers.policy.key(),
          .accuracy = quant::IntegerReference(model.integers).accuracy(data.test, model.output_scale())};
}

/// A policy of --model, from the float checkpoint.
Evaluation evaluate_policy(const console::Options& options) {
  const host::Network network = host::zoo_network(options.text_of("model"));
  const std::string policy_text = options.text_of("policy");
  const bool is_float = policy_text == "float";
  const host::Policy policy = is_float ? host::Policy{} : host::load_policy(network, policy_text);
  quant::Retraining retraining;
  retraining.epochs = static_cast<int>(options.integer_of("retrain", 0, 10'000));
  retraining.images = static_cast<int>(options.integer_of("retrain-images", 0, 100'000'000));
  retraining.seed = static_cast<std::uint64_t>(options.integer_of("seed", 0, INT64_MAX));
  const quant::Dataset data = quant::load_dataset(options.text_of("data"));

  console::ProgressBar bar("float training");
  const auto checkpoint =
      options.has("checkpoint")
          ? quant::FloatCheckpoint::load(network, data, options.text_of("checkpoint"))
          : quant::FloatCheckpoint::cached(
                network, data, {}, [&](double done, const std::string& note) { bar.update(done, note); });
  bar.finish();
  Evaluation evaluation{.network = network.name,
                        .data = data.name,
                        .policy = policy_text,
                        .accuracy = {.accuracy = 0, .loss = 0, .images = data.test.size()},
                        .is_float = is_float};
  if (is_float) {
    evaluation.accuracy.accuracy = checkpoint.accuracy(data.test).accuracy;
  } else {
    const auto model = quant::Quantizer(network, checkpoint, data).quantize(policy, retraining);
    evaluation.accuracy = quant::IntegerReference(model.integers).accuracy(data.test, model.output_scale());
  }
  return evaluation;
}

}  // namespace

int eval(const console::Arguments& arguments) {
  console::Options options("eval", kAbout);
  options.text("run", "folder of a finished search: its stored integers, without training");
  options.text("model", "lenet", "network of the zoo");
  options.text("data", "fashion-mnist", "fashion-mnist or mnist:DIR");
  options.text("policy", "w8a8", "wXaY, a policy.json, or float");
  options.text("checkpoint", "float checkpoint (bitloop train); default: the cached one");
  options.integer("retrain", 0, "epochs of retraining first");
  options.integer("retrain-images", quant::Retraining{}.images, "images per epoch of it (0: all)");
  options.integer("seed", 1, "of the retraining");
  options.format_option();
  if (!options.parse(arguments)) return 0;
  const auto format = console::parse_format(options.text_of("format"));
  const auto [network, data, policy, accuracy, is_float] =
      options.has("run") ? evaluate_run(options) : evaluate_policy(options);
  const auto interval = agent::accuracy_interval(accuracy.accuracy, accuracy.images);
  if (format == console::Format::json) {
    nlohmann::ordered_json json{
        {"network", network},  {"data", data},          {"policy", policy}, {"accuracy", accuracy.accuracy},
        {"low", interval.low}, {"high", interval.high}, {"loss", nullptr},  {"images", accuracy.images}};
    if (!is_float) json["loss"] = accuracy.loss;
    console::print(json.dump(2) + "\n");
  } else {
    console::Table table({"network", "data", "policy", "accuracy", "95 % interval", "loss", "images"});
    table.add_row({network, data, policy, fmt::format("{:.4f}", accuracy.accuracy),
                   fmt::format("{:.4f}-{:.4f}", interval.low, interval.high),
                   is_float ? "-" : fmt::format("{:.4f}", accuracy.loss), std::to_string(accuracy.images)});
    console::print(format == console::Format::csv ? table.csv() : table.text());
  }
  return 0;
}

}  // namespace bitloop::learning
