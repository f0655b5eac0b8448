#pragma once

#include "host/device/device.h"

namespace bitloop::agent {

/// What became of a policy.
struct Outcome {
  double accuracy = 0;      ///< top-1 on the reward split, 0..1, by the integer reference
  double loss = 0;          ///< mean cross entropy on the reward split
  host::Cycles cycles = 0;  ///< of the whole network, from the hardware's counter
  double cost_ratio = 0;    ///< cycles / cycles at w8a8
  double seconds = 0;       ///< that the evaluation took
  bool remembered = false;  ///< answered from memory: an episode, but no evaluation
};

}  // namespace bitloop::agent
