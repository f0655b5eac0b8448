#pragma once

#include <memory>
#include <vector>

#include "agent/environment/policy_space.h"
#include "agent/space/supernet.h"
#include "quant/supernet/supernet.h"

namespace bitloop::agent {

/// A network's supernet in the decisions of a space of its policies: a decision's choice sets the bits of one
/// or more layers' weights and inputs; what is not free keeps 8.
class PolicySupernet : public search::Supernet {
 public:
  /// `price_per_image`: of an image's passes in a step, in evaluations. The space must outlive it.
  PolicySupernet(const PolicySpace& space, std::unique_ptr<quant::Supernet> supernet, double price_per_image);

  Pass pass(const search::Mixture& mixture, double rate) override;
  [[nodiscard]] double price() const override { return price_per_image_ * images(); }
  [[nodiscard]] int images() const override { return static_cast<int>(supernet_->batch()); }

 private:
  /// Shares of a policy's rows where nothing is free: all 8 bits.
  [[nodiscard]] quant::Supernet::Mixture pinned() const;

  std::unique_ptr<quant::Supernet> supernet_;
  double price_per_image_;
  std::size_t rows_;
  std::vector<std::vector<std::vector<PolicySpace::Setting>>> settings_;  ///< [decision][choice]
};

}  // namespace bitloop::agent
