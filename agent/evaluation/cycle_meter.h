#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "agent/environment/cycle_source.h"
#include "host/measurement/measure.h"
#include "host/network/network.h"
#include "host/network/policy.h"

namespace bitloop::agent {

/// Cycles of one segment of a job.
struct SegmentCycles {
  std::string name;
  host::Cycles cycles = 0;
};

/// Measures the cycles of policies without training them: cycles do not depend on data, so a job with random
/// integers takes what the trained one takes. Every count is that of a run of the whole network on the
/// device, from segments that each ran once or that the store knows (host::measure_network). Owns the
/// store. One thread at a time.
class CycleMeter : public CycleSource {
 public:
  /// `store`: null to remember no longer than this meter lives (--fresh).
  CycleMeter(std::shared_ptr<host::DevicePool> devices, host::Network network,
             std::unique_ptr<host::MeasurementStore> store = nullptr);

  host::Cycles cycles(const host::Policy& policy) override;
  /// Cycles per segment, in execution order.
  std::vector<SegmentCycles> segments(const host::Policy& policy);

  [[nodiscard]] const host::HardwareInfo& hardware() const { return meter_.hardware(); }
  /// Policies of which a segment ran so far, and those whose segments were all remembered.
  [[nodiscard]] int jobs() const { return jobs_; }
  [[nodiscard]] int remembered_jobs() const { return remembered_jobs_; }

 private:
  host::MeasuredNetwork measure(const host::Policy& policy);

  std::unique_ptr<host::MeasurementStore> store_;
  host::SegmentMeter meter_;
  host::Network network_;
  std::unordered_map<std::string, host::Cycles> remembered_;
  int jobs_ = 0;
  int remembered_jobs_ = 0;
};

}  // namespace bitloop::agent
