#include "agent/run/search.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "agent/agents/names.h"
#include "agent/codesign/area_model.h"
#include "agent/codesign/fit.h"
#include "agent/codesign/spaces.h"
#include "agent/console/progress.h"
#include "agent/console/table.h"
#include "agent/learning/laboratory_options.h"
#include "agent/learning/report.h"
#include "agent/learning/task_options.h"
#include "agent/learning/verbs.h"
#include "agent/run/files.h"
#include "agent/run/sensitivities.h"
#include "agent/searchers/registry.h"
#include "host/base/error.h"
#include "host/base/option_text.h"

namespace bitloop::learning {
namespace {

constexpr const char* kAboutSearch =
    R"(bitloop search: searches bit-widths for every layer. Each candidate is retrained shortly, its accuracy comes from
the integers that the hardware computes with, its cycles from the hardware itself. The best policy keeps the budget:
the share of the all-8-bit network's cycles that it may use. Lines for comparison get as many evaluations.

  bitloop search --model lenet --data fashion-mnist --budget 0.6 --evaluations 60 --out runs/demo
  bitloop search --method random --budget 900000cycles --seed 2 --out runs/random      also 5ms, 2mJ, 40kB
  bitloop search --rules tied --budget 0.5 --out runs/tied          (input, weight) bits only 8:8, 4:4, 2:1
  bitloop search --objective cycles --drop 0.01 --out runs/cheap    fewest cycles, at most 0.01 less accurate
  bitloop search --model net.onnx --data folder:DIR --budget 0.5 --pin first,last --out runs/own
  bitloop search --resume --out runs/demo                           go on after a kill
  bitloop search --resume --evaluations 100 --out runs/demo         or with more evaluations
  bitloop search --sensitivities fisher,sqnr,hutchinson,loss --out runs/measured     more of what choices do alone
  bitloop search --device tcp+tls://board:1234 --budget 0.6 --out runs/board
  bitloop search --hardware-space 'p=4,8 f=8,16' --chip zynq7020 --objective pareto --budget 1 --out runs/joint

The folder holds config.toml, episodes.csv (a row per proposal), lines/ (the same of each line), sensitivities.csv (what
each choice does alone, with its price), policy.json (best), quantized.bin (its integers) and summary.json.
)";

/// Training images per epoch: enough to rank policies; and to end with the best integers.
constexpr int kSearchImages = 12000;
constexpr int kFinalImages = 36000;

std::vector<std::string> method_names() {
  std::vector<std::string> names;
  for (const search::Method* method : search::methods()) names.emplace_back(method->name);
  return names;
}

void add_options(console::Options& options) {
  const agent::SearchConfig d;
  add_task_options(options);
  options.text("method", d.method, "searcher: bitloop info lists them");
  options.text("budget", d.budget,
               "the most that a policy may cost: a share, or 900000cycles, 5ms, 2mJ, 40kB");
  options.text("budget-of", d.budget_of,
               "what a budget without a unit is a share of: cycles, energy or size");
  options.integer("evaluations", d.evaluations, "that the method, and each line, may spend");
  options.integer("episodes", 0, "policies that it may propose, known ones included (default: any number)");
  options.text("out", "folder of the run");
  options.flag("resume", "go on with the run in --out");
  options.text(
      "objective", d.objective,
      "accuracy (the most accurate within the budget), pareto, or, with --accuracy-floor or --drop, the "
      "fewest cycles, energy or size");
  options.number("accuracy-floor", "the least accuracy, on the reward split");
  options.number("drop", "the same as the most that is lost against 8 bits: 0.01");
  options.flag("cost-in-reward", "an agent's reward also counts 1/cost_ratio");
  options.number("acc-limit", "of an agent's reward: accuracy that suffices; counts 1/cost_ratio above it");
  add_space_options(options);
  options.flag("tied-pairs", "the same as --rules tied");
  options.text("lines", "uniform,random,greedy,solver",
               "methods for comparison, 'none' for none; uniform also shows w8a8, w4a4, w2a2 and w1a2");
  options.text(
      "sensitivities", "fisher,sqnr",
      "how sensitivities.csv tells what each choice does alone: fisher, sqnr, hutchinson, loss (a probe "
      "per choice), or 'none'; methods pay nothing for it");
  options.integer("batch", d.batch, "queries that a searcher asks at once (0: its own)");
  options.integer("workers", std::max(1L, static_cast<long>(std::thread::hardware_concurrency())),
                  "evaluations at the same time; changes no result");
  options.text(
      "clipping-order", "inside",
      "inside: the search sees --clipping's scales; after: it sees unclipped ones, and only the best "
      "policies at the end are clipped (Huang 2021)");
  options.integer("final-epochs", 3, "epochs of retraining of the best policies at the end");
  options.integer("final-images", kFinalImages,
                  "images per epoch then (default: as --retrain-images where that is given)");
  add_recipe_options(
      options,
      {.epochs = d.retraining.epochs, .training_images = kSearchImages, .reward_images = d.reward_images});
  options.device_options();
  options.text("hardware-space",
               "search hardware and policy together, over these: 'p=4,8 f=8,16;zynq7020' (docs/codesign.md)");
  options.text("chip", "that hardware of the space must fit (bitloop area lists them)");
  options.store_option();
  options.format_option();
}

/// Hardware of a space, fit for the chip: the texts of SearchConfig::hardware.
std::vector<std::string> hardware_of(const console::Options& options) {
  const std::string text = options.required("hardware-space", "--hardware-space 'p=4,8 f=8,16'");
  for (const char* other : {"hardware", "rtl", "device"})
    if (options.given(other))
      throw InputError(
          fmt::format("--hardware-space says what hardware is simulated: leave --{} out", other));
  auto all = codesign::hardware_space("--hardware-space", text, {}, {codesign::kManyPoints, ""});
  std::vector<host::HardwareInfo> infos;
  for (const std::string& each : all) infos.push_back(sim::hardware_info(each));
  const host::HardwareInfo& first = infos.front();
  for (const host::HardwareInfo& info : infos) {
    if (info.clock_hz != first.clock_hz)
      throw InputError(
          fmt::format("hardware {} runs at {:g} MHz and {} at {:g}: cycles of different clocks do not "
                      "compare, leave one out",
                      first.name, first.clock_hz / 1e6, info.name, info.clock_hz / 1e6));
  }
  codesign::note_limits(infos);
  // Of hardware on which a policy costs the same the smallest is taken.
  const auto luts = [](const std::string& each) {
    return codesign::AreaModel::committed().total(sim::hardware_info(each)).lut;
  };
  std::ranges::stable_sort(all, {}, luts);
  return options.has("chip") ? codesign::fitting(all, codesign::chip_named(options.text_of("chip"))) : all;
}

std::optional<double> number_of(const console::Options& options, const char* name) {
  if (!options.has(name)) return std::nullopt;
  return options.number_of(name, 0, 1);
}

agent::SearchConfig config_from(const console::Options& options) {
  agent::SearchConfig c;
  c.task = task_spec(options);
  c.space = space_of(options);
  if (options.is_set("tied-pairs")) {
    if (options.given("rules") && c.space.rules != "tied")
      throw InputError("--tied-pairs is --rules tied: leave one of them out");
    c.space.rules = "tied";
  }
  c.method = options.text_of("method");
  console::require_name("method", c.method, method_names());
  c.budget = options.text_of("budget");
  c.objective = options.text_of("objective");
  // The cheapest in a measure is looked for within a budget of that measure, and without one anywhere.
  const bool by_cost = c.objective == "cycles" || c.objective == "energy" || c.objective == "size";
  if (by_cost && !options.given("budget")) c.budget = "1";
  c.budget_of = by_cost && !options.given("budget-of") ? c.objective : options.text_of("budget-of");
  console::require_name("word in --budget-of", c.budget_of, {"cycles", "energy", "size"});
  if (options.given("budget-of") && !search::is_plain_ratio(c.budget))
    throw InputError(fmt::format("--budget {} says itself what it is: leave --budget-of out", c.budget));
  if (options.given("episodes")) c.episodes = static_cast<int>(options.integer_of("episodes", 1, 1'000'000));
  c.evaluations = static_cast<int>(options.integer_of("evaluations", 1, 1'000'000));
  // Proposals alone end a run where nothing else is said.
  if (c.episodes > 0 && !options.given("evaluations")) c.evaluations = c.episodes;
  c.planned = c.evaluations;
  c.seed = static_cast<std::uint64_t>(options.integer_of("seed", 0, INT64_MAX));
  c.batch = static_cast<int>(options.integer_of("batch", 0, 1024));
  const auto list = [&](const char* name, const std::vector<std::string>& allowed) {
    return options.text_of(name) == "none" ? std::vector<std::string>{} : options.words(name, allowed);
  };
  std::vector<std::string> line_names = method_names();
  if (options.has("hardware-space")) {
    c.hardware = fmt::format("{}", fmt::join(hardware_of(options), ";"));
    c.chooses_hardware = true;
    if (options.has("chip")) c.chip = options.text_of("chip");
    line_names.insert(line_names.end(),
                      {std::string(agent::kDefaultHardwareLine), std::string(agent::kInTurnLine)});
  } else if (options.has("chip")) {
    throw InputError("--chip goes with --hardware-space: bitloop area tells the share of one configuration");
  }
  c.lines = list("lines", line_names);
  if (options.has("hardware-space") && !options.given("lines"))
    c.lines.insert(c.lines.end(),
                   {std::string(agent::kDefaultHardwareLine), std::string(agent::kInTurnLine)});
  c.sensitivities = list("sensitivities", agent::sensitivity_names());
  std::ranges::sort(c.sensitivities);
  c.sensitivities.erase(std::unique(c.sensitivities.begin(), c.sensitivities.end()), c.sensitivities.end());
  const console::DeviceChoice devices = console::device_choice(options);
  c.device = devices.device;
  c.insecure = devices.insecure;
  if (!options.has("hardware-space")) c.hardware = devices.hardware;
  c.memory = devices.memory;
  c.accuracy_floor = number_of(options, "accuracy-floor");
  c.drop = number_of(options, "drop");
  if (c.accuracy_floor && c.drop) throw InputError("--drop says the floor: leave --accuracy-floor out");
  c.accuracy_limit = number_of(options, "acc-limit");
  c.cost_in_reward = options.is_set("cost-in-reward") || c.accuracy_limit.has_value();
  const auto shapes_reward = [&](const agents::About& agent) {
    return agent.name == c.method && agent.takes_reward;
  };
  if (c.cost_in_reward && std::ranges::none_of(agents::kAgents, shapes_reward)) {
    throw InputError(fmt::format(
        "--acc-limit and --cost-in-reward shape the CMC 2024 paper's reward, from which {} does not "
        "learn: use --objective cycles with --accuracy-floor, or --method {} or {}",
        c.method, agents::kDdpg.name, agents::kCmc2024.name));
  }
  const agent::EvaluationRecipe recipe = recipe_of(options);
  c.reward_images = recipe.reward_images;
  c.retraining = recipe.retraining;
  c.final_retraining = c.retraining;
  console::require_name("word in --clipping-order", options.text_of("clipping-order"), {"inside", "after"});
  if (options.text_of("clipping-order") == "after") c.retraining.clipping = "max";
  c.final_retraining.epochs = static_cast<int>(options.integer_of("final-epochs", 0, 10'000));
  if (options.given("final-images") || !options.given("retrain-images"))
    c.final_retraining.images = static_cast<int>(options.integer_of("final-images", 0, 100'000'000));
  return c;
}

/// A resumed run has its options in its folder; one that is given again must say the same, but for
/// --evaluations, which may grow.
void take_over(const console::Options& options, agent::SearchConfig& stored) {
  const agent::SearchConfig now = config_from(options);
  const auto check = [&](const char* name, const auto& a, const auto& b) {
    if (options.given(name) && a != b) {
      throw InputError(
          fmt::format("--{} differs from the run that goes on: leave it out, or start a new run without "
                      "--resume in another folder",
                      name));
    }
  };
  check("model", now.task.model, stored.source.empty() ? stored.task.model : stored.source);
  check("data", now.task.data, stored.task.data);
  if (options.given("classes")) {
    const auto names = [](const std::string& file) { return file.empty() ? "" : agent::read_file(file); };
    check("classes", names(now.task.class_names), names(stored.task.class_names));  // the run has a copy
  }
  check("input", now.task.input, stored.task.input);
  check("outputs", now.task.outputs, stored.task.outputs);
  check("mean", now.task.mean, stored.task.mean);
  check("std", now.task.deviation, stored.task.deviation);
  check("reward-from", now.task.reward_from_test, stored.task.reward_from_test);
  check("augment", now.task.augmentation, stored.task.augmentation);
  check("checkpoint", now.task.checkpoint, stored.task.checkpoint);
  check("float-epochs", now.task.float_epochs, stored.task.float_epochs);
  check("rules", now.space.rules, stored.space.rules);
  check("tied-pairs", now.space.rules, stored.space.rules);
  check("group", now.space.group, stored.space.group);
  check("widths", now.space.widths, stored.space.widths);
  check("pin", now.space.pinned, stored.space.pinned);
  check("method", now.method, stored.method);
  check("budget", now.budget, stored.budget);
  check("budget-of", now.budget_of, stored.budget_of);
  check("seed", now.seed, stored.seed);
  check("batch", now.batch, stored.batch);
  check("lines", now.lines, stored.lines);
  check("sensitivities", now.sensitivities, stored.sensitivities);
  check("hardware", now.hardware, stored.hardware);
  check("rtl", sim::rtl_of(now.hardware), sim::rtl_of(stored.hardware));
  check("hardware-space", now.hardware, stored.hardware);
  check("chip", now.chip, stored.chip);
  check("memory", now.memory, stored.memory);
  check("objective", now.objective, stored.objective);
  check("accuracy-floor", now.accuracy_floor, stored.accuracy_floor);
  check("drop", now.drop, stored.drop);
  check("acc-limit", now.accuracy_limit, stored.accuracy_limit);
  check("cost-in-reward", now.cost_in_reward, stored.cost_in_reward);
  check("reward-images", now.reward_images, stored.reward_images);
  check("statistics-images", now.retraining.calibration_images, stored.retraining.calibration_images);
  check("retrain-epochs", now.retraining.epochs, stored.retraining.epochs);
  check("retrain-images", now.retraining.images, stored.retraining.images);
  check("retrain-augmented", now.retraining.augment, stored.retraining.augment);
  check("quantizer", now.retraining.quantizer, stored.retraining.quantizer);
  check("clipping", now.final_retraining.clipping, stored.final_retraining.clipping);
  check("clipping-order", now.retraining.clipping, stored.retraining.clipping);
  check("optimizer", now.retraining.optimizer, stored.retraining.optimizer);
  check("learning-rate", now.retraining.learning_rate, stored.retraining.learning_rate);
  check("learning-rate-decay", now.retraining.learning_rate_decay, stored.retraining.learning_rate_decay);
  check("distillation", now.retraining.distillation, stored.retraining.distillation);
  check("patience", now.retraining.patience, stored.retraining.patience);
  check("final-images", now.final_retraining.images, stored.final_retraining.images);
  check("final-epochs", now.final_retraining.epochs, stored.final_retraining.epochs);
  if (options.given("evaluations")) {
    if (now.evaluations < stored.evaluations) check("evaluations", now.evaluations, stored.evaluations);
    stored.evaluations = now.evaluations;
  }
  if (options.given("episodes")) {
    if (now.episodes != 0 && (stored.episodes == 0 || now.episodes < stored.episodes))
      check("episodes", now.episodes, stored.episodes);
    stored.episodes = now.episodes;
    stored.evaluations = std::max(stored.evaluations, now.evaluations);
  }
}

/// What Ctrl-C says; made before, because a handler may only write.
std::string farewell;

/// Ends at once: whatever is in the folder is whole, and the run goes on from there.
extern "C" void stop_search(int signal) {
  [[maybe_unused]] const auto written = write(STDERR_FILENO, farewell.data(), farewell.size());
  _exit(128 + signal);
}

/// One per hardware of the choice.
agent::Laboratory::Pools pools_of(const console::DeviceChoice& choice) {
  agent::Laboratory::Pools pools;
  for (const std::string_view hardware : host::split(choice.hardware, ';')) {
    console::DeviceChoice one = choice;
    one.hardware = hardware;
    pools.push_back(console::open_pool(one, console::Purpose::cycles));
  }
  return pools;
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
  bool has_more = false;
  if (goes_on) {
    const auto before = std::pair(config.evaluations, config.episodes);
    take_over(options, config);
    has_more = before != std::pair(config.evaluations, config.episodes);
    folder.remove_stale_temporaries();
  } else {
    folder.check_free();
  }
  const auto workers = static_cast<int>(options.integer_of("workers", 1, 1024));
  if (goes_on && !has_more && std::filesystem::exists(folder.summary())) {
    print_summary(nlohmann::ordered_json::parse(agent::read_file(folder.summary())), format);
    return 0;
  }

  // Another device is welcome where it tells the same fingerprint.
  const auto choice =
      console::device_choice(options, {config.device, config.insecure, config.hardware, config.memory});
  agent::Search search(config, BITLOOP_VERSION, pools_of(choice), workers, console::open_store(options),
                       cost_progress());
  for (const std::string& note : search.notes()) fmt::print(stderr, "bitloop: note: {}\n", note);
  if (!goes_on) folder.create(search.config());
  if (has_more) folder.extend(config.evaluations, config.episodes);

  const std::string hint = fmt::format("go on with bitloop search --resume --out {}", folder.path().string());
  farewell = "\nbitloop: stopped: " + hint + "\n";
  std::signal(SIGINT, stop_search);
  std::signal(SIGTERM, stop_search);
  std::unique_ptr<console::ProgressBar> bar;
  std::string shown;
  const auto observer = [&](const std::string& stage, double done, const std::string& note) {
    if (stage != shown) bar = std::make_unique<console::ProgressBar>(stage);
    shown = stage;
    bar->update(done, note);
  };
  nlohmann::ordered_json summary;
  try {
    summary = search.run(folder, shared_outcomes(options), observer);
  } catch (const InputError&) {
    throw;
  } catch (const Error& error) {
    throw Error(fmt::format("{}; {}", error.what(), hint));
  }
  bar.reset();
  print_summary(summary, format);
  return 0;
}

}  // namespace bitloop::learning
