#include <fmt/format.h>

#include <span>
#include <string>
#include <utility>

#include "host/network/zoo/builder.h"
#include "host/network/zoo/families.h"

namespace bitloop::host::zoo {
namespace {

/// A depthwise convolution, then one of one tap.
struct SeparableBlock {
  int stride;
  int filters;
};

/// `x` through the blocks, then averaged over all positions into one number per class.
Network separable_classifier(NetworkBuilder net, int x, std::span<const SeparableBlock> blocks, int classes) {
  int index = 0;
  for (const SeparableBlock& block : blocks) {
    const std::string name = fmt::format("blocks.{}", index++);
    x = net.depthwise(name + ".depthwise", x, {.kernel = 3, .stride = block.stride});
    x = net.conv(name + ".pointwise", x, {.filters = block.filters});
  }
  x = net.global_average_pool("avgpool", x);
  return net.finish({net.linear("fc", x, classes, Activation::none, false)});
}

}  // namespace

Network mobilenet_v1_quarter(const Form& form) {
  constexpr SeparableBlock kBlocks[] = {{1, 16},  {2, 32},  {1, 32},  {2, 64},  {1, 64},  {2, 128}, {1, 128},
                                        {1, 128}, {1, 128}, {1, 128}, {1, 128}, {2, 256}, {1, 256}};
  NetworkBuilder net("mobilenet-v1-0.25", form.image, UsualPad::same);
  const int x = net.conv("conv1", net.image(), {.filters = 8, .kernel = 3, .stride = 2});
  return separable_classifier(std::move(net), x, kBlocks, form.classes);
}

Network ds_cnn(const Form& form) {
  constexpr SeparableBlock kBlocks[] = {{1, 64}, {1, 64}, {1, 64}, {1, 64}};
  NetworkBuilder net("ds-cnn", form.image, UsualPad::same);
  const int x = net.conv("conv1", net.image(), {.filters = 64, .kernel = {10, 4}, .stride = 2});
  return separable_classifier(std::move(net), x, kBlocks, form.classes);
}

Network ad_autoencoder(const Form& form) {
  NetworkBuilder net("ad-autoencoder", form.image);
  // Only a convolution reads the image: over one position it is the linear layer that it stands for.
  int x = net.conv("encoder.0", net.image(), {.filters = 128});
  const auto dense = [&](const std::string& name, int outputs) {
    x = net.linear(name, x, outputs, Activation::relu, true);
  };
  for (const int layer : {1, 2, 3}) dense(fmt::format("encoder.{}", layer), 128);
  dense("bottleneck", 8);
  for (const int layer : {0, 1, 2, 3}) dense(fmt::format("decoder.{}", layer), 128);
  return net.finish({net.linear("result", x, form.image.channels, Activation::none, false)});
}

}  // namespace bitloop::host::zoo
