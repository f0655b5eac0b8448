#pragma once

#include <memory>

#include "agent/searchers/searcher.h"

namespace bitloop::agent {

/// Deep deterministic policy gradient over a network's decisions, after HAQ (CVPR 2019) and the CMC 2024
/// paper: one step per decision, the action in [0,1] names a width, the episode's reward comes at its end.
///
/// Differs from HAQ's code where that is known to be wrong: the step's flag and the previous bits are those
/// of the executed policy and belong to one episode; replay holds what was executed after projection, not
/// what was proposed; widths come from equal bins; each step gets its share of the reward; terminal states
/// have no successor; noise falls over the planned evaluations. Uses LibTorch on one thread. The environment
/// must outlive it.
class Ddpg : public Searcher {
 public:
  Ddpg(const Environment& environment, const SearcherOptions& options);
  ~Ddpg() override;

  std::vector<host::Policy> ask(int at_most) override;
  void tell(std::span<const Episode> episodes) override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace bitloop::agent
