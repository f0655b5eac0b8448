#include "sim/on_demand.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>
#include <boost/process/args.hpp>
#include <boost/process/io.hpp>
#include <boost/process/system.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <span>
#include <sstream>
#include <thread>
#include <vector>

#include "host/base/error.h"
#include "host/base/file_lock.h"
#include "host/base/sha256.h"

namespace bitloop::sim {
namespace {

namespace fs = std::filesystem;

std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream bytes;
  bytes << file.rdbuf();
  if (!file) throw Error(fmt::format("{} cannot be read", path.string()));
  return std::move(bytes).str();
}

std::string sha256_hex(std::string_view text) {
  std::string hex;
  for (const std::byte byte : host::sha256(std::as_bytes(std::span(text)))) {
    hex += fmt::format("{:02x}", std::to_integer<unsigned>(byte));
  }
  return hex;
}

/// What model and program must have in common: generated code is for one processor, and made from the RTL as
/// it is now; the rest is fixed by the build.
std::string model_stamp(const fs::path& rtl) {
  std::ifstream processor("/proc/cpuinfo");
  std::string line;
  while (std::getline(processor, line) && !line.starts_with("flags") && !line.starts_with("Features")) {
  }
  return sha256_hex(BITLOOP_MODEL_STAMP " " + line + rtl_sources_hash(rtl));
}

/// A model file ends with this: dlopen crashes on a file that was cut off.
std::string trailer(const std::string& stamp, std::string_view model) {
  return "\nbitloop " + stamp + " " + sha256_hex(model);
}

/// Why the file cannot be loaded; empty where it can.
std::string fault_of(const fs::path& path, const std::string& stamp) {
  const std::string file = read_file(path);
  const std::size_t length = trailer(stamp, "").size();
  if (file.size() <= length) return "it is damaged";
  const std::string_view model = std::string_view(file).substr(0, file.size() - length);
  const std::string_view end = std::string_view(file).substr(model.size());
  const std::string want = trailer(stamp, model);
  if (end == want) return "";
  const std::size_t hash_at = want.rfind(' ');
  return end.substr(hash_at) == want.substr(hash_at)
             ? "it was made for another build of bitloop, another processor or from another form of the RTL"
             : "it is damaged";
}

std::vector<fs::path> built_sources(const fs::path& rtl) {
  std::vector<fs::path> sources;
  std::ifstream list(rtl / "accelerator.f");
  for (std::string line; std::getline(list, line);) sources.push_back(rtl / line);
  if (!sources.empty()) return sources;
  throw InputError(fmt::format(
      "there is no RTL in {} (accelerator.f lists its sources), which hardware is built from: bring it "
      "back, or use a configuration that is compiled in",
      rtl.string()));
}

/// "NAME HASH" of each, a line, by name.
std::string hashes(std::vector<fs::path> sources, const char* prefix) {
  std::sort(sources.begin(), sources.end(),
            [](const fs::path& a, const fs::path& b) { return a.filename() < b.filename(); });
  std::string text;
  for (const fs::path& source : sources) {
    text += fmt::format("{}{} {}\n", prefix, source.filename().string(), sha256_hex(read_file(source)));
  }
  return text;
}

/// A folder for each fingerprint in the user's cache.
fs::path cache_folder(const std::string& fingerprint) {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return fs::path(value == nullptr ? "" : value);
  };
  fs::path cache = variable("XDG_CACHE_HOME");
  if (cache.empty()) {
    if (variable("HOME").empty()) {
      throw InputError("neither XDG_CACHE_HOME nor HOME is set: set one, so that built hardware can be kept");
    }
    cache = variable("HOME") / ".cache";
  }
  const fs::path folder = cache / "bitloop" / "hardware" / fingerprint;
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) throw InputError(fmt::format("{} cannot be created: {}", folder.string(), error.message()));
  return folder;
}

void say(const std::string& line) { fmt::print(stderr, "bitloop: {}\n", line); }

host::FileLock wait_for_lock(const fs::path& folder, const std::string& name) {
  using namespace std::chrono_literals;
  for (bool told = false;; told = true) {
    if (auto lock = host::FileLock::try_lock(folder / "lock", host::FileLock::Kind::exclusive)) {
      return std::move(*lock);
    }
    if (!told) say(fmt::format("hardware {}: waiting for another process that builds it", name));
    std::this_thread::sleep_for(100ms);
  }
}

/// Exit status of a program whose outputs go to the file `log`.
int run_program(const std::vector<std::string>& command, const fs::path& log) {
  namespace process = boost::process;
  if (!std::ofstream(log, std::ios::trunc)) {  // Boost.Process would leave the end of a longer one
    throw Error(fmt::format("{} cannot be written: free some space or check its permissions", log.string()));
  }
  try {
    const auto input = process::std_in < process::null;
    const auto output = (process::std_out & process::std_err) > log.string();
    return process::system(process::args = command, input, output);
  } catch (const process::process_error& error) {
    throw Error(fmt::format("{} cannot be started: {}", command[0], error.code().message()));
  }
}

/// What the log of a build that failed says first: a tool's own line, or what follows CMake's.
std::string first_error(const fs::path& log) {
  std::ifstream file(log);
  bool cmake = false;
  for (std::string line; std::getline(file, line);) {
    const std::size_t start = line.find_first_not_of(' ');
    if (line.starts_with("%Error") || (cmake && start != std::string::npos)) return line.substr(start);
    cmake = cmake || line.starts_with("CMake Error");
  }
  return "it did not end well";
}

/// What a build is made from and what it is called.
struct Model {
  const Configuration& configuration;
  fs::path rtl;
  std::string fingerprint;
  std::string stamp;
  Detail detail;
};

void build(const Model& model, const fs::path& file) {
  const Configuration& configuration = model.configuration;
  if (const std::string obstacle = on_demand_obstacle(); !obstacle.empty()) {
    throw Error(fmt::format("hardware {} is not built yet and cannot be: {}", configuration.name, obstacle));
  }
  const bool timing = model.detail == Detail::timing;
  say(fmt::format("hardware {}: {}building it{} once, into {}", configuration.name,
                  configuration.make(model.detail) == nullptr
                      ? ""
                      : fmt::format("the RTL in {} is not what was compiled in: ", model.rtl.string()),
                  timing ? " without its datapath" : "", file.string()));
  const fs::path out = file.parent_path() / "build";
  const fs::path log = file.parent_path() / "build.log";
  const int status = run_program(
      {BITLOOP_CMAKE, fmt::format("-DPARAMETERS={}{}", configuration.parameters, timing ? "|Datapath=0" : ""),
       "-DFINGERPRINT=" + model.fingerprint,
       fmt::format("-DPREFIX=accelerator_{}{}", timing ? "timing_" : "", model.fingerprint),
       "-DRTL=" + model.rtl.string(), fmt::format("-DAS_BUILT={}", configuration.as_built ? "ON" : "OFF"),
       "-DOUT=" + out.string(), "-P", BITLOOP_BUILD_MODEL},
      log);
  if (status != 0) {
    throw Error(fmt::format("hardware {} cannot be built: {} (all of it: {})", configuration.name,
                            first_error(log), log.string()));
  }
  {
    const std::string end = trailer(model.stamp, read_file(out / "model.so"));
    std::ofstream built(out / "model.so", std::ios::binary | std::ios::app);
    built << end << std::flush;
    if (!built)
      throw Error(fmt::format("{} cannot be written: free some space", (out / "model.so").string()));
  }
  fs::rename(out / "model.so", file);
  fs::remove_all(out);
  fs::remove(log);
}

/// The model's file, which is now as it must be.
fs::path model_file(const Model& model) {
  const fs::path folder = cache_folder(model.fingerprint);
  const fs::path file = folder / (model.detail == Detail::full ? "model.so" : "timing.so");
  if (fs::exists(file) && fault_of(file, model.stamp).empty()) return file;
  const host::FileLock lock = wait_for_lock(folder, model.configuration.name);
  if (fs::exists(file)) {
    const std::string fault = fault_of(file, model.stamp);
    if (fault.empty()) return file;  // by another process, while this one waited
    say(fmt::format("hardware {}: {} is not used: {}", model.configuration.name, file.string(), fault));
  }
  build(model, file);
  return file;
}

}  // namespace

fs::path own_rtl() { return BITLOOP_RTL_FOLDER; }

bool own_rtl_is_gone() { return !fs::exists(own_rtl()); }

std::string on_demand_obstacle() {
  for (const fs::path& path : {fs::path(BITLOOP_VERILATOR), fs::path(BITLOOP_CXX), fs::path(BITLOOP_CMAKE),
                               fs::path(BITLOOP_BUILD_MODEL)}) {
    if (!fs::exists(path)) {
      return fmt::format("{} is gone, which bitloop was built with: bring it back or build bitloop again",
                         path.string());
    }
  }
  return "";
}

std::string rtl_sources_hash(const fs::path& rtl) {
  std::vector<fs::path> forms;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(rtl / "simulation", none)) {
    if (entry.path().extension() == ".sv") forms.push_back(entry.path());
  }
  return sha256_hex(hashes(built_sources(rtl), "") + hashes(forms, "simulation/"));
}

std::string rtl_built_hash(const fs::path& rtl) { return sha256_hex(hashes(built_sources(rtl), "")); }

std::string rtl_fingerprint(const fs::path& rtl, const std::string& parameters) {
  std::string text = hashes(built_sources(rtl), "") + parameters + "\n";
  std::replace(text.begin(), text.end(), '|', '\n');
  return sha256_hex(text).substr(0, 16);
}

std::unique_ptr<host::Device> make_on_demand(const Configuration& configuration, const fs::path& rtl,
                                             const MemoryModel& memory, const std::optional<WaveWindow>& wave,
                                             Detail detail) {
  const std::string fingerprint = rtl_fingerprint(rtl, configuration.parameters);
  const fs::path file = model_file({configuration, rtl, fingerprint, model_stamp(rtl), detail});
  // Never unloaded: a device lives as long as its caller likes. Loading it again gives the same.
  void* model = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (model == nullptr)
    throw Error(fmt::format("hardware {}: {}: delete the file", configuration.name, dlerror()));
  const auto* make = static_cast<const MakeDevice*>(dlsym(model, "bitloop_make_device"));
  if (make == nullptr)
    throw Error(fmt::format("hardware {}: {}: delete the file", configuration.name, dlerror()));
  auto device = (*make)(configuration, memory, wave);
  if (!device->info().fingerprint.starts_with(fingerprint)) {
    throw Error(fmt::format("hardware {}: {} says that it is {}: delete the file", configuration.name,
                            file.string(), device->info().fingerprint));
  }
  return device;
}

}  // namespace bitloop::sim
