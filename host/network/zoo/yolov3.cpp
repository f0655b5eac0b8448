#include <fmt/format.h>

#include "host/network/zoo/builder.h"
#include "host/network/zoo/families.h"

namespace bitloop::host::zoo {
namespace {

/// Builds a network section by section as darknet's .cfg files list it. Sections count from 0, and each call
/// but `finish` is one section; a layer's name ends with its section's number.
class Darknet {
 public:
  Darknet(std::string name, const Shape& image) : net_(std::move(name), image), last_(net_.image()) {}

  void conv(int filters, int kernel, int stride = 1) {
    add_section(net_.conv(
        name("conv"), last_,
        {.filters = filters, .kernel = kernel, .stride = stride, .activation = Activation::leaky_relu}));
  }
  /// The sum of the last section and the one at `section`.
  void shortcut(int section) {
    add_section(net_.add(name("add"), last_, sections_.at(section), Activation::none));
  }
  void max_pool(int stride) {
    add_section(net_.max_pool(name("pool"), last_, 2, stride, 0, stride == 1 ? 1 : 0));
  }
  void upsample() { add_section(net_.upsample(name("upsample"), last_, 2)); }
  void route(int section) { add_section(sections_.at(section)); }
  /// The last section's channels, then those of `section`.
  void route_with_last(int section) {
    add_section(net_.concat(name("concat"), {last_, sections_.at(section)}));
  }
  /// A head: three boxes per position, each with 4 coordinates, objectness and COCO's 80 classes. Two
  /// sections.
  void head() {
    constexpr int kChannels = 3 * (4 + 1 + 80);
    add_section(net_.conv(name("conv"), last_,
                          {.filters = kChannels, .activation = Activation::none, .batch_norm = false}));
    outputs_.push_back(last_);
    add_section(last_);  // [yolo]
  }
  [[nodiscard]] int section() const { return static_cast<int>(sections_.size()) - 1; }

  Network finish() { return net_.finish(outputs_); }

 private:
  [[nodiscard]] std::string name(const char* kind) const {
    return fmt::format("{}{}", kind, sections_.size());
  }
  void add_section(int tensor) {
    sections_.push_back(tensor);
    last_ = tensor;
  }

  NetworkBuilder net_;
  std::vector<int> sections_;  // the tensor that each gives
  std::vector<int> outputs_;
  int last_;
};

/// Halves the size, then adds `blocks` residual blocks. Returns the section of the last one.
int darknet_stage(Darknet& net, int channels, int blocks) {
  net.conv(channels, 3, 2);
  for (int block = 0; block < blocks; ++block) {
    const int input = net.section();
    net.conv(channels / 2, 1);
    net.conv(channels, 3);
    net.shortcut(input);
  }
  return net.section();
}

/// Five convolutions, of which the fifth also feeds the next scale, one more and the head. Returns the
/// fifth's section.
int scale(Darknet& net, int channels) {
  for (int pair = 0; pair < 2; ++pair) {
    net.conv(channels, 1);
    net.conv(2 * channels, 3);
  }
  net.conv(channels, 1);
  const int feed = net.section();
  net.conv(2 * channels, 3);
  net.head();
  return feed;
}

/// From the section `from` up to the size of `skip`, which is put behind it.
void rise(Darknet& net, int from, int channels, int skip) {
  net.route(from);
  net.conv(channels, 1);
  net.upsample();
  net.route_with_last(skip);
}

}  // namespace

Network yolov3(const Form& form) {
  Darknet net("yolov3", form.image);
  net.conv(32, 3);
  darknet_stage(net, 64, 1);
  darknet_stage(net, 128, 2);
  const int eighth = darknet_stage(net, 256, 8);
  const int sixteenth = darknet_stage(net, 512, 8);
  darknet_stage(net, 1024, 4);
  const int large = scale(net, 512);
  rise(net, large, 256, sixteenth);
  const int middle = scale(net, 256);
  rise(net, middle, 128, eighth);
  scale(net, 128);
  return net.finish();
}

Network yolov3_tiny(const Form& form) {
  Darknet net("yolov3-tiny", form.image);
  for (const int channels : {16, 32, 64, 128}) {
    net.conv(channels, 3);
    net.max_pool(2);
  }
  net.conv(256, 3);
  const int sixteenth = net.section();
  net.max_pool(2);
  net.conv(512, 3);
  net.max_pool(1);
  net.conv(1024, 3);
  net.conv(256, 1);
  const int large = net.section();
  net.conv(512, 3);
  net.head();
  rise(net, large, 128, sixteenth);
  net.conv(256, 3);
  net.head();
  return net.finish();
}

}  // namespace bitloop::host::zoo
