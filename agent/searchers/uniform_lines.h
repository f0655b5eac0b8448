#pragma once

#include "agent/searchers/searcher.h"

namespace bitloop::agent {

/// A uniform policy by its name, such as "w4a8".
struct NamedPolicy {
  std::string name;
  host::Policy policy;
};

/// The uniform lines that stand beside every result: w8a8, w4a4, w2a2, w1a2; whatever layers a search pins or
/// ties.
std::vector<NamedPolicy> uniform_lines(const host::Network& network);

/// All distinct policies of the search space that are uniform wherever it leaves the choice, and keep the
/// budget.
std::vector<host::Policy> uniform_within_budget(BudgetProjection& projection);

/// Proposes a fixed list of policies, in order.
class UniformLines : public Searcher {
 public:
  UniformLines(std::vector<host::Policy> policies, int batch)
      : policies_(std::move(policies)), batch_(batch) {}

  std::vector<host::Policy> ask(int at_most) override;
  void tell(std::span<const Episode> /*episodes*/) override {}

 private:
  std::vector<host::Policy> policies_;
  int batch_;
  std::size_t next_ = 0;
};

}  // namespace bitloop::agent
