// ResNet-20 on CIFAR-10, from an ONNX file to what the hardware computes: test accuracy by the integer
// reference without and after retraining, and how often the graph that was retrained predicts what its
// integers predict. Exit 1 where a target is missed.
//
//   bench_resnet20_accuracy resnet20.onnx CIFAR-10-FOLDER
//
// The network wants ImageNet's mean and deviation.
#include <fmt/format.h>

#include <cstdio>
#include <random>

#include "agent/evaluation/task.h"
#include "host/base/error.h"
#include "host/network/policy.h"
#include "quant/reference/integer_reference.h"
#include "quant/retraining/quantizer.h"
#include "quant/tensor/threads.h"

using namespace bitloop;

namespace {

/// One row of the first table: a policy, how it is retrained, and how far it may be from float.
struct Row {
  const char* policy;
  std::vector<std::string> pinned;
  int epochs;
  double largest_loss;
};
const Row kRows[] = {{"w8a8", {}, 0, 0.005}, {"w4a4", {}, 2, 0.015}, {"w2a2", {"first", "last"}, 5, 0.085}};
constexpr int kMixedPolicies = 3;
constexpr int kMixedImages = 1600;  // of retraining
constexpr double kSame = 0.999;
constexpr double kAccuracyGap = 0.001;

void print(const std::string& what, const std::string& measured, const std::string& target, bool reached) {
  fmt::print("{:<46} {:>18} {:>10}  {}\n", what, measured, target, reached ? "yes" : "MISSED");
  std::fflush(stdout);
}

/// Every choice drawn anew, as far as it is legal; the image's reader and the last layer keep their inputs.
host::Policy mixed_policy(const host::Network& network, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  const std::vector<int> classes = host::width_classes(network);
  std::vector<int> width(network.tensors.size());
  for (int& bits : width) bits = host::kWidths[random() % std::size(host::kWidths)];
  host::Policy policy = host::uniform_policy(network, 8, 8);
  const auto layers = network.weight_layers();
  for (std::size_t i = 0; i < layers.size(); ++i) {
    policy.layers[i].weight_bits = host::kWidths[random() % std::size(host::kWidths)];
    const int tensor = classes[layers[i]->input()];
    if (tensor == classes[network.input]) continue;
    const int least = network.tensors[layers[i]->input()].is_signed ? 2 : 1;
    policy.layers[i].input_bits = std::max(least, width[tensor]);
  }
  host::validate_policy(network, policy);
  return policy;
}

bool accuracies(const agent::Task& task, const quant::Quantizer& quantizer, double float_accuracy) {
  bool reached = true;
  for (const Row& row : kRows) {
    quant::Retraining options;
    options.epochs = row.epochs;
    options.images = 0;
    const host::Network& network = task.model.network;
    const auto policy = host::pinned_policy(network, host::load_policy(network, row.policy), row.pinned);
    const auto model = quantizer.quantize(policy, options);
    const auto accuracy = quant::IntegerReference(model.integers)
                              .accuracy(task.data.test, model.output_scale(), quant::TorchThreads::all());
    const double loss = float_accuracy - accuracy.accuracy;
    print(fmt::format("{}{} after {} epochs: float less integer", row.policy,
                      row.pinned.empty() ? "" : ", first and last 8", row.epochs),
          fmt::format("{:.4f} ({:.4f})", loss, accuracy.accuracy), fmt::format("<= {}", row.largest_loss),
          loss <= row.largest_loss);
    reached &= loss <= row.largest_loss;
  }
  return reached;
}

/// The retrained graph against its integers, on the whole test split.
bool agreement(const agent::Task& task, const quant::Quantizer& quantizer) {
  bool reached = true;
  const quant::Split& test = task.data.test;
  for (int i = 1; i <= kMixedPolicies; ++i) {
    quant::Retraining options;
    options.images = kMixedImages;
    const auto [model, classes] = quantizer.quantize_and_predict(
        mixed_policy(task.model.network, static_cast<std::uint64_t>(i)), options, test);
    const quant::IntegerReference reference(model.integers);
    const auto integer_classes = reference.classes(test, quant::TorchThreads::all());
    std::size_t same = 0, graph_right = 0, integer_right = 0;
    for (std::size_t k = 0; k < test.size(); ++k) {
      same += classes[k] == integer_classes[k];
      graph_right += classes[k] == test.labels[k];
      integer_right += integer_classes[k] == test.labels[k];
    }
    const double count = static_cast<double>(test.size());
    const double share = static_cast<double>(same) / count;
    const double gap =
        std::abs(static_cast<double>(graph_right) - static_cast<double>(integer_right)) / count;
    print(fmt::format("mixed policy {}: same predictions", i), fmt::format("{:.4f}", share),
          fmt::format(">= {}", kSame), share >= kSame);
    print(fmt::format("mixed policy {}: accuracies differ by", i), fmt::format("{:.4f}", gap),
          fmt::format("<= {}", kAccuracyGap), gap <= kAccuracyGap);
    reached &= share >= kSame && gap <= kAccuracyGap;
  }
  return reached;
}

bool measure(const char* model, const char* folder) {
  agent::TaskSpec spec;
  spec.model = model;
  spec.data = fmt::format("cifar10:{}", folder);
  spec.mean = {0.485F, 0.456F, 0.406F};
  spec.deviation = {0.229F, 0.224F, 0.225F};
  const agent::Task task = agent::open_task(spec);
  const auto weights = agent::open_weights(spec, task);
  const quant::Quantizer quantizer(task.model.network, weights, task.data);
  const double float_accuracy = weights.accuracy(task.data.test).accuracy;
  fmt::print("{} on {}, {} images, float {:.4f}\n", task.model.network.name, task.data.name,
             task.data.test.size(), float_accuracy);
  fmt::print("{:<46} {:>18} {:>10}  reached\n", "", "measured", "target");
  const bool first = accuracies(task, quantizer, float_accuracy);
  return agreement(task, quantizer) && first;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    fmt::print(stderr, "usage: bench_resnet20_accuracy resnet20.onnx CIFAR-10-FOLDER\n");
    return 2;
  }
  try {
    return measure(argv[1], argv[2]) ? 0 : 1;
  } catch (const Error& error) {
    fmt::print(stderr, "bench_resnet20_accuracy: error: {}\n", error.what());
    return 1;
  }
}
