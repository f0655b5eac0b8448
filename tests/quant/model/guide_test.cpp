#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "quant/model/quantized_model.h"
#include "tests/host/network/random_cases.h"
#include "tests/host/network/random_graphs.h"
#include "tests/quant/fixtures.h"

namespace bitloop::quant {
namespace {

namespace fs = std::filesystem;

QuantizedModel random_model(const host::Network& network, const host::Policy& policy, std::uint64_t seed) {
  QuantizedModel model;
  model.integers = host::random_quantization(network, policy, seed);
  return model;
}

void write_bytes(const fs::path& path, std::span<const std::uint8_t> bytes) {
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

/// What the interpreter in Python prints, a line per tensor and form.
std::vector<nlohmann::json> interpreted(const QuantizedModel& model, std::span<const std::uint8_t> image) {
  const TemporaryFolder folder;
  const fs::path guide = folder.path() / "guide.json", input = folder.path() / "image";
  const fs::path output = folder.path() / "output";
  export_guide(model, guide);
  write_bytes(input, image);
  const fs::path runner = fs::path(BITLOOP_ROOT) / "tests/end_to_end/guide_runner.py";
  const std::string command = fmt::format("python3 {} --all {} {} > {}", runner.string(), guide.string(),
                                          input.string(), output.string());
  EXPECT_EQ(std::system(command.c_str()), 0) << command;
  std::ifstream file(output);
  std::vector<nlohmann::json> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(nlohmann::json::parse(line));
  return lines;
}

/// Every tensor in every form that it has, once each, as the definition computes it.
void expect_golden(const QuantizedModel& model, std::uint64_t seed) {
  const host::Network& network = model.integers.network;
  const auto bytes = static_cast<std::size_t>(network.tensors[network.input].shape.elements());
  const auto image = random_bytes(bytes, seed);
  const host::TensorCodes golden = host::golden_run(model.integers, image);
  std::size_t forms = 0;
  for (std::size_t t = 0; t < network.tensors.size(); ++t) forms += golden.narrow[t].codes.empty() ? 1 : 2;
  const auto lines = interpreted(model, image);
  EXPECT_EQ(lines.size(), forms);
  for (const nlohmann::json& line : lines) {
    const auto tensor = std::find_if(network.tensors.begin(), network.tensors.end(),
                                     [&](const host::Tensor& t) { return t.name == line.at("tensor"); });
    ASSERT_NE(tensor, network.tensors.end());
    const auto index = static_cast<std::size_t>(tensor - network.tensors.begin());
    const auto& expected = line.at("form") == "narrow" ? golden.narrow[index] : golden.written[index];
    EXPECT_EQ(line.at("codes").get<std::vector<std::int32_t>>(), expected.codes)
        << tensor->name << ' ' << line.at("form") << ", seed " << seed;
  }
}

TEST(Guide, suffices_to_compute_every_tensor_of_graphs_of_all_operations) {
  std::set<host::LayerKind> kinds;
  bool leaky = false, narrow = false;
  for (std::uint64_t seed = 0; seed < host::test::kGraphThemes; ++seed) {
    const host::Network network = host::test::random_graph(seed);
    std::mt19937_64 random(seed);
    const QuantizedModel model = random_model(network, host::test::random_policy(network, random), seed);
    expect_golden(model, seed);
    for (const host::Layer& layer : network.layers) {
      kinds.insert(layer.kind);
      leaky = leaky || layer.activation == host::Activation::leaky_relu;
    }
    for (const int bits : model.integers.bits.narrow) narrow = narrow || bits != 0;
  }
  EXPECT_EQ(kinds.size(), 12U);
  EXPECT_TRUE(leaky && narrow);
}

TEST(Guide, suffices_to_compute_lenet) {
  const host::Network network = host::zoo_network("lenet");
  expect_golden(random_model(network, host::uniform_policy(network, 4, 2), 1), 1);
}

TEST(Guide, states_scales_zero_points_and_the_policy) {
  const host::Network network = host::zoo_network("lenet");
  QuantizedModel model = random_model(network, host::uniform_policy(network, 2, 4), 3);
  model.quantizer = "lsq";
  model.mean = {0.25F};
  model.deviation = {0.5F};
  model.tensor_scales.assign(network.tensors.size(), {0.125, 0});
  model.weight_scales.assign(network.layers.size(), {});
  model.weight_scales[0].assign(6, 0.75F);
  const TemporaryFolder folder;
  export_guide(model, folder.path() / "guide.json");
  const auto guide = nlohmann::json::parse(std::ifstream(folder.path() / "guide.json"));
  EXPECT_EQ(guide.at("format"), "bitloop-guide");
  EXPECT_EQ(guide.at("version"), 1);
  EXPECT_EQ(guide.at("quantizer"), "lsq");
  EXPECT_EQ(guide.at("input").at("mean").at(0), 0.25);
  EXPECT_EQ(guide.at("input").at("deviation").at(0), 0.5);
  EXPECT_EQ(guide.at("policy").at(1).at("input_bits"), 4);
  const auto& first = guide.at("layers").at(0);
  EXPECT_EQ(first.at("weight_scales"), std::vector<double>(6, 0.75));
  EXPECT_EQ(first.at("beta"), 3);
  const auto& tensor = guide.at("tensors").at(1);
  EXPECT_EQ(tensor.at("written").at("scale"), 0.125);
  EXPECT_EQ(tensor.at("written").at("zero"), model.integers.layers[0].range.zero);
}

}  // namespace
}  // namespace bitloop::quant
