#include "sim/memory.h"

#include <fmt/format.h>

#include <cstring>

#include "host/base/error.h"

namespace bitloop::sim {
namespace {

constexpr unsigned kBeatBytes = 8;
constexpr unsigned kMaxBeats = 16;
constexpr unsigned kPage = 4096;  // AXI bursts stay inside

}  // namespace

Memory::Memory(const MemoryModel& model) : model_(model) {
  if (model_.outstanding < 1 || model_.outstanding > static_cast<int>(kRing) || model_.read_latency < 1 ||
      model_.write_latency < 1 || model_.beats_per_cycle < 1) {
    throw InputError(fmt::format(
        "memory model '{}': latencies and beats_per_cycle must be at least 1, outstanding from 1 to {}",
        model_.name, kRing));
  }
  bytes_.reset(static_cast<std::byte*>(std::calloc(model_.bytes, 1)));
  if (!bytes_) {
    throw InputError(fmt::format("memory model '{}': cannot allocate {} bytes; choose a smaller `bytes`",
                                 model_.name, model_.bytes));
  }
  stall_threshold_ = static_cast<std::uint64_t>(model_.random_stall * 4294967296.0);
  random_ = model_.stall_seed;
  reset();
}

void Memory::write(std::uint64_t address, std::span<const std::byte> bytes) {
  if (address > size() || bytes.size() > size() - address) {
    throw DeviceError(fmt::format("memory write of {} bytes at {:#x} leaves the window of {} bytes",
                                  bytes.size(), address, size()));
  }
  if (!bytes.empty()) {
    std::memcpy(bytes_.get() + address, bytes.data(), bytes.size());
  }
}

void Memory::read(std::uint64_t address, std::span<std::byte> bytes) const {
  if (address > size() || bytes.size() > size() - address) {
    throw DeviceError(fmt::format("memory read of {} bytes at {:#x} leaves the window of {} bytes",
                                  bytes.size(), address, size()));
  }
  if (!bytes.empty()) {
    std::memcpy(bytes.data(), bytes_.get() + address, bytes.size());
  }
}

void Memory::reset() {
  pins_ = {};
  waiting_ = false;
  read_bursts_ = {};
  write_bursts_ = {};
  responses_ = {};
  reads_ = writes_ = 0;
  w_full_ = false;
  write_turn_ = false;
  violation_.clear();
  // With random stalls every cycle draws new ready signals.
  idle_ = stall_threshold_ == 0;
}

bool Memory::step(const AxiMasterPins& master) {
  const AxiSlavePins before = pins_;
  ++now_;
  check_stable(master);
  take_handshakes(master);
  move_beats();
  present_response();
  set_ready();
  const bool quiet = reads_ == 0 && writes_ == 0 && !w_full_;
  if (quiet) {
    write_turn_ = false;
  }
  idle_ = quiet && stall_threshold_ == 0;
  return pins_ != before;
}

void Memory::take_handshakes(const AxiMasterPins& master) {
  if (pins_.r_valid && master.r_ready) {
    pins_.r_valid = false;
    reads_ -= pins_.r_last;
  }
  if (pins_.b_valid && master.b_ready) {
    pins_.b_valid = false;
    --writes_;
  }
  if (pins_.ar_ready && master.ar.valid) {
    Burst burst = accept(master.ar, "AR");
    burst.due = now_ - 1 + static_cast<unsigned>(model_.read_latency);
    read_bursts_.push(burst);
    ++reads_;
  }
  if (pins_.aw_ready && master.aw.valid) {
    write_bursts_.push(accept(master.aw, "AW"));
    ++writes_;
  }
  if (pins_.w_ready && master.w_valid) {
    w_full_ = true;
    w_last_ = master.w_last;
    w_strobe_ = master.w_strobe;
    w_data_ = master.w_data;
  }
}

Memory::Burst Memory::accept(const AxiAddress& address, const char* channel) {
  const unsigned beats = address.length + 1u;
  if (address.size != 3 || address.burst != 1 || beats > kMaxBeats || address.address % kBeatBytes != 0 ||
      address.address % kPage + beats * kBeatBytes > kPage) {
    report(fmt::format(
        "{} address {:#x}, {} beats, size {}, burst {}: not an aligned INCR burst of at most 16 8-byte "
        "beats inside 4 KB",
        channel, address.address, beats, address.size, address.burst));
  }
  const std::uint64_t end = std::uint64_t{address.address} + std::uint64_t{beats} * kBeatBytes;
  return {.address = address.address, .beats = beats, .due = 0, .inside = end <= size()};
}

void Memory::move_beats() {
  const bool read = !pins_.r_valid && !read_bursts_.empty() && read_bursts_.front().due <= now_ && !stall();
  const bool write = w_full_ && !write_bursts_.empty();
  const bool both = model_.beats_per_cycle > 1;
  if (read && (!write || both || !write_turn_)) {
    present_read_beat();
  }
  if (write && (!read || both || write_turn_)) {
    commit_write_beat();
  }
  if (read && write) {
    write_turn_ = !write_turn_;
  }
}

void Memory::present_read_beat() {
  Burst& burst = read_bursts_.front();
  pins_.r_valid = true;
  pins_.r_data = 0;
  pins_.r_response = burst.inside ? kAxiOkay : kAxiDecodeError;
  if (burst.inside) {
    std::memcpy(&pins_.r_data, bytes_.get() + burst.address, kBeatBytes);
  }
  burst.address += kBeatBytes;
  pins_.r_last = --burst.beats == 0;
  if (pins_.r_last) {
    read_bursts_.pop();
  }
}

void Memory::commit_write_beat() {
  Burst& burst = write_bursts_.front();
  if (burst.inside && w_strobe_ == 0xff) {
    std::memcpy(bytes_.get() + burst.address, &w_data_, kBeatBytes);
  } else if (burst.inside) {
    for (unsigned lane = 0; lane < kBeatBytes; ++lane) {
      if ((w_strobe_ >> lane & 1) != 0) {
        bytes_[burst.address + lane] = static_cast<std::byte>(w_data_ >> (8 * lane));
      }
    }
  }
  burst.address += kBeatBytes;
  --burst.beats;
  w_full_ = false;
  if (w_last_ != (burst.beats == 0)) {
    report(fmt::format("W last at the wrong beat of the burst that goes on at {:#x}", burst.address));
  }
  if (burst.beats == 0) {
    responses_.push({.due = now_ - 1 + static_cast<unsigned>(model_.write_latency),
                     .code = burst.inside ? kAxiOkay : kAxiDecodeError});
    write_bursts_.pop();
  }
}

void Memory::present_response() {
  if (!pins_.b_valid && !responses_.empty() && responses_.front().due <= now_ && !stall()) {
    pins_.b_valid = true;
    pins_.b_response = responses_.front().code;
    responses_.pop();
  }
}

void Memory::set_ready() {
  const auto limit = static_cast<unsigned>(model_.outstanding);
  pins_.ar_ready = reads_ < limit && !stall();
  pins_.aw_ready = writes_ < limit && !stall();
  pins_.w_ready = !w_full_ && !stall();
}

bool Memory::stall() {
  if (stall_threshold_ == 0) {
    return false;
  }
  random_ = random_ * 6364136223846793005ull + 1442695040888963407ull;
  return random_ >> 32 < stall_threshold_;
}

void Memory::check_stable(const AxiMasterPins& master) {
  if (waiting_) report_changes(master);
  const bool ar = master.ar.valid && !pins_.ar_ready;
  const bool aw = master.aw.valid && !pins_.aw_ready;
  const bool w = master.w_valid && !pins_.w_ready;
  waiting_ = ar || aw || w;
  if (waiting_) {
    before_ = master;
    before_.ar.valid = ar;
    before_.aw.valid = aw;
    before_.w_valid = w;
  }
}

void Memory::report_changes(const AxiMasterPins& master) {
  if (before_.ar.valid && !(master.ar.valid && master.ar.address == before_.ar.address &&
                            master.ar.length == before_.ar.length)) {
    report(fmt::format("AR {:#x} changed before it was taken", before_.ar.address));
  }
  if (before_.aw.valid && !(master.aw.valid && master.aw.address == before_.aw.address &&
                            master.aw.length == before_.aw.length)) {
    report(fmt::format("AW {:#x} changed before it was taken", before_.aw.address));
  }
  if (before_.w_valid && !(master.w_valid && master.w_data == before_.w_data &&
                           master.w_last == before_.w_last && master.w_strobe == before_.w_strobe)) {
    report("W beat changed before it was taken");
  }
}

void Memory::report(const std::string& what) {
  if (violation_.empty()) {
    violation_ = what;
  }
}

}  // namespace bitloop::sim
