#pragma once

#include <algorithm>
#include <iterator>
#include <map>

#include "host/device/device.h"

namespace bitloop::host::board {

/// Bytes of a buffer, as ranges [begin, end) that neither overlap nor touch.
class RangeSet {
 public:
  void add(Address begin, Address end) {
    auto next = ranges_.upper_bound(begin);
    if (next != ranges_.begin() && std::prev(next)->second >= begin) {
      --next;
      begin = next->first;
    }
    while (next != ranges_.end() && next->first <= end) {
      end = std::max(end, next->second);
      next = ranges_.erase(next);
    }
    ranges_.emplace(begin, end);
  }
  /// Whether all of it is in one of the ranges.
  [[nodiscard]] bool contains(Address begin, Address end) const {
    const auto next = ranges_.upper_bound(begin);
    return next != ranges_.begin() && std::prev(next)->second >= end;
  }
  void clear() { ranges_.clear(); }

  [[nodiscard]] auto begin() const { return ranges_.begin(); }  ///< pairs (begin, end), in order
  [[nodiscard]] auto end() const { return ranges_.end(); }

 private:
  std::map<Address, Address> ranges_;
};

}  // namespace bitloop::host::board
