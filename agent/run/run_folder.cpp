#include "agent/run/run_folder.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <vector>

#include "agent/run/files.h"
#include "host/base/atomic_file.h"
#include "host/base/error.h"
#include "quant/open_model.h"

namespace bitloop::agent {

namespace fs = std::filesystem;

void RunFolder::check_free() const {
  if (!fs::exists(path_)) return;
  if (!fs::is_directory(path_)) {
    throw InputError(fmt::format("{} is a file: give --out a folder", path_.string()));
  }
  if (holds_run()) {
    throw InputError(fmt::format("{} already holds a run: go on with it by --resume or choose another --out",
                                 path_.string()));
  }
  for (const auto& entry : fs::directory_iterator(path_)) {
    // What a run that was killed at its very start leaves behind.
    const std::string name = entry.path().filename().string();
    const bool temporary = name.starts_with("config.toml.") && name.ends_with(".tmp");
    if (name == "lines" || name == source().filename() || temporary) continue;
    throw InputError(fmt::format("{} holds other files ({}): choose an empty or new folder for --out",
                                 path_.string(), name));
  }
}

void RunFolder::create(SearchConfig config) const {
  std::error_code error;
  fs::create_directories(path_ / "lines", error);
  if (!error) fs::create_directories(source(), error);
  if (error) {
    throw InputError(
        fmt::format("{} cannot be created ({}): choose another --out", path_.string(), error.message()));
  }
  // A network is named after its file, so the copy keeps the name.
  if (const fs::path file = config.task.model; file.extension() == ".onnx") {
    config.source = file.string();
    config.task.model = source() / file.filename();
    quant::copy_model(file, config.task.model);
  }
  if (const fs::path file = config.task.class_names; !file.empty()) {
    config.task.class_names = source() / file.filename();
    host::write_file_atomically(config.task.class_names, read_file(file));
  }
  save_config(config, this->config());
}

void RunFolder::extend(int evaluations, int episodes) const {
  SearchConfig config = load_config(this->config());
  config.evaluations = evaluations;
  config.episodes = episodes;
  fs::remove(summary());
  save_config(config, this->config());
}

void RunFolder::remove_stale_temporaries() const {
  std::vector<fs::path> stale;
  for (const auto& entry : fs::recursive_directory_iterator(path_)) {
    if (host::is_stale_temporary(entry.path())) stale.push_back(entry.path());
  }
  std::error_code ignored;  // they are in nobody's way
  for (const fs::path& file : stale) fs::remove(file, ignored);
}

RunFolder open_finished_run(const fs::path& path) {
  const RunFolder run(path);
  if (!run.holds_run()) {
    throw InputError(
        fmt::format("{} holds no run: make one with bitloop search --out {}", path.string(), path.string()));
  }
  if (!fs::exists(run.summary())) {
    throw InputError(fmt::format("the run in {} is not finished: go on with bitloop search --resume --out {}",
                                 path.string(), path.string()));
  }
  return run;
}

std::string chosen_hardware(const RunFolder& run) {
  return nlohmann::json::parse(read_file(run.summary())).at("hardware").get<std::string>();
}

quant::QuantizedModel load_model(const RunFolder& run, const quant::Dataset& data) {
  quant::QuantizedModel model = quant::load_quantized(run.quantized());
  if (model.split_hash != data.split_hash) {
    throw InputError(
        fmt::format("{} was trained with the images of split hash {}, {} now has {}: restore the data set "
                    "or search again",
                    run.quantized().string(), model.split_hash, data.spec, data.split_hash));
  }
  return model;
}

}  // namespace bitloop::agent
