#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "quant/onnx/import.h"
#include "tests/quant/files.h"
#include "tests/quant/onnx/models.h"

namespace bitloop::quant {
namespace {

constexpr double kTolerance = 1e-4;  // of the largest result

/// Files of others that failed once, a folder per kind, with what onnxruntime computes for them.
std::filesystem::path cases_folder() { return shared_folder() / "cases"; }

/// "KIND/NAME" of those that have inputs and results; one empty name where the folder is not there.
std::vector<std::string> case_names() {
  std::vector<std::string> names;
  std::error_code absent;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(cases_folder(), absent)) {
    auto path = entry.path();
    if (path.extension() != ".onnx") continue;
    const bool complete = std::filesystem::exists(path.replace_extension(".in.f32")) &&
                          std::filesystem::exists(path.replace_extension().replace_extension(".ref.f32"));
    if (complete) names.push_back((path.parent_path().filename() / path.replace_extension().stem()).string());
  }
  std::ranges::sort(names);
  if (names.empty()) names.emplace_back();
  return names;
}

/// What is not supported, and why: docs/networks.md says it too.
const std::map<std::string, std::string>& unsupported() {
  static const std::map<std::string, std::string> reasons{
      {"03_activation_range_lost/quant_bipolar", "activations of two values, without a zero that could pad"},
      {"16_graph_forms/resize_bilinear", "a Resize that interpolates"},
  };
  return reasons;
}

/// The sizes that a file leaves free.
ImportOptions options_of(const std::string& name) {
  ImportOptions options;
  if (name == "16_graph_forms/hw_dyn") options.image = host::Shape{3, 16, 16};
  return options;
}

/// The softmax over channels that the network ends before.
void apply_softmax(std::vector<float>& values, const host::Shape& shape) {
  const auto channels = static_cast<std::size_t>(shape.channels);
  const auto positions = static_cast<std::size_t>(shape.elements()) / channels;
  for (std::size_t image = 0; image < values.size(); image += channels * positions) {
    for (std::size_t p = 0; p < positions; ++p) {
      double sum = 0;
      for (std::size_t c = 0; c < channels; ++c) sum += std::exp(values[image + c * positions + p]);
      for (std::size_t c = 0; c < channels; ++c) {
        float& value = values[image + c * positions + p];
        value = static_cast<float>(std::exp(value) / sum);
      }
    }
  }
}

/// Whose inputs are [batch, rows, columns, channels].
const std::set<std::string>& channels_last() {
  static const std::set<std::string> names{"11_nhwc/nhwc_input"};
  return names;
}

std::vector<float> channels_first(const std::vector<float>& values, const host::Shape& shape) {
  const auto channels = static_cast<std::size_t>(shape.channels);
  const std::size_t positions = static_cast<std::size_t>(shape.height) * shape.width;
  std::vector<float> moved(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::size_t image = i / (channels * positions), p = i / channels % positions;
    moved[(image * channels + i % channels) * positions + p] = values[i];
  }
  return moved;
}

/// What the network's image is of the file's input: channels first, normalized as the file does itself.
std::vector<float> image_of(const FloatNetwork& model, const std::string& name, std::vector<float> inputs) {
  const host::Shape& image = model.network.tensors.at(model.network.input).shape;
  if (channels_last().contains(name)) inputs = channels_first(inputs, image);
  const std::size_t positions = static_cast<std::size_t>(image.height) * image.width;
  for (std::size_t i = 0; i < inputs.size() && !model.own.empty(); ++i) {
    const std::size_t c = i / positions % static_cast<std::size_t>(image.channels);
    inputs[i] = (inputs[i] - model.own.mean[c]) / model.own.deviation[c];
  }
  return inputs;
}

class Cases : public ::testing::TestWithParam<std::string> {};

TEST_P(Cases, give_what_their_exporter_computed) {
  if (GetParam().empty()) GTEST_SKIP() << cases_folder() << " is not there";
  const auto file = [](const std::string& ending) { return cases_folder() / (GetParam() + ending); };
  const auto reason = unsupported().find(GetParam());
  double error = std::numeric_limits<double>::infinity();
  try {
    const FloatNetwork model = import_onnx(file(".onnx"), options_of(GetParam()));
    const auto inputs = read_floats(file(".in.f32"));
    auto results = run_float(model, image_of(model, GetParam(), inputs));
    if (model.softmax) apply_softmax(results, model.network.tensors.at(model.network.output()).shape);
    error = relative_error(results, read_floats(file(".ref.f32")));
  } catch (const InputError& refused) {
    if (reason == unsupported().end()) FAIL() << refused.what();
  }
  if (reason != unsupported().end() && error >= kTolerance) GTEST_SKIP() << reason->second;
  EXPECT_LT(error, kTolerance);
}

INSTANTIATE_TEST_SUITE_P(Shared, Cases, ::testing::ValuesIn(case_names()), [](const auto& instance) {
  std::string name = instance.param.empty() ? "none" : instance.param;
  std::ranges::replace_if(
      name, [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return name;
});

}  // namespace
}  // namespace bitloop::quant
