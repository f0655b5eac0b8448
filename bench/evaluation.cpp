// CPU seconds of an evaluation without retraining: statistics and integers of a policy (512 images), and its
// accuracy on 1,000 images of the reward split by the integer reference, apart. One thread, as a search's
// workers; time that the core was another's does not count. Policies of two customers: drawn anew each, and
// one decision changed from w8a8 after the other, which share their first layers with those before them. Exit
// 1 where a drawn policy takes more than the target.
//
//   bench_evaluation resnet20.onnx CIFAR-10-FOLDER [policies per row, 8]
//
// ResNet-20 wants ImageNet's mean and deviation. MobileNet-V2 of 32 pixels has random weights: time does not
// depend on them.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <random>
#include <string>
#include <vector>

#include "agent/environment/search_space.h"
#include "agent/evaluation/task.h"
#include "host/base/error.h"
#include "quant/reference/integer_reference.h"
#include "quant/retraining/quantizer.h"

using namespace bitloop;

namespace {

constexpr std::size_t kRewardImages = 1000;

/// Of the whole process: one thread works, and what others do is part of the price.
double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

std::vector<host::Policy> drawn(const agent::SearchSpace& space, int count) {
  std::mt19937_64 random(1);
  std::vector<host::Policy> policies;
  for (int i = 0; i < count; ++i) {
    agent::Assignment assignment;
    for (const agent::Decision& decision : space.decisions())
      assignment.push_back(decision.widths[random() % decision.widths.size()]);
    policies.push_back(space.policy(assignment));
  }
  return policies;
}

/// Decisions evenly spread over the network, each to 4 bits, in execution order.
std::vector<host::Policy> one_changed(const agent::SearchSpace& space, int count) {
  std::vector<host::Policy> policies;
  const std::size_t decisions = space.decisions().size();
  for (int i = 0; i < count; ++i) {
    agent::Assignment assignment = space.highest();
    const std::size_t changed = static_cast<std::size_t>(i) * decisions / static_cast<std::size_t>(count);
    assignment.at(changed) = agent::nearest_width(space.decisions().at(changed), 4);
    policies.push_back(space.policy(assignment));
  }
  return policies;
}

struct Subject {
  std::string name;
  agent::TaskSpec spec;
  bool random_weights = false;
  double target = 0;  ///< CPU seconds of a drawn policy
};

bool measure(const Subject& subject, int count) {
  agent::Task task = agent::open_task(subject.spec);
  const host::Network& network = task.model.network;
  const auto weights = subject.random_weights ? quant::FloatCheckpoint::untrained(network, task.data, 1)
                                              : agent::open_weights(subject.spec, task);
  quant::Split& reward = task.data.reward;
  const std::size_t images = std::min(kRewardImages, reward.size());
  reward.pixels.resize(images * (reward.pixels.size() / reward.size()));
  reward.labels.resize(images);

  const double begin = cpu_seconds();
  const quant::Quantizer quantizer(network, weights, task.data);
  const quant::Retraining options{.epochs = 0};
  (void)quantizer.quantize(host::uniform_policy(network, 8, 8), options);
  fmt::print("{:<13} start scales and first policy {:>37.2f}\n", subject.name, cpu_seconds() - begin);

  const agent::SearchSpace space(network);
  bool reached = true;
  const auto row = [&](const std::string& what, const std::vector<host::Policy>& policies, double target) {
    quant::CodeMemory memory;  // as a search's workers have one
    std::vector<double> statistics, reference, both;
    for (const host::Policy& policy : policies) {
      const double start = cpu_seconds();
      const quant::QuantizedModel model = quantizer.quantize(policy, options, {}, &memory);
      const double middle = cpu_seconds();
      (void)quant::IntegerReference(model.integers)
          .accuracy(reward, model.output_scale(), /*threads=*/1, &memory);
      const double end = cpu_seconds();
      statistics.push_back(middle - start);
      reference.push_back(end - middle);
      both.push_back(end - start);
    }
    const bool enough = target == 0 || median(both) <= target;
    reached = reached && enough;
    fmt::print("{:<13} {:<24} {:>10.2f} {:>12.2f} {:>10.2f}   {}\n", subject.name, what, median(statistics),
               median(reference), median(both),
               target == 0 ? std::string() : fmt::format("<= {}  {}", target, enough ? "yes" : "MISSED"));
    std::fflush(stdout);
  };
  row("drawn", drawn(space, count), subject.target);
  row("one changed from w8a8", one_changed(space, count), 0);
  return reached;
}

bool measure(int argc, char** argv) {
  const int count = argc > 3 ? std::stoi(argv[3]) : 8;
  agent::TaskSpec resnet;
  resnet.model = argv[1];
  resnet.data = fmt::format("cifar10:{}", argv[2]);
  resnet.mean = {0.485F, 0.456F, 0.406F};
  resnet.deviation = {0.229F, 0.224F, 0.225F};
  agent::TaskSpec mobilenet = resnet;
  mobilenet.model = "mobilenet-v2";
  fmt::print("{:<13} {:<24} {:>10} {:>12} {:>10}\n", "CPU seconds", "policies", "statistics", "1,000 images",
             "evaluation");
  const bool first = measure({"resnet20", resnet, false, 1.6}, count);
  return measure({"mobilenet-v2", mobilenet, true, 3.4}, count) && first;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    fmt::print(stderr, "usage: bench_evaluation resnet20.onnx CIFAR-10-FOLDER [policies per row, 8]\n");
    return 2;
  }
  try {
    return measure(argc, argv) ? 0 : 1;
  } catch (const Error& error) {
    fmt::print(stderr, "bench_evaluation: error: {}\n", error.what());
    return 1;
  }
}
