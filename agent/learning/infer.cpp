#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "agent/console/progress.h"
#include "agent/console/table.h"
#include "agent/learning/verbs.h"
#include "agent/run_folder.h"
#include "host/compiler.h"
#include "host/driver.h"
#include "host/error.h"
#include "quant/evaluation.h"

namespace bitloop::learning {
namespace {

constexpr const char* kAbout =
    R"(bitloop infer: runs test images through a run's best policy on the device and compares with the integer
reference, byte for byte: the network's outputs of every image, and every tensor of the first --layers images.
Exit status 1 where a byte differs.

  bitloop infer --run runs/demo --images 100
  bitloop infer --run runs/demo --images 1000 --layers 0 --format json
)";

/// What the device did on the images, against the integer reference.
struct Comparison {
  std::size_t images = 0;
  std::size_t correct = 0;
  std::size_t mismatches = 0;  ///< codes that differ
  std::size_t codes = 0;       ///< codes compared
  std::size_t layers_compared =
      0;                         ///< tensors of the network, in all forms, that were compared at least once
  std::size_t layer_images = 0;  ///< images of which every tensor was compared
  host::Cycles cycles = 0;
  std::string first_mismatch{};
};

std::size_t argmax(const std::vector<std::int32_t>& codes) {
  return static_cast<std::size_t>(std::max_element(codes.begin(), codes.end()) - codes.begin());
}

/// Runs images on the device; `job` decides which tensors can be read back.
class Comparer {
 public:
  Comparer(host::Device& device, const quant::QuantizedModel& model, const quant::Split& split)
      : driver_(device), device_(device), model_(model), split_(split), reference_(model.integers) {}

  void load(bool every_tensor) {
    job_ = host::compile(model_.integers, device_.info(), {.spill_all = every_tensor});
    if (every_tensor) require_every_tensor();
    driver_.load(job_);
  }

  /// Compares all tensors that the job keeps; returns the network's result.
  std::vector<std::int32_t> compare(std::size_t image, Comparison& comparison, host::Cycles& cycles) {
    const auto bytes = static_cast<std::size_t>(job_.image_shape.elements());
    const auto pixels = std::span(split_.pixels).subspan(image * bytes, bytes);
    const auto expected = reference_.run(pixels).at(0);
    cycles = driver_.run(pixels).cycles();
    std::vector<std::int32_t> result;
    for (const host::TensorPlace& place : job_.tensors) {
      const host::CodeTensor got = driver_.read_tensor(place);
      compare(image, place.name, got, form(expected, place), comparison);
      result = got.codes;
    }
    return result;
  }

  [[nodiscard]] std::size_t tensors() const { return job_.tensors.size(); }

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
    if (std::any_of(job_.tensors.begin(), job_.tensors.end(), is_it)) return;
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

  host::Driver driver_;
  host::Device& device_;
  const quant::QuantizedModel& model_;
  const quant::Split& split_;
  quant::IntegerReference reference_;
  host::Job job_;
};

Comparison compare_images(host::Device& device, const quant::QuantizedModel& model, const quant::Split& split,
                          std::size_t images, std::size_t layer_images) {
  Comparison comparison{.images = images, .layer_images = std::min(images, layer_images)};
  console::ProgressBar bar("images");
  Comparer comparer(device, model, split);
  const double work = static_cast<double>(images + comparison.layer_images);
  host::Cycles cycles = 0;
  comparer.load(false);
  for (std::size_t image = 0; image < images; ++image) {
    const auto result = comparer.compare(image, comparison, cycles);
    comparison.cycles += cycles;
    comparison.correct += argmax(result) == split.labels[image] ? 1 : 0;
    bar.update(static_cast<double>(image + 1) / work, fmt::format("{} mismatches", comparison.mismatches));
  }
  if (comparison.layer_images > 0) comparer.load(true);
  comparison.layers_compared = comparer.tensors();
  for (std::size_t image = 0; image < comparison.layer_images; ++image) {
    comparer.compare(image, comparison, cycles);
    bar.update(static_cast<double>(images + image + 1) / work,
               fmt::format("{} mismatches", comparison.mismatches));
  }
  return comparison;
}

}  // namespace

int infer(const console::Arguments& arguments) {
  console::Options options("infer", kAbout);
  options.text("run", "folder of a finished search");
  options.integer("images", 100, "images of the test split");
  options.integer("layers", 10, "images of which every tensor is compared");
  options.device_options();
  options.format_option();
  if (!options.parse(arguments)) return 0;
  const auto format = console::parse_format(options.text_of("format"));
  const auto run = agent::open_finished_run(options.required("run", "--run runs/demo"));
  const agent::SearchConfig config = agent::load_config(run.config());
  const auto of_run = [&](const char* name, const std::string& stored) {
    return options.given(name) ? options.text_of(name) : stored;
  };
  const auto layer_images = static_cast<std::size_t>(options.integer_of("layers", 0, 1'000'000));
  const auto images = static_cast<std::size_t>(options.integer_of("images", 1, 100'000'000));
  const quant::Dataset data = agent::open_task(config.task).data;
  const quant::QuantizedModel model = agent::load_model(run, data);
  if (images > data.test.size()) {
    throw InputError(fmt::format("--images {} is more than the {} images of {}'s test split", images,
                                 data.test.size(), data.name));
  }
  const auto device = console::open_device(
      of_run("device", config.device), of_run("hardware", config.hardware), of_run("memory", config.memory));

  const Comparison c = compare_images(*device, model, data.test, images, layer_images);
  const double accuracy = static_cast<double>(c.correct) / static_cast<double>(c.images);
  const host::Cycles per_image = c.cycles / c.images;
  if (format == console::Format::json) {
    nlohmann::ordered_json json{{"images", c.images},
                                {"accuracy", accuracy},
                                {"mismatches", c.mismatches},
                                {"cycles_per_image", per_image},
                                {"layers_compared", c.layers_compared},
                                {"layer_images", c.layer_images},
                                {"codes_compared", c.codes},
                                {"network", model.integers.network.name},
                                {"policy", model.integers.policy.key()},
                                {"hardware", device->info().name},
                                {"fingerprint", device->info().fingerprint},
                                {"memory", device->info().memory}};
    if (c.mismatches > 0) json["first_mismatch"] = c.first_mismatch;
    console::print(json.dump(2) + "\n");
  } else {
    console::Table table(
        {"images", "accuracy", "mismatches", "codes compared", "cycles per image", "tensors compared"});
    table.add_row({std::to_string(c.images), fmt::format("{:.4f}", accuracy), std::to_string(c.mismatches),
                   std::to_string(c.codes), std::to_string(per_image),
                   fmt::format("{} of the first {} images", c.layers_compared, c.layer_images)});
    console::print(format == console::Format::csv ? table.csv() : table.text());
  }
  if (c.mismatches == 0) return 0;
  throw Error(
      fmt::format("{} codes differ from the integer reference, first {}: report it with the run folder",
                  c.mismatches, c.first_mismatch));
}

}  // namespace bitloop::learning
