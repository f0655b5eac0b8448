#pragma once

#include <vector>

#include "host/compiler/window_op.h"

namespace bitloop::host {

struct Rectangle {
  int first_row = 0;
  int rows = 1;
  int first_column = 0;
  int columns = 1;
};
/// Outputs of an average pool whose windows count the same number of taps, and the input that they read.
struct PoolRegion {
  int taps = 1;
  Rectangle output;
  Rectangle input;
};
std::vector<PoolRegion> pool_regions(const Network& network, const Layer& layer);
/// The part of a pool's operation that computes one region.
WindowOp region_op(const WindowOp& pool, const PoolRegion& region);

}  // namespace bitloop::host
