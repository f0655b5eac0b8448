// The integer reference against the Verilated accelerator: every tensor of a network in every form that it
// has, byte for byte, under mixed policies that together use every pair of weight and input bits that is
// legal.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "host/compiler/compiler.h"
#include "host/driver/driver.h"
#include "quant/reference/integer_reference.h"
#include "sim/sim_device.h"

namespace bitloop {
namespace {

using Random = std::mt19937_64;
using Pair = std::pair<int, int>;  ///< weight bits, input bits

constexpr std::size_t kFewestPolicies = 3;
constexpr std::size_t kMostPolicies = 16;
constexpr int kImages = 2;  // per policy

/// Layers with weights (indices into a policy) whose inputs share one width, and the widths that it may have.
struct Group {
  std::vector<std::size_t> layers;
  std::vector<int> input_bits;
};

std::vector<Group> groups_of(const host::Network& network) {
  const std::vector<int> classes = host::width_classes(network);
  const auto layers = network.weight_layers();
  std::map<int, Group> groups;
  for (std::size_t i = 0; i < layers.size(); ++i) groups[classes[layers[i]->input()]].layers.push_back(i);
  std::vector<Group> list;
  for (auto& [tensor, group] : groups) {
    for (const int bits : host::kWidths) {
      // What a uniform policy turns into another width is not legal here.
      const host::Policy policy = host::uniform_policy(network, 8, bits);
      if (policy.layers[group.layers.front()].input_bits == bits) group.input_bits.push_back(bits);
    }
    list.push_back(group);
  }
  return list;
}

/// Gives every layer of a group a pair that is still missing, as far as one input width allows.
void assign(const Group& group, host::Policy& policy, std::set<Pair>& missing, Random& random) {
  const auto count = [&](int input_bits) {
    return std::count_if(missing.begin(), missing.end(),
                         [&](const Pair& p) { return p.second == input_bits; });
  };
  std::vector<int> widths = group.input_bits;
  std::shuffle(widths.begin(), widths.end(), random);
  const int input_bits =
      *std::max_element(widths.begin(), widths.end(), [&](int a, int b) { return count(a) < count(b); });
  for (const std::size_t layer : group.layers) {
    const auto next =
        std::find_if(missing.begin(), missing.end(), [&](const Pair& p) { return p.second == input_bits; });
    const int weight_bits = next != missing.end() ? next->first : host::kWidths[random() % 4];
    policy.layers[layer].weight_bits = weight_bits;
    policy.layers[layer].input_bits = input_bits;
    missing.erase({weight_bits, input_bits});
  }
}

/// At least three mixed policies; as many more as a small network needs to use all of `pairs`.
std::vector<host::Policy> mixed_policies(const host::Network& network, const std::set<Pair>& pairs,
                                         Random& random) {
  std::vector<host::Policy> policies;
  std::set<Pair> missing = pairs;
  while (policies.size() < kFewestPolicies || (!missing.empty() && policies.size() < kMostPolicies)) {
    host::Policy policy = host::uniform_policy(network, 8, 8);
    std::vector<Group> groups = groups_of(network);
    std::shuffle(groups.begin(), groups.end(), random);
    // Whoever has least choice chooses first.
    std::stable_sort(groups.begin(), groups.end(), [](const Group& a, const Group& b) {
      return a.input_bits.size() < b.input_bits.size();
    });
    for (const Group& group : groups) assign(group, policy, missing, random);
    policies.push_back(policy);
  }
  return policies;
}

std::set<Pair> legal_pairs(const host::Network& network) {
  std::set<Pair> pairs;
  for (const Group& group : groups_of(network))
    for (const int input_bits : group.input_bits)
      for (const int weight_bits : host::kWidths) pairs.insert({weight_bits, input_bits});
  return pairs;
}

struct Comparison {
  std::size_t tensors = 0;  ///< forms count
  std::size_t bytes = 0;
  std::size_t mismatches = 0;  ///< bytes that differ
  std::string first;           ///< tensor that differs
};

/// Bytes of a code: 32-bit results have four.
std::size_t differing_bytes(std::int32_t a, std::int32_t b) {
  std::size_t count = 0;
  for (int byte = 0; byte < 4; ++byte) count += ((a ^ b) >> (8 * byte) & 255) != 0 ? 1 : 0;
  return count;
}

void compare(const host::CodeTensor& got, const host::CodeTensor& want, const host::TensorPlace& place,
             Comparison& comparison) {
  ASSERT_EQ(got.shape, want.shape) << place.name;
  ASSERT_EQ(got.codes.size(), want.codes.size()) << place.name;
  ++comparison.tensors;
  comparison.bytes += got.codes.size() * (place.bits == 32 ? 4 : 1);
  for (std::size_t i = 0; i < want.codes.size(); ++i) {
    const std::size_t bytes = differing_bytes(got.codes[i], want.codes[i]);
    if (bytes != 0 && comparison.mismatches == 0)
      comparison.first = fmt::format("{}{} code {}", place.name, place.narrow ? " (narrow)" : "", i);
    comparison.mismatches += bytes;
  }
}

/// How many forms the tensors have that layers write.
std::size_t written_forms(const host::QuantizedNetwork& network) {
  std::size_t forms = 0;
  for (const host::Layer& layer : network.network.layers)
    forms += network.bits.narrow[layer.output] != 0 ? 2 : 1;
  return forms;
}

/// What the device leaves in memory after an image, against the integer reference.
void compare_image(host::Driver& driver, const host::Job& job, const host::QuantizedNetwork& network,
                   const quant::IntegerReference& reference, std::span<const std::uint8_t> image,
                   Comparison& comparison) {
  const std::vector<host::Tensor>& tensors = network.network.tensors;
  driver.run(image);
  const host::TensorCodes expected = reference.run(image).at(0);
  for (const host::TensorPlace& place : job.tensors) {
    const auto tensor = std::find_if(tensors.begin(), tensors.end(),
                                     [&](const host::Tensor& t) { return t.name == place.name; });
    const auto index = static_cast<std::size_t>(tensor - tensors.begin());
    compare(driver.read_tensor(place), (place.narrow ? expected.narrow : expected.written).at(index), place,
            comparison);
  }
}

Comparison run_and_compare(host::Device& device, const host::QuantizedNetwork& network, Random& random) {
  const host::Network& graph = network.network;
  const host::Job job = host::compile(network, device.info(), {.spill_all = true});
  host::Driver driver(device);
  driver.load(job);
  const quant::IntegerReference reference(network);
  Comparison comparison;
  for (int i = 0; i < kImages; ++i) {
    std::vector<std::uint8_t> image(static_cast<std::size_t>(graph.tensors[graph.input].shape.elements()));
    for (std::uint8_t& byte : image) byte = static_cast<std::uint8_t>(random());
    compare_image(driver, job, network, reference, image, comparison);
  }
  EXPECT_EQ(comparison.tensors, kImages * written_forms(network)) << "a form was not kept, so not compared";
  EXPECT_EQ(comparison.mismatches, 0U) << comparison.first;
  return comparison;
}

/// Under mixed policies that use all `pairs`.
void expect_exact(const host::Network& network, std::size_t pairs, std::uint64_t seed) {
  Random random(seed);
  const std::set<Pair> legal = legal_pairs(network);
  EXPECT_EQ(legal.size(), pairs);
  const auto device = sim::make_sim_device();
  std::set<Pair> used;
  Comparison sum;
  const auto policies = mixed_policies(network, legal, random);
  for (const host::Policy& policy : policies) {
    SCOPED_TRACE(fmt::format("{} policy {} seed {}", network.name, policy.key(), seed));
    for (const host::LayerBits& bits : policy.layers) used.insert({bits.weight_bits, bits.input_bits});
    const Comparison one =
        run_and_compare(*device, host::random_quantization(network, policy, random()), random);
    sum.tensors += one.tensors;
    sum.bytes += one.bytes;
    sum.mismatches += one.mismatches;
  }
  EXPECT_EQ(used, legal);
  fmt::print("{}: {} policies, {} pairs, {} images each, {} tensors, {} bytes, {} differ\n", network.name,
             policies.size(), used.size(), kImages, sum.tensors, sum.bytes, sum.mismatches);
}

TEST(Exactness, lenet) { expect_exact(host::zoo_network("lenet"), 16, 1); }

TEST(Exactness, resnet8) { expect_exact(host::zoo_network("resnet8"), 16, 2); }

TEST(Exactness, mobilenet_v2_for_32_pixel_images) {
  expect_exact(host::zoo_network("mobilenet-v2", host::Shape{3, 32, 32}), 16, 3);
}

TEST(Exactness, mobilenet_v1) { expect_exact(host::zoo_network("mobilenet-v1-0.25"), 16, 6); }

TEST(Exactness, ds_cnn) { expect_exact(host::zoo_network("ds-cnn"), 16, 7); }

TEST(Exactness, ad_autoencoder) { expect_exact(host::zoo_network("ad-autoencoder"), 16, 8); }

/// Networks that grow layer by layer.
class Builder {
 public:
  Builder(const char* name, host::Shape image) {
    network_.name = name;
    network_.tensors.push_back({"image", image, false});
  }

  int add(host::Layer layer, int channels = 0) {
    const host::Shape& in = network_.tensors[layer.input()].shape;
    layer.output = static_cast<int>(network_.tensors.size());
    host::Shape out = layer.window().over(in);
    if (channels != 0) out.channels = channels;
    if (layer.kind == host::LayerKind::upsample)
      out = {in.channels, in.height * layer.stride.y, in.width * layer.stride.x};
    network_.tensors.push_back({layer.name, out, false});
    network_.layers.push_back(layer);
    return layer.output;
  }

  int conv(const char* name, int in, int channels, int kernel, host::Activation activation) {
    return add({.name = name,
                .inputs = {in},
                .kernel_height = kernel,
                .kernel_width = kernel,
                .pad = kernel / 2,
                .activation = activation},
               channels);
  }

  host::Network end(std::vector<int> outputs, int output_bits) {
    network_.outputs = std::move(outputs);
    network_.output_bits = output_bits;
    host::derive_signedness(network_);
    network_.validate();
    return network_;
  }

 private:
  host::Network network_;
};

/// YOLOv3-tiny from its ninth layer on with a fourth of the channels: pools of stride 2 and 1, leaky ReLUs,
/// two heads, the second behind an upsampling that is joined with what was there before.
host::Network yolov3_tiny_block() {
  using enum host::Activation;
  Builder net("yolov3-tiny-block", {3, 16, 16});
  const auto pool = [&](const char* name, int in, int stride) {
    return net.add({.name = name,
                    .kind = host::LayerKind::max_pool,
                    .inputs = {in},
                    .kernel_height = 2,
                    .kernel_width = 2,
                    .stride = stride,
                    .pad = stride == 1 ? host::Padding(0, 0, 1, 1) : host::Padding()});
  };
  const int early = net.conv("conv0", 0, 32, 3, leaky_relu);
  const int route = net.conv("conv8", pool("pool7", early, 2), 64, 3, leaky_relu);
  const int deep = net.conv("conv10", pool("pool9", route, 2), 128, 3, leaky_relu);
  const int deeper = net.conv("conv12", pool("pool11", deep, 1), 256, 3, leaky_relu);
  const int neck = net.conv("conv13", deeper, 64, 1, leaky_relu);
  const int first = net.conv("conv15", net.conv("conv14", neck, 128, 3, leaky_relu), 255, 1, none);
  const int small = net.conv("conv18", neck, 64, 1, leaky_relu);
  const int up =
      net.add({.name = "upsample19", .kind = host::LayerKind::upsample, .inputs = {small}, .stride = 2});
  const int both = net.add({.name = "route20", .kind = host::LayerKind::concat, .inputs = {up, route}}, 128);
  const int second = net.conv("conv22", net.conv("conv21", both, 64, 3, leaky_relu), 255, 1, none);
  return net.end({first, second}, 32);
}

TEST(Exactness, yolov3_tiny_block) {
  // Its leaky tensors are signed: 1-bit inputs are not legal.
  expect_exact(yolov3_tiny_block(), 12, 4);
}

/// Two convolutions and, as the last layer, one that no 32-bit result may come from.
host::Network ending_in(host::LayerKind kind, int output_bits) {
  Builder net("ends-otherwise", {3, 9, 7});
  const int first = net.conv("first", 0, 40, 3, host::Activation::relu);
  const int second =
      net.conv("second", first, 40, 1, output_bits == 1 ? host::Activation::relu : host::Activation::none);
  host::Layer last{.name = "last", .kind = kind, .inputs = {second}, .activation = host::Activation::none};
  if (kind == host::LayerKind::add) last.inputs.push_back(first);
  if (kind == host::LayerKind::average_pool) last.kernel_height = 9, last.kernel_width = 7;
  if (kind == host::LayerKind::depthwise) last.kernel_height = last.kernel_width = 3, last.pad = 1;
  if (output_bits == 1 && kind != host::LayerKind::average_pool) last.activation = host::Activation::relu;
  return net.end({net.add(last)}, output_bits);
}

TEST(Exactness, results_of_at_most_8_bits_come_from_every_layer_that_requantizes) {
  Random random(5);
  const auto device = sim::make_sim_device();
  for (const auto kind : {host::LayerKind::average_pool, host::LayerKind::add, host::LayerKind::depthwise,
                          host::LayerKind::conv})
    for (const int output_bits : {8, 4, 2, 1})
      for (const char* text : {"w8a8", "w4a2", "w1a4"}) {
        const host::Network network = ending_in(kind, output_bits);
        SCOPED_TRACE(fmt::format("kind {} of {} bits, {}", static_cast<int>(kind), output_bits, text));
        const auto quantized = host::random_quantization(network, host::load_policy(network, text), random());
        EXPECT_EQ(quantized.bits.written[network.output()], output_bits);
        run_and_compare(*device, quantized, random);
      }
}

}  // namespace
}  // namespace bitloop
