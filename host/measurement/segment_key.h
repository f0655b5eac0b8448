#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "host/base/sha256.h"
#include "host/compiler/segment.h"

namespace bitloop::host {

/// Names a segment on one hardware: segments of equal keys have equal counter records, to the cycle.
///
/// It is the SHA-256 of all that a record can depend on:
/// - the fingerprint: RTL, its parameters, memory;
/// - the compiler's own sources (`compiler_hash`): what follows is the same instructions from the same
///   compiler only;
/// - whether the segment is the job's first: a later one's record also counts the writing of the record
///   before;
/// - every field of the segment that its instructions are made from: geometry, widths, where operands and
///   results live. Not among them: offsets in memory, because everything lies at multiples of 4 KB (the only
///   thing of an address that control sees is its place in a page, where bursts are cut), and the codes of
///   padding, which are data.
/// Why that is exact: every segment starts with the same state (queues and done counts cleared, no
/// transaction under way), so that from there on control is a function of the instructions, of the addresses
/// and of the data; data never reach control (contract 2).
using SegmentKey = Sha256;

struct SegmentKeyHash {
  std::size_t operator()(const SegmentKey& key) const;
};

/// SHA-256 over the sources that make the instructions (host/CMakeLists.txt lists them), in hexadecimal.
std::string_view compiler_hash();

/// All of the above but fingerprint and compiler, as bytes: a key within one process.
std::string key_text(const Segment& segment, bool first);
SegmentKey segment_key(std::string_view key_text, std::string_view fingerprint);
/// Of a self-test that hardware has passed.
Sha256 self_test_key(std::string_view fingerprint);
/// Of what a job counts after its last record is taken: a constant of the hardware.
SegmentKey end_key(std::string_view fingerprint);

}  // namespace bitloop::host
