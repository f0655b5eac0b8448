#pragma once

#include <array>
#include <mutex>

#include "agent/environment/policy_space.h"
#include "agent/evaluation/cycle_meter.h"
#include "agent/space/costs.h"

namespace bitloop::agent {

/// Costs of a network's policies, measured. Any thread may call.
class MeterCosts : public search::CostModel {
 public:
  /// Both must outlive this.
  MeterCosts(const PolicySpace& space, CycleMeter& meter);

  search::Costs costs(const search::Assignment& assignment) override;
  const search::LocalCosts& local(search::Measure measure) override;
  [[nodiscard]] const search::Costs& reference() const override { return reference_; }

 private:
  const PolicySpace& space_;
  CycleMeter& meter_;
  std::mutex mutex_;
  search::Costs reference_;
  std::array<search::LocalCosts, search::kMeasures> local_;
};

}  // namespace bitloop::agent
