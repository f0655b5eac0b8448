#include <fmt/format.h>
#include <fmt/ranges.h>

#include "host/error.h"
#include "host/network.h"

namespace bitloop::host {
namespace {

/// Appends layers to a network, each reading the tensor that the last one wrote.
class Chain {
 public:
  Chain(std::string name, Shape image) {
    network_.name = std::move(name);
    network_.tensors.push_back({"image", image, false});
  }

  void conv(const std::string& name, int filters, int kernel, int stride, int pad) {
    const Shape in = network_.tensors.back().shape;
    const Shape out{filters, window_output(in.height, kernel, stride, pad),
                    window_output(in.width, kernel, stride, pad)};
    append({name, LayerKind::conv, 0, 0, kernel, kernel, stride, pad, Activation::relu, true}, out);
  }

  void max_pool(const std::string& name, int kernel) {
    const Shape in = network_.tensors.back().shape;
    const Shape out{in.channels, window_output(in.height, kernel, kernel, 0),
                    window_output(in.width, kernel, kernel, 0)};
    append({name, LayerKind::max_pool, 0, 0, kernel, kernel, kernel, 0, Activation::none, false}, out);
  }

  void linear(const std::string& name, int outputs, bool last) {
    append({name, LayerKind::linear, 0, 0, 1, 1, 1, 0, last ? Activation::none : Activation::relu, !last},
           {outputs, 1, 1});
  }

  Network finish() {
    network_.output = static_cast<int>(network_.tensors.size()) - 1;
    network_.validate();
    return std::move(network_);
  }

 private:
  void append(Layer layer, Shape out) {
    layer.input = static_cast<int>(network_.tensors.size()) - 1;
    layer.output = layer.input + 1;
    network_.tensors.push_back({layer.name, out, false});
    network_.layers.push_back(std::move(layer));
  }

  Network network_;
};

/// LeCun et al., Gradient-based learning applied to document recognition, 1998, with ReLU, max pooling, batch
/// norm.
Network lenet() {
  Chain chain("lenet", {1, 28, 28});
  chain.conv("conv1", 6, 5, 1, 2);
  chain.max_pool("pool1", 2);
  chain.conv("conv2", 16, 5, 1, 0);
  chain.max_pool("pool2", 2);
  chain.linear("fc1", 120, false);
  chain.linear("fc2", 84, false);
  chain.linear("fc3", 10, true);
  return chain.finish();
}

}  // namespace

std::vector<std::string> zoo_names() { return {"lenet"}; }

Network zoo_network(std::string_view name) {
  if (name == "lenet") return lenet();
  throw InputError(
      fmt::format("no network is named '{}'; use one of: {}", name, fmt::join(zoo_names(), ", ")));
}

}  // namespace bitloop::host
