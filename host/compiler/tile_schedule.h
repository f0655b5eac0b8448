#pragma once

#include <optional>
#include <vector>

#include "host/base/integers.h"
#include "host/compiler/schedule.h"
#include "host/compiler/tile_plan.h"

namespace bitloop::host {

/// Lays out a segment by a TilePlan.
class TileSchedule : public Schedule {
 public:
  TileSchedule(const Segment& segment, const HardwareInfo& hardware, TilePlan plan);

 protected:
  [[nodiscard]] int steps() const override { return static_cast<int>(steps_.size()); }
  [[nodiscard]] double step_cycles(int step) const override;
  Provision provide(int step, int current, bool now) override;
  void compute(int step) override;
  void store(int step) override;

 private:
  struct Step {
    int tile = 0;
    int unit = 0;
    int group = 0;
    int input_part = 0;
    int weight_part = 0;
    bool clear = true;  ///< the first part of its tile
    bool drain = true;  ///< the last one
    bool unit_done = false;
  };
  /// What a step reads, clipped to the input: the rows of its kernel, one below the other. Empty where the
  /// window lies in the padding.
  struct Patch {
    int iy = 0;         ///< row of the patch where the window starts, its part's kernel row 0
    int ix = 0;         ///< column of the input where the window starts
    int first_row = 0;  ///< of the input
    int rows = 0;       ///< of the kernel that lie in the input
    int first_column = 0;
    int columns = 0;
    [[nodiscard]] bool empty() const { return rows <= 0 || columns <= 0; }
  };

  void add_tile(int tile);
  [[nodiscard]] int tiles_per_row() const { return divide_up(op_.output_width, plan_.tile); }
  [[nodiscard]] int tile_row(const Step& step) const { return step.tile / tiles_per_row(); }
  [[nodiscard]] int tile_column(const Step& step) const { return step.tile % tiles_per_row() * plan_.tile; }
  [[nodiscard]] int tile_positions(const Step& step) const;
  [[nodiscard]] ReductionPart part_of(const Step& step) const;
  [[nodiscard]] int patch_item(const Step& step) const;
  [[nodiscard]] Patch patch_of(const Step& step) const;
  [[nodiscard]] int output_base(const Step& step) const;
  [[nodiscard]] int group_word(const Step& step) const;
  void load_patch(const Step& step, int buffer);
  void load_tensor_row(const Step& step, const Patch& patch, int row, int buffer);
  void place_walk(WindowWalk& walk, const Step& step) const;

  TilePlan plan_;
  std::vector<Step> steps_;
  std::optional<BufferCache> patches_;
};

}  // namespace bitloop::host
