#include "agent/search.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "agent/console/progress.h"
#include "agent/console/table.h"
#include "agent/learning/report.h"
#include "agent/learning/verbs.h"
#include "agent/methods.h"
#include "host/error.h"

namespace bitloop::learning {
namespace {

constexpr const char* kAbout =
    R"(bitloop search: searches bit-widths for every layer. Each candidate is retrained shortly, its accuracy comes from
the integers that the hardware computes with, its cycles from the hardware itself. The best policy keeps the budget:
the share of the all-8-bit network's cycles that it may use.

  bitloop search --model lenet --data fashion-mnist --budget 0.6 --episodes 60 --out runs/demo
  bitloop search --method random --budget 0.4 --seed 2 --out runs/random
  bitloop search --tied-pairs --budget 0.5 --out runs/tied          (input, weight) bits only 8:8, 4:4, 2:1
  bitloop search --budget 0.5 --acc-limit 0.88 --out runs/limit     fewest cycles above an accuracy
  bitloop search --resume --out runs/demo                           go on after a kill

The folder holds config.toml, episodes.csv (a row per episode), policy.json (best), quantized.bin (its integers) and
summary.json.
)";

void add_options(console::Options& options) {
  const agent::SearchConfig d;
  options.text("model", d.model, "network of the zoo");
  options.text("data", d.data, "fashion-mnist or mnist:DIR");
  options.text("method", d.method, "ddpg, random or uniform");
  options.number("budget", d.budget, "largest share of the all-8-bit network's cycles");
  options.integer("episodes", d.episodes, "policies to evaluate");
  options.integer("seed", static_cast<long>(d.seed), "of the searcher and the retraining");
  options.text("out", "folder of the run");
  options.flag("resume", "go on with the run in --out");
  options.text("objective", d.objective, "accuracy (the most accurate within the budget)");
  options.flag("cost-in-reward", "the reward also counts 1/cost_ratio");
  options.number("acc-limit", "accuracy on the reward split that suffices; counts 1/cost_ratio above it");
  options.flag("tied-pairs", "only the pairs (input, weight) = (8,8), (4,4), (2,1)");
  options.text("pin", "", "layers that keep 8 bits, separated by commas");
  options.text("lines", "uniform,random",
               "lines for comparison (uniform ones ignore --pin and --tied-pairs); 'none' for none");
  options.integer("batch", d.batch, "policies that the searcher proposes at once");
  options.integer("workers", std::max(1L, static_cast<long>(std::thread::hardware_concurrency())),
                  "evaluations at the same time; changes no result");
  options.integer("float-epochs", d.float_epochs, "epochs of the float network, where none is cached");
  options.integer("retrain-epochs", d.retraining.epochs, "epochs of retraining per evaluation");
  options.integer("retrain-images", d.retraining.images, "images per epoch of it (0: all)");
  options.integer("final-epochs", 3, "epochs of retraining of the best policies at the end");
  options.device_options();
  options.store_option();
  options.format_option();
}

/// With the folder of mnist:DIR made absolute: a run goes on from wherever it is called.
std::string absolute_data(const std::string& spec) {
  constexpr std::string_view kMnist = "mnist:";
  if (!spec.starts_with(kMnist) || spec.size() == kMnist.size()) return spec;
  const auto folder = std::filesystem::absolute(spec.substr(kMnist.size())).lexically_normal();
  return fmt::format("{}{}", kMnist, folder.string());
}

agent::SearchConfig config_from(const console::Options& options) {
  agent::SearchConfig c;
  c.model = options.text_of("model");
  c.data = absolute_data(options.text_of("data"));
  c.method = options.text_of("method");
  console::require_name("method", c.method, agent::method_names());
  c.budget = options.number_of("budget", 1e-6, 1);
  c.episodes = static_cast<int>(options.integer_of("episodes", 1, 1'000'000));
  c.seed = static_cast<std::uint64_t>(options.integer_of("seed", 0, INT64_MAX));
  c.batch = static_cast<int>(options.integer_of("batch", 1, 1024));
  c.lines = options.text_of("lines") == "none" ? std::vector<std::string>{}
                                               : options.words("lines", {"uniform", "random"});
  c.device = options.text_of("device");
  c.hardware = options.text_of("hardware");
  c.memory = options.text_of("memory");
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
  c.float_epochs = static_cast<int>(options.integer_of("float-epochs", 1, 10'000));
  c.retraining.epochs = static_cast<int>(options.integer_of("retrain-epochs", 0, 10'000));
  c.retraining.images = static_cast<int>(options.integer_of("retrain-images", 0, 100'000'000));
  c.retraining.seed = c.seed;
  c.final_retraining = c.retraining;
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
  check("model", now.model, stored.model);
  check("data", now.data, stored.data);
  check("method", now.method, stored.method);
  check("budget", now.budget, stored.budget);
  check("episodes", now.episodes, stored.episodes);
  check("seed", now.seed, stored.seed);
  check("batch", now.batch, stored.batch);
  check("lines", now.lines, stored.lines);
  check("device", now.device, stored.device);
  check("hardware", now.hardware, stored.hardware);
  check("memory", now.memory, stored.memory);
  check("objective", now.objective, stored.objective);
  check("acc-limit", now.accuracy_limit, stored.accuracy_limit);
  check("pin", now.pinned, stored.pinned);
  check("float-epochs", now.float_epochs, stored.float_epochs);
  check("retrain-epochs", now.retraining.epochs, stored.retraining.epochs);
  check("retrain-images", now.retraining.images, stored.retraining.images);
  check("final-epochs", now.final_retraining.epochs, stored.final_retraining.epochs);
  if ((options.is_set("tied-pairs") && !stored.tied_pairs) ||
      (options.is_set("cost-in-reward") && !stored.cost_in_reward)) {
    throw InputError("--tied-pairs or --cost-in-reward differs from the run that goes on: leave it out");
  }
}

void print_summary(const nlohmann::ordered_json& summary, console::Format format) {
  console::print(format == console::Format::json  ? summary.dump(2) + "\n"
                 : format == console::Format::csv ? search_csv(summary)
                                                  : search_report(summary));
}

}  // namespace

int search(const console::Arguments& arguments) {
  console::Options options("search", kAbout);
  add_options(options);
  if (!options.parse(arguments)) return 0;
  const auto format = console::parse_format(options.text_of("format"));
  const agent::RunFolder folder(options.required("out", "--out runs/demo"));
  const bool goes_on = options.is_set("resume") && folder.holds_run();
  agent::SearchConfig config = goes_on ? agent::load_config(folder.config()) : config_from(options);
  if (goes_on) {
    check_same(options, config);
    folder.remove_stale_temporaries();
  } else {
    folder.check_free();
    if (options.is_set("resume"))
      fmt::print(stderr, "{} holds no run yet: starting one\n", folder.path().string());
  }
  const auto workers = static_cast<int>(options.integer_of("workers", 1, 1024));
  if (goes_on && std::filesystem::exists(folder.summary())) {
    print_summary(nlohmann::ordered_json::parse(agent::read_file(folder.summary())), format);
    return 0;
  }

  const auto open = console::timing_devices(config.device, config.hardware, config.memory);
  agent::Search search(config, BITLOOP_VERSION, open, workers, console::open_store(options));
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
