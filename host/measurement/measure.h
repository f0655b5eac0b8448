#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "host/base/error.h"
#include "host/compiler/compiler.h"
#include "host/compiler/segment_program.h"
#include "host/driver/driver.h"
#include "host/driver/pool.h"
#include "host/measurement/measurement_store.h"

namespace bitloop::host {

void add_to(Counters& sum, const Counters& counters);

/// Runs a job on some input, always the same: cycles do not depend on data.
Measurement run_job(Driver& driver, std::shared_ptr<const Job> job, const Driver::Progress& progress = {});

/// A job whose second segment is `segment` (its only one, where it is `first`), on memory that holds nothing:
/// no cycle depends on what lies there. `plan` is plan_segment's for it.
Job segment_job(Segment segment, const SegmentPlan& plan, const HardwareInfo& hardware, bool first);

/// Counter records of segments, each measured once: remembered in the store, or run on a device, once the
/// pool admits it. As many segments run side by side as there are devices. Not thread-safe.
class SegmentMeter {
 public:
  struct Request {
    const Segment* segment = nullptr;
    bool first = false;  ///< the job's first segment
  };
  struct Result {
    std::vector<Counters> counters;  ///< per request
    std::size_t measured = 0;        ///< segments that ran now, those of the same instructions once
    Counters end{};                  ///< what a job counts outside its records
  };
  /// Called as segments go on and complete: how many, with parts of those that run, of how many; from any
  /// thread, one call at a time.
  using Progress = std::function<void(double done, std::size_t all)>;

  /// `store`: null to remember in this meter only.
  SegmentMeter(std::shared_ptr<DevicePool> devices, MeasurementStore* store);

  [[nodiscard]] const HardwareInfo& hardware() const { return devices_->hardware(); }
  /// A segment for which the hardware has too little memory.
  class TooSmall : public InputError {
   public:
    TooSmall(const std::string& why, std::size_t of_request) : InputError(why), request(of_request) {}
    std::size_t request;  ///< that asks for it
  };

  /// Why the hardware has too little memory, per request; empty where it has enough. What is planned for this
  /// is not planned again to be measured.
  std::vector<std::string> refusals(std::span<const Request> requests);
  /// Throws TooSmall, before anything runs, where one of the segments is that.
  Result measure(std::span<const Request> requests, const Progress& progress = {});

 private:
  std::optional<Counters> find(const std::string& text, const SegmentKey& key);
  void plan(std::span<const std::pair<std::string, const Segment*>> segments);
  Counters end();
  void remember(const std::string& text, const SegmentKey& key, const Counters& counters);

  std::shared_ptr<DevicePool> devices_;
  MeasurementStore* store_;
  std::unordered_map<std::string, Counters> known_;       ///< by key text
  std::unordered_map<std::string, SegmentPlan> plans_;    ///< by key text, of what is not known yet
  std::unordered_map<std::string, std::string> refused_;  ///< by key text, why
};

/// A network's counters under a policy, segment by segment.
struct MeasuredNetwork {
  std::vector<Segment> segments;
  std::vector<Counters> counters;  ///< per segment; of what runs image by image, of all images
  std::vector<int> runs;           ///< per segment: how often it runs
  int images = 1;                  ///< of the job
  Counters total{};
  std::size_t measured = 0;  ///< segments that ran for this; the others were remembered
  [[nodiscard]] Cycles cycles() const { return total[0]; }
  [[nodiscard]] double cycles_per_image() const { return static_cast<double>(cycles()) / images; }
};

/// The layers that one segment computes: "conv1+add1", a layer and what is fused behind it.
std::string segment_name(const Network& network, const Segment& segment);
/// Of all in order; of equal names the second is "conv1#2", and so on.
std::vector<std::string> segment_names(const Network& network, std::span<const Segment> segments);

/// The counters of whole networks, for a job of `images` images. A network's total is the sum of its
/// segments' records and of the constant that a job counts besides: exactly what a run of the whole network
/// counts (SegmentKey says why).
MeasuredNetwork measure_network(SegmentMeter& meter, const Network& network, const Policy& policy,
                                const SegmentMeter::Progress& progress = {}, int images = 1);
/// The same from one run of the whole network.
MeasuredNetwork run_network(DevicePool& devices, const Network& network, const Policy& policy,
                            const Driver::Progress& progress = {}, int images = 1);

}  // namespace bitloop::host
