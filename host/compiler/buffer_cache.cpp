#include "host/compiler/buffer_cache.h"

#include <algorithm>
#include <limits>

namespace bitloop::host {

BufferCache::BufferCache(int buffers, const std::vector<int>& uses) : buffers_(buffers) {
  const int items = uses.empty() ? 0 : std::max(0, *std::max_element(uses.begin(), uses.end()) + 1);
  steps_of_.resize(items);
  next_of_.resize(items);
  for (std::size_t step = 0; step < uses.size(); ++step) {
    if (uses[step] >= 0) steps_of_[uses[step]].push_back(static_cast<int>(step));
  }
}

std::optional<int> BufferCache::find(int item) const {
  for (std::size_t b = 0; b < buffers_.size(); ++b) {
    if (buffers_[b].item == item) return static_cast<int>(b);
  }
  return {};
}

void BufferCache::use(int item, int step) {
  Buffer& buffer = buffers_[*find(item)];
  buffer.last_use = step;
  std::size_t& next = next_of_[item];
  while (next < steps_of_[item].size() && steps_of_[item][next] <= step) ++next;
}

int BufferCache::next_use(const Buffer& buffer) const {
  if (buffer.item < 0) return std::numeric_limits<int>::max();
  const std::vector<int>& steps = steps_of_[buffer.item];
  const std::size_t next = next_of_[buffer.item];
  return next < steps.size() ? steps[next] : std::numeric_limits<int>::max();
}

std::optional<int> BufferCache::place(int item, int step, int busy) {
  int best = -1;
  for (int b = 0; b < static_cast<int>(buffers_.size()); ++b) {
    const Buffer& candidate = buffers_[b];
    if (busy >= 0 && candidate.last_use == busy) continue;
    if (next_use(candidate) <= step) continue;
    const bool later = best < 0 || next_use(candidate) > next_use(buffers_[best]);
    const bool older = best >= 0 && next_use(candidate) == next_use(buffers_[best]) &&
                       candidate.last_use < buffers_[best].last_use;
    if (later || older) best = b;
  }
  if (best < 0) return {};
  buffers_[best] = {item, -1};
  return best;
}

}  // namespace bitloop::host
