#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "agent/solver/relaxation.h"

namespace bitloop::search::solver {

/// The choices of the first decisions of the order.
struct Label {
  Sum sum{};
  int state = 0;
  int choice = 0;   ///< of the last of them
  int parent = -1;  ///< that without it
  int differ = 0;   ///< where its counts of decisions that differ begin
};

/// Labels along the steps of a graph: those that may still become an assignment with an effect of at most
/// `most`, and that no others, at least as good in all, make superfluous.
class Labels {
 public:
  /// Of whole assignments the best `count` are kept. All but the numbers outlive this.
  Labels(const Graph& graph, const Constraints& constraints, const Relaxation& relaxation, std::size_t count,
         double most);

  /// Of whole assignments, best first.
  [[nodiscard]] const std::vector<Label>& whole() const { return reached_.back(); }
  /// No assignment is missing because of `most`.
  [[nodiscard]] bool complete() const { return complete_; }
  [[nodiscard]] Assignment assignment(const Label& label) const;

 private:
  void extend(std::size_t step);
  void thin_out(std::vector<Label>& labels) const;
  void thin_out_diverse(std::vector<Label>& labels) const;
  [[nodiscard]] bool precedes(const Label& a, const Label& b) const;
  [[nodiscard]] std::span<const std::uint16_t> differ(const Label& label) const {
    return {differ_.data() + label.differ, constraints_.before.size()};
  }

  const Graph& graph_;
  const Constraints& constraints_;
  const Relaxation& relaxation_;
  std::size_t count_;
  double most_;
  bool complete_ = true;
  std::vector<std::vector<Label>> reached_{};  ///< [steps behind them]
  std::vector<std::uint16_t> differ_{};        ///< per label and solution before, at most the distance
};

}  // namespace bitloop::search::solver
