#include "host/compiler/residency.h"

#include <algorithm>

namespace bitloop::host {
namespace {

/// The first of the largest; empty where there is none.
BankRows largest(const std::vector<BankRows>& gaps) {
  BankRows found;
  for (const BankRows& gap : gaps) {
    if (gap.count() > found.count()) found = gap;
  }
  return found;
}

bool holds(const BankRows& gap, const BankRows& range) {
  return gap.first <= range.first && range.end <= gap.end;
}

}  // namespace

const Residency& ResidentChooser::choose(std::span<const Life> lives,
                                         std::span<const std::span<const Stream>> streams) {
  start(streams);
  order_.clear();
  for (const Life& life : lives)
    order_.push_back({static_cast<double>(life.uses) / (life.last - life.first + 1), &life});
  std::sort(order_.begin(), order_.end(), [](const Ranked& a, const Ranked& b) {
    return a.uses != b.uses ? a.uses > b.uses : a.life->form < b.life->form;
  });
  for (const Ranked& next : order_) consider(*next.life);
  for (const auto& gaps : gaps_) residency_.free.push_back(largest(gaps));
  return residency_;
}

void ResidentChooser::start(std::span<const std::span<const Stream>> streams) {
  streams_ = streams;
  residency_.kept.clear();
  residency_.free.clear();
  gaps_.resize(streams.size());
  for (auto& gaps : gaps_) gaps.assign(1, BankRows{0, rows_});
  needed_.clear();
  for (const auto& of_segment : streams) {
    int& sum = needed_.emplace_back(0);
    for (const Stream& stream : of_segment) sum += stream.bank_rows;
  }
}

/// Keeps the tensor where some place leaves every segment enough; tries the lowest and the highest place.
void ResidentChooser::consider(const Life& life) {
  find_common_gaps(life);
  const int rows = life.ring.bank_rows();
  for (const bool high : {false, true}) {
    for (const BankRows& gap : common_) {
      if (gap.count() < rows) continue;
      const int base = high ? gap.end - rows : gap.first;
      const BankRows range{base, base + rows};
      if (!leaves_enough(life, range)) continue;
      keep(life, range);
      return;
    }
  }
}

/// Those of all its segments.
void ResidentChooser::find_common_gaps(const Life& life) {
  common_ = gaps_[life.first];
  for (int i = life.first + 1; i <= life.last; ++i) {
    scratch_.clear();
    const auto& gaps = gaps_[i];
    for (std::size_t a = 0, b = 0; a < common_.size() && b < gaps.size();) {
      const BankRows both{std::max(common_[a].first, gaps[b].first), std::min(common_[a].end, gaps[b].end)};
      if (both.count() > 0) scratch_.push_back(both);
      ++(common_[a].end < gaps[b].end ? a : b);
    }
    std::swap(common_, scratch_);
  }
}

/// Rows that a segment needs for what it streams where this tensor is kept, too.
int ResidentChooser::streamed_beside(const Life& life, int segment) const {
  int needed = needed_[segment];
  for (const Stream& stream : streams_[segment])
    if (stream.form == life.form) needed -= stream.bank_rows;
  return needed;
}

bool ResidentChooser::leaves_enough(const Life& life, const BankRows& range) const {
  for (int i = life.first; i <= life.last; ++i) {
    int most = 0;
    for (const BankRows& gap : gaps_[i]) {
      most = std::max(
          most, holds(gap, range) ? std::max(range.first - gap.first, gap.end - range.end) : gap.count());
    }
    if (most < streamed_beside(life, i)) return false;
  }
  return true;
}

void ResidentChooser::keep(const Life& life, const BankRows& range) {
  for (int i = life.first; i <= life.last; ++i) {
    auto& gaps = gaps_[i];
    const auto gap =
        std::find_if(gaps.begin(), gaps.end(), [&](const BankRows& g) { return holds(g, range); });
    const BankRows after{range.end, gap->end};
    gap->end = range.first;
    const auto next = gap->count() > 0 ? gap + 1 : gaps.erase(gap);
    if (after.count() > 0) gaps.insert(next, after);
    needed_[i] = streamed_beside(life, i);
  }
  residency_.kept.push_back(life);
  residency_.kept.back().ring.base = range.first;
}

}  // namespace bitloop::host
