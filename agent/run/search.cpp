#include "agent/run/search.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "agent/environment/environment.h"
#include "agent/evaluation/quant_evaluator.h"
#include "agent/run/episode_log.h"
#include "agent/run/finalists.h"
#include "agent/run/lines.h"
#include "agent/run/method.h"
#include "agent/run/summary.h"
#include "agent/searchers/uniform_lines.h"
#include "host/base/atomic_file.h"
#include "host/base/error.h"
#include "quant/model/geometry.h"

namespace bitloop::agent {

using nlohmann::ordered_json;

Search::Search(SearchConfig config, const std::string& version, std::shared_ptr<host::DevicePool> devices,
               int workers, std::unique_ptr<host::MeasurementStore> store)
    : config_(std::move(config)),
      devices_(std::move(devices)),
      workers_(workers),
      task_(open_task(config_.task)),
      meter_(devices_, network_, std::move(store)),
      space_(network_,
             {.tied_pairs = config_.tied_pairs, .pinned = config_.pinned, .hardware = meter_.hardware()}),
      projection_(space_, meter_, config_.budget) {
  quant::require_classifier(network_);
  if (!task_.assumed.empty()) {  // from now on the run says it
    config_.task.mean = task_.assumed.mean;
    config_.task.deviation = task_.assumed.deviation;
  }
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

ordered_json Search::run(const RunFolder& folder, const SearchObserver& observer) {
  const auto start = std::chrono::steady_clock::now();
  const auto checkpoint = prepare(folder, observer);
  const Stage stage{config_, network_, data_, *evaluator_, observer};
  const auto uniform = run_uniform_lines(stage, folder.line("uniform"));
  const double origin = uniform.front().outcome.accuracy;
  const Environment environment(space_, checkpoint.weight_deviations(), projection_,
                                {.cost_counts = config_.cost_in_reward,
                                 .accuracy_limit = config_.accuracy_limit,
                                 .accuracy_origin = origin,
                                 .largest = largest_reward(origin, data_.reward.size())});
  const auto method = run_method(stage, config_.method, environment, folder.episodes(), folder.policy());
  std::vector<Episode> random;
  if (asks_for(config_, "random") && config_.method != "random") {
    random = run_method(stage, "random", environment, folder.line("random"));
  }

  auto finalists = choose_finalists(stage, method, random);
  retrain(finalists, stage, *quantizer_, workers_);
  const Judge judge = [&](const host::Policy& policy, const Outcome& outcome) {
    return environment.judge(policy, outcome);
  };
  const double float_accuracy = checkpoint.accuracy(data_.test).accuracy;
  auto lines = best_of_lines(finalists, judge, data_.test);
  Finalist best = lines.front();
  best.model.seconds = 0;  // the stored integers are the same whenever the run is repeated
  lines.erase(lines.begin());

  ordered_json result = search_summary(stage, projection_, meter_, float_accuracy, best, lines);
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
