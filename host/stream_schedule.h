#pragma once

#include <optional>

#include "host/image_feed.h"
#include "host/schedule.h"

namespace bitloop::host {

/// Lays out a layer by a StreamPlan: rows stream into a ring, each compute instruction covers a strip of
/// outputs (or one tile of it and one part of the reduction), whole output rows are stored behind.
class StreamSchedule : public Schedule {
 public:
  StreamSchedule(const WindowOp& op, const HardwareInfo& hardware, StreamPlan plan,
                 const LayerPlaces& places);

 protected:
  [[nodiscard]] int steps() const override { return static_cast<int>(steps_.size()); }
  [[nodiscard]] double step_cycles(int step) const override;
  Provision provide(int step, int current, bool now) override;
  void compute(int step) override;
  void store(int step) override;

 private:
  struct Step {
    int strip = 0;
    int unit = 0;
    int group = 0;
    int part = 0;
    int first = 0;  ///< output position
    int positions = 0;
    bool clear = true;       ///< the first part of its tile
    bool drain = true;       ///< the last one
    bool unit_done = false;  ///< the unit's part of the strip is complete
  };

  void add_unit(int strip, int unit);
  void add_group(int strip, int unit, int group, bool last);
  [[nodiscard]] int strip_begin(int strip) const { return strip == 0 ? 0 : plan_.strip_ends[strip - 1]; }
  [[nodiscard]] int input_pass(const Step& step) const;
  [[nodiscard]] int output_pass(const Step& step) const { return plan_.strips_outer ? 0 : step.unit; }
  [[nodiscard]] long virtual_row(const Step& step, int row) const;
  [[nodiscard]] int output_position(const Step& step, int position) const;
  [[nodiscard]] int output_base(const Step& step) const;
  Provision provide_rows(int step, int current, bool now);
  void load_rows(const Step& step, int first, int rows);
  void place_walk(WindowWalk& walk, const Step& step, const ReductionPart& part) const;

  WindowOp op_;
  int pixels_;
  int lanes_;
  StreamPlan plan_;
  LayerPlaces places_;
  std::vector<Step> steps_;
  std::optional<GroupFeed> groups_;
  std::optional<ImageFeed> image_;
  long loaded_end_ = 0;  ///< virtual row after the last one loaded
};

}  // namespace bitloop::host
