#include "host/driver/driver.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <random>
#include <utility>

#include "host/base/error.h"
#include "host/device/board_registers.h"
#include "host/device/registers.h"
#include "host/driver/progress_watch.h"
#include "host/program/instruction.h"
#include "host/program/plane_words.h"

namespace bitloop::host {
namespace {

/// Where jobs lie in the memory window. Not at its beginning: BASE then differs from what power-up leaves
/// there, which tells that the device was restarted.
constexpr Address kJobOffset = kPageBytes;
constexpr Address kMarkOffset = 0;

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

/// The exclusive states must sum to the cycles: a cheap check of all that lies between the counters and here.
void check_states(const Counters& counters, const std::string& what) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < registers::kCounterCount; ++i) {
    if (registers::kCounterIsState[i]) sum += counters[i];
  }
  if (sum != counters[registers::kCounterCycles]) {
    throw DeviceLost(
        fmt::format("the counters of {} did not arrive as they were: {} cycles, whose states sum "
                    "to {}",
                    what, counters[registers::kCounterCycles], sum));
  }
}

/// Of the whole job, about: headers of segments count as well.
double instructions(const Job& job) {
  for (const Block& block : job.blocks) {
    if (block.offset == job.descriptors) {
      return static_cast<double>(block.bytes.size()) / static_cast<double>(kDescriptorBytes);
    }
  }
  return 1;
}

}  // namespace

static_assert(kCounters * 2 == registers::kCountersWords && kCounters * 8 == kRecordBytes);

std::span<const char* const> counter_names() { return registers::kCounterNames; }

Driver::Driver(Device& device)
    : device_(device), base_(kJobOffset), sequence_(static_cast<std::uint32_t>(std::random_device{}())) {
  try {
    identify();
  } catch (const DeviceLost&) {
    device_.reset();
    identify();
  }
}

void Driver::identify() {
  require_known_formats(device_, "the device");
  rtl_fingerprint_ = rtl_fingerprint(device_);
  const std::string& known = device_.info().fingerprint;
  if (known.size() == kFingerprintDigits && !known.starts_with(rtl_fingerprint_)) {
    throw DeviceError(
        fmt::format("the device has changed since it was opened: its RTL's fingerprint was {} and is {}",
                    known.substr(0, rtl_fingerprint_.size()), rtl_fingerprint_));
  }
  const bool idle = device_.read_register(registers::kStatus) == 0;
  if (!idle || device_.read_register(registers::kError) != 0) device_.reset();
}

/// Whatever fails while the way to the device is in doubt may be the fault of that way: a job with a bit
/// turned over is an illegal one. Where the device cannot be had back at all, that is said at once: its reset
/// has tried for as long as its deadlines allow.
template <class Work, class Again>
auto Driver::persist(const Work& work, const Again& again) {
  for (int attempt = 1;; ++attempt) {
    try {
      try {
        if (attempt > 1) again();
        return work();
      } catch (const DeviceLost&) {
        throw;
      } catch (const DeviceError&) {
        device_.confirm();
        throw;
      }
    } catch (const DeviceLost&) {
      if (attempt == kAttempts) {
        reset_quietly();
        throw;
      }
    } catch (...) {
      reset_quietly();
      throw;
    }
    device_.reset();
  }
}

void Driver::reset_quietly() noexcept {
  try {
    device_.reset();
  } catch (...) {  // what went wrong first says more
  }
}

void Driver::check_fit(const Job& job) const {
  const HardwareInfo& info = device_.info();
  if (job.filters != info.filters || job.pixels != info.pixels) {
    throw DeviceError(
        fmt::format("the job is for P={}, F={} and the device has P={}, F={}; compile it for this device",
                    job.pixels, job.filters, info.pixels, info.filters));
  }
  check_srams(job, info);
  if (job.bytes > device_.memory_size() || base_ > device_.memory_size() - job.bytes) {
    throw DeviceError(
        fmt::format("the job needs {} bytes of memory and the device has {}, of which jobs do not use the "
                    "first {}; use a smaller network or give the device more",
                    job.bytes, device_.memory_size(), base_));
  }
}

void Driver::load(std::shared_ptr<const Job> job) {
  if (job == job_) return;
  validate_job(*job);
  check_fit(*job);
  job_ = std::move(job);
  input_.clear();
  try {
    persist([&] { place_blocks(); }, [] {});
  } catch (...) {
    job_ = nullptr;
    throw;
  }
}

/// BASE is written first, and read before each run: a device that was restarted since then has lost it.
/// The mark tells whether another program has used the device meanwhile: not every board knows whose it is.
void Driver::place_blocks() {
  device_.write_register(registers::kBase, static_cast<std::uint32_t>(device_.memory_base() + base_));
  std::random_device random;
  for (std::byte& byte : mark_) byte = static_cast<std::byte>(random());
  device_.write_memory(kMarkOffset, mark_);
  for (const Block& block : job_->blocks) device_.write_memory(base_ + block.offset, block.bytes);
}

Measurement Driver::run(std::span<const std::uint8_t> hwc_image, Cycles limit, const Progress& progress) {
  if (!job_) throw DeviceError("no job is loaded");
  input_ = pack_input(hwc_image);
  limit_ = limit;
  return persist([&] { return run_once(limit, progress); }, [&] { place_blocks(); });
}

Measurement Driver::run_once(Cycles limit, const Progress& progress) {
  device_.write_memory(base_ + job_->image, input_);
  start();
  await_end(limit, progress);
  check_errors();
  Measurement measurement = read_counters();
  check_identity();
  check_last_done();
  device_.confirm();
  return measurement;
}

/// All images of the job, where they lie in its memory.
std::vector<std::byte> Driver::pack_input(std::span<const std::uint8_t> hwc_images) const {
  if (job_->images == 1) return pack_image(hwc_images);
  const auto elements = static_cast<std::size_t>(job_->image_shape.elements());
  const auto images = static_cast<std::size_t>(job_->images);
  if (hwc_images.size() != images * elements) {
    throw InputError(
        fmt::format("{} bytes are no {} images of {} bytes each, which the job of network {} takes",
                    hwc_images.size(), images, elements, job_->network));
  }
  std::vector<std::byte> input(input_bytes(*job_));
  for (std::size_t i = 0; i < images; ++i) {
    const std::vector<std::byte> image = pack_image(hwc_images.subspan(i * elements, elements));
    std::copy(image.begin(), image.end(), input.begin() + static_cast<std::ptrdiff_t>(i * job_->image_bytes));
  }
  return input;
}

std::vector<std::byte> Driver::pack_image(std::span<const std::uint8_t> hwc_image) const {
  if (job_->input_bits != 0) {
    return pack_tensor(input_codes(job_->image_shape, job_->input_bits, hwc_image));
  }
  if (hwc_image.size() != static_cast<std::size_t>(job_->image_shape.elements())) {
    throw InputError(fmt::format("the image has {} bytes and network {} takes {}", hwc_image.size(),
                                 job_->network, job_->image_shape.elements()));
  }
  std::vector<std::byte> padded(one_image_bytes(*job_));  // whole words
  for (std::size_t i = 0; i < hwc_image.size(); ++i) padded[i] = static_cast<std::byte>(hwc_image[i]);
  return padded;
}

/// A job that ended earlier can never be taken for this one: its sequence number differs from the last one
/// done. BASE, JOB and START go as one message, so that no late copy of one of them meets the others.
void Driver::start() {
  static_assert(registers::kJob == registers::kBase + 4 && registers::kStart == registers::kJob + 4);
  const auto base = static_cast<std::uint32_t>(device_.memory_base() + base_);
  if (const std::uint32_t found = device_.read_register(registers::kBase); found != base) {
    throw DeviceLost(
        fmt::format("the device was restarted or is used by another program: its register BASE "
                    "reads {:#x}, not {:#x}",
                    found, base));
  }
  const std::uint32_t last_done = device_.read_register(registers::kLastDone);
  do {
    ++sequence_;
  } while (sequence_ == last_done || sequence_ == 0);
  const std::uint32_t start[] = {base, static_cast<std::uint32_t>(job_->descriptors), sequence_};
  device_.write_registers(registers::kBase, start);
}

void Driver::await_end(Cycles limit, const Progress& progress) {
  ProgressWatch watch(device_);
  const Cycles patience = device_.info().patience;
  Cycles left = limit;
  while (!device_.wait_done(sequence_, std::min(patience, left))) {
    left -= std::min(patience, left);
    if (left == 0) {
      throw DeviceTimeout(fmt::format("network {} did not end within {} cycles", job_->network, limit));
    }
    watch.look();
    if (const std::string& waiting = watch.standstill(); !waiting.empty()) {
      throw DeviceTimeout(fmt::format(
          "network {} stands still: no work is counted in {} cycles, {} cycles after its start; {}",
          job_->network, patience, limit - left, waiting));
    }
    if (progress) progress(std::min(1.0, watch.instructions() / instructions(*job_)));
  }
}

void Driver::check_errors() {
  const std::uint32_t error = device_.read_register(registers::kError);
  if (error != 0) {
    throw DeviceError(fmt::format("network {}: {} (descriptor at offset {:#x})", job_->network,
                                  error_names(error), device_.read_register(registers::kErrorInfo)));
  }
  check_last_done();
}

/// A board may be loaded with another bitstream at any time: what it counted then must not be filed under
/// this one. Comes before a check of LAST_DONE, so that both speak of the same device.
void Driver::check_identity() {
  const std::string now = rtl_fingerprint(device_);
  if (now != rtl_fingerprint_) {
    throw DeviceLost(
        fmt::format("the device has changed: its RTL's fingerprint was {} and is {}", rtl_fingerprint_, now));
  }
}

/// Before and after results are read: a device that was exchanged meanwhile has ended another job, or none.
void Driver::check_last_done() {
  const std::uint32_t done = device_.read_register(registers::kLastDone);
  if (done != sequence_) {
    throw DeviceLost(
        fmt::format("the device ended job {} instead of {}: it was restarted or another program uses it",
                    done, sequence_));
  }
  Mark found{};
  device_.read_memory(kMarkOffset, found);
  if (found != mark_) throw DeviceLost("another program has used the device meanwhile: give each its own");
}

Measurement Driver::read_counters() {
  Measurement measurement;
  measurement.total = latched_counters(device_);
  check_states(measurement.total, "network " + job_->network);
  std::vector<std::byte> records(kRecordBytes * job_->segments.size());
  device_.read_memory(base_ + job_->records, records);
  measurement.segments.resize(job_->segments.size());
  for (std::size_t i = 0; i < records.size() / 8; ++i) {
    measurement.segments[i / kCounters][i % kCounters] = word_at(records, i);
  }
  for (std::size_t i = 0; i < measurement.segments.size(); ++i) {
    check_states(measurement.segments[i], "segment " + job_->segments[i]);
  }
  return measurement;
}

CodeTensor Driver::read_tensor(const TensorPlace& place) {
  const Address bytes = memory_bytes(place);
  if (!job_ || place.offset > job_->bytes || bytes > job_->bytes - place.offset) {
    throw DeviceError(fmt::format("tensor {} is not of the loaded job", place.name));
  }
  if (input_.empty()) throw DeviceError("no image has been run on the loaded job");
  std::vector<std::byte> memory(bytes);
  persist(
      [&] {
        device_.read_memory(base_ + place.offset, memory);
        check_last_done();
        device_.confirm();
      },
      [&] {
        place_blocks();
        (void)run_once(limit_, {});
      });
  if (place.words == 0) return unpack_tensor(place.shape, place.bits, memory);
  // Of each row, the words of this part.
  const Address word_bytes = kWordBytes * static_cast<Address>(place.shape.width);
  const auto words = static_cast<Address>(tensor_words(place));
  std::vector<std::byte> part;
  for (int row = 0; row < place.shape.height; ++row) {
    const Address first = word_bytes * (static_cast<Address>(row) * place.words + place.first_word);
    const auto begin = memory.begin() + static_cast<std::ptrdiff_t>(first);
    part.insert(part.end(), begin, begin + static_cast<std::ptrdiff_t>(word_bytes * words));
  }
  if (place.lanes.empty()) return unpack_tensor(place.shape, place.bits, part);
  const int lanes = *std::max_element(place.lanes.begin(), place.lanes.end()) + 1;
  return golden_select(unpack_tensor({lanes, place.shape.height, place.shape.width}, place.bits, part),
                       place.lanes);
}

}  // namespace bitloop::host
