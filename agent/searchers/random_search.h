#pragma once

#include <random>

#include "agent/searchers/searcher.h"

namespace bitloop::agent {

/// The line that every learner must beat: each decision drawn uniformly, projected to the budget like
/// everyone's.
class RandomSearch : public Searcher {
 public:
  RandomSearch(const Environment& environment, const SearcherOptions& options)
      : environment_(environment), batch_(options.batch), random_(options.seed) {}

  std::vector<host::Policy> ask(int at_most) override;
  void tell(std::span<const Episode> /*episodes*/) override {}

 private:
  const Environment& environment_;
  int batch_;
  std::mt19937_64 random_;
};

}  // namespace bitloop::agent
