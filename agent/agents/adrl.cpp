// ADRL (Ning, Chen, Zhang and Shen: Simple Augmentation Goes a Long Way: ADRL for DNN Quantization, ICLR
// 2021): the actor offers k actions in place of one, and a Q-value indicator, which knows what the choices
// do, takes one of them. Networks, learning and schedule are those of `ddpg`.
//
// Of the paper only the abstract and the introduction could be had; what follows is a reconstruction:
// - The indicator is profiling-based: the rise of the loss when one decision alone takes the choice, from
//   probes of the choices that the actor's actions named, each asked once (memory of profiles), beside the
//   proposals, for which they pay a share of the evaluations. Loss, not accuracy, which is lost in noise; and
//   of noisy probes what is believed (Profile::believed), which before the first one goes by widths: an
//   indicator that takes them as they are prefers the choices that luck made look harmless.
// - Or it is distance-based (`adrl:distance`): the squared distance of quantized weights and inputs from the
//   float ones as a share of their squares, above that of the highest choice. It takes no probe, only one
//   pass of some training images through the float network, and knows nothing of what a distance does to the
//   loss. Where that pass would cost more than the profile may, widths take its place.
// - Either prefers 8 bits everywhere, and a projection would decide; so it has a price for cost, the budget's
//   multiplier in the relaxed problem that its effects make, which goes on by dual ascent.
// - The successor's value is that of the best of its k actions (actor_critic.h).
// - A policy beyond the budget gives up what the indicator holds for least per saved cost, and what the
//   budget leaves is spent in the same way. `adrl:reverse-projection` has the projection of `ddpg`, from the
//   last decision backwards: the augmentation by itself.
// - Early stop: kStill episodes without a new best, whose accuracies differ by less than chance does.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <optional>
#include <set>
#include <utility>

#include "agent/agents/ddpg.h"
#include "agent/agents/names.h"
#include "agent/searchers/profile.h"
#include "agent/searchers/uniform_policies.h"
#include "agent/space/effects.h"

namespace bitloop::agents {

using search::Answer;
using search::Assignment;
using search::Method;
using search::Problem;
using search::Query;
using search::SearcherOptions;

extern const Method adrl_method, adrl_distance_method, adrl_reverse_projection_method;

namespace {

constexpr int kCandidates = 2;          // of four widths: with four the indicator alone would choose
constexpr double kProfileShare = 0.25;  // of the evaluations so far, at most, went to probes or distances
constexpr double kAnyShare = 1e6;       // which probes are asked is decided as they are wanted
constexpr const char* kDistance = "sqnr";
constexpr double kAscent = 0.1;  // share of the cost's price that a proposal at twice the budget adds to it
constexpr int kStill = 20;
constexpr double kChance = 0.5;  // of an accuracy's standard error
constexpr int kRelaxations = 4;  // of the indicator around its own solution
constexpr int kHalvings = 40;

using Effects = std::vector<std::vector<double>>;

DeterministicSettings augmented() {
  DeterministicSettings settings = kDdpgSettings;
  settings.learner.candidates = kCandidates;
  return settings;
}

/// Scores choices by effect and priced cost; both by decision and choice.
class Indicator {
 public:
  Indicator(const Problem& problem, const search::Ground& ground, Effects effects)
      : problem_(problem), ground_(ground) {
    believe(std::move(effects));
  }

  /// Other effects; what ascent made of the price stays.
  void believe(Effects effects) {
    effects_ = std::move(effects);
    Assignment around = problem_.space.highest();
    for (int i = 0; i < kRelaxations; ++i) around = relax(around);
  }

  /// Less is better.
  [[nodiscard]] double operator()(std::size_t decision, int choice) const {
    return effects_[decision][choice] + ascent_ * price_ * costs_[decision][choice];
  }
  [[nodiscard]] const Effects& effects() const { return effects_; }
  /// Told what a proposal costs before it is projected.
  void ascend(double cost) {
    const double excess = cost / problem_.objective.limit - 1;
    ascent_ *= std::exp(kAscent * std::clamp(excess, -1.0, 1.0));
  }

 private:
  /// Costs of single choices around an assignment, and the least price at which the choices with the best
  /// scores keep the limit; returns those.
  Assignment relax(const Assignment& around) {
    costs_.clear();
    for (std::size_t d = 0; d < effects_.size(); ++d) {
      costs_.emplace_back();
      for (std::size_t c = 0; c < effects_[d].size(); ++c) {
        Assignment changed = around;
        changed[d] = static_cast<int>(c);
        const double cost = ground_.cost(changed);
        costs_.back().push_back(std::isfinite(cost) ? cost / problem_.objective.limit : 1);
      }
    }
    double low = 1e-9, high = 1e9;
    for (int i = 0; i < kHalvings; ++i) {
      price_ = std::sqrt(low * high);
      (ground_.cost(best()) <= problem_.objective.limit ? high : low) = price_;
    }
    price_ = high;
    return best();
  }
  [[nodiscard]] Assignment best() const {
    Assignment assignment;
    for (std::size_t d = 0; d < effects_.size(); ++d) {
      int least = 0;
      const auto score = [&](int c) { return effects_[d][c] + price_ * costs_[d][c]; };
      for (int c = 1; c < static_cast<int>(effects_[d].size()); ++c)
        if (score(c) <= score(least)) least = c;
      assignment.push_back(least);
    }
    return assignment;
  }

  const Problem& problem_;
  const search::Ground& ground_;
  Effects effects_;
  Effects costs_;      ///< of the whole assignment, in units of the limit
  double price_ = 1;   ///< at which the relaxed problem's solution keeps the limit
  double ascent_ = 1;  ///< times which proposals are priced
};

struct Variant {
  bool by_distance = false;  ///< else by profile
  bool in_reverse = false;   ///< the projection of `ddpg`
};

class Adrl : public Ddpg {
 public:
  Adrl(const Method& method, const Problem& problem, const SearcherOptions& options, const Variant& variant)
      : Ddpg(method, problem, options, augmented()), variant_(variant) {
    if (variant.by_distance) return;
    profile_.emplace(this->problem(), options.evaluations, kAnyShare);
    if (!profile_->queries().empty()) wanted_.push_back(profile_->queries().front());
  }

  std::vector<Query> ask(double left) override {
    if (!indicator_)
      indicator_.emplace(problem(), ground(), profile_ ? profile_->believed() : distances(left));
    if (still()) return {};
    const std::vector<Query> proposals = Ddpg::ask(left);
    std::vector<Query> queries = probes(static_cast<double>(proposals.size()));
    asked_probes_ = queries.size();
    queries.insert(queries.end(), proposals.begin(), proposals.end());
    return queries;
  }

  void tell(std::span<const Answer> all) override {
    const auto probes = all.first(std::min(all.size(), asked_probes_));
    const auto answers = all.subspan(probes.size());
    if (!probes.empty()) {
      profile_->tell(probes);
      indicator_->believe(profile_->believed());
    }
    for (const Answer& answer : answers) {
      since_best_ = answer.accuracy() > best_ ? 0 : since_best_ + 1;
      best_ = std::max(best_, answer.accuracy());
      recent_.push_back(answer);
      if (recent_.size() > kStill) recent_.pop_front();
    }
    Ddpg::tell(answers);
  }

  [[nodiscard]] double spent() const override { return spent_; }
  [[nodiscard]] std::string note() const override { return note_; }

 protected:
  int picked(std::size_t decision, std::span<const float> actions) override {
    int best = 0;
    double least = 0;
    for (int i = 0; i < static_cast<int>(actions.size()); ++i) {
      const int choice = choice_of(actions[static_cast<std::size_t>(i)], decisions()[decision].size());
      want(static_cast<int>(decision), choice);
      const double score = (*indicator_)(decision, choice);
      if (i > 0 && score >= least) continue;
      least = score;
      best = i;
    }
    return best;
  }
  [[nodiscard]] Assignment projected(const Assignment& chosen) const override {
    if (variant_.in_reverse) return Ddpg::projected(chosen);
    const Effects& effects = indicator_->effects();
    return ground().projection.filled(ground().projection.by_effect(chosen, effects), effects);
  }
  void remember(const Proposal& proposal, double reward) override {
    indicator_->ascend(ground().cost(proposal.chosen));
    Ddpg::remember(proposal, reward);
  }

 private:
  /// A choice of which the indicator would like to know more.
  void want(int decision, int choice) {
    if (!profile_ || profile_->queries().empty() || choice + 1 == decisions()[decision].size()) return;
    if (!named_.insert({decision, choice}).second) return;
    Query query = profile_->queries().front();
    query.assignment[decision] = choice;
    wanted_.push_back(std::move(query));
  }
  /// Those that are paid beside so many proposals more.
  std::vector<Query> probes(double proposals) {
    proposals_ += proposals;
    std::vector<Query> queries;
    for (; !wanted_.empty(); wanted_.pop_front()) {
      const double price = problem().prices.of(wanted_.front());
      if (profile_spent_ + price > kProfileShare * (profile_spent_ + price + proposals_)) break;
      profile_spent_ += price;
      queries.push_back(wanted_.front());
    }
    return queries;
  }
  /// Pays for them.
  Effects distances(double left) {
    search::FloatEffects found = problem().float_effects(kDistance);
    if (found.price > std::min(left, kProfileShare * options().evaluations)) {
      note_ =
          fmt::format("its distances cost {:.3g} evaluations, more than {:.0f} % of {:g}: it goes by widths",
                      found.price, 100 * kProfileShare, options().evaluations);
      return search::effects_by_width(problem().space);
    }
    spent_ = found.price;
    note_ = fmt::format("its distances cost {:.3g} evaluations", spent_);
    for (std::vector<double>& decision : found.values) {
      const double highest = decision.back();
      for (double& effect : decision) effect -= highest;
      search::make_monotone(decision);
    }
    return std::move(found.values);
  }
  [[nodiscard]] bool still() const {
    if (since_best_ < kStill) return false;
    double sum = 0, squares = 0, images = 0;
    for (const Answer& answer : recent_) {
      sum += answer.accuracy();
      squares += answer.accuracy() * answer.accuracy();
      images = answer.images();
    }
    const double mean = sum / kStill;
    const double deviation = std::sqrt(std::max(0.0, squares / kStill - mean * mean));
    return deviation < kChance * std::sqrt(mean * (1 - mean) / std::max(1.0, images));
  }

  Variant variant_;
  std::optional<search::Profile> profile_;  ///< none: by distances
  std::deque<Query> wanted_;                ///< probes, in the order in which the actor named what they ask
  std::set<std::pair<int, int>> named_;     ///< decision and choice
  std::size_t asked_probes_ = 0;            ///< of the last batch, before its proposals
  double profile_spent_ = 0;                ///< evaluations
  double proposals_ = 0;
  double spent_ = 0;  ///< on distances
  std::string note_;
  std::optional<Indicator> indicator_;
  std::deque<Answer> recent_;
  double best_ = 0;
  int since_best_ = 0;  ///< episodes
};

}  // namespace

const Method adrl_method{
    .name = kAdrl.name,
    .about = kAdrl.about,
    .batch = 2,
    .most_accurate_only = true,
    .make = [](const Problem& problem, const SearcherOptions& options) -> std::unique_ptr<search::Searcher> {
      return std::make_unique<Adrl>(adrl_method, problem, options, Variant{});
    }};

const Method adrl_distance_method{
    .name = kAdrlDistance.name,
    .about = kAdrlDistance.about,
    .batch = 2,
    .needs_network = true,
    .most_accurate_only = true,
    .make = [](const Problem& problem, const SearcherOptions& options) -> std::unique_ptr<search::Searcher> {
      return std::make_unique<Adrl>(adrl_distance_method, problem, options, Variant{.by_distance = true});
    }};

const Method adrl_reverse_projection_method{
    .name = kAdrlReverseProjection.name,
    .about = kAdrlReverseProjection.about,
    .batch = 2,
    .most_accurate_only = true,
    .make = [](const Problem& problem, const SearcherOptions& options) -> std::unique_ptr<search::Searcher> {
      return std::make_unique<Adrl>(adrl_reverse_projection_method, problem, options,
                                    Variant{.in_reverse = true});
    }};

}  // namespace bitloop::agents
