#include "agent/cycle_meter.h"

#include "host/compiler.h"

namespace bitloop::agent {
namespace {

constexpr std::uint64_t kSeed = 1;

}  // namespace

CycleMeter::CycleMeter(std::unique_ptr<host::Device> device, host::Network network,
                       std::unique_ptr<host::MeasurementStore> store)
    : device_(std::move(device)), store_(std::move(store)), network_(std::move(network)) {}

host::Cycles CycleMeter::cycles(const host::Policy& policy) {
  const std::string key = device_->info().fingerprint + ' ' + policy.key();
  const auto known = remembered_.find(key);
  if (known != remembered_.end()) return known->second;
  const host::Cycles cycles = measure(policy, nullptr).cycles();
  remembered_.emplace(key, cycles);
  return cycles;
}

std::vector<SegmentCycles> CycleMeter::segments(const host::Policy& policy) {
  std::vector<std::string> names;
  const host::Measurement measurement = measure(policy, &names);
  std::vector<SegmentCycles> segments;
  for (std::size_t i = 0; i < measurement.segments.size(); ++i) {
    segments.push_back({names.at(i), measurement.segments[i][0]});
  }
  return segments;
}

host::Measurement CycleMeter::measure(const host::Policy& policy, std::vector<std::string>* names) {
  const host::Job job = host::compile(host::random_quantization(network_, policy, kSeed), device_->info());
  if (names != nullptr) *names = job.segments;
  const host::MeasuredJob measured = host::measure(*device_, job, store_.get());
  ++(measured.segments_measured > 0 ? jobs_ : remembered_jobs_);
  return measured.measurement;
}

}  // namespace bitloop::agent
