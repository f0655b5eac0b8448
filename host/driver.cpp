#include "host/driver.h"

#include <fmt/format.h>

#include <utility>

#include "host/error.h"
#include "host/plane_words.h"
#include "host/registers.h"

namespace bitloop::host {
namespace {

constexpr Address kBase = 0;  ///< where jobs lie in the memory window; any multiple of 4 KB

std::string error_names(std::uint32_t error) {
  constexpr std::pair<std::uint32_t, const char*> kNames[] = {
      {1, "illegal descriptor"}, {2, "AXI read error"}, {4, "AXI write error"}};
  std::string names;
  for (const auto& [bit, name] : kNames) {
    if ((error & bit) == 0) continue;
    if (!names.empty()) names += ", ";
    names += name;
  }
  return names.empty() ? fmt::format("unknown error {:#x}", error) : names;
}

/// A job uses as much of an SRAM as it was compiled for, and wraps where its staging ring ended.
void check_srams(const Job& job, const HardwareInfo& device) {
  const auto refuse = [](const char* what, int compiled_for, int present) {
    throw DeviceError(fmt::format("the job is for {} {} and the device has {}; compile it for this device",
                                  compiled_for, what, present));
  };
  const auto at_least = [&](const char* what, int compiled_for, int present) {
    if (present < compiled_for) refuse(what, compiled_for, present);
  };
  at_least("activation rows", job.activation_rows, device.activation_rows);
  at_least("weight rows", job.weight_rows, device.weight_rows);
  at_least("parameter slots", job.parameter_slots, device.parameter_slots);
  if (job.staging_words != 0 && job.staging_words != device.staging_words) {
    refuse("staging words", job.staging_words, device.staging_words);
  }
}

std::uint64_t word_at(std::span<const std::byte> bytes, std::size_t index) {
  std::uint64_t word = 0;
  for (int i = 7; i >= 0; --i) word = word << 8 | std::to_integer<std::uint64_t>(bytes[index * 8 + i]);
  return word;
}

}  // namespace

static_assert(kCounters * 2 == registers::kCountersWords && kCounters * 8 == kRecordBytes);

std::span<const char* const> counter_names() { return registers::kCounterNames; }

Driver::Driver(Device& device) : device_(device) {
  const std::uint32_t id = device_.read_register(registers::kId);
  if (id != registers::kIdValue) {
    throw DeviceError(
        fmt::format("the device is no Bitloop accelerator: its ID register reads {:#010x}, not {:#010x}", id,
                    registers::kIdValue));
  }
  const std::uint32_t hash = device_.read_register(registers::kRegmapHash);
  if (hash != registers::kRegmapHashValue) {
    throw DeviceError(
        fmt::format("the device's register map has hash {:#010x} and this program's {:#010x}; build both "
                    "from the same sources",
                    hash, registers::kRegmapHashValue));
  }
  const bool idle = device_.read_register(registers::kStatus) == 0;
  if (!idle || device_.read_register(registers::kError) != 0) device_.reset();
}

void Driver::load(const Job& job) {
  validate_job(job);
  const HardwareInfo& info = device_.info();
  if (job.filters != info.filters || job.pixels != info.pixels) {
    throw DeviceError(
        fmt::format("the job is for P={}, F={} and the device has P={}, F={}; compile it for this device",
                    job.pixels, job.filters, info.pixels, info.filters));
  }
  check_srams(job, info);
  if (job.bytes > device_.memory_size() || kBase > device_.memory_size() - job.bytes) {
    throw DeviceError(
        fmt::format("the job needs {} bytes of memory and the device has {}; use a smaller network or "
                    "give the device more",
                    job.bytes, device_.memory_size()));
  }
  loaded_ = false;
  job_ = job;
  for (const Block& block : job_.blocks) device_.write_memory(kBase + block.offset, block.bytes);
  loaded_ = true;
}

Measurement Driver::run(std::span<const std::uint8_t> hwc_image, Cycles limit) {
  if (!loaded_) throw DeviceError("no job is loaded");
  const std::vector<std::byte> input = pack_input(hwc_image);
  try {
    device_.write_memory(kBase + job_.image, input);
    start_and_wait(limit);
    check_errors();
    return read_counters();
  } catch (...) {
    try {
      device_.reset();
    } catch (...) {  // what went wrong first says more
    }
    throw;
  }
}

std::vector<std::byte> Driver::pack_input(std::span<const std::uint8_t> hwc_image) const {
  if (job_.input_bits != 0) {
    return pack_tensor(input_codes(job_.image_shape, job_.input_bits, hwc_image));
  }
  if (hwc_image.size() != static_cast<std::size_t>(job_.image_shape.elements())) {
    throw InputError(fmt::format("the image has {} bytes and network {} takes {}", hwc_image.size(),
                                 job_.network, job_.image_shape.elements()));
  }
  std::vector<std::byte> padded(input_bytes(job_));  // whole words
  for (std::size_t i = 0; i < hwc_image.size(); ++i) padded[i] = static_cast<std::byte>(hwc_image[i]);
  return padded;
}

/// A job that ended earlier can never be taken for this one: its sequence number differs from the last one
/// done.
void Driver::start_and_wait(Cycles limit) {
  const std::uint32_t last_done = device_.read_register(registers::kLastDone);
  do {
    ++sequence_;
  } while (sequence_ == last_done || sequence_ == 0);
  device_.write_register(registers::kBase, static_cast<std::uint32_t>(kBase));
  device_.write_register(registers::kJob, static_cast<std::uint32_t>(job_.descriptors));
  device_.write_register(registers::kStart, sequence_);
  if (!device_.wait_done(sequence_, limit)) {
    throw DeviceTimeout(fmt::format("network {} did not end within {} cycles", job_.network, limit));
  }
}

void Driver::check_errors() {
  const std::uint32_t error = device_.read_register(registers::kError);
  if (error != 0) {
    throw DeviceError(fmt::format("network {}: {} (descriptor at offset {:#x})", job_.network,
                                  error_names(error), device_.read_register(registers::kErrorInfo)));
  }
  const std::uint32_t done = device_.read_register(registers::kLastDone);
  if (done != sequence_) {
    throw DeviceError(
        fmt::format("the device ended job {} instead of {}; does another program use it?", done, sequence_));
  }
}

Measurement Driver::read_counters() {
  Measurement measurement;
  for (std::size_t i = 0; i < kCounters; ++i) {
    const auto offset = static_cast<std::uint32_t>(registers::kCounters + 8 * i);
    const std::uint64_t low = device_.read_register(offset);
    measurement.total[i] = low | static_cast<std::uint64_t>(device_.read_register(offset + 4)) << 32;
  }
  std::vector<std::byte> records(kRecordBytes * job_.segments.size());
  device_.read_memory(kBase + job_.records, records);
  measurement.segments.resize(job_.segments.size());
  for (std::size_t i = 0; i < records.size() / 8; ++i) {
    measurement.segments[i / kCounters][i % kCounters] = word_at(records, i);
  }
  return measurement;
}

CodeTensor Driver::read_tensor(const TensorPlace& place) {
  const Address bytes = memory_bytes(place);
  if (!loaded_ || place.offset > job_.bytes || bytes > job_.bytes - place.offset) {
    throw DeviceError(fmt::format("tensor {} is not of the loaded job", place.name));
  }
  std::vector<std::byte> memory(bytes);
  device_.read_memory(kBase + place.offset, memory);
  if (place.words == 0) return unpack_tensor(place.shape, place.bits, memory);
  // Of each row, the words of this part.
  const Address word_bytes = kWordBytes * static_cast<Address>(place.shape.width);
  const auto words = static_cast<Address>(words_per_position(place.shape.channels, place.bits));
  std::vector<std::byte> part;
  for (int row = 0; row < place.shape.height; ++row) {
    const Address first = word_bytes * (static_cast<Address>(row) * place.words + place.first_word);
    const auto begin = memory.begin() + static_cast<std::ptrdiff_t>(first);
    part.insert(part.end(), begin, begin + static_cast<std::ptrdiff_t>(word_bytes * words));
  }
  return unpack_tensor(place.shape, place.bits, part);
}

}  // namespace bitloop::host
