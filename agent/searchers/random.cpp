// The line that every learner must beat: each decision drawn uniformly, projected onto the limit from the
// last decision backwards, as the learners of the papers are.

#include <random>

#include "agent/searchers/batch.h"

namespace bitloop::search {

extern const Method random_method;

namespace {

class Random : public Searcher {
 public:
  Random(const Problem& problem, const SearcherOptions& options)
      : space_(problem.space),
        ground_(problem),
        batch_(batch_of(random_method, options)),
        random_(options.seed) {}

  std::vector<Query> ask(double /*left*/) override {
    std::vector<Assignment> assignments;
    for (int i = 0; i < batch_; ++i)
      assignments.push_back(ground_.projection.in_reverse(random_assignment(space_, random_)));
    return full_queries(std::move(assignments));
  }
  void tell(std::span<const Answer> /*answers*/) override {}

 private:
  const Space& space_;
  Ground ground_;
  int batch_;
  std::mt19937_64 random_;
};

}  // namespace

const Method random_method{
    .name = "random",
    .about = "every decision drawn uniformly, projected onto the budget",
    .batch = 8,
    .make = [](const Problem& problem, const SearcherOptions& options) -> std::unique_ptr<Searcher> {
      return std::make_unique<Random>(problem, options);
    }};

}  // namespace bitloop::search
