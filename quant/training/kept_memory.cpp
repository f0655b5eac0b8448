#include "quant/training/kept_memory.h"

#if __has_include(<malloc.h>)
#include <malloc.h>
#endif

namespace bitloop::quant {

#ifdef __GLIBC__
namespace {
constexpr int kDefaultMappings = 65536;  // glibc's own (mallopt(3))
// What glibc's thresholds grow to by themselves where blocks of 32 MB are freed. Once set they no longer
// grow, so its small defaults would have every later tensor taken from the system.
constexpr int kMappingThreshold = 32 << 20;
constexpr int kTrimThreshold = 2 * kMappingThreshold;
constexpr int kNeverTrim = -1;
}  // namespace

KeptMemory::KeptMemory() {
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, kNeverTrim);
}

KeptMemory::~KeptMemory() {
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
