// LeNet on Fashion-MNIST: test accuracy of the float network and of uniform policies after the default
// retraining, by the integer reference, and what one evaluation (quantize, then accuracy on the reward split)
// costs. Targets: float at least 0.90, w8a8 within 0.005 of it, an evaluation within 3 s of one core. Exit 1
// where missed.
#include <fmt/format.h>

#include <cstdio>
#include <ctime>

#include "host/base/error.h"
#include "quant/reference/integer_reference.h"
#include "quant/retraining/quantizer.h"

using namespace bitloop;

namespace {

constexpr double kTargetFloat = 0.90;
constexpr double kTargetLoss = 0.005;
constexpr double kTargetSeconds = 3;

/// Time that this thread had a core for: other work on the machine does not count.
double core_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

bool row(const std::string& what, const std::string& target, const std::string& measured, bool reached) {
  fmt::print("{:<28} {:>10} {:>10}  {}\n", what, target, measured,
             target.empty() ? ""
             : reached      ? "yes"
                            : "MISSED");
  std::fflush(stdout);
  return reached;
}

bool measure() {
  const host::Network network = host::zoo_network("lenet");
  const quant::Dataset data = quant::load_dataset("fashion-mnist");
  const auto checkpoint = quant::FloatCheckpoint::cached(network, data, {});
  const quant::Quantizer quantizer(network, checkpoint, data);
  const quant::Retraining retraining;

  // What all evaluations of a process share (calibration, the float network's answers) is not an
  // evaluation's.
  (void)quantizer.quantize(host::load_policy(network, "w8a8"), {.images = retraining.batch});

  fmt::print("{:<28} {:>10} {:>10}  {}\n", "LeNet, Fashion-MNIST", "target", "measured", "reached");
  const double base = checkpoint.accuracy(data.test).accuracy;
  bool reached = row("float accuracy", fmt::format(">= {:.2f}", kTargetFloat), fmt::format("{:.4f}", base),
                     base >= kTargetFloat);
  for (const char* policy : {"w8a8", "w4a4", "w2a2", "w1a2"}) {
    const double begin = core_seconds();
    const auto model = quantizer.quantize(host::load_policy(network, policy), retraining);
    const quant::IntegerReference reference(model.integers);
    (void)reference.accuracy(data.reward, model.output_scale());
    const double seconds = core_seconds() - begin;
    const double loss = base - reference.accuracy(data.test, model.output_scale()).accuracy;
    const bool has_target = policy == std::string_view("w8a8");
    reached &=
        row(fmt::format("{} float less integer", policy), has_target ? fmt::format("<= {}", kTargetLoss) : "",
            fmt::format("{:.4f}", loss), !has_target || loss <= kTargetLoss);
    reached &= row(fmt::format("{} evaluation, core seconds", policy), fmt::format("<= {}", kTargetSeconds),
                   fmt::format("{:.2f}", seconds), seconds <= kTargetSeconds);
  }
  return reached;
}

}  // namespace

int main() {
  try {
    return measure() ? 0 : 1;
  } catch (const Error& error) {
    fmt::print(stderr, "bench_lenet_accuracy: error: {}\n", error.what());
    return 1;
  }
}
