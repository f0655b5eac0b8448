#pragma once

#include <cstdint>
#include <functional>

namespace bitloop::quant {

/// Sets how many threads LibTorch uses for operations that the calling thread starts, until the end of scope.
/// Other threads keep their own number. Also keeps BLAS to one thread for the whole process: it would
/// otherwise start threads of its own under each of ours.
class TorchThreads {
 public:
  explicit TorchThreads(int count);
  ~TorchThreads();
  TorchThreads(const TorchThreads&) = delete;
  TorchThreads& operator=(const TorchThreads&) = delete;

  /// All cores of this machine.
  static int all();

 private:
  int previous_;
};

/// Calls `work(0)` .. `work(count - 1)` on up to so many threads of one LibTorch thread each, the caller's
/// among them: results do not depend on their number, as those of one operation on several threads may. Modes
/// of LibTorch that the caller set (no gradients, inference) do not hold in other threads: `work` sets its
/// own. Throws what one of them threw.
void in_parallel(std::int64_t count, int threads, const std::function<void(std::int64_t)>& work);

}  // namespace bitloop::quant
