#include "agent/learning/quantized.h"

#include <fmt/format.h>

#include "agent/console/progress.h"
#include "agent/learning/task_options.h"
#include "agent/run/run_folder.h"
#include "agent/run/search_config.h"
#include "host/base/error.h"
#include "quant/retraining/quantizer.h"

namespace bitloop::learning {
namespace {

agent::RunFolder run_of(const console::Options& options) {
  for (const std::string& name : task_option_names()) {
    if (options.given(name)) {
      throw InputError(
          fmt::format("--run takes network, data and integers from the run: leave --{} out", name));
    }
  }
  return agent::open_finished_run(options.text_of("run"));
}

Quantized of_run(const agent::RunFolder& run) {
  Quantized quantized{.task = task_of(agent::load_config(run.config()).task), .model = {}};
  quantized.model = agent::load_model(run, quantized.task.data);
  return quantized;
}

Quantized of_options(const console::Options& options, int epochs) {
  const agent::TaskSpec spec = task_spec(options);
  Quantized quantized{.task = task_of(spec), .model = {}};
  const auto& model = quantized.task.model;
  const auto& data = quantized.task.data;
  const host::Policy policy = policy_of(options, model.network);
  quant::Retraining retraining = retraining_of(options);
  retraining.epochs = epochs;
  console::ProgressBar training("float training");
  const auto weights = agent::open_weights(
      spec, quantized.task, [&](double done, const std::string& note) { training.update(done, note); });
  training.finish();
  console::ProgressBar bar("retraining");
  const quant::Quantizer quantizer(model.network, weights, data);
  quantized.model = quantizer.quantize(policy, retraining,
                                       [&](double done, const std::string& note) { bar.update(done, note); });
  bar.finish();
  return quantized;
}

}  // namespace

Quantized quantized_model(const console::Options& options, int epochs) {
  return options.has("run") ? of_run(run_of(options)) : of_options(options, epochs);
}

quant::QuantizedModel integers_of(const console::Options& options, int epochs) {
  return options.has("run") ? quant::load_quantized(run_of(options).quantized())
                            : of_options(options, epochs).model;
}

console::DeviceChoice devices_of(const console::Options& options) {
  console::DeviceChoice stored;
  if (options.has("run") && !options.given("device")) {
    const agent::RunFolder run = agent::open_finished_run(options.text_of("run"));
    const agent::SearchConfig config = agent::load_config(run.config());
    if (config.device == stored.device) {
      stored.hardware = agent::chosen_hardware(run);
      stored.memory = config.memory;
    }
  }
  return console::device_choice(options, stored);
}

}  // namespace bitloop::learning
