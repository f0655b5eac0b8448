#include "agent/evaluation/device_accuracy.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <mutex>

#include "host/compiler/compiler.h"
#include "quant/model/geometry.h"

namespace bitloop::agent {
namespace {

/// -log softmax(logits)[label].
double cross_entropy(const std::vector<std::int32_t>& codes, double scale, std::size_t label) {
  const double largest = scale * *std::max_element(codes.begin(), codes.end());
  double sum = 0;
  for (const std::int32_t code : codes) sum += std::exp(scale * code - largest);
  return largest + std::log(sum) - scale * codes.at(label);
}

struct Prediction {
  bool right = false;
  double loss = 0;
};

}  // namespace

quant::Accuracy device_accuracy(host::DevicePool& devices, const quant::QuantizedModel& model,
                                const quant::Split& split, std::size_t images,
                                const quant::Progress& progress) {
  const auto job = std::make_shared<const host::Job>(host::compile(model.integers, devices.hardware()));
  const auto bytes = static_cast<std::size_t>(job->image_shape.elements());
  std::vector<Prediction> predictions(images);
  std::mutex mutex;
  std::size_t done = 0;
  devices.for_each(images, [&](host::Driver& driver, std::size_t image) {
    driver.load(job);
    (void)driver.run(std::span(split.pixels).subspan(image * bytes, bytes));
    const auto codes = quant::class_codes(model.integers, driver.read_tensor(job->tensors.back()).codes);
    const std::size_t label = split.labels.at(image);
    const auto best = std::max_element(codes.begin(), codes.end()) - codes.begin();
    predictions[image] = {static_cast<std::size_t>(best) == label,
                          cross_entropy(codes, model.output_scale(), label)};
    const std::lock_guard lock(mutex);
    ++done;
    if (progress)
      progress(static_cast<double>(done) / static_cast<double>(images), fmt::format("{} images", done));
  });
  quant::Accuracy accuracy{.images = images};
  for (const Prediction& p : predictions) {
    accuracy.accuracy += p.right ? 1 : 0;
    accuracy.loss += p.loss;
  }
  accuracy.accuracy /= static_cast<double>(images);
  accuracy.loss /= static_cast<double>(images);
  return accuracy;
}

}  // namespace bitloop::agent
