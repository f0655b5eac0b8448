#include "quant/reference/integer_reference.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <exception>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "host/base/error.h"
#include "quant/model/geometry.h"
#include "quant/reference/plan.h"
#include "quant/reference/requantizer.h"
#include "quant/reference/window_sums.h"
#include "quant/tensor/class_logits.h"
#include "quant/tensor/order.h"
#include "quant/tensor/threads.h"
#include "quant/tensor/window.h"

namespace bitloop::quant {
namespace {

constexpr std::int64_t kLargestBatch = 64;
// On one thread LibTorch has a slower path for 1x1 convolutions of fewer images.
constexpr std::int64_t kFastBatch = 16;
// Elements of all tensors of a batch, 4 bytes each: what was fastest (ResNet-20, 2^20..2^24 tried), and most.
constexpr std::int64_t kBatchElements = 1LL << 22;
constexpr std::int64_t kMostBatchElements = 1LL << 26;

/// Images that pass through a network of so many elements at a time.
std::int64_t batch_size(std::int64_t elements) {
  const std::int64_t wanted = std::clamp(kBatchElements / elements, kFastBatch, kLargestBatch);
  return std::clamp<std::int64_t>(kMostBatchElements / elements, 1, wanted);
}

using host::LayerKind;

/// What a layer computes with; empty where it keeps codes.
struct ExactLayer {
  WindowSums sums;
  std::optional<Requantizer> requantizer;
  std::optional<AddRequantizer> add;
  /// Of an average pool that leaves padding out of its count: sets beside the first, and where they count.
  std::vector<std::pair<Requantizer, at::Tensor>> others;

  [[nodiscard]] at::Tensor codes(const at::Tensor& numbers, bool wide) const {
    at::Tensor result = (*requantizer)(numbers, wide);
    for (const auto& [other, where] : others) result = at::where(where, other(numbers, wide), result);
    return result;
  }
  std::optional<CodeTable> table;
  std::array<double, 2> zeros{};  ///< of a product's operands
};

ExactLayer exact_layer(const host::Network& network, const host::Layer& layer,
                       const host::QuantizedLayer& integers, const host::TensorBits& bits) {
  ExactLayer exact;
  if (layer.keeps_codes()) return exact;
  if (layer.kind == LayerKind::add) {
    exact.add.emplace(integers.requantization, integers.range);
    return exact;
  }
  if (layer.kind == LayerKind::product) {
    for (std::size_t i = 0; i < exact.zeros.size(); ++i)
      exact.zeros[i] = network.tensors.at(layer.inputs.at(i)).is_signed ? 128 : 0;
    exact.requantizer.emplace(integers.requantization, std::span<const host::Requantization>{},
                              std::span<const std::int64_t>{}, integers.range);
    return exact;
  }
  if (layer.kind == LayerKind::function) {
    exact.table.emplace(integers.table);
    return exact;
  }
  const int input_bits = layer.has_weights() ? bits.read(layer.input()) : bits.written.at(layer.input());
  exact.sums = WindowSums(network, layer, integers, input_bits);
  const auto requantizer = [&](std::span<const host::Requantization> sets) {
    return Requantizer(sets, integers.negative, exact.sums.constants(), integers.range);
  };
  if (layer.kind != LayerKind::average_pool) {
    exact.requantizer = requantizer(integers.requantization);
    return exact;
  }
  const std::vector<int> counts = host::counted_taps(network, layer);
  const host::Shape& in = network.input_shape(layer);
  const at::Tensor taps = counted_taps(layer, at::empty({1, 1, in.height, in.width}));
  exact.requantizer = requantizer(std::span(integers.requantization).first(1));
  for (std::size_t i = 1; i < counts.size(); ++i)
    exact.others.emplace_back(requantizer(std::span(integers.requantization).subspan(i, 1)),
                              taps.eq(counts[i]));
  return exact;
}

/// HWC bytes of images as codes in float, [image, channel, row, column], channels last as they come.
at::Tensor image_batch(const host::Shape& shape, std::span<const std::uint8_t> pixels) {
  const std::int64_t count = static_cast<std::int64_t>(pixels.size()) / shape.elements();
  auto* data = const_cast<std::uint8_t*>(pixels.data());  // from_blob takes no const; it is only read
  const at::Tensor bytes = at::from_blob(data, {count, shape.height, shape.width, shape.channels}, at::kByte);
  return in_channels_last(bytes.to(at::kFloat).permute({0, 3, 1, 2}));
}

at::Tensor upsample(const at::Tensor& x, const host::Steps& factor) {
  const std::int64_t rows = x.size(2), columns = x.size(3);
  return x.permute({0, 2, 3, 1})
      .unsqueeze(3)
      .unsqueeze(2)
      .expand({-1, -1, factor.y, -1, factor.x, -1})
      .reshape({x.size(0), rows * factor.y, columns * factor.x, x.size(1)})
      .permute({0, 3, 1, 2});
}

/// Code tensors of a batch, index as in Network::tensors: float where codes are narrow, double for 32 bits.
struct BatchCodes {
  std::vector<at::Tensor> written;
  std::vector<at::Tensor> narrow;  ///< undefined where there is none
};

/// One image of a batch; an undefined tensor has no codes.
host::CodeTensor image_codes(const at::Tensor& batch, std::int64_t image, const host::Shape& shape,
                             int bits) {
  if (!batch.defined()) return {};
  const auto* data = batch.data_ptr<std::int32_t>() + image * shape.elements();
  return {shape, bits, {data, data + shape.elements()}};
}

/// Calls `work(0)` .. `work(count - 1)` on so many threads of one LibTorch thread each, the caller's among
/// them; throws what one of them threw.
template <typename Work>
void in_parallel(std::int64_t count, int threads, const Work& work) {
  std::atomic<std::int64_t> next = 0;
  const auto take_all = [&] {
    const c10::InferenceMode inference;
    const TorchThreads one(1);
    for (std::int64_t i = next++; i < count; i = next++) work(i);
  };
  std::vector<std::exception_ptr> errors(
      static_cast<std::size_t>(std::clamp<std::int64_t>(threads, 1, std::max<std::int64_t>(count, 1))));
  const auto guarded = [&](std::exception_ptr& error) {
    try {
      take_all();
    } catch (...) {
      error = std::current_exception();
      next = count;
    }
  };
  {
    std::vector<std::jthread> others;
    for (std::size_t i = 1; i < errors.size(); ++i) others.emplace_back(guarded, std::ref(errors[i]));
    guarded(errors.front());
  }
  for (const std::exception_ptr& error : errors)
    if (error) std::rethrow_exception(error);
}

}  // namespace

struct IntegerReference::Impl {
  /// Which tensors of a batch stay.
  enum class Keep { all, result };

  host::QuantizedNetwork network;
  std::vector<ExactLayer> layers;  ///< per layer of the network
  std::int64_t batch = kLargestBatch;

  [[nodiscard]] BatchCodes forward(const at::Tensor& image, const std::vector<Step>& steps, Keep keep) const {
    const host::Network& graph = network.network;
    BatchCodes codes{std::vector<at::Tensor>(graph.tensors.size()),
                     std::vector<at::Tensor>(graph.tensors.size())};
    std::vector<int> readers(graph.tensors.size(), 0);
    for (const Step& step : steps)
      for (const int input : first_layer(step).inputs) ++readers.at(input);
    put(codes, graph.input, image);
    for (const Step& step : steps) {
      put(codes, step.output, result(step, codes));
      if (keep == Keep::all) continue;
      for (const int input : first_layer(step).inputs)
        if (--readers.at(input) == 0) codes.written.at(input) = codes.narrow.at(input) = at::Tensor();
    }
    return codes;
  }

  /// Images first .. first + count - 1 of all of them.
  [[nodiscard]] at::Tensor images(std::span<const std::uint8_t> pixels, std::int64_t first,
                                  std::int64_t count) const {
    const auto bytes = static_cast<std::size_t>(image_shape().elements());
    return image_batch(image_shape(), pixels.subspan(static_cast<std::size_t>(first) * bytes,
                                                     static_cast<std::size_t>(count) * bytes));
  }

  /// Calls `work(first image, results [image, code] in double)` for every batch, from several threads.
  template <typename Work>
  void for_each_batch(const Split& split, int threads, const Work& work) const {
    const auto steps = plan(network.network, /*fuse_pools=*/true);
    const std::int64_t all = count(split.pixels);
    in_parallel((all + batch - 1) / batch, threads, [&](std::int64_t index) {
      const std::int64_t first = index * batch;
      const BatchCodes codes =
          forward(images(split.pixels, first, std::min(batch, all - first)), steps, Keep::result);
      const at::Tensor results = codes.written.at(network.network.output()).to(at::kDouble);
      work(first, class_logits(results - result_zero(network)));
    });
  }

  [[nodiscard]] std::int64_t count(std::span<const std::uint8_t> pixels) const {
    return static_cast<std::int64_t>(pixels.size()) / image_shape().elements();
  }

 private:
  [[nodiscard]] const host::Shape& image_shape() const {
    return network.network.tensors.at(network.network.input).shape;
  }

  /// The layer of a step that reads.
  static const host::Layer& first_layer(const Step& step) {
    return step.layer != nullptr ? *step.layer : *step.pool;
  }

  [[nodiscard]] const at::Tensor& form(const host::Layer& layer, int input, const BatchCodes& codes) const {
    const bool narrow = host::reads_narrow(network.bits, layer, input);
    return narrow ? codes.narrow.at(input) : codes.written.at(input);
  }

  [[nodiscard]] at::Tensor result(const Step& step, const BatchCodes& codes) const {
    const host::Layer& layer = first_layer(step);
    const ExactLayer& exact = layers.at(step.index);
    const auto read = [&](int input) { return form(layer, layer.inputs.at(input), codes); };
    switch (layer.kind) {
      case LayerKind::max_pool:
        return window_maxima(layer, read(0));
      case LayerKind::add:
        return (*exact.add)(read(0), read(1));
      case LayerKind::product:
        return (*exact.requantizer)((read(0) - exact.zeros[0]) * (read(1) - exact.zeros[1]), /*wide=*/false);
      case LayerKind::function:
        return (*exact.table)(read(0));
      case LayerKind::upsample:
        return upsample(read(0), layer.stride);
      case LayerKind::select:
        return selected_channels(read(0), layer.channels);
      case LayerKind::concat:
      case LayerKind::interleave: {
        std::vector<at::Tensor> parts;
        for (const int input : layer.inputs) parts.push_back(form(layer, input, codes));
        return layer.kind == LayerKind::concat ? at::cat(parts, 1) : interleaved(parts, layer.stride);
      }
      default: {
        const at::Tensor sums = exact.sums(layer, read(0));
        const bool wide = network.bits.written.at(step.output) > 8;
        return exact.codes(step.pool != nullptr ? window_maxima(*step.pool, sums) : sums, wide);
      }
    }
  }

  void put(BatchCodes& codes, int tensor, const at::Tensor& values) const {
    codes.written.at(tensor) = in_channels_last(values);
    if (network.bits.narrow.at(tensor) == 0) return;
    const host::Narrowing& narrowing = network.narrowing.at(tensor);
    const Requantizer requantizer(std::span(&narrowing.requantization, 1), {}, {}, narrowing.range);
    codes.narrow.at(tensor) = requantizer(values, /*wide=*/false);
  }
};

IntegerReference::IntegerReference(const host::QuantizedNetwork& network) {
  const TorchThreads threads(1);
  auto impl = std::make_unique<Impl>(Impl{network, {}});
  const host::Network& graph = impl->network.network;
  if (graph.layers.size() != network.layers.size() || graph.tensors.size() != network.narrowing.size() ||
      graph.tensors.size() != network.bits.written.size() ||
      graph.tensors.size() != network.bits.narrow.size())
    throw InputError(fmt::format(
        "{} has {} layers and {} tensors but integers for {} and {}: quantize it again", graph.name,
        graph.layers.size(), graph.tensors.size(), network.layers.size(), network.narrowing.size()));
  for (std::size_t i = 0; i < graph.layers.size(); ++i)
    impl->layers.push_back(exact_layer(graph, graph.layers[i], network.layers[i], network.bits));
  std::int64_t elements = 1;
  for (const host::Tensor& tensor : graph.tensors) elements += tensor.shape.elements();
  impl->batch = batch_size(elements);
  impl_ = std::move(impl);
}

IntegerReference::~IntegerReference() = default;

std::vector<host::TensorCodes> IntegerReference::run(std::span<const std::uint8_t> images) const {
  const c10::InferenceMode inference;
  const TorchThreads threads(1);
  const host::Network& network = impl_->network.network;
  const host::TensorBits& bits = impl_->network.bits;
  const auto steps = plan(network, /*fuse_pools=*/false);
  const std::int64_t all = impl_->count(images);
  std::vector<host::TensorCodes> results;
  for (std::int64_t first = 0; first < all; first += impl_->batch) {
    const std::int64_t count = std::min(impl_->batch, all - first);
    BatchCodes codes = impl_->forward(impl_->images(images, first, count), steps, Impl::Keep::all);
    for (auto* form : {&codes.written, &codes.narrow})
      for (at::Tensor& tensor : *form)
        if (tensor.defined()) tensor = tensor.to(at::kInt).contiguous(at::MemoryFormat::Contiguous);
    for (std::int64_t image = 0; image < count; ++image) {
      host::TensorCodes& result = results.emplace_back();
      for (std::size_t t = 0; t < network.tensors.size(); ++t) {
        const host::Shape& shape = network.tensors[t].shape;
        result.written.push_back(image_codes(codes.written[t], image, shape, bits.written[t]));
        result.narrow.push_back(image_codes(codes.narrow[t], image, shape, bits.narrow[t]));
      }
    }
  }
  return results;
}

std::vector<int> IntegerReference::classes(const Split& split, int threads) const {
  std::vector<int> classes(split.size());
  impl_->for_each_batch(split, threads, [&](std::int64_t first, const at::Tensor& codes) {
    const at::Tensor best = codes.argmax(1);
    for (std::int64_t i = 0; i < best.size(0); ++i)
      classes[static_cast<std::size_t>(first + i)] = best[i].item<int>();
  });
  return classes;
}

Accuracy IntegerReference::accuracy(const Split& split, double output_scale, int threads) const {
  const at::Tensor labels = label_tensor(split.labels);
  struct Part {
    std::int64_t right = 0;
    double loss = 0;
  };
  // Added up in order, so that the sum does not depend on which thread was faster.
  std::vector<Part> parts(split.size());
  impl_->for_each_batch(split, threads, [&](std::int64_t first, const at::Tensor& codes) {
    const at::Tensor truth = labels.narrow(0, first, codes.size(0));
    Part& part = parts[static_cast<std::size_t>(first)];
    part.right = codes.argmax(1).eq(truth).sum().item<std::int64_t>();
    part.loss = at::cross_entropy_loss(codes.mul(output_scale), truth, {}, at::Reduction::Sum).item<double>();
  });
  Part sum;
  for (const Part& part : parts) {
    sum.right += part.right;
    sum.loss += part.loss;
  }
  const double images = static_cast<double>(split.size());
  return {static_cast<double>(sum.right) / images, sum.loss / images, split.size()};
}

}  // namespace bitloop::quant
