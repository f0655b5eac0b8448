#pragma once

#include <vector>

#include "host/compiler/schedule.h"
#include "host/compiler/stream_plan.h"
#include "host/compiler/stream_steps.h"

namespace bitloop::host {

/// Lays out a segment by a StreamPlan: rows stream into rings, each compute instruction covers a strip of
/// outputs (or one tile of it and one part of the reduction), whole output rows are stored behind.
class StreamSchedule : public Schedule {
 public:
  StreamSchedule(const Segment& segment, const HardwareInfo& hardware, StreamPlan plan);

 protected:
  [[nodiscard]] int steps() const override { return static_cast<int>(steps_.size()); }
  [[nodiscard]] double step_cycles(int step) const override;
  Provision provide(int step, int current, bool now) override;
  void compute(int step) override;
  void store(int step) override;

 private:
  using Step = StreamStep;
  /// An operand that rows are loaded of.
  struct RowFeed {
    const Buffer* buffer = nullptr;
    const Place* place = nullptr;
    int bits = 8;
    int height = 1;
    int width = 1;
    long loaded_end = 0;  ///< virtual row after the last one loaded
  };
  struct RowRange {
    int first = 0;
    int end = 0;
  };

  /// Where strips end in a result: what a pool reads has other positions than what it gives.
  [[nodiscard]] const std::vector<int>& ends(int result) const {
    return result == 0 ? plan_.operation_ends : plan_.strip_ends;
  }
  [[nodiscard]] int begin(int strip, int result) const { return strip == 0 ? 0 : ends(result)[strip - 1]; }
  [[nodiscard]] const Unit& unit_of(const Step& step) const { return plan_.units[step.unit]; }
  [[nodiscard]] int pass(const Buffer& buffer, const Step& step) const;
  [[nodiscard]] long virtual_row(const Buffer& buffer, int height, const Step& step, int row) const;
  [[nodiscard]] int ring_position(const Buffer& buffer, const Extent& extent, const Step& step,
                                  int position) const;
  [[nodiscard]] int word_row(const Buffer& buffer, int bits, const Unit& unit) const;
  [[nodiscard]] int channel_row(const Buffer& buffer, int bits, const Step& step) const;
  [[nodiscard]] RowRange input_rows(const Step& step) const;
  [[nodiscard]] RowRange output_rows(const Step& step) const;
  [[nodiscard]] bool reads_second(const Step& step) const;
  void find_second_keepers();
  Provision provide_rows(RowFeed& feed, const RowRange& wanted, int first_kept, int step, int current,
                         bool now);
  Provision provide_stages();
  void load_rows(const RowFeed& feed, const Step& step, int first, int rows);
  void place_walk(WindowWalk& walk, const Step& step, const ReductionPart& part) const;
  void place_flat_walk(WindowWalk& walk, const Step& step, const Buffer& input) const;
  void place_result(WindowWalk& walk, const Step& step) const;
  void place_second(Add& add, const Step& step) const;
  void compute_stage(const Step& step);
  void compute_pool(const Step& step);
  void compute_operation(int index, const Step& step);
  void store_rows(const Step& step, const RowRange& rows);

  StreamPlan plan_;
  std::vector<Step> steps_;
  int passes_;  ///< of the channelwise units
  RowFeed input_;
  RowFeed second_;
  std::vector<int> second_keepers_;  ///< by step: which of it and those after it has the first rows of it
  bool stages_loaded_ = false;
};

}  // namespace bitloop::host
