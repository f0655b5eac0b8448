#include "quant/tensor/threads.h"

#include <ATen/Parallel.h>
#include <dlfcn.h>
#include <omp.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace bitloop::quant {
namespace {

/// Debian's BLAS is an alternative: OpenBLAS has this function, the reference BLAS has neither it nor
/// threads.
void keep_blas_to_one_thread() {
  using SetThreads = void (*)(int);
  const auto set = reinterpret_cast<SetThreads>(dlsym(RTLD_DEFAULT, "openblas_set_num_threads"));
  if (set != nullptr) set(1);
}

/// OpenBLAS takes the kernels of 2004 for processors newer than itself. It reads OPENBLAS_CORETYPE when it is
/// loaded, which for programs that link it is before any line of ours, so it is made to choose again: before
/// main or, in the command line's module, before dlopen returns, where nobody computes yet. The same kernels
/// wherever there is AVX2: results do not depend on which processor of the last ten years it is.
bool choose_blas_kernels() {
#if defined(__x86_64__)
  constexpr const char* kVariable = "OPENBLAS_CORETYPE";
  const auto function = [](const char* name) {
    return reinterpret_cast<void (*)()>(dlsym(RTLD_DEFAULT, name));
  };
  const auto quit = function("gotoblas_dynamic_quit"), choose = function("gotoblas_dynamic_init");
  const bool able = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (!able || quit == nullptr || choose == nullptr || std::getenv(kVariable) != nullptr) return false;
  setenv(kVariable, "Haswell", /*overwrite=*/0);
  quit();
  choose();
  return true;
#else
  return false;
#endif
}
[[maybe_unused]] const bool kernels_chosen = choose_blas_kernels();

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

void in_parallel(std::int64_t count, int threads, const std::function<void(std::int64_t)>& work) {
  std::atomic<std::int64_t> next = 0;
  std::vector<std::exception_ptr> errors(
      static_cast<std::size_t>(std::clamp<std::int64_t>(threads, 1, std::max<std::int64_t>(count, 1))));
  const auto take_all = [&](std::exception_ptr& error) {
    try {
      const TorchThreads one(1);
      for (std::int64_t i = next++; i < count; i = next++) work(i);
    } catch (...) {
      error = std::current_exception();
      next = count;
    }
  };
  {
    std::vector<std::jthread> others;
    for (std::size_t i = 1; i < errors.size(); ++i) others.emplace_back(take_all, std::ref(errors[i]));
    take_all(errors.front());
  }
  for (const std::exception_ptr& error : errors)
    if (error) std::rethrow_exception(error);
}

}  // namespace bitloop::quant
