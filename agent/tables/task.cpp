#include "agent/tables/task.h"

#include <algorithm>
#include <numeric>
#include <random>

namespace bitloop::search {

std::vector<int> drawn_folds(int folds, std::uint64_t seed) {
  std::vector<int> drawn(static_cast<std::size_t>(folds));
  std::iota(drawn.begin(), drawn.end(), 0);
  std::mt19937_64 random(seed);
  // std::shuffle is not the same everywhere.
  for (std::size_t i = drawn.size(); i > 1; --i) std::swap(drawn[i - 1], drawn[random() % i]);
  drawn.resize((drawn.size() + 1) / 2);
  std::ranges::sort(drawn);
  return drawn;
}

}  // namespace bitloop::search
