// What `export` writes as ONNX, read again as a network of its own.
#include <gtest/gtest.h>

#include <functional>
#include <numeric>

#include "quant/onnx/export.h"
#include "quant/onnx/import.h"
#include "quant/reference/integer_reference.h"
#include "quant/retraining/quantizer.h"
#include "tests/quant/fixtures.h"

namespace bitloop::quant {
namespace {

using Codes = std::vector<host::TensorCodes>;

/// Of all codes of all tensors.
double share_of_different(const Codes& read, const Codes& written) {
  std::size_t different = 0, all = 0;
  const auto compare = [&](const std::vector<host::CodeTensor>& these,
                           const std::vector<host::CodeTensor>& those) {
    for (std::size_t t = 0; t < those.size(); ++t) {
      EXPECT_EQ(these.at(t).codes.size(), those[t].codes.size());
      all += those[t].codes.size();
      different += std::transform_reduce(those[t].codes.begin(), those[t].codes.end(), these[t].codes.begin(),
                                         std::size_t{0}, std::plus<>(), std::not_equal_to<>());
    }
  };
  for (std::size_t image = 0; image < written.size(); ++image) {
    compare(read.at(image).written, written[image].written);
    compare(read[image].narrow, written[image].narrow);
  }
  return static_cast<double>(different) / static_cast<double>(all);
}

struct ReadNetwork {
  FloatNetwork network;
  FloatCheckpoint in_float;
};
ReadNetwork exported_and_read(const QuantizedModel& model, const Dataset& data) {
  const TemporaryFolder folder;
  export_onnx(model, folder.path() / "net.onnx");
  FloatNetwork network = import_onnx(folder.path() / "net.onnx");
  auto in_float = FloatCheckpoint::imported(network, data);
  return {std::move(network), std::move(in_float)};
}

/// What was read, quantized by the policy that the model has, has the same weights. Returns the share of
/// codes that differ on four images.
double different_codes(const QuantizedModel& model, const ReadNetwork& read, const Dataset& data) {
  const QuantizedModel again =
      Quantizer(read.network.network, read.in_float, data).quantize(model.integers.policy, {.epochs = 0});
  const host::Network& network = model.integers.network;
  for (std::size_t i = 0; i < network.layers.size(); ++i)
    EXPECT_EQ(again.integers.layers.at(i).weights, model.integers.layers[i].weights)
        << network.layers[i].name;
  const auto images = random_bytes(4 * static_cast<std::size_t>(data.shape.elements()), 1);
  return share_of_different(IntegerReference(again.integers).run(images),
                            IntegerReference(model.integers).run(images));
}

class ReadBack : public testing::TestWithParam<std::string> {};

TEST_P(ReadBack, exported_networks_have_the_codes_that_they_had) {
  const host::Network network = host::zoo_network("lenet");
  const Dataset data = bars_dataset();
  static const auto checkpoint = FloatCheckpoint::train(network, data, {.epochs = 1, .batch = 32});
  const Quantizer quantizer(network, checkpoint, data);
  for (const char* policy : {"w8a8", "w4a4", "w2a2", "w1a1"}) {
    SCOPED_TRACE(policy);
    const QuantizedModel model = quantizer.quantize(host::load_policy(network, policy),
                                                    {.epochs = 1, .images = 300, .quantizer = GetParam()});
    const ReadNetwork read = exported_and_read(model, data);
    EXPECT_NEAR(read.in_float.accuracy(data.test).accuracy,
                IntegerReference(model.integers).accuracy(data.test, model.output_scale()).accuracy, 0.005);
    EXPECT_EQ(different_codes(model, read, data), 0);
  }
}

INSTANTIATE_TEST_SUITE_P(Quantizers, ReadBack, testing::Values("lsq", "pact", "dorefa", "symmetric"),
                         [](const auto& test) { return test.param; });

/// Random pixels in the shape of a network, and labels that mean nothing.
Dataset noise(const host::Network& network) {
  constexpr std::size_t kImages = 16;
  Dataset data;
  data.name = data.spec = data.split_hash = "noise";
  data.shape = network.tensors[network.input].shape;
  data.classes = network.tensors[network.output()].shape.elements();
  data.mean.assign(static_cast<std::size_t>(data.shape.channels), 0.5F);
  data.deviation.assign(static_cast<std::size_t>(data.shape.channels), 0.25F);
  data.train.pixels = random_bytes(kImages * static_cast<std::size_t>(data.shape.elements()), 2);
  data.train.labels.assign(kImages, 0);
  data.reward = data.test = data.train;
  return data;
}

class ReadBackZoo : public testing::TestWithParam<std::string> {};

TEST_P(ReadBackZoo, exported_networks_have_the_codes_that_they_had) {
  const host::Network network = host::zoo_network(GetParam());
  const Dataset data = noise(network);
  const Quantizer quantizer(network, FloatCheckpoint::untrained(network, data, 1), data);
  for (const char* policy : {"w8a8", "w2a4"}) {
    SCOPED_TRACE(policy);
    const QuantizedModel model = quantizer.quantize(host::load_policy(network, policy), {.epochs = 0});
    EXPECT_EQ(different_codes(model, exported_and_read(model, data), data), 0);
  }
}

std::string name_of(const testing::TestParamInfo<std::string>& test) {
  std::string name = test.param;
  for (char& c : name)
    if (c == '-' || c == '.') c = '_';
  return name;
}
INSTANTIATE_TEST_SUITE_P(Networks, ReadBackZoo,
                         testing::Values("resnet8", "mobilenet-v2-0.1", "ds-cnn", "ad-autoencoder"), name_of);
// Minutes each: quant_tests --gtest_also_run_disabled_tests --gtest_filter='*ReadBackZoo*'
INSTANTIATE_TEST_SUITE_P(DISABLED_Large, ReadBackZoo,
                         testing::Values("mobilenet-v2", "mobilenet-v1-0.25", "resnet18", "resnet20",
                                         "yolov3-tiny", "resnet50", "yolov3"),
                         name_of);

}  // namespace
}  // namespace bitloop::quant
