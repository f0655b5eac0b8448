#include "host/network/zoo/builder.h"
#include "host/network/zoo/families.h"

namespace bitloop::host::zoo {

Network lenet(const Form& form) {
  NetworkBuilder net("lenet", form.image);
  int x = net.conv("conv1", net.image(), {.filters = 6, .kernel = 5, .pad = 2});
  x = net.max_pool("pool1", x, 2, 2, 0, 0);
  x = net.conv("conv2", x, {.filters = 16, .kernel = 5, .pad = 0});
  x = net.max_pool("pool2", x, 2, 2, 0, 0);
  x = net.linear("fc1", x, 120, Activation::relu, true);
  x = net.linear("fc2", x, 84, Activation::relu, true);
  x = net.linear("fc3", x, form.classes, Activation::none, false);
  return net.finish({x});
}

}  // namespace bitloop::host::zoo
