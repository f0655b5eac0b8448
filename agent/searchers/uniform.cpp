// All uniform policies, those that cost too much projected onto the limit by bits per cost: the nearest thing
// to doing nothing clever, which many a searcher loses to.

#include <algorithm>
#include <set>

#include "agent/searchers/uniform_policies.h"

namespace bitloop::search {

extern const Method uniform_method;

namespace {

class Uniform : public Searcher {
 public:
  Uniform(const Problem& problem, const SearcherOptions& options)
      : assignments_(uniform_within(problem)), batch_(batch_of(uniform_method, options)) {}

  std::vector<Query> ask(double /*left*/) override {
    const auto count = std::min(assignments_.size() - next_, static_cast<std::size_t>(batch_));
    const auto first = assignments_.begin() + static_cast<std::ptrdiff_t>(next_);
    next_ += count;
    return full_queries({first, first + static_cast<std::ptrdiff_t>(count)});
  }
  void tell(std::span<const Answer> /*answers*/) override {}

 private:
  std::vector<Assignment> assignments_;
  std::size_t next_ = 0;
  int batch_;
};

}  // namespace

const Method uniform_method{
    .name = "uniform",
    .about = "uniform policies of all pairs of bits, moved into the budget where they exceed it",
    .batch = 8,
    .make = [](const Problem& problem, const SearcherOptions& options) -> std::unique_ptr<Searcher> {
      return std::make_unique<Uniform>(problem, options);
    }};

}  // namespace bitloop::search
