#include "agent/device_accuracy.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>

#include "agent/parallel.h"
#include "host/compiler.h"
#include "host/driver.h"

namespace bitloop::agent {
namespace {

/// -log softmax(logits)[label].
double cross_entropy(const std::vector<std::int32_t>& codes, double scale, std::size_t label) {
  const double largest = scale * *std::max_element(codes.begin(), codes.end());
  double sum = 0;
  for (const std::int32_t code : codes) sum += std::exp(scale * code - largest);
  return largest + std::log(sum) - scale * codes.at(label);
}

/// One device with the job on it.
struct Worker {
  std::unique_ptr<host::Device> device;
  host::Driver driver;
  host::Job job;

  Worker(std::unique_ptr<host::Device> opened, const quant::QuantizedModel& model)
      : device(std::move(opened)), driver(*device), job(host::compile(model.integers, device->info())) {
    driver.load(job);
  }
};

struct Prediction {
  bool right = false;
  double loss = 0;
};

}  // namespace

quant::Accuracy device_accuracy(const std::function<std::unique_ptr<host::Device>()>& open_device,
                                int workers, const quant::QuantizedModel& model, const quant::Split& split,
                                std::size_t images, const quant::Progress& progress) {
  std::vector<std::unique_ptr<Worker>> devices(static_cast<std::size_t>(workers));
  std::vector<Prediction> predictions(images);
  std::atomic<std::size_t> done{0};
  parallel_for(static_cast<int>(images), workers, [&](int image, int worker) {
    auto& own = devices[static_cast<std::size_t>(worker)];
    if (own == nullptr) own = std::make_unique<Worker>(open_device(), model);
    const auto bytes = static_cast<std::size_t>(own->job.image_shape.elements());
    (void)own->driver.run(std::span(split.pixels).subspan(static_cast<std::size_t>(image) * bytes, bytes));
    const auto codes = own->driver.read_tensor(own->job.tensors.back()).codes;
    const std::size_t label = split.labels.at(static_cast<std::size_t>(image));
    const auto best = std::max_element(codes.begin(), codes.end()) - codes.begin();
    predictions[static_cast<std::size_t>(image)] = {static_cast<std::size_t>(best) == label,
                                                    cross_entropy(codes, model.output_scale(), label)};
    ++done;
    if (worker == 0 && progress)
      progress(static_cast<double>(done) / static_cast<double>(images),
               fmt::format("{} images", done.load()));
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
