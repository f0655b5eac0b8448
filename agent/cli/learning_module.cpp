#include <dlfcn.h>
#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>

#include "agent/cli/verbs.h"
#include "host/base/error.h"

namespace bitloop::cli {
namespace {

std::filesystem::path module_path() {
  return std::filesystem::read_symlink("/proc/self/exe").parent_path() / "libbitloop_learning.so";
}

}  // namespace

int learning_verb(const std::string& verb, const console::Arguments& arguments) {
  // LibTorch's threads would otherwise spin long while they wait for each other, which on a busy machine
  // takes the cores from those that work (measured: training five times slower). Not to spin at all makes
  // LeNet's float training a third slower on an idle machine; so many turns of GNU OpenMP's loop cost 12 %
  // beside one busy process. Read when OpenMP is loaded.
  if (std::getenv("OMP_WAIT_POLICY") == nullptr) setenv("GOMP_SPINCOUNT", "2000", /*overwrite=*/0);
  const auto path = module_path();
  // Never closed: LibTorch does not survive being unloaded.
  void* module = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (module == nullptr) {
    throw Error(fmt::format("the learning module could not be opened ({}): build with BITLOOP_LEARNING=ON",
                            dlerror()));
  }
  using Entry = int (*)(const std::string& verb, const console::Arguments& arguments);
  const auto entry = reinterpret_cast<Entry>(dlsym(module, "bitloop_learning_verb"));
  if (entry == nullptr) {
    throw Error(fmt::format("{} is not the learning module of this version: build again", path.string()));
  }
  return entry(verb, arguments);
}

}  // namespace bitloop::cli
