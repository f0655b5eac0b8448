#pragma once

#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "agent/environment/outcome.h"
#include "host/network/policy.h"

namespace bitloop::agent {

/// Turns policies into outcomes. Evaluators wrap evaluators: one remembers, one spreads over threads.
class Evaluator {
 public:
  virtual ~Evaluator() = default;
  /// One outcome per policy, in order. Deterministic in each policy but for `seconds`.
  virtual std::vector<Outcome> evaluate(std::span<const host::Policy> policies) = 0;
};

/// Remembers every outcome of another evaluator, and counts evaluations. The inner evaluator must outlive it.
/// One thread at a time.
class RememberingEvaluator : public Evaluator {
 public:
  explicit RememberingEvaluator(Evaluator& inner) : inner_(inner) {}

  std::vector<Outcome> evaluate(std::span<const host::Policy> policies) override;

  /// An outcome from a run that goes on: the first time its policy is asked for, it counts as the evaluation
  /// that it was, without being repeated.
  void restore(const std::string& policy_key, const Outcome& outcome) {
    restored_.emplace(policy_key, outcome);
  }

  /// Policies evaluated so far; a remembered one does not count.
  [[nodiscard]] int evaluations() const { return static_cast<int>(memory_.size()); }

 private:
  Evaluator& inner_;
  std::unordered_map<std::string, Outcome> memory_;
  std::unordered_map<std::string, Outcome> restored_;
};

/// Spreads the policies of a batch over worker threads, each with an evaluator of its own. Outcomes do not
/// depend on the number of workers.
class ParallelEvaluator : public Evaluator {
 public:
  explicit ParallelEvaluator(std::vector<std::unique_ptr<Evaluator>> workers)
      : workers_(std::move(workers)) {}
  std::vector<Outcome> evaluate(std::span<const host::Policy> policies) override;

 private:
  std::vector<std::unique_ptr<Evaluator>> workers_;
};

}  // namespace bitloop::agent
