// The hand-written passes of the graph that is retrained: gradients against LibTorch's automatic ones on an
// independently written forward pass, codes against the golden integer functions.
#include <gtest/gtest.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "quant/retraining/integers.h"
#include "quant/retraining/quantized_graph.h"
#include "quant/retraining/weight_rounding.h"
#include "quant/tensor/per_filter.h"
#include "quant/tensor/threads.h"
#include "quant/training/function.h"
#include "tests/quant/fixtures.h"

namespace bitloop::quant {
namespace {

using host::Activation;
using host::LayerKind;

/// `value` forward, the gradient of `through` backward.
at::Tensor straight_through(const at::Tensor& value, const at::Tensor& through) {
  return through + (value - through).detach();
}

at::Tensor padded(const host::Layer& layer, const at::Tensor& x, double value) {
  return at::constant_pad_nd(x, {layer.pad.left, layer.pad.right, layer.pad.top, layer.pad.bottom}, value);
}

/// Appends layers to a network; every call returns the tensor that its layer writes.
struct Builder {
  host::Network network;

  int add(host::Layer layer, int filters = 0) {
    const host::Shape in = network.tensors.at(layer.input()).shape;
    host::Shape out = in;
    if (layer.kind == LayerKind::concat) {
      out.channels = 0;
      for (const int input : layer.inputs) out.channels += network.tensors.at(input).shape.channels;
    } else if (layer.kind == LayerKind::select) {
      out.channels = static_cast<int>(layer.channels.size());
    } else if (layer.kind == LayerKind::upsample || layer.kind == LayerKind::interleave) {
      out = {in.channels, in.height * layer.stride.y, in.width * layer.stride.x};
    } else if (layer.kind != LayerKind::add) {
      out = layer.kind == LayerKind::linear ? host::Shape{} : layer.window().over(in);
      out.channels = filters > 0 ? filters : in.channels;
    }
    layer.name = "layer" + std::to_string(network.layers.size());
    layer.output = static_cast<int>(network.tensors.size());
    network.tensors.push_back({layer.name, out});
    network.layers.push_back(layer);
    return layer.output;
  }
};

/// Every kind of layer, activation and form of a tensor that a classifier can have.
host::Network every_kind() {
  Builder b;
  b.network.name = "every-kind";
  b.network.tensors = {{"image", {3, 8, 8}}};
  const auto conv = [&](int input, int filters, int kernel, int pad, Activation activation, bool batch_norm,
                        int stride = 1) {
    return b.add({.name = "",
                  .inputs = {input},
                  .kernel_height = kernel,
                  .kernel_width = kernel,
                  .stride = stride,
                  .pad = pad,
                  .activation = activation,
                  .batch_norm = batch_norm},
                 filters);
  };
  const int a = conv(0, 8, 3, 1, Activation::relu, true);
  const int narrowed = b.add({.name = "",
                              .kind = LayerKind::depthwise,
                              .inputs = {a},
                              .kernel_height = 3,
                              .kernel_width = 3,
                              .stride = 2,
                              .pad = {0, 0, 1, 1},
                              .activation = Activation::relu6,
                              .batch_norm = true});
  const int plain = conv(narrowed, 8, 1, 0, Activation::none, true);
  const int leaky = conv(narrowed, 8, 1, 0, Activation::leaky_relu, false);
  b.network.layers.back().negative_slopes = {0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8};
  const int sum = b.add({.name = "", .kind = LayerKind::add, .inputs = {plain, leaky}});
  const int bent = conv(sum, 8, 1, 0, Activation::none, true);
  const int curved =
      b.add({.name = "", .kind = LayerKind::function, .inputs = {bent}, .function = "x x sigmoid mul"});
  const int squeezed = b.add({.name = "",
                              .kind = LayerKind::average_pool,
                              .inputs = {curved},
                              .kernel_height = 4,
                              .kernel_width = 4});
  const int excited = conv(squeezed, 8, 1, 0, Activation::none, false);
  const int gate =
      b.add({.name = "", .kind = LayerKind::function, .inputs = {excited}, .function = "x sigmoid"});
  const int gated = b.add({.name = "", .kind = LayerKind::product, .inputs = {curved, gate}});
  const int inner = b.add({.name = "",
                           .inputs = {gated},
                           .kernel_height = 3,
                           .kernel_width = 2,
                           .pad = {1, 0, 1, 2},
                           .activation = Activation::relu,
                           .batch_norm = true,
                           .dilation = {1, 2}},
                          8);
  const int outer =
      b.add({.name = "", .kind = LayerKind::add, .inputs = {sum, inner}, .activation = Activation::relu});
  const int average = b.add({.name = "",
                             .kind = LayerKind::average_pool,
                             .inputs = {outer},
                             .kernel_height = 3,
                             .kernel_width = 3,
                             .stride = 2,
                             .pad = 1,
                             .uncounted = {1, 1, 0, 1}});
  const int large = b.add({.name = "", .kind = LayerKind::upsample, .inputs = {average}, .stride = 2});
  const int joined = b.add({.name = "", .kind = LayerKind::concat, .inputs = {large, outer}});
  const int largest = b.add({.name = "",
                             .kind = LayerKind::max_pool,
                             .inputs = {joined},
                             .kernel_height = 2,
                             .kernel_width = 2,
                             .stride = 1,
                             .pad = {0, 0, 1, 1}});
  const int sides =
      b.add({.name = "", .kind = LayerKind::interleave, .inputs = {largest, joined}, .stride = {1, 2}});
  const int last = conv(sides, 8, 3, 1, Activation::relu, true, 2);
  b.network.outputs = {b.add({.name = "", .kind = LayerKind::linear, .inputs = {last}}, 10)};
  host::derive_signedness(b.network);
  b.network.validate();
  return b.network;
}

/// Chosen channels, groups, and several filters per channel.
host::Network channels() {
  Builder b;
  b.network.name = "channels";
  b.network.tensors = {{"image", {3, 8, 8}}};
  const int first = b.add({.name = "",
                           .inputs = {0},
                           .kernel_height = 3,
                           .kernel_width = 3,
                           .pad = 1,
                           .activation = Activation::relu,
                           .batch_norm = true},
                          12);
  const int chosen =
      b.add({.name = "", .kind = LayerKind::select, .inputs = {first}, .channels = {9, 2, 7, 0, 11, 4}});
  const int grouped = b.add({.name = "",
                             .inputs = {chosen},
                             .kernel_height = 3,
                             .kernel_width = 3,
                             .stride = 2,
                             .pad = 1,
                             .batch_norm = true,
                             .groups = 3},
                            6);
  const int doubled = b.add(
      {.name = "", .kind = LayerKind::depthwise, .inputs = {grouped}, .activation = Activation::relu}, 12);
  b.network.outputs = {b.add({.name = "", .kind = LayerKind::linear, .inputs = {doubled}}, 10)};
  host::derive_signedness(b.network);
  b.network.validate();
  return b.network;
}

Dataset random_dataset(const host::Shape& shape) {
  constexpr std::size_t kImages = 200;
  Dataset data;
  data.name = data.spec = "random";
  data.shape = shape;
  data.mean = std::vector<float>(static_cast<std::size_t>(shape.channels), 0.483F);
  data.deviation = std::vector<float>(static_cast<std::size_t>(shape.channels), 0.29F);
  data.train.pixels = random_bytes(kImages * static_cast<std::size_t>(shape.elements()), 5);
  for (std::size_t i = 0; i < kImages; ++i) data.train.labels.push_back(static_cast<std::uint16_t>(i % 10));
  data.reward = data.test = data.train;
  data.split_hash = "random";
  return data;
}

/// A parameter's place in a vector of all.
at::Tensor place(const at::Tensor& flat, const Parameter& parameter) {
  return flat.narrow(0, parameter.value.storage_offset(), parameter.value.numel())
      .view(parameter.value.sizes());
}

/// The graph by LibTorch's own operations on codes, in double. Scales, statistics and the signs of gains stay
/// where the formulae have them: no gradient is known beforehand.
class Reference {
 public:
  Reference(const QuantizedGraph& graph, const at::Tensor& flat, bool of_batch)
      : graph_(graph), flat_(flat), of_batch_(of_batch) {}

  at::Tensor logits(const at::Tensor& images) {
    const host::Network& network = graph_.start().network;
    written_.resize(network.tensors.size());
    narrow_.resize(network.tensors.size());
    written_[static_cast<std::size_t>(network.input)] = images.to(at::kDouble);
    for (const Step& step : graph_.start().steps) {
      const auto t = static_cast<std::size_t>(step.output);
      written_[t] = result(step);
      const int bits = graph_.bits().narrow.at(t);
      if (bits != 0)
        narrow_[t] = rounded(written_[t] * multiplier(scale(step.output, 8) / scale(step.output, bits)),
                             code_range(bits, network.tensors[t].is_signed));
    }
    return written_[static_cast<std::size_t>(network.output())].flatten(1);
  }

 private:
  static at::Tensor rounded(const at::Tensor& exact, const CodeRange& range) {
    const at::Tensor clamped = exact.clamp(range.low, range.high);
    return straight_through(exact.detach().add(0.5).floor().clamp(range.low, range.high), clamped);
  }
  static at::Tensor multiplier(const at::Tensor& exact) {
    return straight_through(
        per_filter(round_to_multiplier, exact.detach().abs().to(at::kFloat)).to(at::kDouble) *
            exact.detach().sign(),
        exact);
  }
  static at::Tensor by_filter(const at::Tensor& t, const at::Tensor& like) {
    return like.dim() == 4 ? t.view({1, -1, 1, 1}) : t.view({1, -1});
  }
  [[nodiscard]] at::Tensor scale(int tensor, int bits) const {
    if (tensor == graph_.start().network.input) return at::full({}, 1.0 / 255, at::kDouble);
    if (bits == 32) return at::full({}, 1.0, at::kDouble);
    return place(flat_, graph_.log_scale(tensor, bits)).exp();
  }
  [[nodiscard]] const at::Tensor& read(const host::Layer& layer, std::size_t input) const {
    const auto t = static_cast<std::size_t>(layer.inputs.at(input));
    return host::reads_narrow(graph_.bits(), layer, static_cast<int>(t)) ? narrow_[t] : written_[t];
  }
  [[nodiscard]] CodeRange range(const host::Layer& layer) const {
    const int bits = graph_.bits().written.at(layer.output);
    CodeRange r = code_range(bits, graph_.start().network.tensors.at(layer.output).is_signed);
    if (layer.activation == Activation::relu || layer.activation == Activation::relu6) r.low = 0;
    if (layer.activation == Activation::relu6)
      r.high = std::clamp(static_cast<int>(std::floor(6 / scale(layer.output, bits).item<double>() + 0.5)), 1,
                          r.high);
    return r;
  }

  [[nodiscard]] at::Tensor result(const Step& step) const {
    const host::Layer& layer = step.layer != nullptr ? *step.layer : *step.pool;
    const at::Tensor& x = read(layer, 0);
    const at::Tensor out = scale(layer.output, graph_.bits().written.at(layer.output));
    switch (layer.kind) {
      case LayerKind::max_pool: {
        return at::max_pool2d(padded(layer, x, -1e9), {layer.kernel_height, layer.kernel_width},
                              {layer.stride.y, layer.stride.x}, 0, {layer.dilation.y, layer.dilation.x});
      }
      case LayerKind::average_pool: {
        const at::Tensor sums = at::avg_pool2d(padded(layer, x, 0), {layer.kernel_height, layer.kernel_width},
                                               {layer.stride.y, layer.stride.x}) *
                                layer.window().taps();
        at::Tensor multipliers = at::zeros_like(sums.slice(0, 0, 1).slice(1, 0, 1));
        for (int row = 0; row < multipliers.size(2); ++row)
          for (int column = 0; column < multipliers.size(3); ++column) {
            const int taps =
                host::counted_taps(layer, graph_.start().network.input_shape(layer), row, column);
            multipliers.index_put_({0, 0, row, column}, multiplier(scale(layer.input(), 8) / (out * taps)));
          }
        return rounded(sums * multipliers, range(layer));
      }
      case LayerKind::add: {
        const at::Tensor m1 = scale(layer.inputs[0], 8) / out, m2 = scale(layer.inputs[1], 8) / out;
        const SharedMultipliers shared = share_multipliers(m1.item<double>(), m2.item<double>());
        const auto fixed = [&](std::uint16_t m, const at::Tensor& through) {
          return straight_through(at::full({}, shared.value(m), at::kDouble), through);
        };
        return rounded(x * fixed(shared.first, m1) + read(layer, 1) * fixed(shared.second, m2), range(layer));
      }
      case LayerKind::product:
        return rounded(
            x * read(layer, 1) * multiplier(scale(layer.inputs[0], 8) * scale(layer.inputs[1], 8) / out),
            range(layer));
      case LayerKind::function:
        return rounded(function_of(host::Function(layer.function), x * scale(layer.input(), 8)) / out,
                       range(layer));
      case LayerKind::concat:
        return at::cat({x, read(layer, 1)}, 1);
      case LayerKind::interleave:  // of two columns
        return at::stack({x, read(layer, 1)}, 4).flatten(3);
      case LayerKind::upsample:
        return at::upsample_nearest2d(x, {x.size(2) * layer.stride.y, x.size(3) * layer.stride.x});
      case LayerKind::select: {
        std::vector<at::Tensor> chosen;
        for (const int c : layer.channels) chosen.push_back(x.narrow(1, c, 1));
        return at::cat(chosen, 1);
      }
      default:
        return weighted(step, x, out);
    }
  }

  /// A pool behind a layer with weights is fused: it compares results before they are rounded.
  [[nodiscard]] at::Tensor weighted(const Step& step, const at::Tensor& x,
                                    const at::Tensor& out_scale) const {
    const host::Layer& layer = *step.layer;
    const QuantizedGraph::LayerState& state = graph_.layers().at(step.weight_layer);
    const at::Tensor weight = place(flat_, state.weight), gain = place(flat_, state.gain),
                     shift = place(flat_, state.shift), scales = place(flat_, state.log_scale).exp();
    const at::Tensor ratio = weight / (weight.dim() == 4 ? scales.view({-1, 1, 1, 1}) : scales.view({-1, 1}));
    const at::Tensor values = straight_through(weight_values(ratio.detach(), state.bits),
                                               ratio * weight_pass(ratio.detach(), state.bits));
    const at::Tensor d = layer.kind == LayerKind::linear
                             ? at::linear(x.flatten(1), values)
                             : at::conv2d(padded(layer, x, 0), values, {}, {layer.stride.y, layer.stride.x},
                                          at::IntArrayRef{0, 0}, {layer.dilation.y, layer.dilation.x},
                                          graph_.start().network.groups(layer));
    const at::Tensor unit = scales * scale(layer.input(), graph_.bits().read(layer.input()));
    at::Tensor mean = state.mean.to(at::kDouble), inverse = state.inverse_deviation.to(at::kDouble);
    if (state.normalized && of_batch_) {
      const at::Tensor real = d * by_filter(unit, d);
      const auto dimensions =
          d.dim() == 4 ? std::vector<std::int64_t>{0, 2, 3} : std::vector<std::int64_t>{0};
      mean = real.mean(dimensions);
      inverse = (real.var(dimensions, false) + kBatchNormEpsilon).rsqrt();
    }
    const bool is_sum = graph_.bits().written.at(layer.output) == 32;
    const at::Tensor offset = (shift - gain * inverse * mean) / out_scale;
    const at::Tensor in_parts =
        is_sum ? offset
               : straight_through(per_filter(round_to_parts, offset.detach().to(at::kFloat)).to(at::kDouble),
                                  offset);
    const auto exact = [&](const at::Tensor& slope) {
      const at::Tensor m = multiplier(multiplier(gain * inverse * unit / out_scale) * slope);
      const at::Tensor o = in_parts * slope;
      const at::Tensor bias = straight_through(
          per_filter(round_to_bias, o.detach().to(at::kFloat), m.detach().abs().to(at::kFloat))
              .to(at::kDouble),
          o);
      return d * by_filter(m, d) + by_filter(bias, d);
    };
    at::Tensor z = exact(at::ones({1}, at::kDouble));
    if (layer.activation == Activation::leaky_relu)
      z = at::where(z < 0, exact(at::tensor(layer.negative_slopes, at::kDouble)), z);
    if (is_sum) return z;
    if (step.pool != nullptr)
      z = at::max_pool2d(z, {step.pool->kernel_height, step.pool->kernel_width},
                         {step.pool->stride.y, step.pool->stride.x});
    const host::Shape& shape = graph_.start().network.tensors.at(step.output).shape;
    return rounded(z, range(layer)).view({-1, shape.channels, shape.height, shape.width});
  }

  const QuantizedGraph& graph_;
  at::Tensor flat_;
  bool of_batch_;
  std::vector<at::Tensor> written_, narrow_;
};

/// Computed once for all tests of this file.
const StartPoint& start_point(const std::string& network_name) {
  static const Dataset bars = bars_dataset();
  static const Dataset noise = random_dataset({3, 8, 8});
  static const host::Network lenet = host::zoo_network("lenet"), small = every_kind(), chosen = channels();
  static const StartPoint lenet_start(lenet, FloatCheckpoint::train(lenet, bars, {.epochs = 1, .batch = 32}),
                                      bars);
  static const StartPoint small_start(small, FloatCheckpoint::untrained(small, noise, 7), noise);
  static const StartPoint chosen_start(chosen, FloatCheckpoint::untrained(chosen, noise, 7), noise);
  return network_name == "lenet" ? lenet_start : network_name == "channels" ? chosen_start : small_start;
}

/// Uniform, but for `mixed`: other widths in every layer.
host::Policy policy_of(const host::Network& network, const std::string& text) {
  if (text != "mixed") return host::load_policy(network, text);
  host::Policy policy = host::uniform_policy(network, 8, 2);
  int next = 0;
  for (auto& layer : policy.layers) layer.weight_bits = host::kWidths[next++ % 4];
  return policy;
}

at::Tensor images_of(const StartPoint& start, std::int64_t count) {
  const host::Shape& shape = start.network.tensors.at(start.network.input).shape;
  return start.codes_of(pixel_tensor(
      shape, std::span(start.train.pixels).first(static_cast<std::size_t>(count * shape.elements()))));
}

struct Case {
  std::string network, policy;
};

void PrintTo(const Case& one, std::ostream* out) { *out << one.network << " " << one.policy; }

class Graph : public ::testing::TestWithParam<Case> {
 protected:
  Graph()
      : start(start_point(GetParam().network)),
        graph(start, start.calibration().layers, policy_of(start.network, GetParam().policy),
              method_of("lsq"), start.scales(Clipping::mse)) {
    for (auto& layer : graph.layers())  // flips some filters
      if (layer.mean.ne(0).any().item<bool>())
        layer.gain.value.slice(0, 0, layer.gain.value.numel(), 3).neg_();
    // No weight lies at the very end of its range, where float and double may disagree whether it clips.
    for (auto& layer : graph.layers()) layer.log_scale.value.sub_(0.03);
    graph.correct_biases(images_of(start, 100), start.calibration().float_means);
  }

  TorchThreads threads{1};
  const StartPoint& start;
  QuantizedGraph graph;
};

void compare(const at::Tensor& ours, const at::Tensor& expected, const std::string& what) {
  const double difference = (ours.to(at::kDouble) - expected).norm().item<double>(),
               size = expected.norm().item<double>();
  EXPECT_LT(difference, 0.02 * size + 1e-5) << what << ", difference " << difference << " of " << size;
}

void compare_gradients(QuantizedGraph& graph, bool of_batch) {
  const StartPoint& start = graph.start();
  constexpr std::int64_t kImages = 40;  // so few that in none of the cases a code lies at a tie
  const at::Tensor images = images_of(start, kImages);
  const at::Tensor targets = at::eye(10).repeat({kImages / 10, 1});
  const Statistics statistics = of_batch ? Statistics::of_batch : Statistics::stored;
  QuantizedGraph::Pass pass;
  const at::Tensor logits = graph.forward(images, statistics, &pass);
  graph.backward(pass, (logits.softmax(1) - targets) / kImages, statistics);

  const at::Tensor flat = graph.parameters().values.to(at::kDouble).requires_grad_();
  const at::Tensor expected = Reference(graph, flat, of_batch).logits(images);
  (-(targets * expected.log_softmax(1)).sum() / static_cast<double>(kImages)).backward();

  EXPECT_LT((logits - expected).norm().item<double>(), 1e-3 * expected.norm().item<double>());
  const at::Tensor ours = graph.parameters().gradients, theirs = flat.grad();
  for (std::size_t i = 0; i < graph.layers().size(); ++i) {
    const auto& layer = graph.layers()[i];
    const std::string where = " of layer " + std::to_string(i);
    compare(place(ours, layer.weight), place(theirs, layer.weight), "weight" + where);
    compare(place(ours, layer.log_scale), place(theirs, layer.log_scale), "scale" + where);
    compare(place(ours, layer.shift), place(theirs, layer.shift), "shift" + where);
    if (layer.normalized) compare(place(ours, layer.gain), place(theirs, layer.gain), "gain" + where);
  }
  for (std::size_t t = 0; t < start.network.tensors.size(); ++t)
    for (const int bits : {graph.bits().written[t], graph.bits().narrow[t]}) {
      if (bits == 0 || bits == 32 || static_cast<int>(t) == start.network.input) continue;
      const Parameter& scale = graph.log_scale(static_cast<int>(t), bits);
      compare(place(ours, scale), place(theirs, scale),
              "scale of tensor " + std::to_string(t) + " at " + std::to_string(bits) + " bits");
    }
}

TEST_P(Graph, gradients_agree_with_automatic_ones_with_stored_statistics) { compare_gradients(graph, false); }

TEST_P(Graph, gradients_agree_with_automatic_ones_with_statistics_of_the_batch) {
  compare_gradients(graph, true);
}

TEST_P(Graph, codes_are_those_of_the_golden_functions) {
  constexpr std::int64_t kImages = 3;
  QuantizedGraph::Pass pass;
  const at::Tensor logits = graph.forward(images_of(start, kImages), Statistics::stored, &pass);
  const QuantizedModel model = integers_of(graph);
  const auto bytes = static_cast<std::size_t>(start.network.tensors.at(start.network.input).shape.elements());
  for (std::int64_t image = 0; image < kImages; ++image) {
    const auto golden =
        host::golden_run(model.integers, std::span(start.train.pixels).subspan(image * bytes, bytes));
    for (const Step& step : start.steps) {
      const auto t = static_cast<std::size_t>(step.output);
      const bool is_signed = start.network.tensors[t].is_signed;
      const auto same = [&](const at::Tensor& codes, const host::CodeTensor& expected, int bits) {
        if (!codes.defined()) return;
        const at::Tensor ours = codes[image].flatten().add(code_range(bits, is_signed).zero).to(at::kInt);
        EXPECT_TRUE(ours.equal(at::tensor(expected.codes, at::kInt)))
            << "tensor " << t << " at " << bits << " bits";
      };
      if (graph.is_logits(step.output)) continue;
      same(pass.tensors[t].written, golden.written[t], graph.bits().written[t]);
      same(pass.tensors[t].narrow, golden.narrow[t], graph.bits().narrow[t]);
    }
    const auto& result = golden.written[static_cast<std::size_t>(start.network.output())].codes;
    for (int c = 0; c < 10; ++c)
      EXPECT_NEAR(result[c] * model.output_scale(), logits[image][c].item<double>(), 1e-3);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Policies, Graph,
    ::testing::Values(Case{"lenet", "w8a8"}, Case{"lenet", "w4a4"}, Case{"lenet", "w2a2"},
                      Case{"lenet", "w1a2"}, Case{"every_kind", "w8a8"}, Case{"every_kind", "w4a4"},
                      Case{"every_kind", "mixed"}, Case{"channels", "w8a8"}, Case{"channels", "w2a4"}),
    [](const auto& instance) { return instance.param.network + "_" + instance.param.policy; });

TEST(Rounding, other_devices_kernels_agree_with_the_fast_ones) {
  const at::Tensor d = at::randint(-300, 300, {5, 6, 4, 4}).to(at::kFloat), g = at::randn({5, 6, 4, 4});
  Affine affine{per_filter(round_to_multiplier, at::rand({6}) * 0.1), at::randn({6}), {}, {}, {}};
  for (const bool leaky : {false, true}) {
    if (leaky) {
      affine.slope = at::rand({6});
      affine.negative_multiplier = per_filter(round_to_multiplier, affine.multiplier * affine.slope);
      affine.negative_offset = affine.offset * affine.slope;
    }
    const auto wide = [](const at::Tensor& t) { return t.defined() ? t.to(at::kDouble) : t; };
    const Affine general{wide(affine.multiplier), wide(affine.offset), wide(affine.negative_multiplier),
                         wide(affine.negative_offset), wide(affine.slope)};
    const CodeRange range = code_range(4, true);
    EXPECT_TRUE(
        round_to_codes(d, affine, range).equal(round_to_codes(wide(d), general, range).to(at::kFloat)));
    const auto ours = rounding_gradient(g, d, affine, range, ScaleTraining::learned);
    const auto expected = rounding_gradient(wide(g), wide(d), general, range, ScaleTraining::learned);
    compare(ours.d, expected.d, "d");
    compare(ours.multiplier, expected.multiplier, "multiplier");
    compare(ours.offset, expected.offset, "offset");
    EXPECT_NEAR(ours.log_scale, expected.log_scale, 1e-3 * std::abs(expected.log_scale) + 1e-4);
  }
}

TEST(Rounding, is_half_up_and_clamped_and_passes_the_gradient_inside) {
  const at::Tensor d = at::tensor({-3.0F, 0.0F, 0.4F, 0.5F, 1.5F, 2.9F, 3.0F, 9.0F}).view({1, 1, 1, 8});
  const Affine identity{at::ones({1}), at::zeros({1}), {}, {}, {}};
  const CodeRange range = code_range(2, false);
  EXPECT_TRUE(round_to_codes(d, identity, range)
                  .flatten()
                  .equal(at::tensor({0.0F, 0.0F, 0.0F, 1.0F, 2.0F, 3.0F, 3.0F, 3.0F})));
  const auto gradient = rounding_gradient(at::ones_like(d), d, identity, range, ScaleTraining::learned);
  EXPECT_TRUE(gradient.d.flatten().equal(at::tensor({0.0F, 1.0F, 1.0F, 1.0F, 1.0F, 1.0F, 1.0F, 0.0F})));
}

TEST(WeightRounding, other_devices_kernels_agree_with_the_fast_ones) {
  const auto wide = [](const at::Tensor& t) { return t.to(at::kDouble); };
  const at::Tensor sign = at::tensor({1.0F, -1.0F, 1.0F, -1.0F});
  for (const int bits : host::kWidths) {
    for (const auto& shape : std::vector<std::vector<std::int64_t>>{{4, 3, 5, 5}, {4, 33}}) {
      // Multiples of 1/4: ties, limits and zeros occur.
      const at::Tensor ratio = at::randint(-5 << bits, 5 << bits, shape).to(at::kFloat).div_(4);
      const at::Tensor values = round_weights(ratio, sign, bits);
      EXPECT_TRUE(values.to(at::kDouble).equal(round_weights(wide(ratio), wide(sign), bits))) << bits;
      const at::Tensor g = at::randn(shape);
      EXPECT_TRUE(weight_gradient(g, ratio, sign, bits)
                      .to(at::kDouble)
                      .equal(weight_gradient(wide(g), wide(ratio), wide(sign), bits)))
          << bits;
    }
  }
}

}  // namespace
}  // namespace bitloop::quant
