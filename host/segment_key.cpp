#include "host/segment_key.h"

#include <fmt/format.h>

#include <cstring>
#include <span>

#include "host/error.h"
#include "host/instruction.h"

namespace bitloop::host {
namespace {

using Bytes = std::vector<std::byte>;

/// What the job places at an offset, where that is one block's business.
std::span<const std::byte> placed_at(const Job& job, Address offset, Address bytes) {
  std::span<const std::byte> found;
  int blocks = 0;
  for (const Block& block : job.blocks) {
    if (offset >= block.offset + block.bytes.size() || block.offset >= offset + bytes) continue;
    ++blocks;
    const bool whole = offset >= block.offset && offset + bytes <= block.offset + block.bytes.size();
    if (whole) found = std::span(block.bytes).subspan(offset - block.offset, bytes);
  }
  if (blocks != 1 || found.empty()) {
    throw InputError(fmt::format("job: the descriptors at offset {:#x} do not lie in one block", offset));
  }
  return found;
}

Descriptor descriptor_at(std::span<const std::byte> bytes, std::size_t index) {
  return descriptor_from(bytes.subspan(index * kDescriptorBytes).first<kDescriptorBytes>());
}

void append(Bytes& bytes, std::string_view text) {
  const auto part = std::as_bytes(std::span(text));
  bytes.insert(bytes.end(), part.begin(), part.end());
}

void append(Bytes& bytes, const Descriptor& descriptor) {
  const DescriptorBytes part = to_bytes(descriptor);
  bytes.insert(bytes.end(), part.begin(), part.end());
}

}  // namespace

std::size_t SegmentKeyHash::operator()(const SegmentKey& key) const {
  std::size_t hash = 0;  // the key is uniformly distributed as it is
  std::memcpy(&hash, key.data(), sizeof hash);
  return hash;
}

JobKeys job_keys(const Job& job, std::string_view fingerprint) {
  JobKeys keys;
  Bytes text;
  Address offset = job.descriptors;
  bool last = false;
  while (!last && keys.segments.size() < job.segments.size()) {
    if (offset % kDescriptorBytes != 0) {  // its fetching could count otherwise
      throw InputError(fmt::format("job: the descriptors at offset {:#x} are not aligned", offset));
    }
    const SegmentHeader header = decode_segment(descriptor_at(placed_at(job, offset, kDescriptorBytes), 0));
    text.clear();
    append(text, fmt::format("segment {} {} {};", fingerprint, keys.segments.empty() ? "first" : "later",
                             header.instructions));
    if (header.instructions > 0) {
      const Address bytes = Address{header.instructions} * kDescriptorBytes;
      const auto instructions = placed_at(job, offset + kDescriptorBytes, bytes);
      for (std::size_t i = 0; i < header.instructions; ++i) {
        append(text, timing_form(descriptor_at(instructions, i)));
      }
    }
    keys.segments.push_back(sha256(text));
    offset = header.next;
    last = header.last;
  }
  if (!last || keys.segments.size() != job.segments.size()) {
    throw InputError(fmt::format("job: its descriptors are not a chain of {} segments", job.segments.size()));
  }
  text.clear();
  append(text, fmt::format("end {};", fingerprint));
  keys.end = sha256(text);
  return keys;
}

}  // namespace bitloop::host
