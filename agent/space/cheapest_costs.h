#pragma once

#include <memory>
#include <vector>

#include "agent/space/costs.h"

namespace bitloop::search {

/// Costs of an assignment where it is cheapest: of several models of one space, as of hardware that may be
/// chosen with the policy. Ties in `by` go to fewer cycles, then to the first model. An assignment that a
/// model refuses (InputError) costs infinitely much there.
///
/// The least of sums is no sum: local terms are those of the model that is the cheapest around a context, so
/// that whoever solves around its own solution, again and again, goes from model to model with it.
class CheapestCosts final : public CostModel {
 public:
  /// What is referred to must outlive it; at least one model.
  CheapestCosts(const Space& space, std::vector<CostModel*> models, Measure by);

  Costs costs(const Assignment& assignment) override;
  const LocalCosts& local(Measure measure) override;
  LocalCosts local_around(Measure measure, const Assignment& context) override;
  [[nodiscard]] const Costs& reference() const override { return reference_; }
  [[nodiscard]] std::size_t measured() const override;

  /// The model on which the assignment is cheapest.
  [[nodiscard]] std::size_t cheapest(const Assignment& assignment);
  /// The one on which the reference is.
  [[nodiscard]] std::size_t cheapest_reference() const { return cheapest_reference_; }

 private:
  const Space& space_;
  std::vector<CostModel*> models_;
  Measure by_;
  std::size_t cheapest_reference_ = 0;
  Costs reference_;
};

}  // namespace bitloop::search
