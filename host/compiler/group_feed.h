#pragma once

#include <vector>

#include "host/compiler/buffer_cache.h"
#include "host/compiler/provision.h"
#include "host/compiler/segment.h"
#include "host/compiler/weight_plan.h"
#include "host/program/program.h"

namespace bitloop::host {

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

}  // namespace bitloop::host
