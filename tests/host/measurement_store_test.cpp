// The store's file: what processes share, and what becomes of files that cannot be used.
#include "host/measurement_store.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "host/compiler.h"
#include "host/instruction.h"
#include "host/measure.h"
#include "host/sqlite.h"
#include "tests/host/emulator.h"
#include "tests/host/random_cases.h"

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
  Database(path_, milliseconds(100)).execute("PRAGMA user_version = 77");
  expect_rebuilt("version 77");
  Database old(aside(1), milliseconds(100));
  EXPECT_EQ(old.number("PRAGMA user_version"), 77);
  EXPECT_EQ(old.number("SELECT count(*) FROM records"), 1);
}

TEST_F(StoreTest, another_programs_database_is_told_set_aside_and_rebuilt) {
  std::filesystem::create_directories(path_.parent_path());
  Database(path_, milliseconds(100)).execute("CREATE TABLE notes (text)");
  expect_rebuilt("another program");
}

TEST_F(StoreTest, an_unusable_file_in_use_by_another_process_is_left_where_it_is) {
  auto user = open();
  add(*user, 1);
  Database(path_, milliseconds(100)).execute("PRAGMA user_version = 77");
  auto store = open(milliseconds(50));
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("not used this time")));
  EXPECT_FALSE(std::filesystem::exists(aside(1)));
  add(*store, 2);
  EXPECT_EQ(store->find(key(2)), entry(2).counters);
}

TEST_F(StoreTest, a_locked_file_is_told_and_the_process_goes_on_without_it) {
  auto store = open(milliseconds(50));
  {
    Database other(path_, milliseconds(100));
    other.execute("BEGIN EXCLUSIVE");
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
  Database other(path_, milliseconds(100));
  other.execute("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT");
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

TEST_F(StoreTest, a_refuted_store_forgets_all_and_is_set_aside) {
  auto store = open();
  add(*store, 1);
  store->refute("the device counts otherwise");
  EXPECT_EQ(store->find(key(1)), std::nullopt);
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("counts otherwise")));
  add(*store, 1);
  EXPECT_EQ(open()->find(key(1)), entry(1).counters);
  EXPECT_TRUE(std::filesystem::exists(aside(1)));
}

TEST(SegmentKeys, change_with_every_word_that_timing_can_depend_on) {
  const Network network = zoo_network("lenet");
  const Job job = compile(random_quantization(network, uniform_policy(network, 4, 4), 1), HardwareInfo{});
  const JobKeys keys = job_keys(job, "fingerprint");
  ASSERT_EQ(keys.segments.size(), job.segments.size());
  const auto segment = [&](const Job& changed, std::string_view fingerprint = "fingerprint") {
    return job_keys(changed, fingerprint).segments.at(0);
  };
  const auto word = [&](int descriptor, int index) { return descriptor * 64 + index * 4; };
  EXPECT_NE(segment(job, "another"), keys.segments[0]);
  EXPECT_NE(job_keys(job, "another").end, keys.end);
  for (int descriptor = 1; descriptor <= 3; ++descriptor) {
    for (int byte = word(descriptor, 0); byte < word(descriptor + 1, 0); ++byte) {
      Job changed = job;
      auto& bytes = changed.blocks.back().bytes;
      const auto opcode = std::to_integer<int>(bytes[static_cast<std::size_t>(word(descriptor, 0))]);
      bytes[static_cast<std::size_t>(byte)] ^= std::byte{1};
      const int place = byte - word(descriptor, 0);
      const bool high_offset = opcode <= 4 && place >= 10 && place < 12;  // bits 31..16 of d2
      const bool pad_codes = opcode == 5 && place >= 36 && place < 40;
      EXPECT_EQ(segment(changed) == keys.segments[0], high_offset || pad_codes)
          << "descriptor " << descriptor << " byte " << place;
    }
  }
}

TEST(SegmentKeys, depend_neither_on_places_of_pages_nor_on_integers) {
  const Network network = zoo_network("lenet");
  Policy policy = uniform_policy(network, 4, 4);
  const Job job = compile(random_quantization(network, policy, 1), HardwareInfo{});
  EXPECT_EQ(job_keys(job, "x").segments,
            job_keys(compile(random_quantization(network, policy, 2), HardwareInfo{}), "x").segments);
  policy.layers[0].weight_bits = 8;  // moves all that follows in memory
  const Job other = compile(random_quantization(network, policy, 1), HardwareInfo{});
  const JobKeys a = job_keys(job, "x");
  const JobKeys b = job_keys(other, "x");
  EXPECT_NE(a.segments[0], b.segments[0]);
  for (std::size_t i = 1; i < a.segments.size(); ++i)
    EXPECT_EQ(a.segments[i], b.segments[i]) << job.segments[i];
  EXPECT_EQ(a.end, b.end);
}

TEST(SegmentKeys, of_a_job_whose_descriptors_are_no_chain_are_refused) {
  const Network network = zoo_network("lenet");
  const Job job = compile(random_quantization(network, uniform_policy(network, 8, 8), 1), HardwareInfo{});
  Job longer = job;
  longer.segments.push_back("another");
  EXPECT_THROW(job_keys(longer, "x"), InputError);
  Job shorter = job;
  shorter.segments.pop_back();
  EXPECT_THROW(job_keys(shorter, "x"), InputError);
  Job cut = job;
  cut.blocks.back().bytes.resize(640);
  EXPECT_THROW(job_keys(cut, "x"), InputError);
}

TEST(SegmentKeys, of_descriptors_off_their_64_bytes_are_refused) {
  const Network network = single_layer_network("linear in=8x1x1 out=8");
  Job job = compile(random_quantization(network, uniform_policy(network, 8, 8), 1), HardwareInfo{});
  job.descriptors += 8;
  job.blocks.back().offset += 8;
  EXPECT_THROW(job_keys(job, "x"), InputError);
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
  Network network_ = single_layer_network("conv in=8x6x6 out=8 kernel=3 stride=1 pad=1");
  Job job_ = compile(random_quantization(network_, uniform_policy(network_, 2, 2), 1), HardwareInfo{});
  std::vector<std::string> warnings_;
  MeasurementStore store_{{}, [this](const std::string& line) { warnings_.push_back(line); }};
};

TEST_F(MeasureTest, a_known_job_does_not_run_again) {
  CountingDevice device{HardwareInfo{}};
  const MeasuredJob first = measure(device, job_, &store_);
  EXPECT_EQ(first.segments_measured, 1u);
  EXPECT_EQ(first.segments_remembered, 0u);
  const MeasuredJob second = measure(device, job_, &store_);
  EXPECT_EQ(second.segments_measured, 0u);
  EXPECT_EQ(second.segments_remembered, 1u);
  EXPECT_EQ(second.measurement.total, first.measurement.total);
  EXPECT_EQ(device.runs, 1);
}

TEST_F(MeasureTest, without_a_store_or_repeatable_counts_every_job_runs) {
  CountingDevice device{HardwareInfo{}};
  measure(device, job_, nullptr);
  measure(device, job_, nullptr);
  EXPECT_EQ(device.runs, 2);
  HardwareInfo info;
  info.repeatable = false;
  CountingDevice varying{info};
  measure(varying, job_, &store_);
  measure(varying, job_, &store_);
  EXPECT_EQ(varying.runs, 2);
}

TEST_F(MeasureTest, another_fingerprint_shares_nothing) {
  HardwareInfo info;
  info.fingerprint = "a";
  CountingDevice device{info};
  measure(device, job_, &store_);
  info.fingerprint = "b";
  CountingDevice other{info};
  measure(other, job_, &store_);
  EXPECT_EQ(other.runs, 1);
}

TEST_F(MeasureTest, a_run_that_contradicts_the_store_wins) {
  CountingDevice device{HardwareInfo{}};
  const MeasurementStore::Entry wrong{job_keys(job_, device.info().fingerprint).segments[0],
                                      entry(3).counters};
  store_.add({&wrong, 1});  // the constant of the end is not known, so that the job runs
  EXPECT_EQ(measure(device, job_, &store_).segments_measured, 1u);
  const MeasuredJob again = measure(device, job_, &store_);
  EXPECT_EQ(again.segments_remembered, 1u);
  EXPECT_EQ(again.measurement.segments[0], Counters{});
}

}  // namespace
}  // namespace bitloop::host::test
