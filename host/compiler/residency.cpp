#include "host/compiler/residency.h"

#include <algorithm>

namespace bitloop::host {
namespace {

/// Gaps between occupied rows, from the first row on.
std::vector<BankRows> gaps_between(std::vector<BankRows> occupied, int rows) {
  std::sort(occupied.begin(), occupied.end(),
            [](const BankRows& a, const BankRows& b) { return a.first < b.first; });
  std::vector<BankRows> gaps;
  int end = 0;
  for (const BankRows& range : occupied) {
    if (range.first > end) gaps.push_back({end, range.first});
    end = std::max(end, range.end);
  }
  if (end < rows) gaps.push_back({end, rows});
  return gaps;
}

BankRows largest(const std::vector<BankRows>& gaps) {
  BankRows found;
  for (const BankRows& gap : gaps) {
    if (gap.count() > found.count()) found = gap;
  }
  return found;
}

class Chooser {
 public:
  Chooser(const std::vector<std::vector<Stream>>& streams, int rows)
      : streams_(streams), rows_(rows), occupied_(streams.size()) {}

  /// Keeps the tensor where some place leaves every segment enough; tries the lowest and the highest place.
  void consider(const Life& life) {
    const std::vector<BankRows> gaps = common_gaps(life);
    for (const bool high : {false, true}) {
      for (const BankRows& gap : gaps) {
        const int rows = life.ring.bank_rows();
        if (gap.count() < rows) continue;
        const int base = high ? gap.end - rows : gap.first;
        if (!leaves_enough(life, {base, base + rows})) continue;
        keep(life, base);
        return;
      }
    }
  }

  Residency finish() {
    for (const auto& occupied : occupied_) residency_.free.push_back(largest(gaps_between(occupied, rows_)));
    return std::move(residency_);
  }

 private:
  [[nodiscard]] std::vector<BankRows> common_gaps(const Life& life) const {
    std::vector<BankRows> occupied;
    for (int i = life.first; i <= life.last; ++i) {
      const auto& rows = occupied_[static_cast<std::size_t>(i)];
      occupied.insert(occupied.end(), rows.begin(), rows.end());
    }
    return gaps_between(std::move(occupied), rows_);
  }

  [[nodiscard]] bool is_kept(int form) const {
    return std::any_of(residency_.kept.begin(), residency_.kept.end(),
                       [form](const Life& life) { return life.form == form; });
  }

  [[nodiscard]] bool leaves_enough(const Life& life, const BankRows& range) const {
    for (int i = life.first; i <= life.last; ++i) {
      int needed = 0;
      for (const Stream& stream : streams_[static_cast<std::size_t>(i)]) {
        if (stream.form != life.form && (stream.form < 0 || !is_kept(stream.form)))
          needed += stream.bank_rows;
      }
      std::vector<BankRows> occupied = occupied_[static_cast<std::size_t>(i)];
      occupied.push_back(range);
      if (largest(gaps_between(std::move(occupied), rows_)).count() < needed) return false;
    }
    return true;
  }

  void keep(const Life& life, int base) {
    for (int i = life.first; i <= life.last; ++i) {
      occupied_[static_cast<std::size_t>(i)].push_back({base, base + life.ring.bank_rows()});
    }
    residency_.kept.push_back(life);
    residency_.kept.back().ring.base = base;
  }

  const std::vector<std::vector<Stream>>& streams_;
  int rows_;
  std::vector<std::vector<BankRows>> occupied_;  ///< per segment
  Residency residency_;
};

}  // namespace

Residency choose_residents(const std::vector<Life>& lives, const std::vector<std::vector<Stream>>& streams,
                           int activation_rows) {
  std::vector<Life> order = lives;
  std::stable_sort(order.begin(), order.end(), [](const Life& a, const Life& b) {
    return a.uses * (b.last - b.first + 1) > b.uses * (a.last - a.first + 1);
  });
  Chooser chooser(streams, activation_rows);
  for (const Life& life : order) chooser.consider(life);
  return chooser.finish();
}

}  // namespace bitloop::host
