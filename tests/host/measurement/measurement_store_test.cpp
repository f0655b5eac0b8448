// The store's file: what processes share, and what becomes of files that cannot be used.
#include "host/measurement/measurement_store.h"

#include <SQLiteCpp/SQLiteCpp.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "host/compiler/compiler.h"
#include "host/measurement/measure.h"
#include "host/program/instruction.h"
#include "tests/host/network/random_cases.h"
#include "tests/host/program/emulator.h"

namespace bitloop::host::test {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

SegmentKey key(std::uint64_t number) {
  const auto bytes = std::as_bytes(std::span(&number, 1));
  return sha256(bytes);
}

MeasurementStore::Entry entry(std::uint64_t number) {
  MeasurementStore::Entry made{key(number), {}};
  for (std::size_t i = 0; i < kCounters; ++i) made.counters[i] = (number << 20) + i;
  return made;
}

void add(MeasurementStore& store, std::uint64_t number) {
  const MeasurementStore::Entry one = entry(number);
  store.add({&one, 1});
}

SQLite::Database database(const std::filesystem::path& path) {
  return {path.string(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE, /*aBusyTimeoutMs=*/100};
}

class StoreTest : public testing::Test {
 protected:
  StoreTest() {
    std::string name = testing::TempDir() + "bitloop_store_XXXXXX";
    folder_ = mkdtemp(name.data());
    path_ = folder_ / "cache" / "cycles.sqlite";
  }
  ~StoreTest() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<MeasurementStore> open(milliseconds patience = milliseconds(2000)) {
    return std::make_unique<MeasurementStore>(
        path_, [this](const std::string& line) { warnings_.push_back(line); }, patience);
  }
  void write_file(const std::string& bytes) const {
    std::filesystem::create_directories(path_.parent_path());
    std::ofstream(path_, std::ios::binary) << bytes;
  }
  std::string read_file(const std::filesystem::path& path) const {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  std::filesystem::path aside(int number) const {
    return path_.string() + fmt::format(".set-aside-{}", number);
  }
  void expect_rebuilt(const char* why) {
    auto store = open();
    ASSERT_THAT(warnings_, ElementsAre(testing::AllOf(HasSubstr(why), HasSubstr(path_.string()),
                                                      HasSubstr(aside(1).filename().string()))));
    add(*store, 5);
    store = open();
    EXPECT_EQ(store->find(key(5)), entry(5).counters);
    EXPECT_EQ(warnings_.size(), 1u);
  }

  std::filesystem::path folder_;
  std::filesystem::path path_;
  std::vector<std::string> warnings_;
};

TEST_F(StoreTest, remembers_every_counter_for_later_processes) {
  add(*open(), 1);
  auto store = open();
  EXPECT_EQ(store->find(key(1)), entry(1).counters);
  EXPECT_EQ(store->find(key(2)), std::nullopt);
  EXPECT_THAT(warnings_, IsEmpty());
}

TEST_F(StoreTest, sees_what_another_connection_adds_later) {
  auto reader = open();
  EXPECT_EQ(reader->find(key(1)), std::nullopt);
  add(*open(), 1);
  EXPECT_EQ(reader->find(key(1)), entry(1).counters);
}

TEST_F(StoreTest, without_a_path_remembers_in_the_process_only) {
  MeasurementStore store{{}};
  add(store, 1);
  EXPECT_EQ(store.find(key(1)), entry(1).counters);
}

TEST_F(StoreTest, the_first_counters_of_a_key_stay) {
  auto store = open();
  add(*store, 1);
  const MeasurementStore::Entry other{key(1), entry(9).counters};
  open()->add({&other, 1});
  EXPECT_EQ(open()->find(key(1)), entry(1).counters);
}

/// `processes` processes, each of which opens the store anew for every few entries.
void write_at_once(const std::filesystem::path& path, int processes, int entries) {
  std::vector<pid_t> children;
  for (int p = 0; p < processes; ++p) {
    const pid_t child = fork();
    if (child == 0) {
      bool told = false;
      for (int i = 0; i < entries; i += 10) {
        MeasurementStore store(path, [&](const std::string&) { told = true; });
        for (int j = i; j < i + 10; ++j) {
          add(store, static_cast<std::uint64_t>(j));             // the same ones in every process
          add(store, static_cast<std::uint64_t>(1000 * p + j));  // and its own
        }
      }
      _exit(told ? 1 : 0);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = -1;
    waitpid(child, &status, 0);
    EXPECT_EQ(status, 0) << "a process was told of something, or fell";
  }
}

TEST_F(StoreTest, processes_that_create_and_write_at_once_lose_nothing) {
  write_at_once(path_, 4, 100);
  auto store = open();
  for (std::uint64_t p = 0; p < 4; ++p) {
    for (std::uint64_t i = 0; i < 100; ++i) {
      ASSERT_EQ(store->find(key(1000 * p + i)), entry(1000 * p + i).counters) << p << ' ' << i;
    }
  }
}

TEST_F(StoreTest, processes_that_find_a_damaged_file_at_once_set_it_aside_once_and_lose_nothing) {
  write_file("no database");
  std::vector<pid_t> children;
  for (std::uint64_t p = 0; p < 4; ++p) {
    children.push_back(fork());
    if (children.back() == 0) {
      MeasurementStore store(path_);
      add(store, p);
      _exit(0);
    }
  }
  for (const pid_t child : children) waitpid(child, nullptr, 0);
  auto store = open();
  for (std::uint64_t p = 0; p < 4; ++p) EXPECT_EQ(store->find(key(p)), entry(p).counters) << p;
  EXPECT_TRUE(std::filesystem::exists(aside(1)));
  EXPECT_FALSE(std::filesystem::exists(aside(2)));
}

TEST_F(StoreTest, a_file_that_is_no_database_is_told_set_aside_and_rebuilt) {
  const std::string bytes(5000, 'x');
  write_file(bytes);
  expect_rebuilt("damaged");
  EXPECT_EQ(read_file(aside(1)), bytes);
}

TEST_F(StoreTest, a_file_cut_short_is_told_set_aside_and_rebuilt) {
  {
    auto store = open();
    for (std::uint64_t i = 0; i < 200; ++i) add(*store, i);
  }
  std::filesystem::resize_file(path_, 4096);
  auto store = open();
  for (std::uint64_t i = 0; i < 200; ++i) {
    const auto found = store->find(key(i));
    EXPECT_TRUE(!found || *found == entry(i).counters) << i;
  }
  add(*store, 300);
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("damaged")));
  EXPECT_EQ(open()->find(key(300)), entry(300).counters);
}

TEST_F(StoreTest, a_flipped_bit_in_a_row_is_damage_and_never_a_cycle_count) {
  add(*open(), 1);
  std::string bytes = read_file(path_);
  const Counters counters = entry(1).counters;
  const std::size_t place =
      bytes.find(std::string(reinterpret_cast<const char*>(counters.data()), sizeof counters));
  ASSERT_NE(place, std::string::npos);
  bytes[place + 1] ^= 4;
  write_file(bytes);
  auto store = open();
  EXPECT_EQ(store->find(key(1)), std::nullopt);
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("checksum")));
  EXPECT_EQ(read_file(aside(1)), bytes);
  add(*store, 1);
  EXPECT_EQ(open()->find(key(1)), entry(1).counters);
}

TEST_F(StoreTest, another_version_is_told_set_aside_whole_and_rebuilt) {
  add(*open(), 1);
  database(path_).exec("PRAGMA user_version = 77");
  expect_rebuilt("version 77");
  SQLite::Database old = database(aside(1));
  EXPECT_EQ(old.execAndGet("PRAGMA user_version").getInt(), 77);
  EXPECT_EQ(old.execAndGet("SELECT count(*) FROM records").getInt(), 1);
}

TEST_F(StoreTest, another_programs_database_is_told_set_aside_and_rebuilt) {
  std::filesystem::create_directories(path_.parent_path());
  database(path_).exec("CREATE TABLE notes (text)");
  expect_rebuilt("another program");
}

TEST_F(StoreTest, an_unusable_file_in_use_by_another_process_is_left_where_it_is) {
  auto user = open();
  add(*user, 1);
  database(path_).exec("PRAGMA user_version = 77");
  auto store = open(milliseconds(50));
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("not used this time")));
  EXPECT_FALSE(std::filesystem::exists(aside(1)));
  add(*store, 2);
  EXPECT_EQ(store->find(key(2)), entry(2).counters);
}

TEST_F(StoreTest, a_locked_file_is_told_and_the_process_goes_on_without_it) {
  auto store = open(milliseconds(50));
  {
    SQLite::Database other = database(path_);
    other.exec("BEGIN EXCLUSIVE");
    add(*store, 1);
    EXPECT_THAT(warnings_, ElementsAre(HasSubstr("locked")));
    add(*store, 2);
    EXPECT_EQ(store->find(key(1)), entry(1).counters);
    EXPECT_EQ(store->find(key(2)), entry(2).counters);
    EXPECT_EQ(warnings_.size(), 1u);
  }
  EXPECT_EQ(open()->find(key(1)), std::nullopt);
}

TEST_F(StoreTest, a_file_locked_before_it_is_opened_is_told) {
  add(*open(), 1);
  SQLite::Database other = database(path_);
  other.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT");
  auto store = open(milliseconds(50));
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("locked")));
  EXPECT_EQ(store->find(key(1)), std::nullopt);
}

TEST_F(StoreTest, a_place_that_cannot_be_written_is_told) {
  write_file("");
  path_ = path_ / "below" / "a_file";
  auto store = open();
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("not used this time")));
  add(*store, 1);
  EXPECT_EQ(store->find(key(1)), entry(1).counters);
}

/// An emulator (which counts nothing) that counts runs.
class CountingDevice : public Emulator {
 public:
  using Emulator::Emulator;
  bool wait_done(std::uint32_t sequence, Cycles limit) override {
    ++runs;
    return Emulator::wait_done(sequence, limit);
  }
  int runs = 0;
};

class MeasureTest : public testing::Test {
 protected:
  /// A meter on one device whose runs are counted.
  std::unique_ptr<SegmentMeter> meter(const HardwareInfo& info, MeasurementStore* store) {
    const auto open = [this, info] {
      auto device = std::make_unique<CountingDevice>(info);
      device_ = device.get();
      return device;
    };
    return std::make_unique<SegmentMeter>(std::make_shared<DevicePool>("counting", open, 1), store);
  }

  Network network_ = single_layer_network("conv in=8x6x6 out=8 kernel=3 stride=1 pad=1");
  Policy policy_ = uniform_policy(network_, 2, 2);
  std::vector<std::string> warnings_;
  MeasurementStore store_{{}, [this](const std::string& line) { warnings_.push_back(line); }};
  CountingDevice* device_ = nullptr;
};

TEST_F(MeasureTest, a_known_segment_does_not_run_again) {
  const auto first = meter(HardwareInfo{}, &store_);
  EXPECT_EQ(measure_network(*first, network_, policy_).measured, 1u);
  EXPECT_EQ(device_->runs, 2);  // the segment, and what a job counts besides
  EXPECT_EQ(measure_network(*first, network_, policy_).measured, 0u);
  EXPECT_EQ(device_->runs, 2);
  const auto second = meter(HardwareInfo{}, &store_);
  EXPECT_EQ(measure_network(*second, network_, policy_).measured, 0u);
  EXPECT_EQ(device_->runs, 0);
}

TEST_F(MeasureTest, without_a_store_a_meter_remembers_for_itself) {
  const auto first = meter(HardwareInfo{}, nullptr);
  measure_network(*first, network_, policy_);
  EXPECT_EQ(measure_network(*first, network_, policy_).measured, 0u);
  const auto second = meter(HardwareInfo{}, nullptr);
  EXPECT_EQ(measure_network(*second, network_, policy_).measured, 1u);
}

TEST_F(MeasureTest, counts_that_do_not_repeat_are_not_kept) {
  HardwareInfo info;
  info.repeatable = false;
  const auto one = meter(info, &store_);
  measure_network(*one, network_, policy_);
  EXPECT_EQ(measure_network(*one, network_, policy_).measured, 1u);
  EXPECT_EQ(measure_network(*meter(info, &store_), network_, policy_).measured, 1u);
  EXPECT_EQ(store_.find(end_key(info.fingerprint)), std::nullopt);
}

TEST_F(MeasureTest, another_fingerprint_shares_nothing) {
  HardwareInfo info;
  info.fingerprint = "a";
  measure_network(*meter(info, &store_), network_, policy_);
  info.fingerprint = "b";
  EXPECT_EQ(measure_network(*meter(info, &store_), network_, policy_).measured, 1u);
}

TEST_F(MeasureTest, equal_segments_of_one_request_run_once) {
  const auto plan = plan_network(network_, policy_, HardwareInfo{});
  const SegmentMeter::Request request{&plan.segments.front(), false};
  const auto one = meter(HardwareInfo{}, nullptr);
  const std::vector<SegmentMeter::Request> requests(5, request);
  EXPECT_EQ(one->measure(requests).measured, 1u);
  EXPECT_EQ(device_->runs, 2);
}

TEST_F(MeasureTest, segments_of_the_same_instructions_run_once) {
  const Network network = single_layer_network("dwconv in=32x6x6 kernel=3 stride=1 pad=1");
  std::vector<NetworkPlan> plans;  // weights are bytes, whatever their width
  for (const int bits : kWidths) {
    plans.push_back(plan_network(network, uniform_policy(network, bits, 8), HardwareInfo{}));
  }
  std::vector<SegmentMeter::Request> requests;
  for (const NetworkPlan& plan : plans) requests.push_back({&plan.segments.front(), false});
  const auto one = meter(HardwareInfo{}, &store_);
  const auto result = one->measure(requests);
  EXPECT_EQ(result.measured, 1u);
  EXPECT_EQ(device_->runs, 2);
  EXPECT_EQ(result.counters, std::vector<Counters>(plans.size(), result.counters.front()));
  EXPECT_EQ(one->measure(requests).measured, 0u);  // each is remembered by its own key
  EXPECT_EQ(device_->runs, 2);
}

TEST(SegmentKey, tells_first_from_later_and_one_field_from_another) {
  const Network network = single_layer_network("conv in=8x6x6 out=8 kernel=3 stride=1 pad=1");
  const auto plan = plan_network(network, uniform_policy(network, 2, 2), HardwareInfo{});
  const Segment& segment = plan.segments.front();
  EXPECT_NE(key_text(segment, true), key_text(segment, false));
  const std::string text = key_text(segment, false);
  Segment other = segment;
  other.op.stride_x = 2;
  EXPECT_NE(key_text(other, false), text);
  other = segment;
  other.op.table = true;
  EXPECT_NE(key_text(other, false), text);
  other = segment;
  other.free.end -= 1;
  EXPECT_NE(key_text(other, false), text);
  other = segment;
  other.results[0].first_word = 2;
  EXPECT_NE(key_text(other, false), text);
  other = segment;
  other.weights += kPageBytes;  // where constants lie matters to no cycle
  EXPECT_EQ(key_text(other, false), text);
  EXPECT_NE(segment_key(text, "a"), segment_key(text, "b"));
}

}  // namespace
}  // namespace bitloop::host::test
