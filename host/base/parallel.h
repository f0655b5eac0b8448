#pragma once

#include <functional>

namespace bitloop::host {

/// Calls `work(item, worker)` for every item in 0..items-1 from `workers` threads (at most one per item), the
/// caller's among them; a worker's calls follow each other. Returns when all have ended; rethrows the first
/// error, after which no new item starts.
void parallel_for(int items, int workers, const std::function<void(int item, int worker)>& work);

}  // namespace bitloop::host
