#include "agent/run/finalists.h"

#include <algorithm>
#include <atomic>

#include "agent/evaluation/parallel.h"
#include "agent/evaluation/quant_evaluator.h"
#include "agent/run/lines.h"
#include "agent/searchers/uniform_lines.h"
#include "quant/reference/integer_reference.h"
#include "quant/tensor/threads.h"

namespace bitloop::agent {
namespace {

constexpr int kFinalists = 3;  ///< design, Rulings: the end of a search

}  // namespace

std::vector<Finalist> choose_finalists(const Stage& stage, const std::vector<Episode>& method,
                                       const std::vector<Episode>& random) {
  std::vector<Finalist> finalists;
  for (const Episode& e : best_episodes(method, kFinalists)) {
    finalists.push_back({.line = stage.config.method, .policy = e.policy, .searched = e.outcome});
  }
  for (const Episode& e : best_episodes(random, kFinalists)) {
    finalists.push_back({.line = "random", .policy = e.policy, .searched = e.outcome});
  }
  if (!asks_for(stage.config, "uniform")) return finalists;
  for (const NamedPolicy& line : uniform_lines(stage.network)) {
    finalists.push_back({.line = line.name,
                         .policy = line.policy,
                         .searched = stage.evaluator.evaluate(std::span(&line.policy, 1)).front()});
  }
  return finalists;
}

void retrain(std::vector<Finalist>& finalists, const Stage& stage, const quant::Quantizer& quantizer,
             int workers) {
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
  stage.observer("final retraining", 0, "");
  parallel_for(static_cast<int>(distinct.size()), workers, [&](int item, int worker) {
    Finalist& f = finalists[distinct[item]];
    f.model = retrained_or_not(quantizer, f.policy, stage.config.final_retraining);
    f.reward = quant::IntegerReference(f.model.integers).accuracy(stage.data.reward, f.model.output_scale());
    ++done;
    // One thread draws; the others' progress shows at its next turn.
    if (worker == 0) stage.observer("final retraining", done / static_cast<double>(distinct.size()), "");
  });
  stage.observer("final retraining", 1, "");
  for (Finalist& f : finalists) {
    const auto same = first_with(f.policy);
    f.model = same->model;
    f.reward = same->reward;
  }
}

std::vector<Finalist> best_of_lines(const std::vector<Finalist>& finalists, const Judge& judge,
                                    const quant::Split& test) {
  const auto judged = [&](const Finalist& f) {
    return judged_again({.policy = f.policy, .outcome = f.searched}, f.reward.accuracy, judge);
  };
  std::vector<Finalist> best;
  for (const Finalist& f : finalists) {
    const auto same =
        std::find_if(best.begin(), best.end(), [&](const Finalist& b) { return b.line == f.line; });
    if (same == best.end()) {
      best.push_back(f);
    } else if (is_better(judged(f), judged(*same))) {
      *same = f;
    }
  }
  for (Finalist& f : best) {
    f.test = quant::IntegerReference(f.model.integers)
                 .accuracy(test, f.model.output_scale(), quant::TorchThreads::all());
  }
  return best;
}

}  // namespace bitloop::agent
