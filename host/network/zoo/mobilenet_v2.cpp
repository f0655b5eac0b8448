#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "host/network/zoo/builder.h"
#include "host/network/zoo/families.h"

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

/// `channels * width` to the nearest multiple of 8, but not down by more than a tenth (the authors'
/// _make_divisible).
int scaled(int channels, double width) {
  const double exact = channels * width;
  const int nearest = std::max(8, static_cast<int>(exact + 4) / 8 * 8);
  return nearest < 0.9 * exact ? nearest + 8 : nearest;
}

std::string name_of(double width) {
  return width == 1 ? "mobilenet-v2" : fmt::format("mobilenet-v2-{}", width);
}

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

Network mobilenet_v2(const Form& form) {
  const double width = form.width;
  const bool small = std::max(form.image.height, form.image.width) <= kSmallImage;
  NetworkBuilder net(name_of(width), form.image);
  int x = net.conv(
      "features.0.0", net.image(),
      {.filters = scaled(32, width), .kernel = 3, .stride = small ? 1 : 2, .activation = Activation::relu6});
  int index = 1;
  for (const Stage& stage : kStages) {
    for (int block = 0; block < stage.blocks; ++block) {
      x = inverted_residual(net, fmt::format("features.{}", index++), x, stage.expansion,
                            scaled(stage.channels, width), block == 0 ? stage.stride : 1);
    }
  }
  x = net.conv(fmt::format("features.{}.0", index), x,
               {.filters = scaled(1280, std::max(1.0, width)), .activation = Activation::relu6});
  x = net.global_average_pool("avgpool", x);
  return net.finish({net.linear("classifier.1", x, form.classes, Activation::none, false)});
}

}  // namespace bitloop::host::zoo
