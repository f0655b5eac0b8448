#include "quant/tensor/threads.h"

#include <ATen/Parallel.h>
#include <dlfcn.h>
#include <omp.h>

#include <algorithm>
#include <mutex>
#include <thread>

namespace bitloop::quant {
namespace {

/// Debian's BLAS is an alternative: OpenBLAS has this function, the reference BLAS has neither it nor
/// threads.
void keep_blas_to_one_thread() {
  using SetThreads = void (*)(int);
  const auto set = reinterpret_cast<SetThreads>(dlsym(RTLD_DEFAULT, "openblas_set_num_threads"));
  if (set != nullptr) set(1);
}

}  // namespace

TorchThreads::TorchThreads(int count) {
  static std::once_flag once;
  std::call_once(once, keep_blas_to_one_thread);
  // LibTorch sets its default in a thread's first parallel region or at this call; ours must come after it.
  previous_ = at::get_num_threads();
  // Not at::set_num_threads: that one also changes what later threads start with.
  omp_set_num_threads(count);
}

TorchThreads::~TorchThreads() { omp_set_num_threads(previous_); }

int TorchThreads::all() { return static_cast<int>(std::max(1U, std::thread::hardware_concurrency())); }

}  // namespace bitloop::quant
