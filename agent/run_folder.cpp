#include "agent/run_folder.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <vector>

#include "host/error.h"

namespace bitloop::agent {

namespace fs = std::filesystem;

namespace {

/// A file NAME.PID.tmp whose process is gone; this one writes none before it has called.
bool is_stale_temporary(const fs::path& file) {
  if (file.extension() != ".tmp") return false;
  const std::string number = file.stem().extension().string();
  if (number.size() < 2) return false;
  pid_t process = 0;
  const char* end = number.data() + number.size();
  const auto [rest, error] = std::from_chars(number.data() + 1, end, process);
  if (error != std::errc{} || rest != end || process <= 0) return false;
  return process == getpid() || (kill(process, 0) != 0 && errno == ESRCH);
}

}  // namespace

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
    if (entry.path().filename() == "lines" || entry.path().filename() == "config.toml.tmp") continue;
    throw InputError(fmt::format("{} holds other files ({}): choose an empty or new folder for --out",
                                 path_.string(), entry.path().filename().string()));
  }
}

void RunFolder::create(const SearchConfig& config) const {
  std::error_code error;
  fs::create_directories(path_ / "lines", error);
  if (error) {
    throw InputError(
        fmt::format("{} cannot be created ({}): choose another --out", path_.string(), error.message()));
  }
  save_config(config, this->config());
}

void RunFolder::remove_stale_temporaries() const {
  std::vector<fs::path> stale;
  for (const auto& entry : fs::recursive_directory_iterator(path_)) {
    if (is_stale_temporary(entry.path())) stale.push_back(entry.path());
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
