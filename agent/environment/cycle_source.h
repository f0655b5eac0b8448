#pragma once

#include "host/device/device.h"
#include "host/network/policy.h"

namespace bitloop::agent {

/// Where the cycles of a whole network under a policy come from.
class CycleSource {
 public:
  virtual ~CycleSource() = default;
  virtual host::Cycles cycles(const host::Policy& policy) = 0;
};

}  // namespace bitloop::agent
