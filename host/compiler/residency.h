#pragma once

#include <span>
#include <vector>

#include "host/compiler/segment.h"

namespace bitloop::host {

/// A tensor that could stay in activation SRAM, and when it is needed there.
struct Life {
  int form = 0;   ///< Form::index()
  Ring ring;      ///< the whole tensor; its base is chosen here
  int first = 0;  ///< segment that writes it
  int last = 0;   ///< last segment that reads it
  int uses = 0;   ///< segments that write or read it
};

/// What a segment streams where a tensor is not on chip.
struct Stream {
  int form = -1;      ///< Form::index(); -1: never on chip
  int bank_rows = 0;  ///< the least that its ring takes
};

struct Residency {
  std::vector<Life> kept;      ///< with their bases
  std::vector<BankRows> free;  ///< per segment, the largest gap beside what is kept
};

/// Decides which tensors stay in activation SRAM.
///
/// Greedy: a tensor spares the more traffic per row of SRAM and segment the more often it is used and the
/// shorter it lives; one that would leave a segment too little for the rings of what it streams stays in
/// memory. Fast (microseconds, and no allocation once it has decided on a network), because a search asks for
/// every policy.
class ResidentChooser {
 public:
  explicit ResidentChooser(int activation_rows) : rows_(activation_rows) {}

  /// `streams` lists, per segment, its operands and results. What it returns holds until the next call.
  const Residency& choose(std::span<const Life> lives, std::span<const std::span<const Stream>> streams);

 private:
  struct Ranked {
    double uses = 0;  ///< per segment of its life; the most first, of equal ones the earlier form
    const Life* life = nullptr;
  };
  void start(std::span<const std::span<const Stream>> streams);
  void consider(const Life& life);
  void find_common_gaps(const Life& life);
  [[nodiscard]] int streamed_beside(const Life& life, int segment) const;
  [[nodiscard]] bool leaves_enough(const Life& life, const BankRows& range) const;
  void keep(const Life& life, const BankRows& range);

  int rows_;
  std::span<const std::span<const Stream>> streams_;
  std::vector<Ranked> order_;
  std::vector<std::vector<BankRows>> gaps_;  ///< per segment, between what is kept, ascending
  std::vector<int> needed_;                  ///< per segment, rows for what is not kept
  std::vector<BankRows> common_, scratch_;
  Residency residency_;
};

}  // namespace bitloop::host
