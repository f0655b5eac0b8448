// A pass through shared weights, there and back, with every width of every tensor in the blend, beside a step
// of float training: ResNet-20 and LeNet on noise, batches of 64, one core; milliseconds per image. Target:
// at most 3 times the float step. Exit 1 where missed.
#include <fmt/format.h>
#include <torch/csrc/autograd/autograd.h>

#include <ctime>
#include <memory>
#include <span>
#include <vector>

#include "host/base/error.h"
#include "quant/model/geometry.h"
#include "quant/supernet/supernet.h"
#include "quant/tensor/class_logits.h"
#include "quant/tensor/order.h"
#include "quant/tensor/threads.h"
#include "quant/training/float_network.h"

using namespace bitloop;

namespace {

constexpr double kTarget = 3;
constexpr int kImages = 1280;
constexpr int kBatch = 64;
constexpr int kSteps = 40;

/// Time that this process had cores for: other work on the machine does not count.
double core_milliseconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return 1e3 * static_cast<double>(now.tv_sec) + 1e-6 * static_cast<double>(now.tv_nsec);
}

quant::Dataset noise(const host::Shape& shape) {
  quant::Dataset data;
  data.name = data.spec = data.split_hash = "noise";
  data.shape = shape;
  data.mean.assign(static_cast<std::size_t>(shape.channels), 0.5F);
  data.deviation.assign(static_cast<std::size_t>(shape.channels), 0.25F);
  std::uint32_t state = 1;
  for (quant::Split* split : {&data.train, &data.reward, &data.test}) {
    split->pixels.resize(static_cast<std::size_t>(kImages * shape.elements()));
    for (auto& pixel : split->pixels)
      pixel = static_cast<std::uint8_t>((state = state * 1664525 + 1013904223) >> 24);
    for (int i = 0; i < kImages; ++i) split->labels.push_back(static_cast<std::uint16_t>(i % 10));
  }
  return data;
}

/// Of `step(number)` for a batch, after one that does not count.
template <typename Step>
double milliseconds_per_image(const Step& step) {
  const quant::TorchThreads one(1);
  step(0);
  const double start = core_milliseconds();
  for (int i = 1; i <= kSteps; ++i) step(i);
  return (core_milliseconds() - start) / (kSteps * kBatch);
}

void float_step(const host::Network& network, const std::vector<quant::FloatLayer>& layers,
                const quant::Dataset& data, int batch) {
  const auto bytes = static_cast<std::size_t>(data.shape.elements()) * kBatch;
  const at::Tensor pixels = quant::pixel_tensor(
      data.shape, std::span(data.train.pixels).subspan(bytes * static_cast<std::size_t>(batch), bytes));
  const at::Tensor labels = quant::label_tensor(data.train.labels).narrow(0, batch * kBatch, kBatch);
  std::vector<at::Tensor> moving;
  for (const quant::FloatLayer& layer : layers)
    for (const at::Tensor& tensor : {layer.weight, layer.bias, layer.gain, layer.shift})
      if (tensor.defined()) moving.push_back(tensor.requires_grad_());
  const at::Tensor input = quant::channels_last(quant::normalize(pixels, data.mean, data.deviation));
  const quant::FloatPass pass =
      quant::float_forward(network, layers, input, /*training=*/true, quant::Keep::results);
  const at::Tensor loss =
      at::cross_entropy_loss(quant::class_logits(pass.tensors.at(network.output())), labels);
  (void)torch::autograd::grad({loss}, moving);
}

bool measure(const char* name, const host::Shape& image) {
  const quant::Dataset data = noise(image);
  const host::Network network = host::zoo_network(name, data.shape, data.classes);
  const auto checkpoint = quant::FloatCheckpoint::untrained(network, data, 1);
  const double float_pass =
      milliseconds_per_image([&, layers = quant::on_device(checkpoint.impl->layers, at::kCPU)](int step) {
        float_step(network, layers, data, step % (kImages / kBatch));
      });
  quant::Supernet net(std::make_shared<const quant::Quantizer>(network, checkpoint, data), {},
                      {.batch = kBatch});
  quant::Supernet::Mixture mixture;
  mixture.weights.assign(network.weight_layers().size(), {0.25, 0.25, 0.25, 0.25});
  mixture.inputs = mixture.weights;
  const double pass =
      milliseconds_per_image([&](int step) { (void)net.step(mixture, step % 5 == 4 ? 0 : 1); });
  const bool reached = pass <= kTarget * float_pass;
  fmt::print("{:<12} {:8.3f} {:8.3f} {:8.2f}  {}\n", name, float_pass, pass, pass / float_pass,
             reached ? "yes" : "MISSED");
  return reached;
}

}  // namespace

int main() {
  try {
    fmt::print("{:<12} {:>8} {:>8} {:>8}\n", "ms per image", "float", "shared", "times");
    const bool small = measure("lenet", {1, 28, 28});
    return measure("resnet20", {3, 32, 32}) && small ? 0 : 1;
  } catch (const Error& error) {
    fmt::print(stderr, "bench_supernet: error: {}\n", error.what());
    return 1;
  }
}
