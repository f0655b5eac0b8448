#include "agent/run/episode_log.h"

#include <gtest/gtest.h>

#include <fstream>

#include "host/base/error.h"
#include "tests/agent/fakes.h"

namespace bitloop::agent {
namespace {

namespace fs = std::filesystem;

std::vector<Episode> episodes() {
  std::vector<Episode> list;
  for (int i = 1; i <= 7; ++i) {
    Episode e{.number = i,
              .policy = i % 2 == 0 ? "8:8 4:4" : "8:8 2:1",
              .accuracy = 1.0 / (i + 2),
              .loss = 0.1 + 0.2 * i,
              .cost_ratio = 1.0 / 3,
              .reward = 1e-17 * i,
              .seconds = 0.25,
              .remembered = i > 2,
              .spent = 1.5 * i};
    e.costs.values = {1000.0 * i, 1.1e-5 * i, 123456.5};
    list.push_back(e);
  }
  return list;
}

std::string content_of(const fs::path& file) {
  std::ifstream stream(file);
  return {std::istreambuf_iterator<char>(stream), {}};
}

class EpisodeLogTest : public ::testing::Test {
 protected:
  test::TemporaryFolder folder_;
  fs::path file_ = folder_.path / "episodes.csv";
  const std::vector<Episode> all_ = episodes();
};

TEST_F(EpisodeLogTest, numbers_come_back_bit_by_bit) {
  EpisodeLog(file_).append(all_);
  const EpisodeLog log(file_);
  ASSERT_EQ(log.recorded().size(), all_.size());
  for (std::size_t i = 0; i < all_.size(); ++i) {
    const Episode& a = log.recorded()[i];
    const Episode& b = all_[i];
    EXPECT_EQ(std::tie(a.number, a.policy, a.accuracy, a.loss, a.costs, a.cost_ratio, a.reward, a.remembered,
                       a.spent),
              std::tie(b.number, b.policy, b.accuracy, b.loss, b.costs, b.cost_ratio, b.reward, b.remembered,
                       b.spent));
  }
}

TEST_F(EpisodeLogTest, any_torn_end_is_repaired_and_what_is_passed_again_is_not_written_twice) {
  EpisodeLog(file_).append(all_);
  const std::string whole = content_of(file_);
  for (const std::size_t cut :
       {std::size_t{0}, std::size_t{5}, std::size_t{120}, whole.size() / 2, whole.size() - 1, whole.size()}) {
    const fs::path torn = folder_.path / ("torn" + std::to_string(cut));
    std::ofstream(torn) << whole.substr(0, cut);
    EpisodeLog(torn).append(all_);
    EXPECT_EQ(content_of(torn), whole) << "cut at byte " << cut;
  }
}

TEST_F(EpisodeLogTest, another_search_than_the_recorded_one_is_refused) {
  EpisodeLog(file_).append(all_);
  const auto refused = [&](auto change) {
    std::vector<Episode> other = all_;
    change(other[3]);
    EXPECT_THROW(EpisodeLog(file_).append(other), Error);
  };
  refused([](Episode& e) { e.policy = "8:8 8:8"; });
  refused([](Episode& e) { e.reward += 1; });
  refused([](Episode& e) { e.accuracy += 1e-9; });
  refused([](Episode& e) { e.remembered = false; });
  refused([](Episode& e) { e.costs.values[0] += 1; });
}

TEST_F(EpisodeLogTest, what_is_no_episode_is_bad_input) {
  EpisodeLog(file_).append(all_);
  const std::string whole = content_of(file_);
  for (const char* row :
       {"8,8:8 3:3,0.5\n", "9,8:8,0,0,1,1,0,0,0,0,0,1\n", "8,8:8,0,high,1,1,0,0,0,0,0,1\n"}) {
    std::ofstream(file_) << whole << row;
    EXPECT_THROW((EpisodeLog(file_)), InputError) << row;
  }
  std::ofstream(file_) << "other,columns\n";
  EXPECT_THROW((EpisodeLog(file_)), InputError);
}

TEST_F(EpisodeLogTest, is_open_in_one_place_only) {
  const EpisodeLog log(file_);
  EXPECT_THROW((EpisodeLog(file_)), Error);
}

}  // namespace
}  // namespace bitloop::agent
