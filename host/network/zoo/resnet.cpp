#include <fmt/format.h>

#include "host/network/zoo/builder.h"
#include "host/network/zoo/families.h"

namespace bitloop::host::zoo {
namespace {

/// Two 3x3 convolutions.
int basic_branch(NetworkBuilder& net, const std::string& name, int input, int channels, int stride) {
  const int x = net.conv(name + ".conv1", input, {.filters = channels, .kernel = 3, .stride = stride});
  return net.conv(name + ".conv2", x, {.filters = channels, .kernel = 3, .activation = Activation::none});
}

/// 1x1, 3x3 with the stride, 1x1 to four times the channels.
int bottleneck_branch(NetworkBuilder& net, const std::string& name, int input, int channels, int stride) {
  int x = net.conv(name + ".conv1", input, {.filters = channels});
  x = net.conv(name + ".conv2", x, {.filters = channels, .kernel = 3, .stride = stride});
  return net.conv(name + ".conv3", x, {.filters = 4 * channels, .activation = Activation::none});
}

using Branch = int (*)(NetworkBuilder&, const std::string&, int, int, int);

/// Where the branch changes the shape, the shortcut is a 1x1 convolution, named `shortcut`.
int residual_block(NetworkBuilder& net, const std::string& name, int input, Branch branch, int channels,
                   int stride, const std::string& shortcut, bool shortcut_norm) {
  const int x = branch(net, name, input, channels, stride);
  int identity = input;
  if (net.shape(x) != net.shape(input)) {
    identity = net.conv(name + "." + shortcut, input,
                        {.filters = net.shape(x).channels,
                         .stride = stride,
                         .activation = Activation::none,
                         .batch_norm = shortcut_norm});
  }
  return net.add(name + ".add", x, identity, Activation::relu);
}

Network imagenet_resnet(const std::string& name, const Form& form, Branch branch,
                        const std::vector<int>& blocks) {
  NetworkBuilder net(name, form.image);
  int x = net.conv("conv1", net.image(), {.filters = 64, .kernel = 7, .stride = 2});
  x = net.max_pool("maxpool", x, 3, 2, 1, 1);
  for (std::size_t stage = 0; stage < blocks.size(); ++stage) {
    for (int block = 0; block < blocks[stage]; ++block) {
      x = residual_block(net, fmt::format("layer{}.{}", stage + 1, block), x, branch, 64 << stage,
                         stage > 0 && block == 0 ? 2 : 1, "downsample.0", true);
    }
  }
  x = net.global_average_pool("avgpool", x);
  return net.finish({net.linear("fc", x, form.classes, Activation::none, false)});
}

/// The paper's network for 32x32 images: three stages of as many blocks, the first with 16 channels.
Network cifar_resnet(const std::string& name, const Form& form, int blocks, UsualPad pad) {
  constexpr int kStages = 3;
  NetworkBuilder net(name, form.image, pad);
  int x = net.conv("conv1", net.image(), {.filters = 16, .kernel = 3});
  for (int block = 0; block < kStages * blocks; ++block) {
    const int stage = block / blocks;
    x = residual_block(net, fmt::format("blocks.{}", block), x, basic_branch, 16 << stage,
                       stage > 0 && block % blocks == 0 ? 2 : 1, "down", false);
  }
  x = net.global_average_pool("avgpool", x);
  return net.finish({net.linear("fc", x, form.classes, Activation::none, false)});
}

}  // namespace

Network resnet18(const Form& form) { return imagenet_resnet("resnet18", form, basic_branch, {2, 2, 2, 2}); }

Network resnet50(const Form& form) {
  return imagenet_resnet("resnet50", form, bottleneck_branch, {3, 4, 6, 3});
}

Network resnet20(const Form& form) { return cifar_resnet("resnet20", form, 3, UsualPad::half_kernel); }

Network resnet8(const Form& form) { return cifar_resnet("resnet8", form, 1, UsualPad::same); }

}  // namespace bitloop::host::zoo
