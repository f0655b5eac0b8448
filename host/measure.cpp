#include "host/measure.h"

#include <fmt/format.h>

#include <optional>

#include "host/error.h"

namespace bitloop::host {
namespace {

void add_to(Counters& sum, const Counters& counters) {
  for (std::size_t i = 0; i < kCounters; ++i) sum[i] += counters[i];
}

std::optional<Measurement> compose(const JobKeys& keys, MeasurementStore& store) {
  Measurement measurement;
  const auto end = store.find(keys.end);
  if (!end) return std::nullopt;
  measurement.total = *end;
  for (const SegmentKey& key : keys.segments) {
    const auto record = store.find(key);
    if (!record) return std::nullopt;
    measurement.segments.push_back(*record);
    add_to(measurement.total, *record);
  }
  return measurement;
}

/// What a job counts outside its records.
Counters end_of(const Measurement& measurement) {
  Counters sum{};
  for (const Counters& segment : measurement.segments) add_to(sum, segment);
  Counters end{};
  for (std::size_t i = 0; i < kCounters; ++i) {
    if (sum[i] > measurement.total[i]) {
      throw DeviceError(fmt::format("counter {} of the segments' records exceeds the job's: {} and {}", i,
                                    sum[i], measurement.total[i]));
    }
    end[i] = measurement.total[i] - sum[i];
  }
  return end;
}

std::vector<MeasurementStore::Entry> entries_of(const JobKeys& keys, const Measurement& measurement) {
  std::vector<MeasurementStore::Entry> entries{{keys.end, end_of(measurement)}};
  for (std::size_t i = 0; i < keys.segments.size(); ++i) {
    entries.push_back({keys.segments[i], measurement.segments.at(i)});
  }
  return entries;
}

/// A run that differs from what is remembered shows that remembered counts cannot be trusted.
void check_against(MeasurementStore& store, const std::vector<MeasurementStore::Entry>& entries) {
  for (const MeasurementStore::Entry& entry : entries) {
    const auto known = store.find(entry.key);
    if (!known || *known == entry.counters) continue;
    store.refute(
        fmt::format("the device counts {} cycles where {} were remembered", entry.counters[0], (*known)[0]));
    return;
  }
}

}  // namespace

MeasuredJob measure(Device& device, const Job& job, MeasurementStore* store, Cycles limit) {
  if (!device.info().repeatable) store = nullptr;
  JobKeys keys;
  if (store != nullptr) {
    keys = job_keys(job, device.info().fingerprint);
    if (const auto composed = compose(keys, *store)) return {*composed, 0, composed->segments.size()};
  }
  Driver driver(device);
  driver.load(job);
  // Zeros: cycles do not depend on data.
  const std::vector<std::uint8_t> input(static_cast<std::size_t>(job.image_shape.elements()));
  const Measurement measurement = driver.run(input, limit);
  if (store != nullptr) {
    const auto entries = entries_of(keys, measurement);
    check_against(*store, entries);
    store->add(entries);
  }
  return {measurement, measurement.segments.size(), 0};
}

}  // namespace bitloop::host
