#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "agent/comparison/budget.h"
#include "agent/comparison/statistics.h"
#include "agent/tables/task.h"

namespace bitloop::search {

struct ComparisonSpec {
  std::vector<std::string> methods;
  std::vector<Budget> budgets;
  std::vector<double>
      marks;  ///< evaluations at which the methods are read off, ascending; the last is the most
  int proposals = std::numeric_limits<int>::max();  ///< of a trial at most, remembered ones included
  int seeds = 5;
  std::uint64_t first_seed = 1;
  int batch = 0;        ///< queries per ask; 0: each method's own
  std::string against;  ///< method that the others are tested against; empty: no tests
  double target = 0;    ///< test accuracy to reach; 0: none
  int workers = 1;      ///< trials at the same time; changes no result
};

/// One method, budget and seed.
struct TrialResult {
  struct Mark {
    bool found = false;  ///< something was evaluated by then; else the accuracies are NaN
    double test_accuracy = std::numeric_limits<double>::quiet_NaN();
    double reward_accuracy = std::numeric_limits<double>::quiet_NaN();  ///< on the folds that the seed drew
    double cost = 0;
    std::string policy;
  };
  std::vector<Mark> marks;           ///< as ComparisonSpec::marks
  std::string note;                  ///< search::Searcher::note
  double evaluations_to_target = 0;  ///< infinite: not reached
  double hypervolume = 0;            ///< of reward accuracy against the share of the reference cost, up to 1
  double overhead = 0;               ///< seconds of the searcher itself per evaluation
  std::vector<Point> curve;          ///< (evaluations spent, test accuracy) where the best changed
  std::vector<Point> front;          ///< (cost, reward accuracy) of all that was evaluated
};

struct Comparison {
  std::string task;
  ComparisonSpec spec;
  /// [budget][method][seed]
  std::vector<std::vector<std::vector<TrialResult>>> trials;
};

/// Told how many trials of all are done; one thread at a time.
using ComparisonObserver = std::function<void(int done, int all)>;

/// Throws InputError, with the lowest reachable one, where nothing keeps the budget.
void require_reachable(const Space& space, CostModel& costs, const Budget& budget);

/// All methods on one task with the same evaluations, images and budgets. Throws InputError for a
/// method that there is not, or that needs a network where there is none, and a budget that cannot be
/// reached, before anything runs.
Comparison compare(Task& task, const ComparisonSpec& spec, const ComparisonObserver& observer = {});

/// docs/results.md defines its fields; accuracies 0..1.
nlohmann::ordered_json to_json(const Comparison& comparison);
/// Best-so-far curves and fronts: budget, method, seed, kind (`curve` or `front`), x, y.
std::string curves_csv(const Comparison& comparison);

}  // namespace bitloop::search
