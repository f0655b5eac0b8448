#include "agent/run_folder.h"

#include <fmt/format.h>

#include "host/error.h"

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
    if (entry.path().filename() == "lines" || entry.path().filename() == "config.toml.tmp") continue;
    throw InputError(fmt::format("{} holds other files ({}): choose an empty or new folder for --out", path_.string(),
                                 entry.path().filename().string()));
  }
}

void RunFolder::create(const SearchConfig& config) const {
  std::error_code error;
  fs::create_directories(path_ / "lines", error);
  if (error) {
    throw InputError(fmt::format("{} cannot be created ({}): choose another --out", path_.string(), error.message()));
  }
  save_config(config, this->config());
}

RunFolder open_finished_run(const fs::path& path) {
  const RunFolder run(path);
  if (!run.holds_run()) {
    throw InputError(fmt::format("{} holds no run: make one with bitloop search --out {}", path.string(),
                                 path.string()));
  }
  if (!fs::exists(run.quantized())) {
    throw InputError(fmt::format("the run in {} is not finished: go on with bitloop search --resume --out {}",
                                 path.string(), path.string()));
  }
  return run;
}

}  // namespace bitloop::agent
