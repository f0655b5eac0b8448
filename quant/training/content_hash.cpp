#include <string_view>

#include "quant/model/geometry.h"
#include "quant/model/hash.h"
#include "quant/training/float_network.h"

namespace bitloop::quant {

std::string FloatCheckpoint::content_hash() const {
  Sha256 hash;
  const auto add = [&](const void* numbers, std::size_t bytes) {
    hash.add(std::string_view(static_cast<const char*>(numbers), bytes));
  };
  hash.add(geometry_hash(impl->network));
  for (const auto* numbers : {&impl->mean, &impl->deviation})
    add(numbers->data(), numbers->size() * sizeof(float));
  for (const FloatLayer& layer : impl->layers) {
    for (const at::Tensor& tensor : layer.tensors()) {
      const at::Tensor row = tensor.contiguous();
      add(row.data_ptr(), row.nbytes());
    }
  }
  return hash.hex();
}

}  // namespace bitloop::quant
