#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/space/float_effects.h"
#include "agent/space/objective.h"
#include "agent/space/supernet.h"

namespace bitloop::search {

/// All that a searcher is given. What it refers to outlives the searcher.
struct Problem {
  const Space& space;
  CostModel& costs;
  Objective objective;
  Prices prices;
  /// The highest assignment fully evaluated: what rewards and allowed drops of accuracy refer to. Known
  /// before every search and paid by none; without folds where a table has none.
  Answer origin{};
  MakeSupernet supernet{};              ///< of the network that is searched; empty: there is none
  MeasureFloatEffects float_effects{};  ///< the same
};

struct SearcherOptions {
  double evaluations = 60;  ///< that the search is planned for, probes counted by their price
  int batch = 0;            ///< queries per ask; never the number of workers; 0: the method's own
  std::uint64_t seed = 1;
  /// Of agents that learn from a published reward: it counts cost too, and above this accuracy only that.
  bool cost_in_reward = false;
  std::optional<double> accuracy_limit{};
};

/// Asks queries and learns from their answers. Everything that it does follows from its problem, its options
/// and what it was told, so that replaying a run's answers rebuilds it exactly. Of full queries it asks only
/// assignments that keep the objective's limit.
class Searcher {
 public:
  virtual ~Searcher() = default;
  /// Its next queries, in general as many as the batch size; none where it has no more to ask. `left`: the
  /// evaluations that remain; queries that cost more are cut off from the end.
  virtual std::vector<Query> ask(double left) = 0;
  /// Answers to the queries of the last `ask`, in its order: all, but for those that were cut off.
  virtual void tell(std::span<const Answer> answers) = 0;
  /// The assignment, of those that it had fully evaluated, that it holds for the best now, where it knows
  /// better than the objective on their answers (the best of many noisy answers is too good to be true).
  [[nodiscard]] virtual std::optional<Assignment> best() const { return std::nullopt; }
  /// Evaluations that it used itself so far, beside its queries: passes of a supernet or of
  /// the float network. It uses them while it is asked, and no more than are left.
  [[nodiscard]] virtual double spent() const { return 0; }
  /// What the user should know of how it uses its evaluations; in general nothing.
  [[nodiscard]] virtual std::string note() const { return {}; }
  /// What it makes of a full answer, for the log; rewards belong to the agents that published them.
  [[nodiscard]] virtual double reward(const Answer& answer) const { return answer.accuracy(); }
};

/// A searcher as the command line knows it.
struct Method {
  std::string_view name;
  std::string_view about;      ///< half a line, with its source
  int batch = 1;               ///< queries per ask by default: the best on the development tables
  bool needs_network = false;  ///< looks at one: Problem::supernet and float_effects must be there
  bool most_accurate_only =
      false;  ///< whatever the objective, it looks for the most accurate within the limit
  std::unique_ptr<Searcher> (*make)(const Problem& problem, const SearcherOptions& options) = nullptr;
};

}  // namespace bitloop::search
