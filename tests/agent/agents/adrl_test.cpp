#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "agent/agents/registry.h"
#include "agent/searchers/registry.h"
#include "agent/trial/trial.h"
#include "tests/search/instance_task.h"

namespace bitloop::agents {
namespace {

using search::FloatEffects;
using search::Problem;
using search::Step;
using search::test::InstanceTask;

constexpr double kEvaluations = 12;

/// What `adrl:distance` asks where the float network of a task says that.
std::vector<Step> run(InstanceTask& task, const FloatEffects& said, std::string* note = nullptr) {
  register_agents();
  const Problem problem{task.space(),
                        task,
                        {.limit = task.limit()},
                        task.prices(),
                        search::origin_of(task.space(), task, task),
                        {},
                        [&](std::string_view measure) {
                          EXPECT_EQ(measure, "sqnr");
                          return said;
                        }};
  const auto searcher = search::method("adrl:distance").make(problem, {.evaluations = kEvaluations});
  auto steps = search::run_trial(*searcher, task, problem, {.evaluations = kEvaluations});
  if (note != nullptr) *note = searcher->note();
  return steps;
}

/// Distances of 4^-bits of the decisions that `far` names, of 0 else; a part that all choices have is not
/// what a choice does.
FloatEffects distances(const search::Space& space, const std::function<bool(std::size_t)>& far,
                       double price = 0.25) {
  FloatEffects effects{.price = price};
  for (std::size_t d = 0; d < space.decisions.size(); ++d) {
    effects.values.emplace_back();
    for (const search::Choice& choice : space.decisions[d].choices)
      effects.values.back().push_back(0.125 * static_cast<double>(d) +
                                      (far(d) ? std::pow(4, -choice.bits) : 0));
  }
  return effects;
}

/// Mean bits that the asked policies give to the decisions that `of` names.
double bits(const InstanceTask& task, const std::vector<Step>& steps,
            const std::function<bool(std::size_t)>& of) {
  double sum = 0, count = 0;
  for (const Step& step : steps) {
    EXPECT_EQ(step.answer.query.fidelity, search::Fidelity::full);  // no probe
    for (std::size_t d = 0; d < task.space().decisions.size(); ++d) {
      if (!of(d)) continue;
      sum +=
          task.space().decisions[d].choices[static_cast<std::size_t>(step.answer.query.assignment[d])].bits;
      ++count;
    }
  }
  return sum / count;
}

TEST(AdrlDistance, GivesBitsWhereTheyAreFar) {
  InstanceTask task(search::residual_network(1, 0.3, 1));
  const auto even = [](std::size_t d) { return d % 2 == 0; };
  const auto odd = [](std::size_t d) { return d % 2 == 1; };
  const auto to_even = run(task, distances(task.space(), even));
  const auto to_odd = run(task, distances(task.space(), odd));
  EXPECT_GT(bits(task, to_even, even), bits(task, to_even, odd) + 1);
  EXPECT_GT(bits(task, to_odd, odd), bits(task, to_odd, even) + 1);
}

TEST(AdrlDistance, PaysForItsDistancesAndWithoutThemGoesByWidths) {
  InstanceTask task(search::residual_network(1, 0.3, 1));
  const auto all = [](std::size_t) { return true; };
  const auto none = [](std::size_t) { return false; };
  std::string note;
  const auto paid = run(task, distances(task.space(), none, 2.5), &note);
  EXPECT_DOUBLE_EQ(paid.front().spent, 3.5);
  EXPECT_LE(paid.back().spent, kEvaluations);
  EXPECT_EQ(note, "its distances cost 2.5 evaluations");
  const auto by_widths = run(task, distances(task.space(), none, 3.5), &note);
  EXPECT_EQ(by_widths.front().spent, 1);
  EXPECT_EQ(note, "its distances cost 3.5 evaluations, more than 25 % of 12: it goes by widths");
  EXPECT_EQ(by_widths[0].answer.query,
            run(task, distances(task.space(), all))[0].answer.query);  // which says the same as widths
}

}  // namespace
}  // namespace bitloop::agents
