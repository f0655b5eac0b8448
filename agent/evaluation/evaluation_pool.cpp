#include "agent/evaluation/evaluation_pool.h"

#include <algorithm>

namespace bitloop::agent {

using search::Answer;
using search::Query;

EvaluationPool::EvaluationPool(search::Task& task, std::uint64_t seed, int workers) {
  for (int i = 0; i < workers; ++i) evaluators_.push_back(task.evaluator(seed));
  prices_ = evaluators_.front()->prices();
  for (auto& evaluator : evaluators_) workers_.emplace_back([this, &evaluator] { work(*evaluator); });
}

EvaluationPool::~EvaluationPool() {
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
  }
  changed_.notify_all();
}

std::vector<Answer> EvaluationPool::evaluate(std::span<const Query> queries) {
  // Neighbours in this order agree in their first decisions, of which an evaluator may know what follows.
  std::vector<std::size_t> order(queries.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::ranges::sort(order, {}, [&](std::size_t i) { return queries[i]; });
  std::vector<std::shared_ptr<Request>> requests(queries.size());
  std::unique_lock lock(mutex_);
  for (const std::size_t i : order) requests[i] = request(queries[i]);
  changed_.notify_all();
  std::vector<Answer> answers;
  for (const auto& request : requests) {
    changed_.wait(lock, [&] { return request->done(); });
    if (request->failure) std::rethrow_exception(request->failure);
    answers.push_back(*request->answer);
  }
  return answers;
}

std::shared_ptr<EvaluationPool::Request> EvaluationPool::request(const Query& query) {
  auto& request = open_[query];
  if (!request) {
    request = std::make_shared<Request>(query);
    waiting_.push_back(request);
  }
  return request;
}

void EvaluationPool::work(search::Evaluator& evaluator) {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return ends_ || !waiting_.empty(); });
    if (ends_) return;
    const std::shared_ptr<Request> request = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    std::optional<Answer> answer;
    std::exception_ptr failure;
    try {
      answer = evaluator.evaluate(std::span(&request->query, 1)).front();
    } catch (...) {
      failure = std::current_exception();
    }
    lock.lock();
    request->answer = std::move(answer);
    request->failure = failure;
    open_.erase(request->query);
    changed_.notify_all();
  }
}

}  // namespace bitloop::agent
