#pragma once

namespace bitloop::quant {

/// While one exists, memory that the process frees stays with it: training frees and takes the same hundreds
/// of megabytes at every step, and memory that comes anew from the system costs a page fault per 4 KB. What
/// is free at its end goes back. For the whole process; one at a time. Does nothing without glibc.
class KeptMemory {
 public:
  KeptMemory();
  ~KeptMemory();
  KeptMemory(const KeptMemory&) = delete;
  KeptMemory& operator=(const KeptMemory&) = delete;
};

}  // namespace bitloop::quant
