#include "quant/training/kept_memory.h"

#if __has_include(<malloc.h>)
#include <malloc.h>
#endif

#include <mutex>

namespace bitloop::quant {

#ifdef __GLIBC__
namespace {
constexpr int kDefaultMappings = 65536;  // glibc's own (mallopt(3))
// What glibc's thresholds grow to by themselves where blocks of 32 MB are freed. Once set they no longer
// grow, so its small defaults would have every later tensor taken from the system.
constexpr int kMappingThreshold = 32 << 20;
constexpr int kTrimThreshold = 2 * kMappingThreshold;
constexpr int kNeverTrim = -1;

std::mutex mutex;
int holders = 0;
}  // namespace

KeptMemory::KeptMemory() {
  const std::lock_guard lock(mutex);
  if (holders++ > 0) return;
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, kNeverTrim);
}

KeptMemory::~KeptMemory() {
  const std::lock_guard lock(mutex);
  if (--holders > 0) return;
  mallopt(M_MMAP_MAX, kDefaultMappings);
  mallopt(M_MMAP_THRESHOLD, kMappingThreshold);
  mallopt(M_TRIM_THRESHOLD, kTrimThreshold);
  malloc_trim(0);
}
#else
KeptMemory::KeptMemory() = default;
KeptMemory::~KeptMemory() = default;
#endif

}  // namespace bitloop::quant
