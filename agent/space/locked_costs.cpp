#include "agent/space/locked_costs.h"

#include <mutex>
#include <utility>

namespace bitloop::search {
namespace {

class Locked : public CostModel {
 public:
  explicit Locked(std::unique_ptr<CostModel> model)
      : model_(std::move(model)), reference_(model_->reference()) {}

  Costs costs(const Assignment& assignment) override {
    const std::lock_guard lock(mutex_);
    return model_->costs(assignment);
  }
  const LocalCosts& local(Measure measure) override {
    const std::lock_guard lock(mutex_);
    return model_->local(measure);  // which stays where it is
  }
  LocalCosts local_around(Measure measure, const Assignment& context) override {
    const std::lock_guard lock(mutex_);
    return model_->local_around(measure, context);
  }
  [[nodiscard]] const Costs& reference() const override { return reference_; }
  [[nodiscard]] std::size_t measured() const override {
    const std::lock_guard lock(mutex_);
    return model_->measured();
  }

 private:
  std::unique_ptr<CostModel> model_;
  const Costs reference_;
  mutable std::mutex mutex_;
};

}  // namespace

std::unique_ptr<CostModel> locked(std::unique_ptr<CostModel> model) {
  return std::make_unique<Locked>(std::move(model));
}

}  // namespace bitloop::search
