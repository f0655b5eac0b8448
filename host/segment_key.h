#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "host/job.h"
#include "host/sha256.h"

namespace bitloop::host {

/// Names a segment on one hardware: segments of equal keys have equal counter records, to the cycle.
///
/// It is the SHA-256 of all that a record can depend on:
/// - the fingerprint: RTL, its parameters, memory;
/// - whether the segment is the job's first: a later one's record also counts the writing of the record
/// before;
/// - the segment's instructions, word by word, as the hardware reads them.
/// Why that is exact: every segment starts with the same state (queues and done counts cleared, no
/// transaction under way), so that from there on control is a function of the instructions, of the addresses
/// and of the data. Data never reach control (contract 2). Of an address, control sees only the place inside
/// a 4 KB page, where bursts are cut; jobs lie at multiples of 4 KB, so that an offset modulo 4 KB says it.
/// Descriptors lie at multiples of their size, each one burst: their own place does not matter.
/// Two things are therefore left out: higher bits of offsets, and pad codes, which are data (`timing_form`).
/// Geometry, bit-widths, signedness, places in SRAM, alignment and the compiler need no entries of their own:
/// whatever of them matters shows in an instruction, and a compiler that emits another instruction asks for
/// another key.
using SegmentKey = Sha256;

struct SegmentKeyHash {
  std::size_t operator()(const SegmentKey& key) const;
};

/// What a job's counters are composed of.
struct JobKeys {
  std::vector<SegmentKey> segments;  ///< in execution order, as Job::segments
  SegmentKey end{};  ///< what a job counts after its last record is taken: a constant of the hardware
};

/// Throws InputError where the job's descriptors are not one whole chain of as many segments as it names.
JobKeys job_keys(const Job& job, std::string_view fingerprint);

}  // namespace bitloop::host
