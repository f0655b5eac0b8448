#pragma once

namespace bitloop::quant {

/// While any exists, memory that the process frees stays with it: training and the statistics of a batch of
/// images free and take the same hundreds of megabytes again and again, and memory that comes anew from the
/// system costs a page fault per 4 KB. What is free at the last one's end goes back. For the whole process;
/// safe from several threads. Does nothing without glibc.
class KeptMemory {
 public:
  KeptMemory();
  ~KeptMemory();
  KeptMemory(const KeptMemory&) = delete;
  KeptMemory& operator=(const KeptMemory&) = delete;
};

}  // namespace bitloop::quant
