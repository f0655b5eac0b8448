#pragma once

#include <set>
#include <vector>

#include "host/compiler/channel_runs.h"
#include "host/compiler/residency.h"

namespace bitloop::host {

/// Which segments use the memory of which forms, by the root whose memory it is (Form::index()).
class FormUses {
 public:
  explicit FormUses(std::size_t forms) : uses_(forms) {}

  /// The next segment of the plan.
  void add(const Segment& segment, const Operands& operands);
  void bind_to_memory(int root) { bound_to_memory_.insert(root); }
  [[nodiscard]] bool any(std::size_t root) const { return !uses_[root].empty(); }
  /// The roots that could stay in activation SRAM: not the network's ends, nothing that is copied to (a copy
  /// goes through activation SRAM, not within it), loaded as weights, or used by rows and columns.
  /// `words`: per position, by root.
  [[nodiscard]] std::vector<Life> lives(const Network& network, const std::vector<int>& words,
                                        const HardwareInfo& hardware) const;

 private:
  void use(const Part& part);
  void read(const Part& part, const WindowOp& op);

  int segments_ = 0;
  std::vector<std::vector<int>> uses_;  ///< per root: segments
  std::set<int> bound_to_memory_;       ///< roots
  std::set<int> apart_,
      neighbours_;  ///< roots whose words are read so, or whose pool writes only to the latter
};

}  // namespace bitloop::host
