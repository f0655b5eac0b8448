#include "quant/training/device.h"

#include <fmt/format.h>
#include <torch/cuda.h>

#include <cstdlib>
#include <string_view>

#include "host/base/error.h"

namespace bitloop::quant {
namespace {

bool wants_cuda() {
  const char* value = std::getenv("BITLOOP_DEVICE");
  const std::string_view name = value == nullptr ? "" : value;
  if (name.empty()) return torch::cuda::is_available();
  if (name == "cpu") return false;
  if (name != "cuda")
    throw InputError(fmt::format("environment variable BITLOOP_DEVICE is '{}': set it to cpu or cuda", name));
  if (!torch::cuda::is_available())
    throw InputError("BITLOOP_DEVICE asks for cuda, but LibTorch finds no CUDA device: set it to cpu");
  return true;
}

}  // namespace

at::Device training_device() {
  if (!wants_cuda()) return at::kCPU;
  at::globalContext().setAllowTF32CuBLAS(false);
  at::globalContext().setAllowTF32CuDNN(false);
  at::globalContext().setBenchmarkCuDNN(false);
  at::globalContext().setDeterministicCuDNN(true);
  return at::kCUDA;
}

}  // namespace bitloop::quant
