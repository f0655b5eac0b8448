// Mixed clipping (Huang et al. 2021) against plain max clipping without retraining: test accuracy by the
// integer reference, the mean difference over five sets of calibration images and its 95 % confidence
// interval. Target: higher in all rows, the interval above 0. Exit 1 where missed.
//
//   bench_mixed_clipping resnet20.onnx CIFAR-10-FOLDER [mobilenet-v2-checkpoint.pt]
//
// The network of the first rows wants ImageNet's mean and deviation. Without a checkpoint of MobileNet-V2 on
// Fashion-MNIST, the cached one is used, or trained.
#include <fmt/format.h>

#include <cmath>
#include <cstdio>

#include "agent/evaluation/task.h"
#include "host/base/error.h"
#include "host/network/policy.h"
#include "quant/reference/integer_reference.h"
#include "quant/retraining/quantizer.h"
#include "quant/tensor/threads.h"

using namespace bitloop;

namespace {

constexpr int kCalibrationSets = 5;
constexpr double kStudent = 2.776;  // 97.5 % quantile with 4 degrees of freedom

struct Difference {
  double mean = 0;
  double half_width = 0;
};

Difference difference_of(const std::vector<double>& values) {
  const double count = static_cast<double>(values.size());
  Difference d;
  for (const double v : values) d.mean += v / count;
  double squares = 0;
  for (const double v : values) squares += (v - d.mean) * (v - d.mean);
  d.half_width = kStudent * std::sqrt(squares / (count - 1) / count);
  return d;
}

/// Prints a row; whether mixed clipping is clearly better.
bool compare(const agent::Task& task, const quant::Quantizer& quantizer, const std::string& policy) {
  const auto accuracy = [&](const char* clipping, int calibration_set) {
    quant::Retraining options;
    options.epochs = 0;
    options.clipping = clipping;
    options.calibration_seed = static_cast<std::uint64_t>(calibration_set);
    const auto model = quantizer.quantize(host::load_policy(task.model.network, policy), options);
    return quant::IntegerReference(model.integers)
        .accuracy(task.data.test, model.output_scale(), quant::TorchThreads::all())
        .accuracy;
  };
  std::vector<double> differences;
  double max = 0, mixed = 0;
  for (int set = 1; set <= kCalibrationSets; ++set) {
    const double with_max = accuracy("max", set), with_mixed = accuracy("mixed", set);
    differences.push_back(with_mixed - with_max);
    max += with_max / kCalibrationSets;
    mixed += with_mixed / kCalibrationSets;
  }
  const Difference d = difference_of(differences);
  const bool better = d.mean - d.half_width > 0;
  fmt::print("{:<14} {:<16} {:<6} {:>8.4f} {:>8.4f} {:>+9.4f} +- {:.4f}  {}\n", task.model.network.name,
             task.data.name, policy, max, mixed, d.mean, d.half_width, better ? "yes" : "MISSED");
  std::fflush(stdout);
  return better;
}

bool compare(const agent::TaskSpec& spec, const std::vector<std::string>& policies) {
  const agent::Task task = agent::open_task(spec);
  const auto weights = agent::open_weights(spec, task);
  const quant::Quantizer quantizer(task.model.network, weights, task.data);
  fmt::print("{:<14} {:<16} float  {:>8.4f}\n", task.model.network.name, task.data.name,
             weights.accuracy(task.data.test).accuracy);
  bool better = true;
  for (const std::string& policy : policies) better &= compare(task, quantizer, policy);
  return better;
}

bool measure(int argc, char** argv) {
  fmt::print("{:<14} {:<16} {:<6} {:>8} {:>8} {:>9}    95 %    better\n", "network", "data", "policy", "max",
             "mixed", "by");
  agent::TaskSpec resnet;
  resnet.model = argv[1];
  resnet.data = fmt::format("cifar10:{}", argv[2]);
  resnet.mean = {0.485F, 0.456F, 0.406F};
  resnet.deviation = {0.229F, 0.224F, 0.225F};
  agent::TaskSpec mobilenet;
  mobilenet.model = "mobilenet-v2";
  if (argc > 3) mobilenet.checkpoint = argv[3];
  const bool first = compare(resnet, {"w4a8", "w4a4"});
  return compare(mobilenet, {"w4a4"}) && first;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    fmt::print(stderr, "usage: bench_mixed_clipping resnet20.onnx CIFAR-10-FOLDER [mobilenet-v2.pt]\n");
    return 2;
  }
  try {
    return measure(argc, argv) ? 0 : 1;
  } catch (const Error& error) {
    fmt::print(stderr, "bench_mixed_clipping: error: {}\n", error.what());
    return 1;
  }
}
