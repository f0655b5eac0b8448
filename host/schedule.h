#pragma once

#include <vector>

#include "host/buffer_cache.h"
#include "host/layer_plan.h"
#include "host/program.h"
#include "host/segment.h"
#include "host/timeline.h"
#include "host/window_op.h"

namespace bitloop::host {

/// What became of a wish to have something on chip.
enum class Provision { ready, loaded, blocked };

/// Emits a segment's compute steps in order, loads ahead of them as far as buffers allow, and stores behind
/// them.
class Schedule {
 public:
  virtual ~Schedule() = default;
  /// Appends the whole segment.
  void run();

 protected:
  explicit Schedule(const HardwareInfo& hardware) : program(hardware), timeline_(hardware) {}

  [[nodiscard]] virtual int steps() const = 0;
  [[nodiscard]] virtual double step_cycles(int step) const = 0;
  /// Emits at most one load that `step` still lacks. `current` is the last step computed (-1: none); with
  /// `now`, `step` comes next and must be served.
  virtual Provision provide(int step, int current, bool now) = 0;
  virtual void compute(int step) = 0;
  virtual void store(int step) = 0;

 public:
  Program program;

 private:
  void prefetch(int current);

  Timeline timeline_;
};

/// Keeps weights and parameters of filter groups on chip, for steps whose groups and parts are known.
class GroupFeed {
 public:
  struct Use {
    int group = -1;  ///< -1: the step needs none
    int part = 0;
  };

  GroupFeed(const Segment& segment, const HardwareInfo& hardware, const WeightPlan& weights,
            const ParameterPlan& parameters, std::vector<Use> uses);

  /// Emits at most one load that `step` still lacks; `busy` as in BufferCache::place.
  Provision provide(int step, int busy, Program& program);
  /// Weight SRAM row and parameter slot of a step that has been provided.
  [[nodiscard]] int weight_base(int step) const;
  [[nodiscard]] int parameter_slot(int step) const;
  void used(int step);

 private:
  [[nodiscard]] int weight_item(const Use& use) const;
  [[nodiscard]] bool is_resident(const Use& use) const { return weights_.is_resident(use.part); }
  [[nodiscard]] BufferCache& cache_of(const Use& use) {
    return is_resident(use) ? resident_cache_ : stream_cache_;
  }
  /// The weight SRAM buffer that holds what a step needs.
  [[nodiscard]] int weight_buffer(const Use& use) const;
  void load_weights(int item, int buffer, Program& program) const;
  void load_parameters(int item, int buffer, Program& program) const;

  int lanes_;
  int groups_;
  WeightPlan weights_;
  ParameterPlan parameters_;
  Address weight_offset_;
  Address parameter_offset_;  ///< of the operation's own
  std::vector<Use> uses_;
  std::vector<int> part_words_;   ///< per part
  std::vector<int> part_before_;  ///< words of the parts before
  int group_words_ = 0;           ///< of all parts
  BufferCache resident_cache_;    ///< the first buffers: parts that stay; all weights where there is one part
  BufferCache stream_cache_;      ///< the buffers after those: parts that pass
  BufferCache parameter_cache_;
};

/// What an instruction of this operation always says. CONV: for one part of the reduction.
Conv conv_template(const WindowOp& op, const ReductionPart& part, int group, int unit_first_group, int lanes);
MaxPool pool_template(const WindowOp& op, int first_block, int end_block);
Depthwise depthwise_template(const WindowOp& op, int block);
/// ADD of one channel block of `channels` in all, 8-bit operands, results of `output_bits`.
Add add_template(int channels, int block, int operands, int output_bits);

}  // namespace bitloop::host
