// Images per second of the integer reference on ResNet-20, one thread, beside float inference: the float
// network as it is trained (batch norm by itself), and the strictest baseline, batch norm folded into the
// convolutions, in whichever memory format is faster. Speed does not depend on values, so weights and
// integers are random. Target: the integer reference at at least half of the speed of float inference. Exit 1
// where missed.
#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "host/base/error.h"
#include "quant/reference/integer_reference.h"
#include "quant/tensor/threads.h"
#include "quant/training/float_network.h"

using namespace bitloop;

namespace {

constexpr double kTarget = 0.5;
constexpr std::size_t kImages = 512;
constexpr int kFloatBatch = 16;  // the fastest of 4..128, measured
constexpr int kRounds = 7;

/// Time that this thread had a core for: other work on the machine does not count.
double core_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

std::vector<quant::FloatLayer> random_layers(const host::Network& network) {
  std::vector<quant::FloatLayer> layers;
  for (const host::Layer* layer : network.weight_layers()) {
    const std::int64_t filters = network.output_shape(*layer).channels;
    const std::int64_t channels = network.input_shape(*layer).channels;
    quant::FloatLayer random;
    if (layer->kind == host::LayerKind::linear) {
      random.weight = at::randn({filters, network.input_shape(*layer).elements()});
    } else {
      random.weight = at::randn({filters, channels, layer->kernel_height, layer->kernel_width});
    }
    if (layer->batch_norm) {
      random.gain = random.variance = at::ones({filters});
      random.shift = random.mean = at::zeros({filters});
    } else {
      random.bias = at::zeros({filters});
    }
    layers.push_back(random);
  }
  return layers;
}

/// ResNet-20's layers with nothing but convolution, addition and ReLU.
at::Tensor folded_forward(const host::Network& network, const std::vector<quant::FloatLayer>& layers,
                          const at::Tensor& image) {
  std::vector<at::Tensor> tensors(network.tensors.size());
  tensors.at(network.input) = image;
  std::size_t next = 0;
  for (const host::Layer& layer : network.layers) {
    const at::Tensor x = tensors.at(layer.input());
    at::Tensor y;
    if (layer.kind == host::LayerKind::add) {
      y = x + tensors.at(layer.inputs.at(1));
    } else if (layer.kind == host::LayerKind::average_pool) {
      y = at::avg_pool2d(x, {layer.kernel_height, layer.kernel_width}, layer.stride.y);
    } else {
      const quant::FloatLayer& p = layers.at(next++);
      const at::Tensor bias = p.bias.defined() ? p.bias : p.shift;
      y = layer.kind == host::LayerKind::linear
              ? at::linear(x.flatten(1), p.weight, bias)
              : at::conv2d(x, p.weight, bias, layer.stride.y, layer.pad.top);
    }
    if (layer.activation == host::Activation::relu) y.relu_();
    tensors.at(layer.output) = y;
  }
  return tensors.at(network.output());
}

/// A way to classify kImages images, and how long each round took.
struct Contender {
  std::string name;
  std::function<void()> classify;
  std::vector<double> seconds{};

  [[nodiscard]] double images_per_second() const {
    std::vector<double> sorted = seconds;
    std::sort(sorted.begin(), sorted.end());
    return kImages / sorted[sorted.size() / 2];
  }
};

std::vector<Contender> contenders(const host::Network& network, const quant::Split& split) {
  const host::Shape shape = network.tensors.at(network.input).shape;
  const at::Tensor images =
      at::rand({static_cast<std::int64_t>(kImages), shape.channels, shape.height, shape.width});
  const auto layers = random_layers(network);
  const auto in_batches = [](const at::Tensor& all, const auto& forward) {
    return [all, forward] {
      for (const at::Tensor& batch : all.split(kFloatBatch)) forward(batch);
    };
  };
  std::vector<Contender> list;
  list.push_back({"float", in_batches(images, [network, layers](const at::Tensor& batch) {
                    (void)quant::float_forward(network, layers, quant::channels_last(batch), false);
                  })});
  for (const auto format : {at::MemoryFormat::Contiguous, at::MemoryFormat::ChannelsLast}) {
    auto formatted = layers;
    for (quant::FloatLayer& layer : formatted)
      if (layer.weight.dim() == 4) layer.weight = layer.weight.contiguous(format);
    list.push_back({format == at::MemoryFormat::Contiguous ? "folded float, NCHW" : "folded float, NHWC",
                    in_batches(images.contiguous(format), [network, formatted](const at::Tensor& batch) {
                      (void)folded_forward(network, formatted, batch);
                    })});
  }
  for (const char* policy : {"w8a8", "w4a4", "w2a2"}) {
    const auto shared = std::make_shared<const quant::IntegerReference>(
        host::random_quantization(network, host::load_policy(network, policy), 1));
    list.push_back({policy, [shared, &split] { (void)shared->accuracy(split, 1e-6); }});
  }
  return list;
}

bool measure() {
  const host::Network network = host::zoo_network("resnet20");
  quant::Split split;
  std::mt19937_64 random(1);
  const auto pixels = static_cast<std::size_t>(network.tensors.at(network.input).shape.elements());
  for (std::size_t i = 0; i < kImages * pixels; ++i)
    split.pixels.push_back(static_cast<std::uint8_t>(random()));
  split.labels.assign(kImages, 0);

  const c10::InferenceMode inference;
  const quant::TorchThreads threads(1);
  auto list = contenders(network, split);
  for (int round = -1; round < kRounds; ++round) {  // the first round warms up
    for (Contender& contender : list) {
      const double begin = core_seconds();
      contender.classify();
      if (round >= 0) contender.seconds.push_back(core_seconds() - begin);
    }
  }
  const double plain = list[0].images_per_second();
  const double folded = std::max(list[1].images_per_second(), list[2].images_per_second());
  fmt::print("{:<20} {:>10} {:>9} {:>10}   target of integers: at least {} of both\n", "ResNet-20, 1 thread",
             "images/s", "of float", "of folded", kTarget);
  bool reached = true;
  for (std::size_t i = 0; i < list.size(); ++i) {
    const double speed = list[i].images_per_second();
    const bool integers = i >= 3;
    const bool enough = !integers || speed >= kTarget * std::max(plain, folded);
    reached = reached && enough;
    fmt::print("{:<20} {:>10.0f} {:>9.2f} {:>10.2f}   {}\n", list[i].name, speed, speed / plain,
               speed / folded,
               !integers ? ""
               : enough  ? "yes"
                         : "MISSED");
  }
  return reached;
}

}  // namespace

int main() {
  try {
    return measure() ? 0 : 1;
  } catch (const Error& error) {
    fmt::print(stderr, "bench_integer_reference: error: {}\n", error.what());
    return 1;
  }
}
