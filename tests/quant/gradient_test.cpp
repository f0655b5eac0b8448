// The hand-written backward pass against LibTorch's automatic one on an independently written forward pass.
#include <gtest/gtest.h>
#include <torch/torch.h>

#include "fixtures.h"
#include "quant/order.h"
#include "quant/retraining/retrainer.h"
#include "quant/threads.h"

namespace bitloop::quant {

struct RetrainerProbe {
  using Statistics = Retrainer::Statistics;
  Retrainer& retrainer;

  at::Tensor& values() { return retrainer.values_; }
  [[nodiscard]] at::Tensor images(const at::Tensor& chosen) const { return retrainer.batch_images(chosen); }
  /// Gradient of the loss with respect to all parameters, and the logits.
  std::pair<at::Tensor, at::Tensor> run(const at::Tensor& chosen, bool of_batch) {
    const Statistics statistics = of_batch ? Statistics::of_batch : Statistics::stored;
    std::vector<Retrainer::Saved> saved;
    const at::Tensor logits = retrainer.forward(retrainer.batch_images(chosen), saved, statistics);
    const at::Tensor targets = retrainer.start_.targets.index_select(0, chosen);
    retrainer.backward(saved, (logits.softmax(1) - targets) / static_cast<double>(chosen.size(0)),
                       statistics);
    return {retrainer.gradients_.clone(), logits};
  }
  /// A parameter's place in the flat vector, as a function of that vector.
  struct Layer {
    at::Tensor weight, log_scale, gain, shift, mean, inverse_deviation;
    int bits;
  };
  [[nodiscard]] std::vector<Layer> layers(const at::Tensor& flat) const {
    std::vector<Layer> result;
    for (const auto& layer : retrainer.layers_)
      result.push_back({of(flat, layer.weight.value), of(flat, layer.log_scale.value),
                        of(flat, layer.gain.value), of(flat, layer.shift.value), layer.mean,
                        layer.inverse_deviation, layer.bits});
    return result;
  }
  [[nodiscard]] at::Tensor scale(const at::Tensor& flat, int tensor) const {
    const int owner = retrainer.start_.owners.at(tensor);
    if (owner == retrainer.start_.network.input) return at::scalar_tensor(1.0 / 255);
    return of(flat, retrainer.activation_log_scales_.at(owner).value).exp();
  }
  [[nodiscard]] const StartPoint& start() const { return retrainer.start_; }
  [[nodiscard]] int bits(int tensor) const { return retrainer.tensor_bits_.at(tensor); }

 private:
  static at::Tensor of(const at::Tensor& flat, const at::Tensor& view) {
    return flat.narrow(0, view.storage_offset(), view.numel()).view(view.sizes());
  }
};

namespace {

/// `value` forward, the gradient of `through` backward.
at::Tensor straight_through(const at::Tensor& value, const at::Tensor& through) {
  return through + (value - through).detach();
}

at::Tensor by_filter(const at::Tensor& t, const at::Tensor& like) {
  return like.dim() == 4 ? t.view({1, -1, 1, 1}) : t.view({1, -1});
}

/// Products of integers, so that pools see the same ties; the rest in real values but for the multipliers' 16
/// bits. A negative gain needs no flip here.
at::Tensor reference_logits(const RetrainerProbe& probe, const at::Tensor& flat, const at::Tensor& images,
                            bool of_batch) {
  const StartPoint& start = probe.start();
  const auto layers = probe.layers(flat);
  at::Tensor x = images;  // codes
  for (const Step& step : start.steps) {
    const auto& layer = layers.at(step.weight_layer);
    const at::Tensor scale = layer.log_scale.exp().view(
        step.layer->kind == host::LayerKind::conv ? at::IntArrayRef{-1, 1, 1, 1} : at::IntArrayRef{-1, 1});
    const at::Tensor ratio = layer.weight / scale;
    const at::Tensor values = weight_values(ratio.detach(), layer.bits);
    const at::Tensor pass = weight_pass(ratio.detach(), layer.bits);
    const at::Tensor weight = straight_through(values, ratio * pass);
    at::Tensor z = step.layer->kind == host::LayerKind::conv
                       ? at::conv2d(x, weight, {}, step.layer->stride, step.layer->pad)
                       : at::linear(x.flatten(1), weight);
    const at::Tensor unit = layer.log_scale.exp() * probe.scale(flat, step.input);
    at::Tensor mean = layer.mean, inverse = layer.inverse_deviation;
    if (step.layer->batch_norm && of_batch) {
      const at::Tensor real = z * by_filter(unit, z);
      const auto dimensions =
          z.dim() == 4 ? std::vector<std::int64_t>{0, 2, 3} : std::vector<std::int64_t>{0};
      mean = real.mean(dimensions);
      inverse = (real.var(dimensions, false) + kBatchNormEpsilon).rsqrt();
    }
    const bool last = step.output == start.network.output();
    const at::Tensor result_unit = last ? at::scalar_tensor(1.0) : probe.scale(flat, step.output);
    const at::Tensor exact_slope = layer.gain * inverse * unit / result_unit;
    const at::Tensor slope = straight_through(
        round_to_multiplier(exact_slope.detach().abs()) * exact_slope.detach().sign(), exact_slope);
    z = z * by_filter(slope, z) + by_filter((layer.shift - layer.gain * inverse * mean) / result_unit, z);
    if (last) return z.flatten(1);
    if (step.pool != nullptr) z = at::max_pool2d(z, {2, 2}, {2, 2});
    const at::Tensor clamped = z.clamp(0, (1 << probe.bits(step.output)) - 1);
    x = straight_through(clamped.detach().add(0.5).floor(), clamped);
  }
  return x;
}

/// Computed once for all tests of this file.
const Dataset& dataset() {
  static const Dataset data = bars_dataset();
  return data;
}
const StartPoint& start_point() {
  static const host::Network network = host::zoo_network("lenet");
  static const StartPoint start = make_start_point(
      network, FloatCheckpoint::train(network, dataset(), {.epochs = 1, .batch = 32}), dataset());
  return start;
}

class Gradients : public ::testing::TestWithParam<std::tuple<const char*, bool>> {};

TEST_P(Gradients, agree_with_automatic_differentiation) {
  const auto [policy_text, of_batch] = GetParam();
  const TorchThreads threads(1);
  const StartPoint& start = start_point();
  const host::Network& network = start.network;
  Retrainer retrainer(start, host::load_policy(network, policy_text), {});
  RetrainerProbe probe{retrainer};
  for (auto& layer : probe.layers(probe.values()))
    if (layer.gain.numel() < 200)
      layer.gain.slice(0, 0, layer.gain.numel() - 10, 3).neg_();  // flips some filters
  retrainer.estimate_statistics();

  const at::Tensor chosen = at::arange(24);
  const auto [gradient, logits] = probe.run(chosen, of_batch);
  const at::Tensor flat = probe.values().clone().requires_grad_();
  const at::Tensor expected_logits = reference_logits(probe, flat, probe.images(chosen), of_batch);
  const at::Tensor targets = start.targets.index_select(0, chosen);
  const at::Tensor loss =
      -(targets * expected_logits.log_softmax(1)).sum() / static_cast<double>(chosen.size(0));
  loss.backward();

  // Float rounding may still move a code at a tie, hence a relative bound.
  EXPECT_GT(at::cosine_similarity(logits.flatten(), expected_logits.flatten(), 0).item<double>(), 0.999);
  const auto ours = probe.layers(gradient), expected = probe.layers(flat.grad());
  const auto compare = [](const at::Tensor& a, const at::Tensor& b, const char* what, std::size_t layer) {
    const double difference = (a - b).norm().item<double>(), size = b.norm().item<double>();
    EXPECT_LT(difference, 0.01 * size + 1e-6) << what << " of layer " << layer << ", norm " << size;
  };
  for (std::size_t i = 0; i < ours.size(); ++i) {
    compare(ours[i].weight, expected[i].weight, "weight", i);
    compare(ours[i].log_scale, expected[i].log_scale, "scale", i);
    compare(ours[i].shift, expected[i].shift, "shift", i);
    if (start.layers[i].gain.defined()) compare(ours[i].gain, expected[i].gain, "gain", i);
  }
  const auto activation = [&](const at::Tensor& values) {
    std::int64_t first = 0;
    for (const auto& layer : ours)
      first += layer.weight.numel() + layer.log_scale.numel() + layer.gain.numel() + layer.shift.numel();
    return values.narrow(0, first, values.numel() - first);
  };
  compare(activation(gradient), activation(flat.grad()), "activation scales", 0);
}

TEST_P(Gradients, trained_graph_computes_what_its_integers_compute) {
  const auto [policy_text, moving] = GetParam();
  const TorchThreads threads(1);
  const StartPoint& start = start_point();
  const host::Network& network = start.network;
  Retrainer retrainer(start, host::load_policy(network, policy_text), {.images = 320});
  retrainer.estimate_statistics();
  if (moving) retrainer.retrain();
  const at::Tensor logits = RetrainerProbe{retrainer}.run(at::arange(50), false).second;
  const QuantizedModel model = retrainer.integers();
  const auto results =
      IntegerReference(model.integers).run(std::span(dataset().train.pixels).first(50 * 784));
  int different = 0;  // a float may round a tie the other way
  for (int image = 0; image < 50; ++image) {
    const auto& codes = results[image].written[static_cast<std::size_t>(network.output())].codes;
    for (int c = 0; c < 10; ++c)
      if (std::abs(codes[c] * model.output_scale() - logits[image][c].item<double>()) > 1e-3) {
        ++different;
        break;
      }
  }
  EXPECT_LE(different, 1);
}

INSTANTIATE_TEST_SUITE_P(Policies, Gradients,
                         ::testing::Combine(::testing::Values("w8a8", "w4a4", "w2a2", "w1a2"),
                                            ::testing::Bool()),
                         [](const auto& instance) {
                           return std::string(std::get<0>(instance.param)) + (std::get<1>(instance.param)
                                                                                  ? "_statistics_of_batch"
                                                                                  : "_stored_statistics");
                         });

}  // namespace
}  // namespace bitloop::quant
