#include "tests/host/network/random_graphs.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <stdexcept>
#include <utility>
#include <vector>

#include "tests/host/network/random_cases.h"

namespace bitloop::host::test {
namespace {

constexpr std::size_t kFewestLayers = 4;
constexpr std::size_t kMostLayers = 10;
constexpr long kMostMacs = 2'000'000;     // of a network
constexpr long kMostLayerMacs = 300'000;  // of a layer, where its kernel is free
constexpr int kMostConcatChannels = 200;
constexpr int kLargestConcatArea = 100;    // positions
constexpr int kLargestUpsampledArea = 80;  // positions, before
constexpr int kLargestSqueezedArea = 400;  // positions: the smallest hardware holds one window of all of them
constexpr int kAttempts = 10'000;

/// A network that grows block by block: each takes the tensor that the last one led to and returns the one
/// that it leads to itself.
class Grower {
 public:
  explicit Grower(std::mt19937_64& random) : random_(random) {
    network_.name = "random";
    const int channels = one_of({1, 1, 2, 3, 4});
    tensor("image", {channels, between(random_, 4, 24), between(random_, 4, 24)});
  }

  Network grow(std::uint64_t theme) {
    std::vector<std::uint64_t> themes{theme};
    for (int more = between(random_, 0, 3); more > 0; --more) themes.push_back(random_() % kGraphThemes);
    std::swap(themes.front(), themes[random_() % themes.size()]);
    int trunk = conv(0, any_filters(), one_of({1, 1, 2}));
    for (const std::uint64_t next : themes) trunk = block(next, trunk);
    end(trunk);
    derive_signedness(network_);
    return std::move(network_);
  }

 private:
  int one_of(std::initializer_list<int> values) { return values.begin()[random_() % values.size()]; }
  int any_filters() { return one_of({5, 8, 17, 24, 32, 33, 40, 64, 70}); }
  [[nodiscard]] const Shape& shape(int index) const { return network_.tensors[index].shape; }
  [[nodiscard]] int area(int index) const { return shape(index).height * shape(index).width; }

  int tensor(const std::string& name, const Shape& shape) {
    network_.tensors.push_back({name, shape, false});
    return static_cast<int>(network_.tensors.size()) - 1;
  }

  static Layer reading(LayerKind kind, std::vector<int> inputs) {
    Layer layer;
    layer.kind = kind;
    layer.inputs = std::move(inputs);
    return layer;
  }

  int append(Layer layer, const char* kind, Shape shape) {
    layer.name = fmt::format("{}{}", kind, network_.layers.size() + 1);
    layer.output = tensor(layer.name, shape);
    network_.layers.push_back(layer);
    return layer.output;
  }

  Activation any_activation() {
    return static_cast<Activation>(random_() % 4);  // none, ReLU, ReLU6, leaky ReLU
  }

  int window_layer(Layer layer, const char* kind, int channels) {
    Shape out = layer.window().over(shape(layer.input()));
    out.channels = channels;
    return append(std::move(layer), kind, out);
  }

  /// Keeps the size where the stride is 1.
  int conv(int in, int filters, int stride) {
    int kernel = one_of({1, 3, 3, 5});
    const auto macs = [&] {
      return static_cast<long>(kernel) * kernel * shape(in).channels * filters * area(in) / (stride * stride);
    };
    while (kernel > 1 && macs() > kMostLayerMacs) kernel -= 2;
    Layer layer = reading(LayerKind::conv, {in});
    layer.kernel_height = layer.kernel_width = kernel;
    layer.stride = stride;
    layer.pad = kernel / 2;
    layer.activation = any_activation();
    return window_layer(layer, "conv", filters);
  }

  int depthwise(int in, int stride) {
    const int kernel = one_of({3, 3, 5});
    Layer layer = reading(LayerKind::depthwise, {in});
    layer.kernel_height = layer.kernel_width = kernel;
    layer.stride = stride;
    layer.pad = kernel / 2;
    layer.activation = any_activation();
    return window_layer(layer, "depthwise", shape(in).channels);
  }

  int pool(LayerKind kind, int in, int kernel, int stride, int pad) {
    return pool(kind, in, kernel, stride, pad, pad);
  }

  int pool(LayerKind kind, int in, int kernel, int stride, int pad, int pad_end) {
    Layer layer = reading(kind, {in});
    layer.kernel_height = layer.kernel_width = kernel;
    layer.stride = stride;
    layer.pad = {pad, pad, pad_end, pad_end};
    return window_layer(layer, kind == LayerKind::max_pool ? "max" : "average", shape(in).channels);
  }

  /// 1x1 or 2x2, as the image allows.
  int halve(int in) {
    if (std::min(shape(in).height, shape(in).width) < 2) return pool(LayerKind::max_pool, in, 1, 1, 0);
    return pool(LayerKind::max_pool, in, 2, 2, 0);
  }

  int add(int first, int second) {
    Layer layer = reading(LayerKind::add, {first, second});
    if (random_() % 2 == 0) std::swap(layer.inputs[0], layer.inputs[1]);
    layer.activation = static_cast<Activation>(random_() % 3);
    return append(layer, "add", shape(first));
  }

  int concat(const std::vector<int>& inputs) {
    Shape sum = shape(inputs.front());
    sum.channels = 0;
    for (const int input : inputs) sum.channels += shape(input).channels;
    return append(reading(LayerKind::concat, inputs), "concat", sum);
  }

  int select(int in, std::vector<int> channels) {
    const Shape& s = shape(in);
    Layer layer = reading(LayerKind::select, {in});
    layer.channels = std::move(channels);
    return append(layer, "select", {static_cast<int>(layer.channels.size()), s.height, s.width});
  }

  int slice(int in, int first, int count) {
    std::vector<int> channels(static_cast<std::size_t>(count));
    std::iota(channels.begin(), channels.end(), first);
    return select(in, channels);
  }

  /// ShuffleNet's, or any order.
  int shuffle(int in) {
    const int channels = shape(in).channels;
    std::vector<int> order(static_cast<std::size_t>(channels));
    const int groups = channels % 2 == 0 ? 2 : channels % 3 == 0 ? 3 : 1;
    for (int c = 0; c < channels; ++c) order[c] = c % groups * (channels / groups) + c / groups;
    if (groups == 1 || random_() % 3 == 0) std::shuffle(order.begin(), order.end(), random_);
    return select(in, order);
  }

  int upsample(int in) {
    const Shape& s = shape(in);
    Layer layer = reading(LayerKind::upsample, {in});
    layer.stride = 2;
    return append(layer, "upsample", {s.channels, 2 * s.height, 2 * s.width});
  }

  int linear(int in, int outputs, bool last) {
    Layer layer = reading(LayerKind::linear, {in});
    if (!last) layer.activation = any_activation();
    return append(layer, "linear", {outputs, 1, 1});
  }

  int block(std::uint64_t theme, int trunk) {
    switch (theme) {
      case 0:
        return depthwise(trunk, one_of({1, 2}));
      case 1:
        return odd_pool(trunk);
      case 2:
        return average(trunk);
      case 3:
        return residual(trunk);
      case 4:
        return pooled_residual(trunk);
      case 5:
        return add(conv_like(trunk, trunk), conv_like(trunk, trunk));
      case 6:
        return joined(trunk);
      case 7:
        return routed(trunk);
      case 8:
        return with_second_result(trunk);
      case 9:
        return separable(trunk);
      case 10:
        return any_window(trunk, random_() % 3 == 0 ? LayerKind::depthwise : LayerKind::conv);
      case 11:
        return phases(trunk);
      case 12:
        return grouped(trunk);
      case 13:
        return joined_anyhow(trunk);
      case 14:
        return shuffled(trunk);
      case 15:
        return multiplied(trunk);
      case 16:
        return with_functions(trunk);
      case 17:
        return squeeze_and_excite(trunk);
      default:
        return any_window(trunk, random_() % 3 == 0 ? LayerKind::max_pool : LayerKind::average_pool);
    }
  }

  Padding any_padding(int most) {
    const auto side = [&] { return between(random_, 0, most); };
    return {side(), side(), side(), side()};
  }

  /// Kernel, steps and paddings of rows and columns on their own. Windows of convolutions may lie in the
  /// padding only, those of pools may not.
  int any_window(int in, LayerKind kind) {
    const bool pool = kind == LayerKind::max_pool || kind == LayerKind::average_pool;
    Layer layer = reading(kind, {in});
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
      layer.kernel_height = one_of({1, 2, 3, 3, 5, 7});
      layer.kernel_width = one_of({1, 2, 3, 3, 5, 7});
      layer.stride = {one_of({1, 1, 2, 3}), one_of({1, 1, 2, 3})};
      if (kind != LayerKind::average_pool) layer.dilation = {one_of({1, 1, 2, 3}), one_of({1, 1, 2, 3})};
      const int smaller = std::min(layer.kernel_height, layer.kernel_width);
      layer.pad = any_padding(pool ? smaller - 1 : std::max(layer.kernel_height, layer.kernel_width) + 1);
      if (kind == LayerKind::average_pool && random_() % 3 != 0) layer.uncounted = part_of(layer.pad);
      const Shape out = layer.window().over(shape(in));
      const long macs = kind == LayerKind::conv
                            ? shape(in).channels * 40L * layer.window().taps() * out.height * out.width
                            : 0;
      const bool fits = out.height > 0 && out.width > 0 && out.height * out.width <= 2 * area(in) + 8;
      if (fits && macs <= kMostLayerMacs && (!pool || reads_input(layer, in, out))) break;
      layer = reading(kind, {in});
    }
    if (!pool) layer.activation = any_activation();
    const int channels = kind == LayerKind::conv ? between(random_, 1, 40) : shape(in).channels;
    return window_layer(layer,
                        kind == LayerKind::conv        ? "conv"
                        : kind == LayerKind::depthwise ? "depthwise"
                        : kind == LayerKind::max_pool  ? "max"
                                                       : "average",
                        channels);
  }

  /// Several layers of the trunk side by side, and at times the trunk itself.
  int phases(int trunk) {
    while (area(trunk) > kLargestUpsampledArea) trunk = halve(trunk);
    Layer layer = reading(LayerKind::interleave, {});
    layer.stride = random_() % 2 == 0 ? Steps(1, 2) : Steps(2, one_of({1, 2}));
    for (int i = 0; i < layer.stride.y * layer.stride.x; ++i)
      layer.inputs.push_back(i == 1 && random_() % 3 == 0 ? trunk : conv_like(trunk, trunk));
    const Shape& s = shape(trunk);
    return append(layer, "interleave", {s.channels, s.height * layer.stride.y, s.width * layer.stride.x});
  }

  /// All of it, or some.
  Padding part_of(const Padding& pad) {
    if (random_() % 2 == 0) return pad;
    const auto some = [&](int side) { return between(random_, 0, side); };
    return {some(pad.top), some(pad.left), some(pad.bottom), some(pad.right)};
  }

  /// Whether the windows at the corners, which reach furthest out, have taps in the input.
  [[nodiscard]] bool reads_input(Layer layer, int in, const Shape& out) const {
    const Window w = layer.window();
    const auto taps = [](int start, int kernel, int dilation, int size) {
      for (int tap = 0; tap < kernel; ++tap) {
        if (start + tap * dilation >= 0 && start + tap * dilation < size) return true;
      }
      return false;
    };
    for (const int y : {0, out.height - 1}) {
      for (const int x : {0, out.width - 1}) {
        if (!taps(w.row(y, 0), w.height, w.dilation.y, shape(in).height)) return false;
        if (!taps(w.column(x, 0), w.width, w.dilation.x, shape(in).width)) return false;
      }
    }
    return true;
  }

  /// A layer of stride 1 with weights, whose result has the channels of `like`.
  int conv_like(int in, int like) {
    if (shape(in).channels == shape(like).channels && random_() % 4 == 0) return depthwise(in, 1);
    return conv(in, shape(like).channels, 1);
  }

  int odd_pool(int trunk) {
    const int smallest = std::min(shape(trunk).height, shape(trunk).width);
    const int in = random_() % 2 == 0 ? trunk : conv(trunk, any_filters(), 1);
    switch (random_() % 4) {
      case 0:
        return smallest < 3 ? halve(in) : pool(LayerKind::max_pool, in, 3, 2, 1);
      case 1:
        return smallest < 3 ? halve(in) : pool(LayerKind::max_pool, in, 3, 1, 1);
      case 2:
        return pool(LayerKind::max_pool, in, 2, 1, 0, 1);  // YOLOv3-tiny's, which keeps the size
      default:
        return halve(in);
    }
  }

  int average(int trunk) {
    const Shape& s = shape(trunk);
    if (std::min(s.height, s.width) < 3) return pool(LayerKind::average_pool, trunk, 1, 1, 0);
    if (random_() % 3 == 0) return pool(LayerKind::average_pool, trunk, 3, 1, 1);
    return pool(LayerKind::average_pool, trunk, 2, 2, 0);
  }

  /// The trunk is read by an add and by a layer with weights: in two widths, where the policy says so.
  int residual(int trunk) {
    int branch = conv_like(trunk, trunk);
    if (random_() % 2 == 0) branch = conv_like(branch, trunk);
    return add(trunk, branch);
  }

  /// A max pool between the trunk and an add: one width class of tensors that are read in two widths.
  int pooled_residual(int trunk) {
    if (random_() % 2 == 0) {
      const int pooled = halve(trunk);
      return add(pooled, conv_like(pooled, trunk));
    }
    if (random_() % 2 == 0) {  // the add reads before the pool, the convolution behind it
      const int pooled = pool(LayerKind::max_pool, trunk, 3, 1, 1);
      return add(trunk, conv_like(pooled, trunk));
    }
    const int branch = conv(trunk, shape(trunk).channels, 1);  // both operands pass a pool
    return add(halve(trunk), halve(branch));
  }

  /// Parts of 64 or 128 channels and a last one of any number.
  int joined(int trunk) {
    while (area(trunk) > kLargestConcatArea) trunk = halve(trunk);
    std::vector<int> parts;
    const bool whole = shape(trunk).channels == 64 || shape(trunk).channels == 128;
    parts.push_back(whole && random_() % 2 == 0 ? trunk : conv(trunk, one_of({64, 64, 128}), 1));
    if (shape(parts.front()).channels == 64 && random_() % 2 == 0) {
      parts.push_back(random_() % 2 == 0 ? conv(parts.front(), 64, 1) : depthwise(parts.front(), 1));
    }
    int channels = 0;
    for (const int part : parts) channels += shape(part).channels;
    const bool short_cut = shape(trunk).channels + channels <= kMostConcatChannels && parts.front() != trunk;
    parts.push_back(short_cut && random_() % 3 == 0
                        ? trunk
                        : conv(trunk, std::min(any_filters(), kMostConcatChannels - channels), 1));
    return concat(parts);
  }

  /// YOLOv3's route: half the size, upsampled and joined with what was there before.
  int routed(int trunk) {
    while (area(trunk) > kLargestConcatArea) trunk = halve(trunk);
    if (shape(trunk).height % 2 != 0 || shape(trunk).width % 2 != 0) {
      return area(trunk) > kLargestUpsampledArea ? trunk : upsample(trunk);
    }
    if (shape(trunk).channels > kMostConcatChannels - 64) return depthwise(trunk, 1);
    const int small = random_() % 2 == 0 ? conv(halve(trunk), 64, 1) : conv(trunk, 64, 2);
    return concat({upsample(small), trunk});
  }

  int grouped(int trunk) {
    const int groups = one_of({2, 3, 4, 8});
    int in = trunk;
    if (shape(in).channels % groups != 0) in = conv(trunk, groups * one_of({3, 5, 8, 12, 20}), 1);
    const int filters = groups * one_of({1, 4, 7, 10});
    const int out = conv(in, filters, 1);
    network_.layers.back().groups = groups;
    return random_() % 2 == 0 ? shuffle(out) : out;
  }

  /// Parts of any numbers of channels, one of them in two concats or twice in one.
  int joined_anyhow(int trunk) {
    while (area(trunk) > kLargestConcatArea) trunk = halve(trunk);
    const int first = conv(trunk, any_filters(), 1);
    const int second = random_() % 2 == 0 ? conv(trunk, any_filters(), 1) : depthwise(first, 1);
    const int both = concat({first, second});
    switch (random_() % 4) {
      case 0:
        return concat({both, conv(both, one_of({4, 12, 32}), 1)});  // as DenseNet does
      case 1:
        return concat({second, conv(both, one_of({4, 12, 32}), 1), first});
      case 2:
        return add(both, conv_like(both, both));
      default:
        return depthwise(both, 1);
    }
  }

  /// ShuffleNet's unit: half of the channels pass, the others are computed with.
  int shuffled(int trunk) {
    while (area(trunk) > kLargestConcatArea) trunk = halve(trunk);
    for (int unit = between(random_, 1, 2); unit > 0; --unit) {
      const int channels = shape(trunk).channels;
      if (channels < 2) return shuffle(trunk);
      const int half = channels / 2;
      const int kept = slice(trunk, 0, half);
      const int moved = slice(trunk, half, channels - half);
      trunk = shuffle(concat({kept, random_() % 2 == 0 ? conv_like(moved, moved) : depthwise(moved, 1)}));
    }
    return trunk;
  }

  /// A depthwise layer with several filters per channel.
  int multiplied(int trunk) {
    const int in = shape(trunk).channels > 40 ? conv(trunk, one_of({5, 24, 33}), 1) : trunk;
    depthwise(in, 1);
    Layer& layer = network_.layers.back();
    Shape& out = network_.tensors[layer.output].shape;
    out.channels = one_of({2, 3}) * shape(in).channels;
    return layer.output;
  }

  int with_second_result(int trunk) {
    if (network_.outputs.empty()) network_.outputs.push_back(result(trunk));
    return conv(trunk, any_filters(), one_of({1, 2}));
  }

  /// MobileNet-V2's inverted residual.
  int separable(int trunk) {
    const int wide = conv(trunk, one_of({24, 40, 64}), 1);
    const int narrow = conv_like(depthwise(wide, 1), trunk);
    return random_() % 2 == 0 ? add(trunk, narrow) : narrow;
  }

  int function(int in) {
    Layer layer = reading(LayerKind::function, {in});
    layer.function = random_() % 2 == 0 ? "x sigmoid" : "x x sigmoid mul";
    return append(layer, "function", shape(in));
  }

  /// Functions behind layers whose drain they can join, behind others, and before an add or a max pool.
  int with_functions(int trunk) {
    int x = trunk;
    switch (random_() % 5) {
      case 0:
        x = conv(trunk, any_filters(), 1);
        break;
      case 1:
        x = depthwise(trunk, 1);
        break;
      case 2:
        x = add(trunk, conv_like(trunk, trunk));
        break;
      case 3:
        x = average(trunk);
        break;
      default:
        x = halve(trunk);
    }
    x = function(x);
    if (random_() % 3 == 0) return halve(x);
    return random_() % 2 == 0 ? add(x, function(conv_like(x, x))) : x;
  }

  int global_average(int in) {
    const Shape& s = shape(in);
    Layer layer = reading(LayerKind::average_pool, {in});
    layer.kernel_height = s.height;
    layer.kernel_width = s.width;
    return window_layer(layer, "average", s.channels);
  }

  int product(int in, int vector) {
    return append(reading(LayerKind::product, {in, vector}), "product", shape(in));
  }

  /// A tensor times what a convolution or linear layer makes of its channels' means: signed, unsigned,
  /// through a table, some of its channels only, for one or two tensors.
  int squeeze_and_excite(int trunk) {
    while (area(trunk) > kLargestSqueezedArea) trunk = halve(trunk);
    const int in = random_() % 2 == 0 ? trunk : conv_like(trunk, trunk);
    const int channels = shape(in).channels, others = one_of({0, 0, 7, 32});
    int gate = global_average(in);
    gate = random_() % 2 == 0 ? conv(gate, others + channels, 1) : linear(gate, others + channels, false);
    if (others > 0) gate = slice(gate, others, channels);
    if (random_() % 2 == 0) gate = function(gate);
    const int scaled = product(in, gate);
    if (random_() % 4 == 0) return add(scaled, product(conv_like(in, in), gate));
    if (random_() % 4 == 0) return function(scaled);
    return random_() % 2 == 0 ? add(scaled, trunk) : scaled;
  }

  int result(int trunk) {
    const int outputs = between(random_, 3, 40);
    const bool fits = shape(trunk).elements() * outputs <= kMostLayerMacs;
    if (fits && random_() % 3 != 0) return linear(trunk, outputs, true);
    const int last = conv(trunk, outputs, 1);
    network_.layers.back().activation = Activation::none;
    return last;
  }

  void end(int trunk) {
    if (random_() % 3 == 0) trunk = global_average(trunk);
    if (random_() % 4 == 0 && shape(trunk).elements() < 4000)
      trunk = linear(trunk, between(random_, 10, 70), false);
    network_.outputs.push_back(result(trunk));
  }

  std::mt19937_64& random_;
  Network network_;
};

bool is_small(const Network& network) {
  long macs = 0;
  for (const Layer& layer : network.layers) macs += network.macs(layer);
  return network.layers.size() >= kFewestLayers && network.layers.size() <= kMostLayers && macs <= kMostMacs;
}

}  // namespace

Network random_graph(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    Network network = Grower(random).grow(seed % kGraphThemes);
    if (!is_small(network)) continue;
    network.validate();
    return network;
  }
  throw std::logic_error(fmt::format("random_graph: no small network for seed {}", seed));
}

}  // namespace bitloop::host::test
