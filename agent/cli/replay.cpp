#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "agent/cli/counters.h"
#include "agent/cli/verbs.h"
#include "agent/console/table.h"
#include "host/base/error.h"
#include "host/compiler/compiler.h"
#include "host/driver/pool.h"

namespace bitloop::cli {
namespace {

using console::Purpose;

constexpr const char* kAboutReplay =
    R"(bitloop replay FILE.job: runs a job that `bitloop export --format job` wrote, on any device that its hardware fits, and
prints the network's results and what the hardware counted. --image takes the job's images, one behind the other, as they
go in: bytes in the order of row, column, channel (of a job without an image: a byte for each code).

  bitloop export --run runs/demo --format job --out demo.job
  bitloop replay demo.job --image shirt.bin
  bitloop replay demo.job --image shirt.bin --device tcp+tls://board:1234 --format json
)";

/// A result of the network for one of the job's images.
struct Output {
  const host::TensorPlace* place = nullptr;
  host::CodeTensor tensor;
};

std::vector<std::uint8_t> read_images(const std::string& path, const host::Job& job) {
  const auto all =
      static_cast<std::size_t>(job.images) * static_cast<std::size_t>(job.image_shape.elements());
  std::error_code none;
  const std::uintmax_t size = std::filesystem::file_size(path, none);
  std::ifstream file(path, std::ios::binary);
  if (none || !file) throw InputError(fmt::format("--image {} cannot be read, or is no file", path));
  if (size != all) {
    throw InputError(fmt::format(
        "--image {} has {} bytes; the job takes {} image{} of {}x{}x{} (rows, columns, channels), {} bytes",
        path, size, job.images, job.images == 1 ? "" : "s", job.image_shape.height, job.image_shape.width,
        job.image_shape.channels, all));
  }
  std::vector<std::uint8_t> bytes(all);
  if (!file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(all)))
    throw InputError(fmt::format("--image {} cannot be read to its end", path));
  return bytes;
}

double cycles_per_image(const host::Job& job, const host::Measurement& measurement) {
  return static_cast<double>(measurement.cycles()) / job.images;
}

nlohmann::ordered_json replay_json(const host::Job& job, const host::HardwareInfo& hardware,
                                   const host::Measurement& measurement, const std::vector<Output>& outputs) {
  nlohmann::ordered_json json{{"network", job.network},    {"policy_key", job.policy},
                              {"hardware", hardware.name}, {"fingerprint", hardware.fingerprint},
                              {"memory", hardware.memory}, {"images", job.images}};
  json["total"] = counters_json(measurement.total);
  json["total"]["cycles_per_image"] = cycles_per_image(job, measurement);
  json["segments"] = nlohmann::ordered_json::array();
  for (std::size_t i = 0; i < job.segments.size(); ++i) {
    nlohmann::ordered_json segment{{"name", job.segments[i]}};
    segment.update(counters_json(measurement.segments[i]));
    json["segments"].push_back(segment);
  }
  json["outputs"] = nlohmann::ordered_json::array();
  for (const Output& output : outputs) {
    const host::Shape& shape = output.tensor.shape;
    json["outputs"].push_back({{"image", output.place->image},
                               {"name", output.place->name},
                               {"shape", {shape.channels, shape.height, shape.width}},
                               {"codes", output.tensor.codes}});
  }
  return json;
}

console::Table outputs_table(const std::vector<Output>& outputs) {
  console::Table table({"image", "tensor", "shape", "largest code", "at"});
  for (const Output& output : outputs) {
    const auto& [shape, bits, codes] = output.tensor;
    const auto largest = std::max_element(codes.begin(), codes.end());
    table.add_row({std::to_string(output.place->image), output.place->name,
                   fmt::format("{}x{}x{}", shape.channels, shape.height, shape.width),
                   std::to_string(*largest), std::to_string(largest - codes.begin())});
  }
  return table;
}

console::Table segments_table(const host::Job& job, const host::Measurement& measurement) {
  const auto names = host::counter_names();
  std::vector<std::string> columns{"segment"};
  columns.insert(columns.end(), names.begin(), names.end());
  console::Table table(columns);
  const auto add = [&](const std::string& name, const host::Counters& counters) {
    std::vector<std::string> cells{name};
    for (const std::uint64_t count : counters) cells.push_back(std::to_string(count));
    cells.resize(columns.size());
    table.add_row(cells);
  };
  for (std::size_t i = 0; i < job.segments.size(); ++i) add(job.segments[i], measurement.segments[i]);
  add("total", measurement.total);
  return table;
}

}  // namespace

int replay(const console::Arguments& arguments) {
  console::Options options("replay", kAboutReplay);
  options.positional("job", "FILE.job that bitloop export wrote");
  options.text("image", "file with the job's images as bytes");
  options.device_options();
  options.format_option();
  if (!options.parse(arguments)) return 0;
  const auto format = console::parse_format(options.text_of("format"));
  const std::vector<std::string> files = options.positional_words();
  if (files.size() != 1)
    throw InputError("bitloop replay needs one job: bitloop replay FILE.job --image FILE");
  const auto job = std::make_shared<const host::Job>(host::read_job(files.front()));
  const auto images = read_images(options.required("image", "--image FILE"), *job);
  const auto devices = console::open_pool(console::device_choice(options), Purpose::results);
  host::Measurement measurement;
  std::vector<Output> outputs;
  devices->run([&](host::Driver& driver) {
    driver.load(job);
    measurement = driver.run(images);
    outputs.clear();
    for (const host::TensorPlace& place : job->tensors)
      outputs.push_back({&place, driver.read_tensor(place)});
  });
  const host::HardwareInfo& hardware = devices->hardware();
  if (format == console::Format::json) {
    console::print(replay_json(*job, hardware, measurement, outputs).dump(2) + "\n");
  } else if (format == console::Format::csv) {
    console::print(segments_table(*job, measurement).csv());
  } else {
    console::print(fmt::format("{} on {} hardware, memory {}: {} cycles, {:.1f} per image\n\n{}",
                               job->network, hardware.name, hardware.memory, measurement.cycles(),
                               cycles_per_image(*job, measurement), outputs_table(outputs).text()));
  }
  return 0;
}

}  // namespace bitloop::cli
