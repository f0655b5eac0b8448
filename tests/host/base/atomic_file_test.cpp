#include "host/base/atomic_file.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <fstream>
#include <iterator>

#include "host/base/error.h"

namespace bitloop::host {
namespace {

namespace fs = std::filesystem;

class AtomicFile : public ::testing::Test {
 protected:
  AtomicFile() : folder_(fs::temp_directory_path() / fmt::format("bitloop-atomic-{}", getpid())) {
    fs::create_directories(folder_);
  }
  ~AtomicFile() override { fs::remove_all(folder_); }
  [[nodiscard]] std::string content() const {
    std::ifstream file(file_, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  [[nodiscard]] std::ptrdiff_t files() const {
    return std::distance(fs::directory_iterator(folder_), fs::directory_iterator());
  }

  fs::path folder_;
  fs::path file_ = folder_ / "file";
  fs::path temporary_ = folder_ / fmt::format("file.{}.tmp", getpid());
};

TEST_F(AtomicFile, replaces_the_whole_file_and_leaves_no_other) {
  write_file_atomically(file_, "old and longer");
  write_file_atomically(file_, "new");
  EXPECT_EQ(content(), "new");
  EXPECT_EQ(files(), 1);
}

TEST_F(AtomicFile, a_full_disk_keeps_the_old_file_and_says_what_to_do) {
  if (!fs::exists("/dev/full")) GTEST_SKIP() << "no /dev/full";
  write_file_atomically(file_, "old");
  fs::create_symlink("/dev/full", temporary_);
  try {
    write_file_atomically(file_, "new");
    FAIL() << "a full disk took a file";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), ::testing::AllOf(::testing::HasSubstr("file could not be written"),
                                               ::testing::HasSubstr("make room")));
  }
  EXPECT_EQ(content(), "old");
  EXPECT_EQ(files(), 1);
}

TEST_F(AtomicFile, a_folder_that_is_missing_or_in_the_way_is_an_error) {
  EXPECT_THROW(write_file_atomically(folder_ / "none" / "file", "text"), Error);
  fs::create_directories(file_ / "full");
  EXPECT_THROW(write_file_atomically(file_, "text"), Error);
  EXPECT_EQ(files(), 1);
}

TEST_F(AtomicFile, only_temporaries_of_processes_that_are_gone_are_stale) {
  EXPECT_TRUE(is_stale_temporary("a/checkpoint.pt.2147483647.tmp"));  // above every process number of Linux
  EXPECT_TRUE(is_stale_temporary(temporary_));
  EXPECT_FALSE(is_stale_temporary(fmt::format("quantized.bin.{}.tmp", getppid())));
  for (const char* other :
       {"notes.tmp", "notes.x.tmp", "notes.-1.tmp", "notes.0.tmp", "notes.2147483647", ".tmp"})
    EXPECT_FALSE(is_stale_temporary(other)) << other;
}

}  // namespace
}  // namespace bitloop::host
