#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <string>

#include "sim/memory_model.h"

namespace bitloop::sim {

/// Address channel of an AXI4 burst.
struct AxiAddress {
  bool valid = false;
  std::uint32_t address = 0;
  std::uint8_t length = 0;  ///< beats - 1
  std::uint8_t size = 3;    ///< log2 of bytes per beat
  std::uint8_t burst = 1;   ///< 1: INCR
};

/// What an AXI4 master drives in one clock cycle.
struct AxiMasterPins {
  AxiAddress ar;
  AxiAddress aw;
  bool r_ready = false;
  bool b_ready = false;
  bool w_valid = false;
  bool w_last = false;
  std::uint8_t w_strobe = 0;
  std::uint64_t w_data = 0;
};

/// What the memory drives in one clock cycle.
struct AxiSlavePins {
  bool ar_ready = true;
  bool aw_ready = true;
  bool w_ready = true;
  bool r_valid = false;
  bool r_last = false;
  std::uint8_t r_response = 0;
  bool b_valid = false;
  std::uint8_t b_response = 0;
  std::uint64_t r_data = 0;

  /// As two words: compared every cycle.
  bool operator==(const AxiSlavePins& other) const {
    using Words = std::array<std::uint64_t, 2>;
    return std::bit_cast<Words>(*this) == std::bit_cast<Words>(other);
  }
};

inline constexpr std::uint8_t kAxiOkay = 0;
inline constexpr std::uint8_t kAxiDecodeError = 3;  ///< address outside the window

/// Bytes and timing of the memory behind the accelerator: an AXI4 slave, stepped once per clock cycle.
///
/// Each cycle moves `beats_per_cycle` beats: a read beat when it comes onto the R channel, a write beat when
/// it leaves the one-beat W register. Reads and writes take turns while both want the same beat. With nothing
/// under way the timing state is that of reset, so that what follows does not depend on what went before.
/// Responses come in order. A burst that leaves the window answers DECERR and changes nothing.
/// Not thread-safe; owned by its device.
class Memory {
 public:
  explicit Memory(const MemoryModel& model);

  [[nodiscard]] std::size_t size() const { return model_.bytes; }
  void write(std::uint64_t address, std::span<const std::byte> bytes);
  void read(std::uint64_t address, std::span<std::byte> bytes) const;

  /// Nothing is under way and the pins are those of reset: `step` may be left out while the master drives no
  /// valid.
  [[nodiscard]] bool idle() const { return idle_; }
  [[nodiscard]] const AxiSlavePins& pins() const { return pins_; }
  /// One rising clock edge: takes what the master drove before it; `pins` are those after it. True where they
  /// changed.
  bool step(const AxiMasterPins& master);
  /// Forgets whatever is under way; bytes stay.
  void reset();

  /// What the master did against AXI4 or our narrower rules (INCR, 8-byte beats, at most 16, inside 4 KB,
  /// stable until ready); empty where nothing.
  [[nodiscard]] const std::string& violation() const { return violation_; }

 private:
  static constexpr unsigned kRing = 64;  // the largest `outstanding`

  struct Burst {
    std::uint64_t address = 0;
    unsigned beats = 0;
    std::uint64_t due = 0;  // cycle of the first read beat
    bool inside = true;
  };
  struct Response {
    std::uint64_t due = 0;
    std::uint8_t code = kAxiOkay;
  };
  /// First in, first out; as long as its counters are equal it is empty.
  template <class Item>
  struct Ring {
    std::array<Item, kRing> items;
    unsigned head = 0;
    unsigned tail = 0;
    [[nodiscard]] bool empty() const { return head == tail; }
    Item& front() { return items[head % kRing]; }
    void push(const Item& item) { items[tail++ % kRing] = item; }
    void pop() { ++head; }
  };

  void take_handshakes(const AxiMasterPins& master);
  void check_stable(const AxiMasterPins& master);
  void report_changes(const AxiMasterPins& master);
  Burst accept(const AxiAddress& address, const char* channel);
  void move_beats();
  void present_read_beat();
  void commit_write_beat();
  void present_response();
  void set_ready();
  bool stall();
  void report(const std::string& what);

  struct Free {
    void operator()(std::byte* bytes) const { std::free(bytes); }
  };

  MemoryModel model_;
  std::unique_ptr<std::byte[], Free> bytes_;  // from calloc: pages come when they are touched
  AxiSlavePins pins_;
  std::uint64_t now_ = 0;  // the cycle that `pins_` are for
  bool idle_ = true;
  bool write_turn_ = false;
  unsigned reads_ = 0;   // bursts accepted whose last beat has not been taken
  unsigned writes_ = 0;  // bursts accepted whose response has not been taken
  Ring<Burst> read_bursts_;
  Ring<Burst> write_bursts_;
  Ring<Response> responses_;

  bool w_full_ = false;
  bool w_last_ = false;
  std::uint8_t w_strobe_ = 0;
  std::uint64_t w_data_ = 0;

  bool waiting_ = false;  // something waited for a ready in the last cycle
  AxiMasterPins before_;  // that, `valid` only where it did
  std::uint64_t random_ = 0;
  std::uint64_t stall_threshold_ = 0;
  std::string violation_;
};

}  // namespace bitloop::sim
