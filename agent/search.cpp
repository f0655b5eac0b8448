#include "agent/search.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <nlohmann/json.hpp>
#include <utility>

#include "agent/parallel.h"
#include "agent/quant_evaluator.h"
#include "agent/statistics.h"
#include "agent/uniform.h"
#include "host/atomic_file.h"
#include "host/error.h"
#include "quant/geometry.h"
#include "quant/threads.h"

namespace bitloop::agent {
namespace {

using nlohmann::ordered_json;

constexpr int kFinalists = 3;  ///< design, Rulings: the end of a search
/// The random line must not draw the searcher's own first policies.
constexpr std::uint64_t kRandomLineSeed = 0x9e3779b97f4a7c15;

bool asks_for(const SearchConfig& config, const std::string& line) {
  return std::find(config.lines.begin(), config.lines.end(), line) != config.lines.end();
}

}  // namespace

/// A policy that is retrained at the end, under the name of its line.
struct Search::Finalist {
  std::string line;
  host::Policy policy;
  Outcome searched;  ///< what the search saw
  quant::QuantizedModel model{};
  quant::Accuracy reward{};  ///< after the final retraining
  quant::Accuracy test{};    ///< only of those that are shown
};

Search::Search(SearchConfig config, const std::string& version, std::shared_ptr<host::DevicePool> devices,
               int workers, std::unique_ptr<host::MeasurementStore> store)
    : config_(std::move(config)),
      devices_(std::move(devices)),
      workers_(workers),
      task_(open_task(config_.task)),
      space_(network_, {.tied_pairs = config_.tied_pairs, .pinned = config_.pinned}),
      meter_(devices_, network_, std::move(store)),
      projection_(space_, meter_, config_.budget) {
  quant::require_classifier(network_);
  const auto check = [](std::string& stored, const std::string& now, std::string_view what) {
    if (!stored.empty() && stored != now) {
      throw InputError(
          fmt::format("the run was made with {} {}, this is {}: go on with the same build and hardware, or "
                      "start a new run",
                      what, stored, now));
    }
    stored = now;
  };
  if (config_.method == "uniform" && uniform_within_budget(projection_).empty()) {
    throw InputError(
        fmt::format("no uniform policy of {} keeps the budget {}: give a larger --budget or another --method",
                    network_.name, config_.budget));
  }
  check(config_.version, version, "version");
  check(config_.fingerprint, meter_.hardware().fingerprint, "hardware fingerprint");
}

/// Makes the evaluators; returns the float network that they start from.
quant::FloatCheckpoint Search::prepare(const RunFolder& folder, const SearchObserver& observer) {
  const auto progress = [&](double done, const std::string& note) { observer("float training", done, note); };
  const bool stored = std::filesystem::exists(folder.checkpoint());
  const auto checkpoint = stored ? quant::FloatCheckpoint::load(network_, data_, folder.checkpoint())
                                 : open_weights(config_.task, task_, progress);
  if (!stored) checkpoint.save(folder.checkpoint());
  weight_deviations_ = checkpoint.weight_deviations();
  quantizer_ = std::make_shared<const quant::Quantizer>(network_, checkpoint, data_);
  std::vector<std::unique_ptr<Evaluator>> workers;
  for (int i = 0; i < workers_; ++i) {
    workers.push_back(std::make_unique<QuantEvaluator>(quantizer_, data_.reward, config_.retraining, devices_,
                                                       projection_.reference()));
  }
  workers_evaluator_ = std::make_unique<ParallelEvaluator>(std::move(workers));
  // Shared by all methods, so that none trains again what another has; each still counts its own evaluations.
  evaluator_ = std::make_unique<RememberingEvaluator>(*workers_evaluator_);
  for (const auto& file : {folder.line("uniform"), folder.episodes(), folder.line("random")}) {
    if (!std::filesystem::exists(file)) continue;
    const EpisodeLog log(file, network_);
    for (const Episode& e : log.recorded()) evaluator_->restore(e.policy.key(), e.outcome);
  }
  return checkpoint;
}

std::vector<Episode> Search::run_uniform_lines(const RunFolder& folder, const SearchObserver& observer) {
  std::vector<host::Policy> policies;
  for (const NamedPolicy& line : uniform_lines(network_)) policies.push_back(line.policy);
  if (!asks_for(config_, "uniform")) policies.resize(1);  // w8a8 is the origin of every reward
  UniformLines searcher(policies, static_cast<int>(policies.size()));
  EpisodeLog log(folder.line("uniform"), network_);
  Reward reward{.cost_counts = config_.cost_in_reward, .accuracy_limit = config_.accuracy_limit};
  bool first = true;
  const Judge judge = [&](const host::Policy&, const Outcome& outcome) {
    if (std::exchange(first, false)) {
      reward.accuracy_origin = outcome.accuracy;
      reward.largest = largest_reward(outcome.accuracy, data_.reward.size());
    }
    return reward(outcome.accuracy, outcome.cost_ratio);
  };
  observer("uniform lines", 0, "");
  const auto episodes = run_episodes(searcher, *evaluator_, judge, static_cast<int>(policies.size()), log);
  observer("uniform lines", 1,
           fmt::format("w8a8 {:.4f} on the reward split", episodes.front().outcome.accuracy));
  return episodes;
}

std::vector<Episode> Search::run_method(const std::string& method, const std::filesystem::path& log_file,
                                        const Environment& environment, const SearchObserver& observer,
                                        const std::filesystem::path& best_policy) {
  const bool is_line = best_policy.empty();
  const auto searcher = make_searcher(method, environment,
                                      {.evaluations = config_.episodes,
                                       .batch = config_.batch,
                                       .seed = is_line ? config_.seed ^ kRandomLineSeed : config_.seed});
  EpisodeLog log(log_file, network_);
  const std::string stage = is_line ? method + " line" : method;
  std::string written;
  observer(stage, 0, "");
  const auto judge = [&](const host::Policy& policy, const Outcome& outcome) {
    return environment.judge(policy, outcome);
  };
  return run_episodes(*searcher, *evaluator_, judge, config_.episodes, log,
                      [&](int evaluations, const std::vector<Episode>& episodes) {
                        const Episode& best = *std::min_element(episodes.begin(), episodes.end(), is_better);
                        if (!is_line && best.policy.key() != written) {
                          host::write_file_atomically(best_policy, host::to_json(best.policy).dump(2) + "\n");
                          written = best.policy.key();
                        }
                        observer(
                            stage, static_cast<double>(evaluations) / config_.episodes,
                            fmt::format("{}/{} best {:.4f} at {:.3f} ({})", evaluations, config_.episodes,
                                        best.outcome.accuracy, best.outcome.cost_ratio, best.policy.key()));
                      });
}

/// Retrains longer: the best of the method, of the random line, and the uniform lines, all alike.
std::vector<Search::Finalist> Search::retrain_finalists(const std::vector<Episode>& method,
                                                        const std::vector<Episode>& random,
                                                        const SearchObserver& observer) {
  std::vector<Finalist> finalists;
  for (const Episode& e : best_episodes(method, kFinalists)) {
    finalists.push_back({.line = config_.method, .policy = e.policy, .searched = e.outcome});
  }
  for (const Episode& e : best_episodes(random, kFinalists)) {
    finalists.push_back({.line = "random", .policy = e.policy, .searched = e.outcome});
  }
  for (const NamedPolicy& line : uniform_lines(network_)) {
    if (!asks_for(config_, "uniform")) break;
    finalists.push_back({.line = line.name,
                         .policy = line.policy,
                         .searched = evaluator_->evaluate(std::span(&line.policy, 1)).front()});
  }
  std::vector<std::size_t> distinct;
  const auto first_with = [&](const host::Policy& policy) {
    return std::find_if(finalists.begin(), finalists.end(),
                        [&](const Finalist& f) { return f.policy == policy; });
  };
  for (std::size_t i = 0; i < finalists.size(); ++i) {
    if (first_with(finalists[i].policy) == finalists.begin() + static_cast<std::ptrdiff_t>(i))
      distinct.push_back(i);
  }
  std::atomic<int> done{0};
  observer("final retraining", 0, "");
  parallel_for(static_cast<int>(distinct.size()), workers_, [&](int item, int worker) {
    Finalist& f = finalists[distinct[item]];
    f.model = retrained_or_not(*quantizer_, f.policy, config_.final_retraining);
    f.reward = quant::IntegerReference(f.model.integers).accuracy(data_.reward, f.model.output_scale());
    ++done;
    // One thread draws; the others' progress shows at its next turn.
    if (worker == 0) observer("final retraining", done / static_cast<double>(distinct.size()), "");
  });
  observer("final retraining", 1, "");
  for (Finalist& f : finalists) {
    const auto same = first_with(f.policy);
    f.model = same->model;
    f.reward = same->reward;
  }
  return finalists;
}

ordered_json Search::line_json(const Finalist& f) {
  const Interval interval = accuracy_interval(f.test.accuracy, f.test.images);
  const host::Cycles cycles = meter_.cycles(f.policy);
  return {{"line", f.line},
          {"policy", f.policy.key()},
          {"cycles", cycles},
          {"cost_ratio", projection_.cost_ratio(cycles)},
          {"within_budget", cycles <= projection_.limit()},
          {"search_accuracy", f.searched.accuracy},
          {"reward_accuracy", f.reward.accuracy},
          {"test_accuracy", f.test.accuracy},
          {"test_low", interval.low},
          {"test_high", interval.high},
          {"test_loss", f.test.loss}};
}

ordered_json Search::summary(const Finalist& best, const std::vector<Finalist>& lines) {
  ordered_json json{{"network", network_.name},
                    {"data", data_.name},
                    {"method", config_.method},
                    {"budget", config_.budget},
                    {"seed", config_.seed},
                    {"hardware", meter_.hardware().name},
                    {"fingerprint", meter_.hardware().fingerprint},
                    {"memory", meter_.hardware().memory},
                    {"clock_hz", meter_.hardware().clock_hz},
                    {"cycles_w8a8", projection_.reference()},
                    {"test_images", data_.test.size()},
                    {"float_test_accuracy", float_accuracy_},
                    {"best", line_json(best)},
                    {"lines", ordered_json::array()},
                    {"more_accurate_within_budget", ordered_json::array()}};
  json["best"]["layers"] = ordered_json::array();
  const auto segments = meter_.segments(best.policy);
  for (const host::LayerBits& layer : best.policy.layers) {
    json["best"]["layers"].push_back(
        {{"name", layer.name}, {"weight_bits", layer.weight_bits}, {"input_bits", layer.input_bits}});
  }
  json["best"]["segments"] = ordered_json::array();
  for (const SegmentCycles& s : segments) {
    json["best"]["segments"].push_back({{"name", s.name}, {"cycles", s.cycles}});
  }
  for (const Finalist& line : lines) {
    json["lines"].push_back(line_json(line));
    if (line.line != "random" && json["lines"].back()["within_budget"] &&
        is_clearly_better(line.test.accuracy, best.test.accuracy, best.test.images)) {
      json["more_accurate_within_budget"].push_back(line.line);
    }
  }
  return json;
}

ordered_json Search::run(const RunFolder& folder, const SearchObserver& observer) {
  const auto start = std::chrono::steady_clock::now();
  const auto checkpoint = prepare(folder, observer);
  const auto uniform = run_uniform_lines(folder, observer);
  const double origin = uniform.front().outcome.accuracy;
  const Environment environment(space_, weight_deviations_, projection_,
                                {.cost_counts = config_.cost_in_reward,
                                 .accuracy_limit = config_.accuracy_limit,
                                 .accuracy_origin = origin,
                                 .largest = largest_reward(origin, data_.reward.size())});
  const auto method = run_method(config_.method, folder.episodes(), environment, observer, folder.policy());
  std::vector<Episode> random;
  if (asks_for(config_, "random") && config_.method != "random") {
    random = run_method("random", folder.line("random"), environment, observer, {});
  }

  auto finalists = retrain_finalists(method, random, observer);
  // Of each line the one with the best reward, and only that one, sees the test split.
  const Judge judge = [&](const host::Policy& policy, const Outcome& outcome) {
    return environment.judge(policy, outcome);
  };
  const auto judged = [&](const Finalist& f) {
    return judged_again({.policy = f.policy, .outcome = f.searched}, f.reward.accuracy, judge);
  };
  std::vector<Finalist> shown;
  for (const Finalist& f : finalists) {
    const auto same =
        std::find_if(shown.begin(), shown.end(), [&](const Finalist& s) { return s.line == f.line; });
    if (same == shown.end()) {
      shown.push_back(f);
    } else if (is_better(judged(f), judged(*same))) {
      *same = f;
    }
  }
  float_accuracy_ = checkpoint.accuracy(data_.test).accuracy;
  for (Finalist& f : shown) {
    f.test = quant::IntegerReference(f.model.integers)
                 .accuracy(data_.test, f.model.output_scale(), quant::TorchThreads::all());
  }
  Finalist best = shown.front();
  best.model.seconds = 0;  // the stored integers are the same whenever the run is repeated
  shown.erase(shown.begin());

  ordered_json result = summary(best, shown);
  result["evaluations"] =
      std::count_if(method.begin(), method.end(), [](auto& e) { return !e.outcome.remembered; });
  result["episodes"] = method.size();
  result["measured_jobs"] = meter_.jobs();
  result["remembered_jobs"] = meter_.remembered_jobs();
  result["seconds"] = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  quant::save_quantized(best.model, folder.quantized());
  host::write_file_atomically(folder.policy(), host::to_json(best.policy).dump(2) + "\n");
  host::write_file_atomically(folder.summary(), result.dump(2) + "\n");
  return result;
}

}  // namespace bitloop::agent
