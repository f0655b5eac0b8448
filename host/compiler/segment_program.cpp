#include "host/compiler/segment_program.h"

#include <fmt/format.h>

#include <memory>

#include "host/base/error.h"
#include "host/compiler/stream_schedule.h"
#include "host/compiler/tile_schedule.h"

namespace bitloop::host {
namespace {

void append(std::vector<std::byte>& bytes, const Descriptor& descriptor) {
  const DescriptorBytes part = to_bytes(descriptor);
  bytes.insert(bytes.end(), part.begin(), part.end());
}

}  // namespace

SegmentPlan plan_segment(const Segment& segment, const HardwareInfo& hardware) {
  if (auto stream = plan_stream(segment, hardware)) return std::move(*stream);
  return plan_tiles(segment, hardware);
}

const std::vector<ReductionPart>& reduction_parts(const SegmentPlan& plan) {
  return std::visit([](const auto& p) -> const std::vector<ReductionPart>& { return p.weights.parts; }, plan);
}

std::vector<Instruction> schedule_segment(const Segment& segment, const SegmentPlan& plan,
                                          const HardwareInfo& hardware) try {
  std::unique_ptr<Schedule> schedule;
  if (const auto* stream = std::get_if<StreamPlan>(&plan)) {
    schedule = std::make_unique<StreamSchedule>(segment, hardware, *stream);
  } else {
    schedule = std::make_unique<TileSchedule>(segment, hardware, std::get<TilePlan>(plan));
  }
  schedule->run();
  return schedule->program.instructions();
} catch (const InputError& error) {
  const std::string prefix = fmt::format("layer {}", segment.name);
  if (std::string_view(error.what()).starts_with(prefix)) throw;
  throw InputError(fmt::format("{}: {}", prefix, error.what()));
}

std::vector<std::byte> segment_descriptors(const std::vector<Instruction>& instructions, Address offset,
                                           Address record, bool last) {
  SegmentHeader header;
  header.last = last;
  header.instructions = static_cast<std::uint32_t>(instructions.size());
  header.next = last ? 0 : static_cast<std::uint32_t>(offset + (instructions.size() + 1) * kDescriptorBytes);
  header.record = static_cast<std::uint32_t>(record);
  std::vector<std::byte> bytes;
  bytes.reserve((instructions.size() + 1) * kDescriptorBytes);
  append(bytes, encode(header));
  for (const Instruction& instruction : instructions) append(bytes, encode(instruction));
  return bytes;
}

}  // namespace bitloop::host
