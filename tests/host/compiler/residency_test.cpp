#include "host/compiler/residency.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "tests/host/network/random_cases.h"

namespace bitloop::host {
namespace {

constexpr int kRows = 64;

struct Case {
  std::vector<Life> lives;
  std::vector<std::vector<Stream>> streams;
};

Case random_case(std::mt19937_64& random) {
  Case one;
  const int segments = test::between(random, 1, 12);
  one.streams.resize(static_cast<std::size_t>(segments));
  const int forms = test::between(random, 0, 15);
  for (int form = 0; form < forms; ++form) {
    Life life;
    life.form = form;
    life.ring = {.stride = test::between(random, 1, 12), .words = test::between(random, 1, 4)};
    life.first = test::between(random, 0, segments - 1);
    life.last = test::between(random, life.first, segments - 1);
    life.uses = test::between(random, 1, 4);
    for (const int segment : {life.first, life.last})
      one.streams[segment].push_back({form, test::between(random, 1, 20)});
    one.lives.push_back(life);
  }
  for (auto& streams : one.streams)
    if (test::between(random, 0, 1) == 1) streams.push_back({-1, test::between(random, 1, 30)});
  return one;
}

/// What is kept, row by row.
class Picture {
 public:
  explicit Picture(const Case& one)
      : streams_(&one.streams), used_(one.streams.size(), std::vector<bool>(kRows, false)) {}

  [[nodiscard]] bool is_free(const Life& life, int base) const {
    for (int i = life.first; i <= life.last; ++i)
      for (int row = base; row < base + life.ring.bank_rows(); ++row)
        if (row >= kRows || used_[i][row]) return false;
    return true;
  }
  void keep(const Life& life, int base) {
    kept_.push_back(life);
    kept_.back().ring.base = base;
    for (int i = life.first; i <= life.last; ++i)
      for (int row = base; row < base + life.ring.bank_rows(); ++row) used_[i][row] = true;
  }
  [[nodiscard]] BankRows free(std::size_t segment) const {
    BankRows best, run;
    for (int row = 0; row <= kRows; ++row) {
      if (row < kRows && !used_[segment][row]) continue;
      run.end = row;
      if (run.count() > best.count()) best = run;
      run.first = row + 1;
    }
    return best;
  }
  [[nodiscard]] bool all_have_enough(const Life& life) const {
    for (int i = life.first; i <= life.last; ++i) {
      int needed = 0;
      for (const Stream& stream : (*streams_)[i]) {
        if (std::none_of(kept_.begin(), kept_.end(), [&](const Life& k) { return k.form == stream.form; }))
          needed += stream.bank_rows;
      }
      if (free(static_cast<std::size_t>(i)).count() < needed) return false;
    }
    return true;
  }
  [[nodiscard]] const std::vector<Life>& kept() const { return kept_; }

 private:
  const std::vector<std::vector<Stream>>* streams_;
  std::vector<std::vector<bool>> used_;
  std::vector<Life> kept_;
};

/// The rule of ResidentChooser, place by place: first the lowest of each gap, then the highest.
Picture by_rows(const Case& one) {
  std::vector<Life> order = one.lives;
  std::stable_sort(order.begin(), order.end(), [](const Life& a, const Life& b) {
    return a.uses * (b.last - b.first + 1) > b.uses * (a.last - a.first + 1);
  });
  Picture picture(one);
  for (const Life& life : order) {
    bool done = false;
    for (const int step : {-1, 1}) {  // the row beside the lowest, and behind the highest place, is taken
      for (int base = 0; base < kRows && !done; ++base) {
        if (!picture.is_free(life, base)) continue;
        if (base + step >= 0 && picture.is_free(life, base + step)) continue;
        Picture with = picture;
        with.keep(life, base);
        if (!with.all_have_enough(life)) continue;
        picture = std::move(with);
        done = true;
      }
    }
  }
  return picture;
}

TEST(ResidentChooser, decides_as_its_rule_does_row_by_row) {
  std::mt19937_64 random(5);
  ResidentChooser chooser(kRows);  // one for all: nothing of a case is left in the next
  for (int i = 0; i < 2000; ++i) {
    const Case one = random_case(random);
    const Residency& found = chooser.choose(
        one.lives, std::vector<std::span<const Stream>>(one.streams.begin(), one.streams.end()));
    const Picture expected = by_rows(one);
    ASSERT_EQ(found.kept.size(), expected.kept().size()) << i;
    for (std::size_t k = 0; k < found.kept.size(); ++k) {
      ASSERT_EQ(found.kept[k].form, expected.kept()[k].form) << i;
      ASSERT_EQ(found.kept[k].ring, expected.kept()[k].ring) << i;
    }
    for (std::size_t s = 0; s < one.streams.size(); ++s) {
      ASSERT_EQ(found.free[s].first, expected.free(s).first) << i;
      ASSERT_EQ(found.free[s].end, expected.free(s).end) << i;
    }
  }
}

}  // namespace
}  // namespace bitloop::host
