#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>

#include "agent/console/progress.h"
#include "agent/console/table.h"
#include "agent/learning/task_options.h"
#include "agent/learning/verbs.h"
#include "agent/run/run_folder.h"
#include "host/base/error.h"
#include "host/compiler/compiler.h"
#include "host/driver/pool.h"
#include "quant/model/geometry.h"
#include "quant/model/quantized_model.h"
#include "quant/reference/integer_reference.h"

namespace bitloop::learning {
namespace {

constexpr const char* kAboutInfer =
    R"(bitloop infer: runs test images through a run's best policy on the device and compares with the integer
reference, byte for byte: the network's outputs of every image, and every tensor of the first --layers images.
Exit status 1 where a byte differs.

  bitloop infer --run runs/demo --images 100
  bitloop infer --run runs/demo --images 1000 --layers 0 --format json
  bitloop infer --run runs/demo --images 1000 --images-per-job 16
)";

/// What the device did on images, against the integer reference.
struct Comparison {
  std::size_t correct = 0;
  std::size_t mismatches = 0;  ///< codes that differ
  std::size_t codes = 0;       ///< codes compared
  host::Cycles cycles = 0;
  std::string first_mismatch{};

  /// `other` is of later images.
  void add(const Comparison& other) {
    if (mismatches == 0) first_mismatch = other.first_mismatch;
    correct += other.correct;
    mismatches += other.mismatches;
    codes += other.codes;
    cycles += other.cycles;
  }
};

std::size_t argmax(const std::vector<std::int32_t>& codes) {
  return static_cast<std::size_t>(std::max_element(codes.begin(), codes.end()) - codes.begin());
}

/// Runs images on devices with one job, which decides which tensors can be read back. Thread-safe.
class Comparer {
 public:
  Comparer(const host::HardwareInfo& hardware, const quant::QuantizedModel& model, const quant::Split& split,
           bool every_tensor, std::size_t images_per_job)
      : model_(model),
        split_(split),
        reference_(model.integers),
        job_(std::make_shared<const host::Job>(
            host::compile(model.integers, hardware,
                          {.spill_all = every_tensor, .images = static_cast<int>(images_per_job)}))) {
    if (every_tensor) require_every_tensor();
  }

  /// Compares all tensors that the job keeps.
  /// Images `first` .. `end` - 1 in one job; where it takes more, the last one fills it up and counts no
  /// more.
  Comparison compare(host::Driver& driver, std::size_t first, std::size_t end) const {
    const auto bytes = static_cast<std::size_t>(job_->image_shape.elements());
    const auto pixels_of = [&](std::size_t image) {
      return std::span(split_.pixels).subspan(image * bytes, bytes);
    };
    std::vector<std::uint8_t> pixels;
    for (std::size_t i = first; i < first + images_per_job(); ++i) {
      const auto image = pixels_of(std::min(i, end - 1));
      pixels.insert(pixels.end(), image.begin(), image.end());
    }
    driver.load(job_);
    Comparison comparison{.cycles = driver.run(pixels).cycles()};
    for (std::size_t image = first; image < end; ++image) {
      const auto expected = reference_.run(pixels_of(image)).at(0);
      std::vector<std::int32_t> last;  // the network's result
      for (const host::TensorPlace& place : job_->tensors) {
        if (static_cast<std::size_t>(place.image) != image - first) continue;
        const host::CodeTensor tensor = driver.read_tensor(place);
        compare(image, place.name, tensor, form(expected, place), comparison);
        last = tensor.codes;
      }
      if (argmax(quant::class_codes(model_.integers, last)) == split_.labels[image]) ++comparison.correct;
    }
    return comparison;
  }

  [[nodiscard]] std::size_t images_per_job() const { return static_cast<std::size_t>(job_->images); }

  [[nodiscard]] std::size_t tensors() const { return job_->tensors.size() / images_per_job(); }

 private:
  /// A tensor that the job did not keep would pass uncompared.
  void require_every_tensor() const {
    const host::Network& network = model_.integers.network;
    for (std::size_t t = 0; t < network.tensors.size(); ++t) {
      if (static_cast<int>(t) == network.input) continue;
      require_form(network.tensors[t].name, false);
      if (model_.integers.bits.narrow[t] != 0) require_form(network.tensors[t].name, true);
    }
  }

  void require_form(const std::string& name, bool narrow) const {
    const auto is_it = [&](const host::TensorPlace& place) {
      return place.name == name && place.narrow == narrow;
    };
    if (std::any_of(job_->tensors.begin(), job_->tensors.end(), is_it)) return;
    throw Error(fmt::format("the job keeps no {}tensor '{}', so it cannot be compared: please report it",
                            narrow ? "narrow form of " : "", name));
  }

  [[nodiscard]] const host::CodeTensor& form(const host::TensorCodes& codes,
                                             const host::TensorPlace& place) const {
    return (place.narrow ? codes.narrow : codes.written).at(tensor_index(place.name));
  }

  [[nodiscard]] std::size_t tensor_index(const std::string& name) const {
    const auto& tensors = model_.integers.network.tensors;
    const auto found =
        std::find_if(tensors.begin(), tensors.end(), [&](const auto& t) { return t.name == name; });
    if (found == tensors.end())
      throw Error(fmt::format("job names a tensor '{}' that the network has not", name));
    return static_cast<std::size_t>(found - tensors.begin());
  }

  static void compare(std::size_t image, const std::string& name, const host::CodeTensor& got,
                      const host::CodeTensor& expected, Comparison& comparison) {
    if (got.codes.size() != expected.codes.size()) {
      throw Error(
          fmt::format("tensor '{}' has {} codes on the device, {} in the integer reference: please report it",
                      name, got.codes.size(), expected.codes.size()));
    }
    comparison.codes += expected.codes.size();
    for (std::size_t i = 0; i < expected.codes.size(); ++i) {
      if (got.codes[i] == expected.codes[i]) continue;
      if (comparison.mismatches++ == 0) {
        comparison.first_mismatch = fmt::format("image {} tensor {} code {}", image, name, i);
      }
    }
  }

  const quant::QuantizedModel& model_;
  const quant::Split& split_;
  quant::IntegerReference reference_;
  std::shared_ptr<const host::Job> job_;
};

/// The images that are compared in two ways, one after the other.
class ImageProgress {
 public:
  explicit ImageProgress(std::size_t all) : all_(all) {}

  /// From any thread.
  void add(const Comparison& image) {
    const std::lock_guard lock(mutex_);
    mismatches_ += image.mismatches;
    bar_.update(static_cast<double>(++done_) / static_cast<double>(all_),
                fmt::format("{} mismatches", mismatches_));
  }

 private:
  std::mutex mutex_;
  console::ProgressBar bar_{"images"};
  std::size_t all_;
  std::size_t done_ = 0;
  std::size_t mismatches_ = 0;
};

/// The first `images`, shared by the devices, and added in their order.
Comparison compare_images(host::DevicePool& devices, const Comparer& comparer, std::size_t images,
                          ImageProgress& progress) {
  const std::size_t in_job = comparer.images_per_job();
  std::vector<Comparison> each((images + in_job - 1) / in_job);
  devices.for_each(each.size(), [&](host::Driver& driver, std::size_t job) {
    each[job] = comparer.compare(driver, job * in_job, std::min(images, (job + 1) * in_job));
    progress.add(each[job]);
  });
  Comparison sum;
  for (const Comparison& comparison : each) sum.add(comparison);
  return sum;
}

}  // namespace

int infer(const console::Arguments& arguments) {
  console::Options options("infer", kAboutInfer);
  options.text("run", "folder of a finished search");
  options.integer("images", 100, "images of the test split");
  options.integer("images-per-job", 1,
                  "images that one job takes: their results are compared, layers one by one");
  options.integer("layers", 10, "images of which every tensor is compared");
  options.device_options();
  options.format_option();
  if (!options.parse(arguments)) return 0;
  const auto format = console::parse_format(options.text_of("format"));
  const auto run = agent::open_finished_run(options.required("run", "--run runs/demo"));
  const agent::SearchConfig config = agent::load_config(run.config());
  const auto images = static_cast<std::size_t>(options.integer_of("images", 1, 100'000'000));
  const std::size_t layer_images =
      std::min(images, static_cast<std::size_t>(options.integer_of("layers", 0, 1'000'000)));
  const auto choice = console::device_choice(
      options, {config.device, config.insecure, agent::chosen_hardware(run), config.memory});
  const quant::Dataset data = task_of(config.task).data;
  const quant::QuantizedModel model = agent::load_model(run, data);
  if (images > data.test.size()) {
    throw InputError(fmt::format("--images {} is more than the {} images of {}'s test split", images,
                                 data.test.size(), data.name));
  }
  const auto devices = console::open_pool(choice, console::Purpose::results);
  const host::HardwareInfo& hardware = devices->hardware();

  const auto in_job = static_cast<std::size_t>(options.integer_of("images-per-job", 1, host::kMostImages));
  const std::size_t jobs = (images + in_job - 1) / in_job;
  Comparison c;
  Comparison of_layers;
  std::size_t tensors = 0;  ///< of the network, in all forms, that were compared at least once
  {
    ImageProgress progress(jobs + layer_images);
    const Comparer results(hardware, model, data.test, false, in_job);
    c = compare_images(*devices, results, images, progress);
    tensors = results.tensors();
    if (layer_images > 0) {
      const Comparer every_tensor(hardware, model, data.test, true, 1);
      of_layers = compare_images(*devices, every_tensor, layer_images, progress);
      tensors = every_tensor.tensors();
    }
  }
  const double accuracy = static_cast<double>(c.correct) / static_cast<double>(images);
  const host::Cycles per_image = c.cycles / (jobs * in_job);
  c.add(of_layers);
  if (format == console::Format::json) {
    nlohmann::ordered_json json{{"images", images},
                                {"accuracy", accuracy},
                                {"mismatches", c.mismatches},
                                {"images_per_job", in_job},
                                {"cycles_per_image", per_image},
                                {"layers_compared", tensors},
                                {"layer_images", layer_images},
                                {"codes_compared", c.codes},
                                {"network", model.integers.network.name},
                                {"policy", model.integers.policy.key()},
                                {"hardware", hardware.name},
                                {"fingerprint", hardware.fingerprint},
                                {"memory", hardware.memory}};
    if (c.mismatches > 0) json["first_mismatch"] = c.first_mismatch;
    console::print(json.dump(2) + "\n");
  } else {
    console::Table table(
        {"images", "accuracy", "mismatches", "codes compared", "cycles per image", "tensors compared"});
    table.add_row({std::to_string(images), fmt::format("{:.4f}", accuracy), std::to_string(c.mismatches),
                   std::to_string(c.codes), std::to_string(per_image),
                   fmt::format("{} of the first {} images", tensors, layer_images)});
    console::print(format == console::Format::csv ? table.csv() : table.text());
  }
  if (c.mismatches == 0) return 0;
  throw Error(
      fmt::format("{} codes differ from the integer reference, first {}: report it with the run folder",
                  c.mismatches, c.first_mismatch));
}

}  // namespace bitloop::learning
