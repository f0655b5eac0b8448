#pragma once

#include <optional>
#include <vector>

#include "host/compiler/group_feed.h"
#include "host/compiler/image_feed.h"
#include "host/compiler/provision.h"
#include "host/compiler/segment.h"
#include "host/compiler/timeline.h"
#include "host/device/device.h"
#include "host/program/program.h"

namespace bitloop::host {

/// Emits a segment's compute steps in order, loads ahead of them as far as buffers allow, and stores behind
/// them.
class Schedule {
 public:
  virtual ~Schedule() = default;
  /// Appends the whole segment.
  void run();

 protected:
  /// `segment` must outlive it.
  Schedule(const Segment& segment, const HardwareInfo& hardware);
  /// Weights and parameters for the steps' groups, where the operation has some.
  void feed_groups(const HardwareInfo& hardware, const WeightPlan& weights, const ParameterPlan& parameters,
                   std::vector<GroupFeed::Use> uses);

  [[nodiscard]] virtual int steps() const = 0;
  [[nodiscard]] virtual double step_cycles(int step) const = 0;
  /// Emits at most one load that `step` still lacks. `current` is the last step computed (-1: none); with
  /// `now`, `step` comes next and must be served.
  virtual Provision provide(int step, int current, bool now) = 0;
  virtual void compute(int step) = 0;
  /// Row of weight SRAM where a step finds the weights of its group of channels.
  [[nodiscard]] int weight_base(int step, int group) const;
  virtual void store(int step) = 0;

 public:
  Program program;

 protected:
  const Segment& segment_;
  const WindowOp& op_;  ///< the segment's
  int pixels_;          ///< P
  int lanes_;           ///< F
  std::optional<GroupFeed> groups_;
  std::optional<ImageFeed> image_;  ///< where the operation reads the image

 private:
  void load_vector();
  void prefetch(int current);
  double cycles_before(int step);

  Timeline timeline_;
  std::vector<double> cycles_before_{0};  ///< per step, of those before it, as far as asked for
  int next_unready_ = 0;                  ///< step that may lack something
};

}  // namespace bitloop::host
