// Differentiable neural architecture search for mixed precision (DNAS, Wu et al. 2018, arXiv 1812.00090): one
// network whose weights all policies share is trained together with the logits theta of what each decision
// chooses. A pass blends the choices by m = softmax((theta + g) / tau), g Gumbel's noise, tau falling; the
// loss is CE * beta * (log C)^gamma, C the cost that m expects; four batches of five move the weights, the
// fifth theta. In the end policies are drawn from softmax(theta) and evaluated.
//
// `dnas:soft-barrier` is BP-NAS (Yu et al. 2020, arXiv 2007.10026): a loss that knows the budget, CE - mu *
// log(log(C_max + 1 - C)), mu falling, and a regularizer that makes probabilities one or none, the sum over
// decisions of the product of 1 - p.
//
// Differs from the papers:
// - C is of measured cycles (or what else the budget limits): the sum of the cost model's local terms, each
//   expected over its decisions. The papers count operations times bits.
// - Weights, and inputs, are blended before one multiplication (EdMIPS, Cai and Vasconcelos 2020), not
//   results of one convolution per choice: a pass costs about what one network's does.
// - Shared weights start from the trained float network, not from nothing, with a smaller rate: evaluations
//   start there too.
// - It has half of the evaluations' image passes, a few hundred steps where the paper has 90 epochs: epochs
//   of the temperature are shares of what is planned, and theta's rate is such that its steps lead as far.
// - The loss that moves the weights is CE alone: the cost is a factor there, and only changes their rate.
// - DNAS has no budget. Its loss stays as published; what exceeds the budget is brought into it by the steps
//   that give up the least log probability per cost.
// - The barrier counts cost in shares of the budget: C_max is 1, and log(1 + 1 - C) is about 1 - C, whatever
//   the unit. From kLeastRoom on it goes on as a line, also outside. Shares begin where expected cost is
//   within the budget; the softmax itself blends, without noise.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <random>
#include <set>
#include <utility>

#include "agent/searchers/batch.h"
#include "agent/searchers/expected_cost.h"
#include "agent/space/random.h"
#include "host/base/error.h"

namespace bitloop::search {

extern const Method dnas_method;
extern const Method dnas_soft_barrier_method;

namespace {

constexpr double kTrainingShare = 0.5;       ///< of the evaluations, for passes of the shared weights
constexpr int kWeightBatches = 4;            ///< for each one of theta: 80 % and 20 % of the images (DNAS)
constexpr double kEpochs = 90;               ///< that the temperature is stretched from: it ends at 0.53
constexpr double kFirstTemperature = 5;      ///< DNAS
constexpr double kTemperatureDecay = 0.025;  ///< per epoch; DNAS
constexpr double kCostFactor = 0.1;          ///< beta; DNAS
constexpr double kCostPower = 0.9;           ///< gamma; DNAS
constexpr double kFirstBarrier = 0.03;       ///< mu
constexpr double kLastBarrier = 0.001;       ///< mu at the end
constexpr double kLeastRoom = 0.005;         ///< of the budget: nearer to it the barrier is a line
constexpr double kStartRoom = 0.05;          ///< of the budget, at the start of the barrier variant
constexpr double kOneOrNone = 0.1;           ///< weight of the probability-1 regularizer, at the end
/// Sum of theta's rates over all steps: Adam's steps are about as long as its rate, so that a logit that all
/// gradients push alike ends so far from where it began.
constexpr double kTravel = 6;
constexpr double kFirstMemory = 0.9, kSecondMemory = 0.999, kEpsilon = 1e-8;  ///< of Adam
constexpr int kRedraws = 200;      ///< of a policy that was asked before
constexpr double kFlatter = 1.02;  ///< and what each makes of the temperature

using Logits = std::vector<std::vector<double>>;

Mixture softmax(const Logits& logits, double temperature) {
  Mixture shares = logits;
  for (auto& choices : shares) {
    const double most = *std::ranges::max_element(choices);
    double sum = 0;
    for (double& choice : choices) sum += choice = std::exp((choice - most) / temperature);
    for (double& choice : choices) choice /= sum;
  }
  return shares;
}

/// The gradient by the logits, from that by the shares.
Logits through_softmax(const Mixture& shares, const Mixture& gradient, double temperature) {
  Logits result = shares;
  for (std::size_t d = 0; d < shares.size(); ++d) {
    double mean = 0;
    for (std::size_t c = 0; c < shares[d].size(); ++c) mean += shares[d][c] * gradient[d][c];
    for (std::size_t c = 0; c < shares[d].size(); ++c)
      result[d][c] = shares[d][c] * (gradient[d][c] - mean) / temperature;
  }
  return result;
}

/// a += factor * b
void add(Mixture& a, const Mixture& b, double factor) {
  for (std::size_t d = 0; d < a.size(); ++d)
    for (std::size_t c = 0; c < a[d].size(); ++c) a[d][c] += factor * b[d][c];
}

void scale(Mixture& a, double factor) {
  for (auto& choices : a)
    for (double& choice : choices) choice *= factor;
}

/// The gradient of the sum over decisions of the product of 1 - p.
Mixture one_or_none_gradient(const Mixture& shares) {
  Mixture gradient = shares;
  for (std::size_t d = 0; d < shares.size(); ++d) {
    for (std::size_t c = 0; c < shares[d].size(); ++c) {
      double others = 1;
      for (std::size_t k = 0; k < shares[d].size(); ++k) others *= k == c ? 1 : 1 - shares[d][k];
      gradient[d][c] = shares[d].size() > 1 ? -others : 0;
    }
  }
  return gradient;
}

/// Kingma and Ba 2015.
class Adam {
 public:
  void step(Logits& logits, const Logits& gradient, double rate) {
    ++steps_;
    first_.resize(logits.size());
    second_.resize(logits.size());
    const double of_first = 1 - std::pow(kFirstMemory, steps_),
                 of_second = 1 - std::pow(kSecondMemory, steps_);
    for (std::size_t d = 0; d < logits.size(); ++d) {
      first_[d].resize(logits[d].size());
      second_[d].resize(logits[d].size());
      for (std::size_t c = 0; c < logits[d].size(); ++c) {
        const double g = gradient[d][c];
        first_[d][c] += (1 - kFirstMemory) * (g - first_[d][c]);
        second_[d][c] += (1 - kSecondMemory) * (g * g - second_[d][c]);
        logits[d][c] -= rate * first_[d][c] / of_first / (std::sqrt(second_[d][c] / of_second) + kEpsilon);
      }
    }
  }

 private:
  int steps_ = 0;
  Logits first_, second_;
};

class Dnas : public Searcher {
 public:
  Dnas(const Problem& problem, const SearcherOptions& options, bool barrier)
      : problem_(problem),
        options_(options),
        barrier_(barrier),
        ground_(problem),
        expected_(problem.costs.local(problem.objective.measure)),
        random_(options.seed),
        batch_(batch_of(dnas_method, options)) {
    for (const Decision& decision : problem.space.decisions) theta_.emplace_back(decision.choices.size());
    if (barrier_) start_within();
  }

  std::vector<Query> ask(double left) override {
    if (!trained_) train(std::min(left, kTrainingShare * options_.evaluations));
    trained_ = true;
    std::vector<Assignment> assignments;
    while (static_cast<int>(assignments.size()) < batch_) {
      Assignment assignment = proposed_.empty() ? likeliest() : drawn();
      if (assignment.empty()) break;
      assignments.push_back(std::move(assignment));
    }
    return full_queries(std::move(assignments));
  }
  void tell(std::span<const Answer> /*answers*/) override {}
  [[nodiscard]] double spent() const override { return spent_; }
  [[nodiscard]] std::string note() const override { return note_; }

 private:
  void start_within();
  void train(double evaluations);
  void move_theta(Supernet& supernet, double done, double rate);
  [[nodiscard]] Mixture mixture(double done);
  [[nodiscard]] static double temperature(double done) {
    return kFirstTemperature * std::exp(-kTemperatureDecay * kEpochs * done);
  }
  /// Into the budget.
  [[nodiscard]] Assignment moved(const Assignment& assignment) const;
  [[nodiscard]] Assignment likeliest();
  /// One that was not proposed before; empty where chance gives none.
  [[nodiscard]] Assignment drawn();

  Problem problem_;
  SearcherOptions options_;
  bool barrier_;
  Ground ground_;
  ExpectedCost expected_;
  std::mt19937_64 random_;
  int batch_;
  Logits theta_;
  Adam adam_;
  bool trained_ = false;
  double spent_ = 0;
  std::string note_;
  std::set<Assignment> proposed_;
};

/// The most even shares whose expected cost leaves the barrier room: p falls exponentially with what a choice
/// costs (by all choices alike), as steeply as it must.
void Dnas::start_within() {
  constexpr double kSteeper = 1.1, kSteepest = 1e4;
  const double limit = problem_.objective.limit;
  const Mixture costs = expected_(softmax(theta_, 1)).gradient;
  const double least = 1 - kStartRoom;
  for (double steepness = 1; expected_(softmax(theta_, 1)).cost > least * limit && steepness < kSteepest;
       steepness *= kSteeper) {
    theta_ = costs;
    scale(theta_, -steepness / limit);
  }
}

Mixture Dnas::mixture(double done) {
  if (barrier_) return softmax(theta_, 1);
  Logits noisy = theta_;
  for (auto& choices : noisy)
    for (double& choice : choices) choice -= std::log(-std::log(uniform_number(random_)));
  return softmax(noisy, temperature(done));
}

/// The papers' losses, differentiated by hand.
void Dnas::move_theta(Supernet& supernet, double done, double rate) {
  const Mixture shares = mixture(done);
  Supernet::Pass pass = supernet.pass(shares, 0);
  const ExpectedCost::Value cost = expected_(shares);
  Mixture& gradient = pass.gradient;
  if (barrier_) {
    const double mu = kFirstBarrier * std::pow(kLastBarrier / kFirstBarrier, done);
    const double limit = problem_.objective.limit;
    const double room = std::max(kLeastRoom, 1 - cost.cost / limit);
    add(gradient, cost.gradient, mu / (std::log(1 + room) * (1 + room)) / limit);
    add(gradient, one_or_none_gradient(shares), kOneOrNone * done);
  } else {
    const double log_cost = std::log(std::max(cost.cost, std::numbers::e));
    scale(gradient, kCostFactor * std::pow(log_cost, kCostPower));
    add(gradient, cost.gradient,
        pass.loss * kCostFactor * kCostPower * std::pow(log_cost, kCostPower - 1) / cost.cost);
  }
  adam_.step(theta_, through_softmax(shares, gradient, barrier_ ? 1 : temperature(done)), rate);
}

void Dnas::train(double evaluations) {
  const auto supernet = problem_.supernet(options_.seed);
  const double price = supernet->price();
  const int steps = static_cast<int>(evaluations / price);
  const int of_theta = steps / (kWeightBatches + 1);
  for (int step = 0; step < steps; ++step) {
    const double done = static_cast<double>(step) / steps;
    spent_ += price;
    try {
      if (step % (kWeightBatches + 1) == kWeightBatches)
        move_theta(*supernet, done, kTravel / of_theta);
      else
        (void)supernet->pass(mixture(done), 0.5 * (1 + std::cos(std::numbers::pi * done)));
    } catch (const InputError&) {  // other methods of a comparison go on; what theta learned by then counts
      note_ =
          fmt::format("training of the shared weights diverged in step {} of {}: it goes on with what it had",
                      step + 1, steps);
      return;
    }
  }
  note_ = fmt::format("{} steps of {} images trained the shared weights for {:.3g} evaluations", steps,
                      supernet->images(), spent_);
}

Assignment Dnas::moved(const Assignment& assignment) const {
  Logits effects = softmax(theta_, 1);
  for (auto& choices : effects)
    for (double& choice : choices) choice = -std::log(std::max(choice, 1e-30));
  return ground_.projection.by_effect(assignment, effects);
}

Assignment Dnas::likeliest() {
  Assignment assignment;
  for (const auto& choices : theta_)
    assignment.push_back(static_cast<int>(std::ranges::max_element(choices) - choices.begin()));
  return *proposed_.insert(moved(assignment)).first;
}

Assignment Dnas::drawn() {
  double temperature = 1;
  for (int i = 0; i < kRedraws; ++i, temperature *= kFlatter) {
    Assignment assignment;
    for (const auto& choices : softmax(theta_, temperature)) {
      double left = uniform_number(random_);
      std::size_t choice = 0;
      while (choice + 1 < choices.size() && left >= choices[choice]) left -= choices[choice++];
      assignment.push_back(static_cast<int>(choice));
    }
    const auto [place, is_new] = proposed_.insert(moved(assignment));
    if (is_new) return *place;
  }
  return {};
}

}  // namespace

const Method dnas_method{
    .name = "dnas",
    .about = "shared weights and probabilities, both by gradients (DNAS, Wu et al. 2018)",
    .batch = 8,
    .needs_network = true,
    .most_accurate_only = true,
    .make = [](const Problem& problem, const SearcherOptions& options) -> std::unique_ptr<Searcher> {
      return std::make_unique<Dnas>(problem, options, /*barrier=*/false);
    }};

const Method dnas_soft_barrier_method{
    .name = "dnas:soft-barrier",
    .about = "the same with a loss that knows the budget (BP-NAS, Yu et al. 2020)",
    .batch = 8,
    .needs_network = true,
    .most_accurate_only = true,
    .make = [](const Problem& problem, const SearcherOptions& options) -> std::unique_ptr<Searcher> {
      return std::make_unique<Dnas>(problem, options, /*barrier=*/true);
    }};

}  // namespace bitloop::search
