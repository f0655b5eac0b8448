#pragma once

#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <string>

#include "host/network/network.h"

// A network and a folder, for tests only.
namespace bitloop::agent::test {

/// image -> conv1 -> pool -> conv2 -> fc1 -> fc2: tensors a (pooled to b), c, d, result.
inline host::Network small_network() {
  host::Network n;
  n.name = "small";
  n.tensors = {{"image", {1, 8, 8}}, {"a", {4, 8, 8}},  {"b", {4, 4, 4}},
               {"c", {8, 4, 4}},     {"d", {16, 1, 1}}, {"result", {10, 1, 1}}};
  using host::Layer;
  using host::LayerKind;
  const auto layer = [](const char* name, LayerKind kind, int input, int output, int kernel, int pad) {
    Layer l;
    l.name = name;
    l.kind = kind;
    l.inputs = {input};
    l.output = output;
    l.kernel_height = l.kernel_width = kernel;
    l.pad = pad;
    return l;
  };
  n.layers = {layer("conv1", LayerKind::conv, 0, 1, 3, 1), layer("pool1", LayerKind::max_pool, 1, 2, 2, 0),
              layer("conv2", LayerKind::conv, 2, 3, 3, 1), layer("fc1", LayerKind::linear, 3, 4, 1, 0),
              layer("fc2", LayerKind::linear, 4, 5, 1, 0)};
  n.layers[1].stride = 2;
  n.input = 0;
  n.outputs = {5};
  return n;
}

/// A folder that is removed at the end of a test.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    static std::atomic<int> count{0};
    path = std::filesystem::temp_directory_path() /
           ("bitloop_agent_test_" + std::to_string(::getpid()) + "_" + std::to_string(count++));
    std::filesystem::create_directories(path);
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  std::filesystem::path path;
};

}  // namespace bitloop::agent::test
