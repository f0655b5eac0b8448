#include "agent/evaluation/cycle_meter.h"

#include <utility>

namespace bitloop::agent {

CycleMeter::CycleMeter(std::shared_ptr<host::DevicePool> devices, host::Network network,
                       std::unique_ptr<host::MeasurementStore> store)
    : store_(std::move(store)), meter_(std::move(devices), store_.get()), network_(std::move(network)) {}

host::Cycles CycleMeter::cycles(const host::Policy& policy) {
  const auto known = remembered_.find(policy.key());
  if (known != remembered_.end()) return known->second;
  const host::Cycles cycles = measure(policy).cycles();
  remembered_.emplace(policy.key(), cycles);
  return cycles;
}

std::vector<SegmentCycles> CycleMeter::segments(const host::Policy& policy) {
  const host::MeasuredNetwork measured = measure(policy);
  std::vector<SegmentCycles> segments;
  for (std::size_t i = 0; i < measured.segments.size(); ++i)
    segments.push_back({measured.segments[i].name, measured.counters.at(i)[0]});
  return segments;
}

host::MeasuredNetwork CycleMeter::measure(const host::Policy& policy) {
  host::MeasuredNetwork measured = host::measure_network(meter_, network_, policy);
  ++(measured.measured > 0 ? jobs_ : remembered_jobs_);
  return measured;
}

}  // namespace bitloop::agent
