#include "quant/reference/integer_reference.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "host/base/error.h"
#include "quant/model/geometry.h"
#include "quant/model/hash.h"
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

/// HWC bytes of images as codes, [image, channel, row, column], channels last as they come.
at::Tensor image_batch(const host::Shape& shape, std::span<const std::uint8_t> pixels) {
  const std::int64_t count = static_cast<std::int64_t>(pixels.size()) / shape.elements();
  auto* data = const_cast<std::uint8_t*>(pixels.data());  // from_blob takes no const; it is only read
  const at::Tensor bytes = at::from_blob(data, {count, shape.height, shape.width, shape.channels}, at::kByte);
  return in_channels_last(bytes.clone().permute({0, 3, 1, 2}));
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

/// Code tensors of a batch, index as in Network::tensors: bytes, double for 32 bits.
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

/// What became of an image.
struct Prediction {
  bool right = false;
  double loss = 0;
};

/// In order: the sum does not depend on which thread was faster.
FoldAccuracy sum_of(std::span<const Prediction> predictions) {
  FoldAccuracy sum{.images = predictions.size()};
  for (const Prediction& prediction : predictions) {
    sum.correct += prediction.right ? 1 : 0;
    sum.loss_sum += prediction.loss;
  }
  return sum;
}

std::vector<std::size_t> all_places(const Split& split) {
  std::vector<std::size_t> places(split.size());
  std::iota(places.begin(), places.end(), std::size_t{0});
  return places;
}

}  // namespace

struct IntegerReference::Impl {
  /// Which tensors of a batch stay.
  enum class Keep { all, result };

  host::QuantizedNetwork network;
  std::vector<ExactLayer> layers;  ///< per layer of the network
  std::int64_t batch = kLargestBatch;

  [[nodiscard]] BatchCodes forward(const at::Tensor& image, const std::vector<Step>& steps, Keep keep) const {
    BatchCodes codes = no_codes();
    put(codes, network.network.input, image);
    run_steps(codes, steps, 0, keep, [](std::size_t) {});
    return codes;
  }

  /// Runs the steps from `first` on; calls `after(step)` behind each.
  template <typename After>
  void run_steps(BatchCodes& codes, const std::vector<Step>& steps, std::size_t first, Keep keep,
                 const After& after) const {
    std::vector<int> readers(network.network.tensors.size(), 0);
    for (std::size_t i = first; i < steps.size(); ++i)
      for (const int input : first_layer(steps[i]).inputs) ++readers.at(input);
    for (std::size_t i = first; i < steps.size(); ++i) {
      put(codes, steps[i].output, result(steps[i], codes));
      after(i);
      if (keep == Keep::all) continue;
      for (const int input : first_layer(steps[i]).inputs)
        if (--readers.at(input) == 0) codes.written.at(input) = codes.narrow.at(input) = at::Tensor();
    }
  }

  [[nodiscard]] BatchCodes no_codes() const {
    const std::size_t tensors = network.network.tensors.size();
    return {std::vector<at::Tensor>(tensors), std::vector<at::Tensor>(tensors)};
  }

  /// Images first .. first + count - 1 of all of them.
  [[nodiscard]] at::Tensor images(std::span<const std::uint8_t> pixels, std::int64_t first,
                                  std::int64_t count) const {
    const auto bytes = static_cast<std::size_t>(image_shape().elements());
    return image_batch(image_shape(), pixels.subspan(static_cast<std::size_t>(first) * bytes,
                                                     static_cast<std::size_t>(count) * bytes));
  }

  /// Calls `work(first place, results [image, code] in double)` for every batch of the images that `places`
  /// names, from several threads.
  template <typename Work>
  void for_each_batch(const Split& split, std::span<const std::size_t> places, int threads,
                      CodeMemory* memory, const Work& work) const {
    const auto steps = plan(network.network, /*fuse_pools=*/true);
    Shared shared = memory != nullptr ? shared_by(*memory, steps, split, places) : Shared{};
    const auto all = static_cast<std::int64_t>(places.size());
    in_parallel((all + batch - 1) / batch, threads, [&](std::int64_t index) {
      const c10::InferenceMode inference;
      const auto first = static_cast<std::size_t>(index * batch);
      const std::size_t count = std::min(static_cast<std::size_t>(batch), places.size() - first);
      BatchCodes codes = no_codes();
      if (shared.from != nullptr)
        put(codes, steps[shared.first - 1].output, kept_codes(shared, steps, first, count));
      else
        put(codes, network.network.input, chosen_images(split, places.subspan(first, count)));
      run_steps(codes, steps, shared.first, Keep::result, [&](std::size_t step) {
        const auto kept = shared.kept.find(step);
        if (kept == shared.kept.end()) return;
        const at::Tensor& written = codes.written.at(steps[step].output);
        const std::size_t each = bytes_of(steps[step]);
        std::copy_n(written.data_ptr<std::uint8_t>(), count * each, kept->second.codes.data() + first * each);
      });
      const at::Tensor results = codes.written.at(network.network.output()).to(at::kDouble);
      work(first, class_logits(results - result_zero(network)));
    });
    if (memory == nullptr) return;
    for (auto& [step, kept] : shared.kept) memory->keep(kept.key, {.codes = std::move(kept.codes)});
  }

  /// What the images that `places` names become, in that order.
  [[nodiscard]] std::vector<Prediction> predictions(const Split& split, std::span<const std::size_t> places,
                                                    double output_scale, int threads,
                                                    CodeMemory* memory) const {
    std::vector<Prediction> result(places.size());
    for_each_batch(split, places, threads, memory, [&](std::size_t first, const at::Tensor& codes) {
      const std::int64_t count = codes.size(0);
      const at::Tensor truth = at::empty({count}, at::kLong);
      for (std::int64_t i = 0; i < count; ++i)
        truth.data_ptr<std::int64_t>()[i] = split.labels.at(places[first + static_cast<std::size_t>(i)]);
      const at::Tensor right = codes.argmax(1).eq(truth);
      const at::Tensor loss =
          at::cross_entropy_loss(codes.mul(output_scale), truth, {}, at::Reduction::None).contiguous();
      for (std::int64_t i = 0; i < count; ++i)
        result[first + static_cast<std::size_t>(i)] = {right.data_ptr<bool>()[i], loss.data_ptr<double>()[i]};
    });
    return result;
  }

  [[nodiscard]] std::int64_t count(std::span<const std::uint8_t> pixels) const {
    return static_cast<std::int64_t>(pixels.size()) / image_shape().elements();
  }

 private:
  /// What a pass over a split shares with others.
  struct Shared {
    struct Kept {
      std::string key;
      std::vector<std::uint8_t> codes;  ///< of all images
    };
    std::size_t first = 0;                    ///< step that is computed first
    const CodeMemory::Entry* from = nullptr;  ///< result of the one before it; null: it reads the image
    std::map<std::size_t, Kept> kept;         ///< by step: what later passes will ask for
  };

  [[nodiscard]] Shared shared_by(CodeMemory& memory, const std::vector<Step>& steps, const Split& split,
                                 std::span<const std::size_t> places) const {
    const std::vector<bool> carries = carries_all(network.network, steps);
    std::vector<std::string> keys;
    // Splits are told apart by where they are and by their labels.
    std::string before = Sha256()
                             .add(fmt::format("accuracy {}", fmt::ptr(split.pixels.data())))
                             .add(std::as_bytes(std::span(split.labels)))
                             .add(std::as_bytes(places))
                             .hex();
    for (const Step& step : steps) keys.push_back(before = Sha256().add(before).add(text_of(step)).hex());
    const auto is_kept = [&](std::size_t i) {
      return carries[i] && network.bits.written.at(steps[i].output) <= 8;
    };
    Shared shared;
    for (std::size_t i = steps.size(); i-- > 0 && shared.from == nullptr;) {
      if (!is_kept(i)) continue;
      shared.from = memory.find(keys[i]);
      shared.first = shared.from != nullptr ? i + 1 : 0;
    }
    for (std::size_t i = shared.first; i < steps.size(); ++i) {
      const std::size_t bytes = bytes_of(steps[i]) * places.size();
      if (is_kept(i) && memory.wants(keys[i], bytes))
        shared.kept[i] = {keys[i], std::vector<std::uint8_t>(bytes)};
    }
    return shared;
  }

  /// All numbers that a step's result depends on beside its inputs'.
  [[nodiscard]] std::string text_of(const Step& step) const {
    std::string text;
    const auto numbers = [&](const auto&... values) { ((text += fmt::format("{} ", values)), ...); };
    const auto bytes = [&](const std::vector<std::uint8_t>& values) {
      numbers(values.size());
      text.append(values.begin(), values.end());
    };
    const auto sets = [&](std::span<const host::Requantization> all) {
      numbers(all.size());
      for (const host::Requantization& set : all) numbers(set.multiplier, set.shift, set.bias);
    };
    const auto range = [&](const host::OutputRange& of) { numbers(of.zero, of.low, of.high); };
    const host::QuantizedLayer& layer = network.layers.at(step.index);
    numbers(step.index, layer.weight_bits, network.bits.written.at(step.output));
    bytes(layer.weights);
    bytes(layer.pad_codes);
    bytes(layer.table);
    sets(layer.requantization);
    sets(layer.negative);
    range(layer.range);
    for (const int input : first_layer(step).inputs) {
      numbers(network.bits.written.at(input), network.bits.narrow.at(input));
      sets(std::span(&network.narrowing.at(input).requantization, 1));
      range(network.narrowing.at(input).range);
    }
    return text;
  }

  /// Of a step's result, per image.
  [[nodiscard]] std::size_t bytes_of(const Step& step) const {
    return static_cast<std::size_t>(network.network.tensors.at(step.output).shape.elements());
  }

  [[nodiscard]] at::Tensor kept_codes(const Shared& shared, const std::vector<Step>& steps, std::size_t first,
                                      std::size_t count) const {
    const Step& step = steps[shared.first - 1];
    const host::Shape& shape = network.network.tensors.at(step.output).shape;
    const std::size_t each = bytes_of(step);
    at::Tensor codes =
        at::empty({static_cast<std::int64_t>(count), shape.channels, shape.height, shape.width}, at::kByte,
                  at::MemoryFormat::ChannelsLast);
    std::copy_n(shared.from->codes.data() + first * each, count * each, codes.data_ptr<std::uint8_t>());
    return codes;
  }

  [[nodiscard]] at::Tensor chosen_images(const Split& split, std::span<const std::size_t> places) const {
    const auto bytes = static_cast<std::size_t>(image_shape().elements());
    std::vector<std::uint8_t> pixels;
    pixels.reserve(places.size() * bytes);
    for (const std::size_t place : places) {
      const auto image = std::span(split.pixels).subspan(place * bytes, bytes);
      pixels.insert(pixels.end(), image.begin(), image.end());
    }
    return image_batch(image_shape(), pixels);
  }

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
        return (*exact.requantizer)(
            (read(0).to(at::kFloat) - exact.zeros[0]) * (read(1).to(at::kFloat) - exact.zeros[1]),
            /*wide=*/false);
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
  impl_->for_each_batch(split, all_places(split), threads, /*memory=*/nullptr,
                        [&](std::size_t first, const at::Tensor& codes) {
                          const at::Tensor best = codes.argmax(1);
                          for (std::int64_t i = 0; i < best.size(0); ++i)
                            classes[first + static_cast<std::size_t>(i)] = best[i].item<int>();
                        });
  return classes;
}

Accuracy IntegerReference::accuracy(const Split& split, double output_scale, int threads,
                                    CodeMemory* memory) const {
  const FoldAccuracy whole =
      sum_of(impl_->predictions(split, all_places(split), output_scale, threads, memory));
  const double images = static_cast<double>(whole.images);
  return {static_cast<double>(whole.correct) / images, whole.loss_sum / images, whole.images};
}

std::vector<FoldAccuracy> IntegerReference::fold_accuracies(const Split& split, double output_scale,
                                                            std::size_t folds,
                                                            std::span<const std::size_t> chosen, int threads,
                                                            CodeMemory* memory) const {
  std::vector<std::size_t> places, ends;
  for (const std::size_t fold : chosen) {
    if (fold >= folds)
      throw InputError(fmt::format("there is no fold {} of {}: they count from 0", fold, folds));
    for (std::size_t place = fold; place < split.size(); place += folds) places.push_back(place);
    ends.push_back(places.size());
  }
  const std::vector<Prediction> predictions =
      impl_->predictions(split, places, output_scale, threads, memory);
  std::vector<FoldAccuracy> result;
  std::size_t first = 0;
  for (const std::size_t end : ends) {
    result.push_back(sum_of(std::span(predictions).subspan(first, end - first)));
    first = end;
  }
  return result;
}

}  // namespace bitloop::quant
