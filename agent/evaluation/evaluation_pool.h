#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "agent/tables/task.h"

namespace bitloop::agent {

/// An evaluator for any number of searches at once: a fixed number of workers answer, each with an evaluator
/// of the task of its own. What two searches ask at the same time is answered once. Answers do not depend on
/// the number of workers. Any thread may call.
class EvaluationPool final : public search::Evaluator {
 public:
  /// The task must outlive it. `seed`: as search::Task::evaluator.
  EvaluationPool(search::Task& task, std::uint64_t seed, int workers);
  ~EvaluationPool() override;
  EvaluationPool(const EvaluationPool&) = delete;
  EvaluationPool& operator=(const EvaluationPool&) = delete;

  /// Rethrows the first error of a query of its own.
  std::vector<search::Answer> evaluate(std::span<const search::Query> queries) override;
  [[nodiscard]] search::Prices prices() const override { return prices_; }

 private:
  /// A query that waits or is being answered, and who asked shares.
  struct Request {
    search::Query query;
    std::optional<search::Answer> answer{};
    std::exception_ptr failure{};
    [[nodiscard]] bool done() const { return answer.has_value() || failure; }
  };
  void work(search::Evaluator& evaluator);
  std::shared_ptr<Request> request(const search::Query& query);

  std::vector<std::unique_ptr<search::Evaluator>> evaluators_;
  search::Prices prices_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool ends_ = false;
  std::deque<std::shared_ptr<Request>> waiting_;
  std::map<search::Query, std::shared_ptr<Request>> open_;  ///< waiting and being answered
  std::vector<std::jthread> workers_;                       ///< last: they use all of the above
};

}  // namespace bitloop::agent
