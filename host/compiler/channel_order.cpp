#include "host/compiler/channel_order.h"

#include <algorithm>
#include <limits>

namespace bitloop::host {

std::vector<int> Ordering::order(const std::set<int>& members, std::vector<Wish> wishes) {
  std::stable_sort(wishes.begin(), wishes.end(),
                   [](const Wish& a, const Wish& b) { return a.blocks.size() > b.blocks.size(); });
  std::vector<std::vector<int>> elements;
  std::set<int> loose = members;
  while (!wishes.empty()) {
    const Wish wish = std::move(wishes.front());
    wishes.erase(wishes.begin());
    if (wish.blocks.size() == members.size()) continue;
    elements.push_back(order(wish.blocks, take_inner(wish, wishes)));
    for (const int block : wish.blocks) loose.erase(block);
  }
  for (const int block : loose) elements.push_back({block});
  return joined(std::move(elements));
}

std::vector<Wish> Ordering::take_inner(const Wish& outer, std::vector<Wish>& others) {
  std::vector<Wish> inner, rest;
  for (Wish& other : others) {
    const auto in_outer = std::count_if(other.blocks.begin(), other.blocks.end(),
                                        [&](int block) { return outer.blocks.contains(block); });
    if (in_outer == 0) {
      rest.push_back(std::move(other));
    } else {
      const bool within = in_outer == static_cast<std::ptrdiff_t>(other.blocks.size());
      if (!within && !conflict) conflict = {outer.form, other.form};
      if (within) inner.push_back(std::move(other));
    }
  }
  others = std::move(rest);
  return inner;
}

std::vector<int> Ordering::joined(std::vector<std::vector<int>> elements) const {
  const auto smallest = [&](const std::vector<int>& element) {
    int rank = std::numeric_limits<int>::max();
    for (const int block : element) rank = std::min(rank, ranks_[static_cast<std::size_t>(block)]);
    return rank;
  };
  std::sort(elements.begin(), elements.end(),
            [&](const auto& a, const auto& b) { return smallest(a) < smallest(b); });
  const auto with_hole = std::find_if(elements.rbegin(), elements.rend(), [&](const auto& element) {
    return !blocks_[static_cast<std::size_t>(element.back())].is_full();
  });
  if (with_hole != elements.rend()) std::rotate(with_hole.base() - 1, with_hole.base(), elements.end());
  std::vector<int> list;
  for (const auto& element : elements) list.insert(list.end(), element.begin(), element.end());
  return list;
}

}  // namespace bitloop::host
