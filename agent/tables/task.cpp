#include "agent/tables/task.h"

#include <numeric>
#include <random>
#include <utility>

namespace bitloop::search {

std::vector<std::size_t> shuffled_folds(int folds, std::uint64_t seed) {
  std::vector<std::size_t> order(static_cast<std::size_t>(folds));
  std::iota(order.begin(), order.end(), 0);
  std::mt19937_64 random(seed);
  // std::shuffle is not the same everywhere.
  for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random() % i]);
  return order;
}

}  // namespace bitloop::search
