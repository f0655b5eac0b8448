#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "host/device.h"
#include "host/measure.h"
#include "host/network.h"
#include "host/policy.h"

namespace bitloop::agent {

/// Where the cycles of a whole network under a policy come from.
class CycleSource {
 public:
  virtual ~CycleSource() = default;
  virtual host::Cycles cycles(const host::Policy& policy) = 0;
};

/// Cycles of one segment of a job.
struct SegmentCycles {
  std::string name;
  host::Cycles cycles = 0;
};

/// Measures the cycles of policies without training them: cycles do not depend on data, so a job with random
/// integers takes what the trained one takes. Every count is that of a run of the whole network on the
/// device: of one that ran, or, where the store knows all its segments, of one that would count the same
/// (host::measure). Owns device and store. One thread at a time.
class CycleMeter : public CycleSource {
 public:
  /// `store`: null to run every policy once (--fresh).
  CycleMeter(std::unique_ptr<host::Device> device, host::Network network,
             std::unique_ptr<host::MeasurementStore> store = nullptr);

  host::Cycles cycles(const host::Policy& policy) override;
  /// Cycles per segment, in execution order.
  std::vector<SegmentCycles> segments(const host::Policy& policy);

  [[nodiscard]] const host::HardwareInfo& hardware() const { return device_->info(); }
  /// Jobs that ran so far, and jobs whose segments were all remembered.
  [[nodiscard]] int jobs() const { return jobs_; }
  [[nodiscard]] int remembered_jobs() const { return remembered_jobs_; }

 private:
  host::Measurement measure(const host::Policy& policy, std::vector<std::string>* names);

  std::unique_ptr<host::Device> device_;
  std::unique_ptr<host::MeasurementStore> store_;
  host::Network network_;
  std::unordered_map<std::string, host::Cycles> remembered_;
  int jobs_ = 0;
  int remembered_jobs_ = 0;
};

}  // namespace bitloop::agent
