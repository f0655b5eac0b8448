// libFuzzer on job files. The hash at a file's end, which no mutation would get right, is made to fit; what
// is taken for a job must then be written and read back as the same job.
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "host/base/error.h"
#include "host/base/sha256.h"
#include "host/program/job.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace bitloop;
  const auto content = std::as_bytes(std::span(data, size));
  std::vector<std::byte> bytes(content.begin(), content.end());
  const auto digest = host::sha256(bytes);
  bytes.insert(bytes.end(), digest.begin(), digest.end());
  host::Job job;
  try {
    job = host::parse_job(bytes);
  } catch (const InputError&) {
    return 0;
  }
  if (host::parse_job(host::job_bytes(job)) != job) __builtin_trap();
  return 0;
}
