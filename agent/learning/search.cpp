#include "agent/run/search.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "agent/console/progress.h"
#include "agent/console/table.h"
#include "agent/learning/report.h"
#include "agent/learning/task_options.h"
#include "agent/learning/verbs.h"
#include "agent/run/files.h"
#include "agent/searchers/methods.h"
#include "host/base/error.h"

namespace bitloop::learning {
namespace {

constexpr const char* kAboutSearch =
    R"(bitloop search: searches bit-widths for every layer. Each candidate is retrained shortly, its accuracy comes from
the integers that the hardware computes with, its cycles from the hardware itself. The best policy keeps the budget:
the share of the all-8-bit network's cycles that it may use.

  bitloop search --model lenet --data fashion-mnist --budget 0.6 --episodes 60 --out runs/demo
  bitloop search --method random --budget 0.4 --seed 2 --out runs/random
  bitloop search --tied-pairs --budget 0.5 --out runs/tied          (input, weight) bits only 8:8, 4:4, 2:1
  bitloop search --budget 0.5 --acc-limit 0.88 --out runs/limit     fewest cycles above an accuracy
  bitloop search --model net.onnx --data folder:DIR --budget 0.5 --pin first,last --out runs/own
  bitloop search --resume --out runs/demo                           go on after a kill
  bitloop search --device tcp+tls://board:1234 --budget 0.6 --out runs/board

The folder holds config.toml, episodes.csv (a row per episode), policy.json (best), quantized.bin (its integers) and
summary.json.
)";

void add_options(console::Options& options) {
  const agent::SearchConfig d;
  add_task_options(options);
  options.text("method", d.method, "ddpg, random or uniform");
  options.number("budget", d.budget, "largest share of the all-8-bit network's cycles");
  options.integer("episodes", d.episodes, "policies to evaluate");
  options.text("out", "folder of the run");
  options.flag("resume", "go on with the run in --out");
  options.text("objective", d.objective, "accuracy (the most accurate within the budget)");
  options.flag("cost-in-reward", "the reward also counts 1/cost_ratio");
  options.number("acc-limit", "accuracy on the reward split that suffices; counts 1/cost_ratio above it");
  options.flag("tied-pairs", "only the pairs (input, weight) = (8,8), (4,4), (2,1)");
  options.text("pin", "", "layers that keep 8 bits, separated by commas; also: first, last");
  options.text("lines", "uniform,random",
               "lines for comparison (uniform ones ignore --pin and --tied-pairs); 'none' for none");
  options.integer("batch", d.batch, "policies that the searcher proposes at once");
  options.integer("workers", std::max(1L, static_cast<long>(std::thread::hardware_concurrency())),
                  "evaluations at the same time; changes no result");
  options.text(
      "clipping-order", "inside",
      "inside: the search sees --clipping's scales; after: it sees unclipped ones, and only the best "
      "policies at the end are clipped (Huang 2021)");
  options.integer("retrain-epochs", d.retraining.epochs, "epochs of retraining per evaluation");
  options.integer("final-epochs", 3, "epochs of retraining of the best policies at the end");
  add_retraining_options(options, d.retraining.images);
  options.device_options();
  options.store_option();
  options.format_option();
}

agent::SearchConfig config_from(const console::Options& options) {
  agent::SearchConfig c;
  c.task = task_spec(options);
  c.method = options.text_of("method");
  console::require_name("method", c.method, agent::method_names());
  c.budget = options.number_of("budget", 1e-6, 1);
  c.episodes = static_cast<int>(options.integer_of("episodes", 1, 1'000'000));
  c.seed = static_cast<std::uint64_t>(options.integer_of("seed", 0, INT64_MAX));
  c.batch = static_cast<int>(options.integer_of("batch", 1, 1024));
  c.lines = options.text_of("lines") == "none" ? std::vector<std::string>{}
                                               : options.words("lines", {"uniform", "random"});
  const console::DeviceChoice devices = console::device_choice(options);
  c.device = devices.device;
  c.insecure = devices.insecure;
  c.hardware = devices.hardware;
  c.memory = devices.memory;
  c.objective = options.text_of("objective");
  if (c.objective != "accuracy") {
    throw InputError(
        fmt::format("objective '{}' is not known to this version: use accuracy, with --acc-limit X for the "
                    "fewest cycles above an accuracy",
                    c.objective));
  }
  if (options.has("acc-limit")) c.accuracy_limit = options.number_of("acc-limit", 0, 1);
  c.cost_in_reward = options.is_set("cost-in-reward") || c.accuracy_limit.has_value();
  c.tied_pairs = options.is_set("tied-pairs");
  c.pinned = options.words("pin", {});
  c.retraining = retraining_of(options);
  c.retraining.epochs = static_cast<int>(options.integer_of("retrain-epochs", 0, 10'000));
  c.final_retraining = c.retraining;
  console::require_name("word in --clipping-order", options.text_of("clipping-order"), {"inside", "after"});
  if (options.text_of("clipping-order") == "after") c.retraining.clipping = "max";
  c.final_retraining.epochs = static_cast<int>(options.integer_of("final-epochs", 0, 10'000));
  return c;
}

/// A resumed run has its options in its folder; one that is given again must say the same.
void check_same(const console::Options& options, const agent::SearchConfig& stored) {
  const agent::SearchConfig now = config_from(options);
  const auto check = [&](const char* name, const auto& a, const auto& b) {
    if (options.given(name) && a != b) {
      throw InputError(
          fmt::format("--{} differs from the run that goes on: leave it out, or start a new run without "
                      "--resume in another folder",
                      name));
    }
  };
  check("model", now.task.model, stored.task.model);
  check("data", now.task.data, stored.task.data);
  check("classes", now.task.class_names, stored.task.class_names);
  check("input", now.task.input, stored.task.input);
  check("outputs", now.task.outputs, stored.task.outputs);
  check("mean", now.task.mean, stored.task.mean);
  check("std", now.task.deviation, stored.task.deviation);
  check("reward-from", now.task.reward_from_test, stored.task.reward_from_test);
  check("augment", now.task.augmentation, stored.task.augmentation);
  check("checkpoint", now.task.checkpoint, stored.task.checkpoint);
  check("method", now.method, stored.method);
  check("budget", now.budget, stored.budget);
  check("episodes", now.episodes, stored.episodes);
  check("seed", now.seed, stored.seed);
  check("batch", now.batch, stored.batch);
  check("lines", now.lines, stored.lines);
  check("hardware", now.hardware, stored.hardware);
  check("memory", now.memory, stored.memory);
  check("objective", now.objective, stored.objective);
  check("acc-limit", now.accuracy_limit, stored.accuracy_limit);
  check("pin", now.pinned, stored.pinned);
  check("float-epochs", now.task.float_epochs, stored.task.float_epochs);
  check("retrain-epochs", now.retraining.epochs, stored.retraining.epochs);
  check("retrain-images", now.retraining.images, stored.retraining.images);
  check("quantizer", now.retraining.quantizer, stored.retraining.quantizer);
  check("clipping", now.final_retraining.clipping, stored.final_retraining.clipping);
  check("clipping-order", now.retraining.clipping, stored.retraining.clipping);
  check("optimizer", now.retraining.optimizer, stored.retraining.optimizer);
  check("learning-rate", now.retraining.learning_rate, stored.retraining.learning_rate);
  check("distillation", now.retraining.distillation, stored.retraining.distillation);
  check("patience", now.retraining.patience, stored.retraining.patience);
  check("final-epochs", now.final_retraining.epochs, stored.final_retraining.epochs);
  if ((options.is_set("tied-pairs") && !stored.tied_pairs) ||
      (options.is_set("cost-in-reward") && !stored.cost_in_reward) ||
      (options.is_set("retrain-augmented") && !stored.retraining.augment)) {
    throw InputError(
        "--tied-pairs, --cost-in-reward or --retrain-augmented differs from the run that goes on: leave it "
        "out");
  }
}

void print_summary(const nlohmann::ordered_json& summary, console::Format format) {
  console::print(format == console::Format::json  ? summary.dump(2) + "\n"
                 : format == console::Format::csv ? search_csv(summary)
                                                  : search_report(summary));
}

}  // namespace

int search(const console::Arguments& arguments) {
  console::Options options("search", kAboutSearch);
  add_options(options);
  if (!options.parse(arguments)) return 0;
  const auto format = console::parse_format(options.text_of("format"));
  const agent::RunFolder folder(options.required("out", "--out runs/demo"));
  const bool goes_on = options.is_set("resume");
  if (goes_on && !folder.holds_run()) {
    throw InputError(
        fmt::format("{} holds no run to go on with: name its folder, or leave out --resume to start one",
                    folder.path().string()));
  }
  agent::SearchConfig config = goes_on ? agent::load_config(folder.config()) : config_from(options);
  if (goes_on) {
    check_same(options, config);
    folder.remove_stale_temporaries();
  } else {
    folder.check_free();
  }
  const auto workers = static_cast<int>(options.integer_of("workers", 1, 1024));
  if (goes_on && std::filesystem::exists(folder.summary())) {
    print_summary(nlohmann::ordered_json::parse(agent::read_file(folder.summary())), format);
    return 0;
  }

  // Another device is welcome where it tells the same fingerprint.
  const auto choice =
      console::device_choice(options, {config.device, config.insecure, config.hardware, config.memory});
  agent::Search search(config, BITLOOP_VERSION, console::open_pool(choice, console::Purpose::cycles), workers,
                       console::open_store(options));
  if (!search.note().empty()) fmt::print(stderr, "bitloop: note: {}\n", search.note());
  if (!goes_on) folder.create(search.config());

  std::unique_ptr<console::ProgressBar> bar;
  std::string shown;
  const auto summary =
      search.run(folder, [&](const std::string& stage, double done, const std::string& note) {
        if (stage != shown) bar = std::make_unique<console::ProgressBar>(stage);
        shown = stage;
        bar->update(done, note);
      });
  bar.reset();
  print_summary(summary, format);
  return 0;
}

}  // namespace bitloop::learning
