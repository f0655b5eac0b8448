#pragma once

#include <functional>
#include <set>

#include "agent/searchers/candidates.h"

namespace bitloop::search {

/// A searcher that makes one proposal after another, full evaluations all, and learns from their losses,
/// which say more than accuracies do. It proposes nothing twice, and ends where it finds nothing new.
class Proposer : public Searcher {
 public:
  Proposer(const Method& method, const Problem& problem, const SearcherOptions& options);
  std::vector<Query> ask(double left) override;
  void tell(std::span<const Answer> answers) override;

 protected:
  /// The next proposal, which keeps the limit. Where it was made before, another is asked for a few times,
  /// then one drawn at random takes its place.
  virtual Assignment propose() = 0;
  /// New answers are in `answers()`; those of an `ask` together.
  virtual void learn() {}

  [[nodiscard]] const Problem& problem() const { return problem_; }
  [[nodiscard]] Candidates& candidates() { return candidates_; }
  [[nodiscard]] bool is_new(const Assignment& assignment) const { return !proposed_.contains(assignment); }
  /// Of new candidates one with a low score, which keeps the limit: those near the limit, drawn at random or
  /// one decision away from the best answers, are climbed down from in a few rounds. Asks `score` 128 times.
  [[nodiscard]] Assignment lowest(const std::function<double(const Assignment&)>& score);
  /// All full ones, in the order of their proposals.
  [[nodiscard]] const std::vector<Answer>& answers() const { return answers_; }
  /// Their indices, the least loss first.
  [[nodiscard]] std::vector<std::size_t> by_loss() const;

 private:
  Problem problem_;
  Candidates candidates_;
  int batch_;
  std::set<Assignment> proposed_;
  std::vector<Answer> answers_;
};

/// `make` of a method that is a Proposer.
template <typename T>
std::unique_ptr<Searcher> make_proposer(const Problem& problem, const SearcherOptions& options) {
  return std::make_unique<T>(problem, options);
}

}  // namespace bitloop::search
