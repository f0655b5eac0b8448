#pragma once

#include "agent/trial/parallel.h"

namespace bitloop::agent {

using search::parallel_for;

}  // namespace bitloop::agent
