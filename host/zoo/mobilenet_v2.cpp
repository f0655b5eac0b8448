#include <fmt/format.h>

#include "host/zoo/builder.h"
#include "host/zoo/families.h"

namespace bitloop::host::zoo {
namespace {

/// A row of the paper's table 2: expansion, output channels, blocks, stride of the first block.
struct Stage {
  int expansion;
  int channels;
  int blocks;
  int stride;
};
constexpr Stage kStages[] = {{1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2}, {6, 64, 4, 2},
                             {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};

/// Expand (unless by 1), depthwise, project without activation; added to the input where the shapes agree.
int inverted_residual(NetworkBuilder& net, const std::string& name, int input, int expansion, int channels,
                      int stride) {
  int part = 0;
  int x = input;
  if (expansion != 1) {
    x = net.conv(fmt::format("{}.conv.{}.0", name, part++), x,
                 {.filters = net.shape(input).channels * expansion, .activation = Activation::relu6});
  }
  x = net.depthwise(fmt::format("{}.conv.{}.0", name, part++), x,
                    {.kernel = 3, .stride = stride, .activation = Activation::relu6});
  x = net.conv(fmt::format("{}.conv.{}", name, part), x,
               {.filters = channels, .activation = Activation::none});
  if (stride != 1 || net.shape(input).channels != channels) return x;
  return net.add(name + ".add", input, x, Activation::none);
}

}  // namespace

Network mobilenet_v2(const Shape& image) {
  NetworkBuilder net("mobilenet-v2", image);
  int x = net.conv("features.0.0", net.image(),
                   {.filters = 32, .kernel = 3, .stride = 2, .activation = Activation::relu6});
  int index = 1;
  for (const Stage& stage : kStages) {
    for (int block = 0; block < stage.blocks; ++block) {
      x = inverted_residual(net, fmt::format("features.{}", index++), x, stage.expansion, stage.channels,
                            block == 0 ? stage.stride : 1);
    }
  }
  x = net.conv(fmt::format("features.{}.0", index), x, {.filters = 1280, .activation = Activation::relu6});
  x = net.global_average_pool("avgpool", x);
  return net.finish({net.linear("classifier.1", x, 1000, Activation::none, false)});
}

}  // namespace bitloop::host::zoo
