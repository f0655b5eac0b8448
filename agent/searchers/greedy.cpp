// AIMET's automatic mixed precision (Qualcomm's AIMET; Pandey et al.: A Practical Mixed Precision Algorithm
// for Post-Training Quantization, 2023): from the highest assignment down a list of single steps, the least
// loss per cost first, until the limit is kept. What evaluations remain go to neighbours: of the best
// assignment that has any left, one decision goes a step up, or down, and stays there, the others follow the
// list. The list is of one-at-a-time losses; where probes cost too much, of effects by width.

#include <algorithm>
#include <limits>
#include <map>

#include "agent/searchers/profile.h"
#include "agent/searchers/proposer.h"
#include "agent/searchers/uniform_policies.h"

namespace bitloop::search {

extern const Method greedy_method;

namespace {

constexpr double kProfileShare = 0.5;  ///< of the evaluations, the most that the profile may cost

class Greedy : public Proposer {
 public:
  Greedy(const Problem& problem, const SearcherOptions& options)
      : Proposer(greedy_method, problem, options),
        ground_(problem),
        profile_(problem, options.evaluations, kProfileShare) {}

  std::vector<Query> ask(double left) override {
    if (!profiled_ && !profile_.queries().empty()) return profile_.queries();
    profiled_ = true;
    if (effects_.empty())
      effects_ = profile_.queries().empty() ? effects_by_width(problem().space) : profile_.raw();
    return Proposer::ask(left);
  }
  [[nodiscard]] std::string note() const override { return profile_.note(); }
  void tell(std::span<const Answer> answers) override {
    if (!profiled_) profile_.tell(answers);
    profiled_ = true;
    Proposer::tell(answers);
  }

 private:
  Assignment propose() override {
    const Assignment result = ground_.projection.by_effect(problem().space.highest(), effects_);
    if (is_new(result)) return result;
    for (const std::size_t i : by_loss()) {
      const Assignment& center = answers()[i].query.assignment;
      auto [entry, first] = neighbours_.try_emplace(center);
      if (first) entry->second = neighbours(center);
      std::vector<Assignment>& left = entry->second;
      while (!left.empty()) {
        const Assignment next = std::move(left.back());
        left.pop_back();
        if (is_new(next)) return next;
      }
    }
    return result;
  }

  /// The one with the least predicted loss last.
  [[nodiscard]] std::vector<Assignment> neighbours(const Assignment& center) const {
    std::vector<std::pair<double, Assignment>> found;
    for (int d = 0; d < problem().space.size(); ++d) {
      for (const int step : {-1, 1}) {
        Assignment moved = center;
        moved[d] += step;
        if (moved[d] < 0 || moved[d] >= problem().space.decisions[d].size()) continue;
        Assignment neighbour = listed(std::move(moved), d);
        double predicted = 0;
        for (std::size_t i = 0; i < neighbour.size(); ++i) predicted += effects_[i][neighbour[i]];
        found.emplace_back(-predicted, std::move(neighbour));
      }
    }
    std::ranges::stable_sort(found, {}, &std::pair<double, Assignment>::first);
    std::vector<Assignment> neighbours;
    for (auto& [predicted, neighbour] : found) neighbours.push_back(std::move(neighbour));
    return neighbours;
  }

  /// Down the list until the limit is kept, and up again while it is, but for one decision.
  [[nodiscard]] Assignment listed(Assignment assignment, int held) const {
    auto effects = effects_;
    for (int choice = 0; choice < problem().space.decisions[held].size(); ++choice)
      if (choice != assignment[held]) effects[held][choice] = std::numeric_limits<double>::infinity();
    return ground_.projection.filled(ground_.projection.by_effect(std::move(assignment), effects), effects);
  }

  Ground ground_;
  Profile profile_;
  bool profiled_ = false;
  std::vector<std::vector<double>> effects_;
  std::map<Assignment, std::vector<Assignment>> neighbours_;  ///< that are left
};

}  // namespace

const Method greedy_method{
    .name = "greedy",
    .about = "AIMET's list of single steps, least loss per cost first, then neighbours",
    .batch = 2,
    .make = make_proposer<Greedy>};

}  // namespace bitloop::search
