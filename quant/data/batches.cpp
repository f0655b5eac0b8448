#include "quant/data/batches.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <queue>
#include <random>
#include <thread>

#include "host/base/error.h"
#include "quant/tensor/order.h"

namespace bitloop::quant {
namespace {

/// Ready batches that wait for the caller: enough to hide that one image takes longer than another.
constexpr std::size_t kReady = 3;

/// SplitMix64 (Steele, Lea, Flood 2014): neighbouring numbers in, unrelated numbers out.
std::uint64_t mix(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15U;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
  return x ^ (x >> 31);
}

/// Down, right, then perhaps mirrored.
struct Change {
  int rows = 0;
  int columns = 0;
  bool mirror = false;
};

/// Of `seed` and the place in the pass alone, so that no timing can change it.
Change draw_change(const Augmentation& augmentation, std::uint64_t seed, std::int64_t place) {
  Change change;
  std::uint64_t state = mix(seed + static_cast<std::uint64_t>(place));
  const auto shift = [&] {
    state = mix(state);
    return static_cast<int>(state % (2U * augmentation.shift + 1)) - augmentation.shift;
  };
  if (augmentation.shift > 0) change = {shift(), shift(), false};
  change.mirror = augmentation.mirror && (mix(state) & 1) != 0;
  return change;
}

/// `count` pixels of interleaved channels to a row of each plane, from left to right or (step -1) from right
/// to left. kChannels is `channels` where the compiler knows it, else 0.
template <int kChannels>
void copy_row(const std::uint8_t* from, int channels, int count, std::uint8_t* to, std::ptrdiff_t plane,
              bool mirror) {
  const std::ptrdiff_t stride = kChannels > 0 ? kChannels : channels;
  for (int channel = 0; channel < stride; ++channel, ++from, to += plane) {
    if (mirror)
      for (int i = 0; i < count; ++i) to[-i] = from[i * stride];
    else
      for (int i = 0; i < count; ++i) to[i] = from[i * stride];
  }
}

/// One image, HWC to CHW, changed; `fill` (per channel) where the change leaves room.
void write_image(const std::uint8_t* image, const host::Shape& shape, const Change& change,
                 const std::vector<std::uint8_t>& fill, std::uint8_t* to) {
  const auto copy = shape.channels == 1 ? copy_row<1> : shape.channels == 3 ? copy_row<3> : copy_row<0>;
  const std::ptrdiff_t plane = static_cast<std::ptrdiff_t>(shape.height) * shape.width;
  if (change.rows != 0 || change.columns != 0)
    for (int channel = 0; channel < shape.channels; ++channel)
      std::fill_n(to + channel * plane, plane, fill[channel]);
  const int count = std::max(0, shape.width - std::abs(change.columns));
  const int from_column = std::max(0, -change.columns);
  const int shifted = std::max(0, change.columns);
  const int to_column = change.mirror ? shape.width - 1 - shifted : shifted;
  for (int row = std::max(0, change.rows); row < shape.height + std::min(0, change.rows); ++row) {
    const std::ptrdiff_t from = static_cast<std::ptrdiff_t>(row - change.rows) * shape.width + from_column;
    copy(image + from * shape.channels, shape.channels, count,
         to + static_cast<std::ptrdiff_t>(row) * shape.width + to_column, plane, change.mirror);
  }
}

/// The images of a pass, in order: a shuffle of the subset that `seed` chose.
at::Tensor order_of_pass(std::int64_t all, std::int64_t images, std::uint64_t seed, std::uint64_t epoch,
                         const at::Tensor& drawn) {
  const at::Tensor subset = drawn.defined() ? drawn : drawn_places(all, images, seed);
  std::mt19937_64 generator(seed + 1);
  at::Tensor order = shuffled_order(images, generator);
  // Each epoch draws on where the one before it stopped.
  for (std::uint64_t i = 0; i < epoch; ++i) order = shuffled_order(images, generator);
  return subset.index_select(0, order);
}

}  // namespace

at::Tensor drawn_places(std::int64_t all, std::int64_t images, std::uint64_t seed) {
  std::mt19937_64 generator(seed);
  return shuffled_order(all, generator).narrow(0, 0, images > 0 ? std::min(images, all) : all);
}

struct Batches::Impl {
  const Split& split;
  host::Shape shape;
  std::vector<std::uint8_t> fill;
  Augmentation augmentation;
  std::uint64_t augmentation_seed = 0;
  at::Tensor order;
  std::int64_t batch = 1;
  std::int64_t count = 0;

  std::mutex mutex;
  std::condition_variable_any changed;
  std::queue<Batch> ready;  // guarded by mutex, as the next two
  std::exception_ptr failure;
  bool finished = false;
  std::jthread thread;  // last: it ends before what it uses

  explicit Impl(const Split& from) : split(from) {}

  [[nodiscard]] Batch prepare(std::int64_t number) const;
  void prepare_all(const std::stop_token& stop);
  std::optional<Batch> next();
};

Batch Batches::Impl::prepare(std::int64_t number) const {
  Batch result{at::empty({batch, shape.channels, shape.height, shape.width}, at::kByte),
               at::empty({batch}, at::kLong), order.narrow(0, number * batch, batch)};
  const auto* indices = result.indices.data_ptr<std::int64_t>();
  auto* labels = result.labels.data_ptr<std::int64_t>();
  auto* pixels = result.pixels.data_ptr<std::uint8_t>();
  const std::int64_t bytes = shape.elements();
  for (std::int64_t i = 0; i < batch; ++i) {
    const Change change = draw_change(augmentation, augmentation_seed, number * batch + i);
    write_image(split.pixels.data() + indices[i] * bytes, shape, change, fill, pixels + i * bytes);
    labels[i] = split.labels[indices[i]];
  }
  return result;
}

void Batches::Impl::prepare_all(const std::stop_token& stop) {
  try {
    for (std::int64_t number = 0; number < count && !stop.stop_requested(); ++number) {
      Batch batch_ready = prepare(number);
      std::unique_lock lock(mutex);
      if (!changed.wait(lock, stop, [&] { return ready.size() < kReady; })) return;
      ready.push(std::move(batch_ready));
      changed.notify_all();
    }
  } catch (...) {
    const std::lock_guard lock(mutex);
    failure = std::current_exception();
  }
  const std::lock_guard lock(mutex);
  finished = true;
  changed.notify_all();
}

std::optional<Batch> Batches::Impl::next() {
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return !ready.empty() || finished; });
  if (ready.empty()) {
    if (failure) std::rethrow_exception(failure);
    return {};
  }
  Batch batch_ready = std::move(ready.front());
  ready.pop();
  changed.notify_all();
  return batch_ready;
}

Batches::Batches(const Split& split, const host::Shape& shape, const std::vector<float>& mean,
                 const Options& options)
    : impl_(std::make_unique<Impl>(split)) {
  const auto all = static_cast<std::int64_t>(split.size());
  if (all == 0 || options.batch < 1 || options.images < 0 || options.augmentation.shift < 0)
    throw InputError(fmt::format(
        "cannot cut {} images into batches of {} (from {} images, shift {}): use positive numbers", all,
        options.batch, options.images, options.augmentation.shift));
  if (split.pixels.size() != split.size() * static_cast<std::size_t>(shape.elements()) ||
      mean.size() != static_cast<std::size_t>(shape.channels))
    throw InputError(
        fmt::format("{} pixel bytes and {} means do not belong to {} images of {}x{}x{}: use the set's own "
                    "shape and mean",
                    split.pixels.size(), mean.size(), all, shape.channels, shape.height, shape.width));
  const std::int64_t images = options.images > 0 ? std::min(options.images, all) : all;
  impl_->shape = shape;
  for (const float value : mean)
    impl_->fill.push_back(static_cast<std::uint8_t>(std::clamp(std::floor(255.0 * value + 0.5), 0.0, 255.0)));
  impl_->augmentation = options.augmentation;
  impl_->augmentation_seed = mix(mix(options.seed) + options.epoch);
  impl_->order = order_of_pass(all, images, options.seed, options.epoch, options.drawn);
  impl_->batch = std::min(options.batch, images);
  impl_->count = images / impl_->batch;
  impl_->thread =
      std::jthread([impl = impl_.get()](const std::stop_token& stop) { impl->prepare_all(stop); });
}

Batches::~Batches() = default;

std::int64_t Batches::count() const { return impl_->count; }

std::optional<Batch> Batches::next() { return impl_->next(); }

}  // namespace bitloop::quant
