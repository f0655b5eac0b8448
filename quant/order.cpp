#include "quant/order.h"

#include <numeric>
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
  auto* data =
      const_cast<std::uint16_t*>(labels.data());  // from_blob takes no const; the conversion only reads
  return at::from_blob(data, {static_cast<std::int64_t>(labels.size())}, at::kShort).to(at::kLong);
}

}  // namespace bitloop::quant
