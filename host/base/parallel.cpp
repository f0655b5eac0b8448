#include "host/base/parallel.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace bitloop::host {

void parallel_for(int items, int workers, const std::function<void(int, int)>& work) {
  std::atomic<int> next{0};
  std::exception_ptr failure;
  std::mutex failure_mutex;
  const auto loop = [&](int worker) {
    for (int item = next++; item < items; item = next++) {
      try {
        work(item, worker);
      } catch (...) {
        const std::lock_guard lock(failure_mutex);
        if (!failure) failure = std::current_exception();
        next = items;
      }
    }
  };
  {
    std::vector<std::jthread> threads;
    for (int worker = 1; worker < std::min(items, workers); ++worker) threads.emplace_back(loop, worker);
    loop(0);
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace bitloop::host
