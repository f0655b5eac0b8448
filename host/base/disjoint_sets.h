#pragma once

#include <algorithm>
#include <numeric>
#include <vector>

namespace bitloop::host {

/// Sets of numbers 0 .. count - 1 that have been united; each is known by its smallest number.
class DisjointSets {
 public:
  explicit DisjointSets(int count) : parent_(static_cast<std::size_t>(count)) {
    std::iota(parent_.begin(), parent_.end(), 0);
  }
  int find(int i) {
    while (parent_[i] != i) i = parent_[i] = parent_[parent_[i]];
    return i;
  }
  void unite(int i, int j) {
    const int first = find(i), second = find(j);
    parent_[std::max(first, second)] = std::min(first, second);
  }

 private:
  std::vector<int> parent_;
};

}  // namespace bitloop::host
