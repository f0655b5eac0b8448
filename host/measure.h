#pragma once

#include "host/device.h"
#include "host/driver.h"
#include "host/job.h"
#include "host/measurement_store.h"

namespace bitloop::host {

/// A job's counters, and where its segments' records come from: either all from one run on the device, or all
/// remembered from earlier runs.
struct MeasuredJob {
  Measurement measurement;
  std::size_t segments_measured = 0;
  std::size_t segments_remembered = 0;
};

/// The counters of a job on a device. Composed from `store` where it knows every segment: a composed
/// measurement equals a run's in every counter, because counters add up and equal keys have equal records
/// (SegmentKey). Otherwise runs the whole job, on an input of zeros, and remembers its segments. Without a
/// store, or where the device's counts do not repeat, always runs and remembers nothing.
MeasuredJob measure(Device& device, const Job& job, MeasurementStore* store,
                    Cycles limit = Driver::kDefaultLimit);

}  // namespace bitloop::host
