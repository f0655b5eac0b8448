// MiCo's searcher (MiCo: End-to-End Mixed Precision Neural Network Co-Exploration Framework for Edge AI,
// 2025): a random forest (Breiman, Machine Learning 45, 2001) predicts the loss; of candidates whose cost is
// near the limit the one that it predicts the least for is evaluated. Here the prediction is the trees' mean
// less their standard deviation, as in SMAC (Hutter, Hoos and Leyton-Brown 2011): the mean alone repeats
// itself.

#include <algorithm>
#include <cmath>
#include <numeric>

#include "agent/searchers/proposer.h"

namespace bitloop::search {

extern const Method forest_method;

namespace {

constexpr std::size_t kFirst = 6;  ///< evaluations near the limit at random before it learns
constexpr int kTrees = 64;         ///< scikit-learn's 100, for time
constexpr std::size_t kLeaf =
    5;  ///< observations, of which at most a node is not split: Breiman's for regression
constexpr double kOptimism = 1;         ///< standard deviations of the trees below their mean
constexpr double kDecisions = 1.0 / 3;  ///< share of the decisions that a split is chosen from: Breiman's

/// A regression tree; splits are thresholds of a decision's choices.
class Tree {
 public:
  Tree(const std::vector<Assignment>& inputs, const std::vector<double>& outputs, const Space& space,
       Candidates& random)
      : inputs_(inputs), outputs_(outputs), space_(space) {
    std::vector<std::size_t> sample(inputs.size());
    for (std::size_t& i : sample) i = static_cast<std::size_t>(random.below(static_cast<int>(inputs.size())));
    grow(sample, random);
  }

  [[nodiscard]] double operator()(const Assignment& assignment) const {
    const Node* node = nodes_.data();
    while (node->decision >= 0)
      node = &nodes_[static_cast<std::size_t>(assignment[node->decision] <= node->most ? node->left
                                                                                       : node->right)];
    return node->mean;
  }

 private:
  struct Node {
    int decision = -1;  ///< -1: a leaf
    int most = 0;       ///< choice that goes left
    int left = 0, right = 0;
    double mean = 0;
  };
  struct Split {
    int decision = -1;
    int most = 0;
    double gain = 0;
  };

  int grow(std::span<std::size_t> sample, Candidates& random) {
    const int index = static_cast<int>(nodes_.size());
    nodes_.emplace_back();
    for (const std::size_t i : sample) nodes_.back().mean += outputs_[i] / static_cast<double>(sample.size());
    const Split split = best_split(sample, random);
    if (split.decision < 0) return index;
    const auto right = std::stable_partition(sample.begin(), sample.end(), [&](std::size_t i) {
      return inputs_[i][split.decision] <= split.most;
    });
    const auto count = static_cast<std::size_t>(right - sample.begin());
    const int low = grow(sample.first(count), random);
    const int high = grow(sample.subspan(count), random);
    Node& node = nodes_[static_cast<std::size_t>(index)];
    node.decision = split.decision;
    node.most = split.most;
    node.left = low;
    node.right = high;
    return index;
  }

  /// The split of a few drawn decisions that takes away the most squared error.
  [[nodiscard]] Split best_split(std::span<const std::size_t> sample, Candidates& random) const {
    Split best{.gain = 1e-12};
    const auto draws = std::max(1, static_cast<int>(kDecisions * space_.size()));
    for (int draw = 0; draw < draws && sample.size() > kLeaf; ++draw) {
      const int d = random.below(space_.size());
      std::vector<double> sum(space_.decisions[d].choices.size()), count(sum.size());
      for (const std::size_t i : sample) {
        sum[static_cast<std::size_t>(inputs_[i][d])] += outputs_[i];
        count[static_cast<std::size_t>(inputs_[i][d])] += 1;
      }
      const double all = std::accumulate(sum.begin(), sum.end(), 0.0);
      const auto size = static_cast<double>(sample.size());
      double left = 0, left_count = 0;
      for (std::size_t c = 0; c + 1 < sum.size(); ++c) {
        left += sum[c];
        left_count += count[c];
        if (left_count == 0 || left_count == size) continue;
        const double gain =
            left * left / left_count + (all - left) * (all - left) / (size - left_count) - all * all / size;
        if (gain > best.gain) best = {d, static_cast<int>(c), gain};
      }
    }
    return best;
  }

  const std::vector<Assignment>& inputs_;
  const std::vector<double>& outputs_;
  const Space& space_;
  std::vector<Node> nodes_;
};

class Forest : public Proposer {
 public:
  Forest(const Problem& problem, const SearcherOptions& options)
      : Proposer(forest_method, problem, options) {}

 private:
  Assignment propose() override {
    if (answers().size() < kFirst) return candidates().near_limit();
    return lowest([&](const Assignment& assignment) {
      double sum = 0, squares = 0;
      for (const Tree& tree : trees_) {
        const double value = tree(assignment);
        sum += value;
        squares += value * value;
      }
      const double mean = sum / kTrees;
      return mean - kOptimism * std::sqrt(std::max(0.0, squares / kTrees - mean * mean));
    });
  }

  void learn() override {
    trees_.clear();
    if (answers().size() < kFirst) return;
    inputs_.clear();
    losses_.clear();
    for (const Answer& answer : answers()) {
      inputs_.push_back(answer.query.assignment);
      losses_.push_back(answer.loss());
    }
    for (int i = 0; i < kTrees; ++i) trees_.emplace_back(inputs_, losses_, problem().space, candidates());
  }

  std::vector<Assignment> inputs_;
  std::vector<double> losses_;
  std::vector<Tree> trees_;
};

}  // namespace

const Method forest_method{.name = "forest",
                           .about = "random forest on candidates near the budget (MiCo 2025)",
                           .batch = 1,
                           .make = make_proposer<Forest>};

}  // namespace bitloop::search
