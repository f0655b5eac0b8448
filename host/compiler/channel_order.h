#pragma once

#include <optional>
#include <set>
#include <vector>

#include "host/program/plane_words.h"

namespace bitloop::host {

/// A piece before its place is known: channels that the same forms hold, by their numbers as nodes.
struct Block {
  std::vector<int> nodes;  ///< one of each channel, in the order of lanes
  int bits = 8;
  [[nodiscard]] int channels() const { return static_cast<int>(nodes.size()); }
  [[nodiscard]] bool is_full() const { return channels() % word_channels(bits) == 0; }
};

/// Blocks that a reader wants side by side.
struct Wish {
  std::set<int> blocks;
  int form = 0;
};

/// Two wishes that no order grants: neither holds the other, and they meet.
struct Conflict {
  int first_form = 0;
  int second_form = 0;
};

/// Orders blocks so that each wish's lie side by side, otherwise as is natural; the last of each has holes
/// where any has (the padding of an odd number of them needs one more lane).
class Ordering {
 public:
  /// `ranks`: by block, the order that is natural.
  Ordering(const std::vector<Block>& blocks, const std::vector<int>& ranks)
      : blocks_(blocks), ranks_(ranks) {}
  /// The first that was met; the order is worth nothing then.
  std::optional<Conflict> conflict;

  std::vector<int> order(const std::set<int>& members, std::vector<Wish> wishes);

 private:
  /// The wishes that lie within `outer`, taken out of the others.
  std::vector<Wish> take_inner(const Wish& outer, std::vector<Wish>& others);
  [[nodiscard]] std::vector<int> joined(std::vector<std::vector<int>> elements) const;

  const std::vector<Block>& blocks_;
  const std::vector<int>& ranks_;
};

}  // namespace bitloop::host
