#pragma once

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

}  // namespace bitloop::quant
