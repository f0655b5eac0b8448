#include "quant/tensor/order.h"

#include <algorithm>
#include <utility>

namespace bitloop::quant {

at::Tensor shuffled_order(std::int64_t count, std::mt19937_64& generator) {
  at::Tensor order = at::arange(count);
  auto* values = order.data_ptr<std::int64_t>();
  for (std::int64_t last = count - 1; last > 0; --last) {
    const auto other = static_cast<std::int64_t>(generator() % static_cast<std::uint64_t>(last + 1));
    std::swap(values[last], values[other]);
  }
  return order;
}

at::Tensor label_tensor(std::span<const std::uint16_t> labels) {
  at::Tensor tensor = at::empty({static_cast<std::int64_t>(labels.size())}, at::kLong);
  std::ranges::copy(labels, tensor.data_ptr<std::int64_t>());
  return tensor;
}

}  // namespace bitloop::quant
