#pragma once

#include <cstdint>

#include "host/network/network.h"
#include "quant/data/dataset.h"
#include "tests/quant/fixtures.h"

// A network that is small enough to be computed by hand, and its images.
namespace bitloop::quant {

inline constexpr float kBlockMean = 0.2F;  // 51 of 255: padding with the zero pixel is padding with 0
inline constexpr float kBlockDeviation = 0.25F;

/// A residual block between convolutions, one of them strided and padded on two sides.
inline host::Network block_network() {
  using host::Activation;
  using host::LayerKind;
  host::Network network{.name = "block",
                        .tensors = {{"image", {1, 6, 6}},
                                    {"stem", {4, 6, 6}},
                                    {"deep", {4, 6, 6}},
                                    {"wide", {4, 6, 6}},
                                    {"sum", {4, 6, 6}},
                                    {"small", {2, 3, 3}},
                                    {"result", {3, 1, 1}}},
                        .layers = {},
                        .input = 0,
                        .outputs = {6}};
  const auto window = [](host::Layer layer, int kernel, int stride, host::Padding pad) {
    layer.kernel_height = layer.kernel_width = kernel;
    layer.stride = stride;
    layer.pad = pad;
    return layer;
  };
  network.layers = {
      window({.name = "stem", .inputs = {0}, .output = 1, .activation = Activation::relu, .batch_norm = true},
             3, 1, 1),
      window({.name = "deep", .kind = LayerKind::depthwise, .inputs = {1}, .output = 2}, 3, 1, 1),
      {.name = "wide", .inputs = {2}, .output = 3},
      {.name = "sum", .kind = LayerKind::add, .inputs = {1, 3}, .output = 4, .activation = Activation::relu},
      window({.name = "small", .inputs = {4}, .output = 5, .activation = Activation::relu}, 3, 2,
             {0, 0, 1, 1}),
      {.name = "result", .kind = LayerKind::linear, .inputs = {5}, .output = 6}};
  host::derive_signedness(network);
  network.validate();
  return network;
}

/// Of its three classes, without anything to learn.
inline Dataset random_images(int images) {
  Dataset data;
  data.name = data.spec = "random";
  data.shape = {1, 6, 6};
  data.classes = 3;
  data.mean = {kBlockMean};
  data.deviation = {kBlockDeviation};
  for (Split* split : {&data.train, &data.reward, &data.test}) {
    split->pixels = random_bytes(36 * static_cast<std::size_t>(images), 5);
    for (int i = 0; i < images; ++i) split->labels.push_back(static_cast<std::uint16_t>(i % 3));
  }
  data.split_hash = "random";
  return data;
}

}  // namespace bitloop::quant
