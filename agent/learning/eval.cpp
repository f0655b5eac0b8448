#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "agent/console/progress.h"
#include "agent/console/table.h"
#include "agent/evaluation/device_accuracy.h"
#include "agent/evaluation/statistics.h"
#include "agent/learning/quantized.h"
#include "agent/learning/task_options.h"
#include "agent/learning/verbs.h"
#include "host/base/error.h"
#include "host/compiler/compiler.h"
#include "host/measurement/measure.h"
#include "quant/model/geometry.h"
#include "quant/reference/integer_reference.h"
#include "quant/retraining/comparison.h"
#include "quant/retraining/quantizer.h"
#include "quant/tensor/threads.h"

namespace bitloop::learning {
namespace {

constexpr const char* kAboutEval =
    R"(bitloop eval: accuracy of a network under a policy, on the test split, by the hardware's integers.

  bitloop eval --model lenet --data fashion-mnist --policy w8a8 --retrain 1
  bitloop eval --model lenet --policy policy.json --format json
  bitloop eval --model lenet --policy float
  bitloop eval --model net.onnx --data cifar10:DIR --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225
  bitloop eval --model net.onnx --data folder:DIR --policy w2a2 --pin first,last --retrain 5
  bitloop eval --model lenet --policy w4a4 --on device --images 100
  bitloop eval --model lenet --policy w2a8 --quantizer k-means --retrain 1      (for comparison only)
  bitloop eval --model lenet --policy '8:8 4:8 4:8 2:8 8:8'       (the text that tables print)
  bitloop eval --run runs/demo
)";

/// What was evaluated, and how it does on the test split.
struct Evaluation {
  std::string network;
  std::string data;
  std::string policy;
  std::string quantizer;
  quant::Accuracy accuracy{};
  bool executable = true;   ///< by the hardware, at these widths
  bool in_float = false;    ///< not by the hardware's integers
  host::Cycles cycles = 0;  ///< on the hardware; 0: not measured
  double cost_ratio = 0;    ///< to those at w8a8
  std::string note{};
};

Evaluation float_accuracy(const console::Options& options) {
  const agent::TaskSpec spec = task_spec(options);
  const agent::Task task = task_of(spec);
  quant::require_classifier(task.model.network);
  console::ProgressBar bar("float training");
  const auto weights =
      agent::open_weights(spec, task, [&](double done, const std::string& note) { bar.update(done, note); });
  bar.finish();
  return {.network = task.model.network.name,
          .data = task.data.name,
          .policy = "float",
          .quantizer = "none",
          .accuracy = weights.accuracy(task.data.test),
          .executable = false,
          .in_float = true};
}

bool is_comparison(const console::Options& options) {
  const auto names = quant::comparison_names();
  return std::find(names.begin(), names.end(), options.text_of("quantizer")) != names.end();
}

/// Quantizers that the hardware has no arithmetic for.
Evaluation comparison(const console::Options& options, int epochs) {
  const agent::TaskSpec spec = task_spec(options);
  const agent::Task task = task_of(spec);
  quant::require_classifier(task.model.network);
  const host::Policy policy = policy_of(options, task.model.network);
  quant::Retraining retraining = retraining_of(options, quant::comparison_names());
  retraining.epochs = epochs;
  console::ProgressBar training("float training");
  const auto weights = agent::open_weights(
      spec, task, [&](double done, const std::string& note) { training.update(done, note); });
  training.finish();
  console::ProgressBar bar(retraining.quantizer);
  const quant::ComparisonResult result =
      quant::compare_quantizer(task.model.network, weights, task.data, policy, retraining, task.data.test);
  bar.finish();
  return {.network = task.model.network.name,
          .data = task.data.name,
          .policy = options.text_of("policy"),
          .quantizer = retraining.quantizer,
          .accuracy = result.accuracy,
          .executable = result.executable,
          .in_float = true,
          .note = result.note};
}

Evaluation integer_accuracy(const console::Options& options, int epochs) {
  std::shared_ptr<host::DevicePool> devices;
  if (options.text_of("on") == "device") {
    devices = console::open_pool(devices_of(options), console::Purpose::results);
    (void)devices->hardware();  // nobody retrains for a device that is not there
  }
  const auto [task, model] = quantized_model(options, epochs);
  quant::require_classifier(model.integers.network);
  const std::size_t all = task.data.test.size();
  const auto images = static_cast<std::size_t>(options.integer_of("images", 0, 100'000'000));
  if (images > all) {
    throw InputError(fmt::format("--images {} is more than the {} images of {}'s test split", images, all,
                                 task.data.name));
  }
  Evaluation evaluation{
      .network = model.integers.network.name,
      .data = task.data.name,
      .policy = options.has("run") ? model.integers.policy.key() : options.text_of("policy"),
      .quantizer = model.quantizer};
  if (devices) {
    console::ProgressBar bar("device");
    evaluation.accuracy =
        agent::device_accuracy(*devices, model, task.data.test, images == 0 ? all : images,
                               [&](double done, const std::string& note) { bar.update(done, note); });
  } else {
    quant::Split split = task.data.test;
    if (images > 0) {
      split.labels.resize(images);
      split.pixels.resize(images * static_cast<std::size_t>(task.data.shape.elements()));
    }
    evaluation.accuracy = quant::IntegerReference(model.integers).accuracy(split, model.output_scale());
    const auto pool = console::open_pool(devices_of(options), console::Purpose::cycles);
    const host::HardwareInfo hardware = pool->hardware();
    const auto reason = host::reason_against(model.integers.network, model.integers.policy, hardware);
    evaluation.executable = !reason;
    if (!reason) {
      const auto store = console::open_store(options);
      host::SegmentMeter meter(pool, store.get());
      const auto cycles = [&](const host::Policy& policy) {
        return host::measure_network(meter, model.integers.network, policy).cycles();
      };
      evaluation.cycles = cycles(model.integers.policy);
      evaluation.cost_ratio = static_cast<double>(evaluation.cycles) /
                              static_cast<double>(cycles(host::uniform_policy(model.integers.network, 8, 8)));
    }
    if (reason) evaluation.note = fmt::format("{} hardware cannot run it: {}", hardware.name, *reason);
  }
  return evaluation;
}

Evaluation evaluate(const console::Options& options) {
  console::require_name("word in --on", options.text_of("on"), {"integer", "device"});
  const int epochs = static_cast<int>(options.integer_of("retrain", 0, 10'000));
  const bool in_float =
      !options.has("run") && (options.text_of("policy") == "float" || is_comparison(options));
  (void)options.integer_of("images", 0, 100'000'000);
  if (in_float && (options.text_of("on") != "integer" || options.given("images"))) {
    throw InputError("--on and --images go with policies that the hardware executes: leave them out");
  }
  if (options.has("run")) return integer_accuracy(options, epochs);
  if (options.text_of("policy") == "float") return float_accuracy(options);
  if (is_comparison(options)) return comparison(options, epochs);
  return integer_accuracy(options, epochs);
}

}  // namespace

int eval(const console::Arguments& arguments) {
  console::Options options("eval", kAboutEval);
  options.text("run", "folder of a finished search: its stored integers, without training");
  add_task_options(options);
  add_policy_options(options);
  options.integer("retrain", 0, "epochs of retraining first");
  add_retraining_options(options, /*images=*/0, quant::comparison_names());
  options.text("on", "integer", "integer (the integer reference) or device");
  options.integer("images", 0, "only so many of the test split (0: all)");
  options.device_options();
  options.store_option();
  options.format_option();
  if (!options.parse(arguments)) return 0;
  const auto format = console::parse_format(options.text_of("format"));
  const Evaluation e = evaluate(options);
  const auto interval = agent::accuracy_interval(e.accuracy.accuracy, e.accuracy.images);
  if (!e.note.empty()) fmt::print(stderr, "bitloop: note: {}\n", e.note);
  if (format == console::Format::json) {
    nlohmann::ordered_json json{{"network", e.network},
                                {"data", e.data},
                                {"policy", e.policy},
                                {"quantizer", e.quantizer},
                                {"on", e.in_float ? "float" : options.text_of("on")},
                                {"executable", e.executable},
                                {"accuracy", e.accuracy.accuracy},
                                {"low", interval.low},
                                {"high", interval.high},
                                {"loss", e.accuracy.loss},
                                {"images", e.accuracy.images}};
    if (e.cycles > 0) {
      json["cycles"] = e.cycles;
      json["cost_ratio"] = e.cost_ratio;
    }
    console::print(json.dump(2) + "\n");
  } else {
    console::Table table({"network", "data", "policy", "quantizer", "accuracy", "95 % interval", "loss",
                          "images", "cycles", "cost_ratio"});
    table.add_row({e.network, e.data, e.policy, e.quantizer, fmt::format("{:.4f}", e.accuracy.accuracy),
                   fmt::format("{:.4f}-{:.4f}", interval.low, interval.high),
                   fmt::format("{:.4f}", e.accuracy.loss), std::to_string(e.accuracy.images),
                   e.cycles > 0 ? std::to_string(e.cycles) : "-",
                   e.cycles > 0 ? fmt::format("{:.3f}", e.cost_ratio) : "-"});
    console::print(format == console::Format::csv ? table.csv() : table.text());
  }
  return 0;
}

}  // namespace bitloop::learning
