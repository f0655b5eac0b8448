#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <optional>

#include "agent/console/table.h"
#include "agent/learning/quantized.h"
#include "agent/learning/task_options.h"
#include "agent/learning/verbs.h"
#include "agent/run/run_folder.h"
#include "host/base/atomic_file.h"
#include "host/base/error.h"
#include "host/compiler/compiler.h"
#include "quant/onnx/export.h"

namespace bitloop::learning {
namespace {

constexpr const char* kAboutExport =
    R"(bitloop export: writes a quantized network for others.

  onnx     ONNX with QONNX Quant nodes: the form that FINN and hls4ml read
  guide    JSON that suffices to rerun the integer arithmetic without Bitloop (docs/guide.md)
  job      one image, or --images-per-job, through the network on the accelerator; bitloop replay runs it on any device
  policy   the bit-widths, as --policy takes them

  bitloop export --run runs/demo --format onnx
  bitloop export --run runs/demo --format job --hardware wide --out wide.job
  bitloop export --run runs/demo --format job --device tcp+tls://board:1234 --out board.job
  bitloop export --model net.onnx --data folder:DIR --policy w4a4 --retrain 2 --format guide --out net.guide.json
  bitloop export --model yolov3-tiny --data noise --policy w4a4 --format job --out yolo.job
)";

struct Form {
  const char* name;
  const char* file;  ///< in a run folder
};
constexpr Form kForms[] = {
    {"onnx", "network.onnx"}, {"guide", "guide.json"}, {"job", "network.job"}, {"policy", "policy.json"}};

std::vector<std::string> form_names() {
  std::vector<std::string> names;
  for (const Form& form : kForms) names.emplace_back(form.name);
  return names;
}

std::filesystem::path target(const console::Options& options, const std::string& format) {
  if (options.has("out")) return options.text_of("out");
  if (!options.has("run")) return options.required("out", "--out network.onnx");
  for (const Form& form : kForms)
    if (format == form.name) return agent::open_finished_run(options.text_of("run")).path() / form.file;
  throw Error("an export format has no file name: please report it");
}

/// What a job is compiled for; the other forms are for any hardware.
std::optional<host::HardwareInfo> hardware_of(const console::Options& options, const std::string& format) {
  if (format == "job") return console::open_pool(devices_of(options), console::Purpose::cycles)->hardware();
  for (const char* name : {"device", "hardware", "rtl", "memory"}) {
    if (options.given(name))
      throw InputError(fmt::format("--{} goes with --format job: leave it out for {}", name, format));
  }
  return {};
}

void write(const std::string& format, const quant::QuantizedModel& model,
           const std::optional<host::HardwareInfo>& hardware, int images, const std::filesystem::path& path) {
  if (format == "onnx") {
    quant::export_onnx(model, path);
  } else if (format == "guide") {
    quant::export_guide(model, path);
  } else if (format == "policy") {
    host::write_file_atomically(path, host::to_json(model.integers.policy).dump(2) + "\n");
  } else {
    host::write_job(host::compile(model.integers, hardware.value(), {.images = images}), path);
  }
}

}  // namespace

int export_network(const console::Arguments& arguments) {
  console::Options options("export", kAboutExport);
  options.text("format", "onnx", "onnx, guide, job or policy");
  options.integer("images-per-job", 1, "with --format job: images that it takes");
  options.text("out", "file to write (with --run, by default one in its folder)");
  options.text("run", "folder of a finished search: its stored integers");
  add_task_options(options);
  add_policy_options(options);
  options.integer("retrain", 0, "epochs of retraining first");
  add_retraining_options(options, /*images=*/0);
  options.device_options();
  if (!options.parse(arguments)) return 0;
  const std::string format = options.text_of("format");
  console::require_name("format", format, form_names());
  const auto images = static_cast<int>(options.integer_of("images-per-job", 1, host::kMostImages));
  if (options.given("images-per-job") && format != "job")
    throw InputError(fmt::format("--images-per-job goes with --format job: leave it out for {}", format));
  const std::filesystem::path path = target(options, format);
  options.require_writable(path, {"model", "checkpoint", "policy"});
  // Before the work, which may be long, so that a device that is not there costs nothing.
  const std::optional<host::HardwareInfo> hardware = hardware_of(options, format);
  const auto model = integers_of(options, static_cast<int>(options.integer_of("retrain", 0, 10'000)));
  write(format, model, hardware, images, path);
  console::print(fmt::format("{}: {} bytes\n", path.string(), std::filesystem::file_size(path)));
  return 0;
}

}  // namespace bitloop::learning
