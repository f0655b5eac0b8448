#include "quant/tensor/order.h"

#include <algorithm>
#include <utility>
#include <vector>

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

namespace {

at::Tensor index_tensor(std::span<const int> indices, const at::Device& device) {
  return at::tensor(at::ArrayRef<int>(indices.data(), indices.size()), at::kLong).to(device);
}

}  // namespace

at::Tensor in_channels_last(const at::Tensor& x) {
  const std::int64_t channels = x.size(1), height = x.size(2), width = x.size(3);
  return x.contiguous(at::MemoryFormat::ChannelsLast)
      .as_strided(x.sizes(), {height * width * channels, 1, width * channels, channels});
}

at::Tensor selected_channels(const at::Tensor& x, std::span<const int> channels) {
  return x.index_select(1, index_tensor(channels, x.device()));
}

at::Tensor selected_channels_gradient(const at::Tensor& gradient, std::span<const int> channels,
                                      std::int64_t input_channels) {
  std::vector<std::int64_t> sizes = gradient.sizes().vec();
  sizes.at(1) = input_channels;
  return at::zeros(sizes, gradient.options())
      .index_copy_(1, index_tensor(channels, gradient.device()), gradient);
}

at::Tensor label_tensor(std::span<const std::uint16_t> labels) {
  at::Tensor tensor = at::empty({static_cast<std::int64_t>(labels.size())}, at::kLong);
  std::ranges::copy(labels, tensor.data_ptr<std::int64_t>());
  return tensor;
}

}  // namespace bitloop::quant
