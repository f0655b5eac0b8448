#include "host/program/job.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "host/base/sha256.h"
#include "host/compiler/compiler.h"

namespace bitloop::host::test {
namespace {

class JobFile : public testing::Test {
 protected:
  ~JobFile() override { std::filesystem::remove_all(folder_); }

  static Job example() {
    const Network network = zoo_network("lenet");
    return compile(random_quantization(network, uniform_policy(network, 2, 2), 1), HardwareInfo{},
                   {.spill_all = true});
  }

  std::string bytes() const {
    std::ifstream file(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  void put(const std::string& content) const {
    std::ofstream(path_, std::ios::binary | std::ios::trunc) << content;
  }

  /// Content without its hash, with the right hash behind it: a file whose author means harm.
  void put_signed(const std::string& content) const {
    const Sha256 digest = sha256(std::as_bytes(std::span(content)));
    put(content + std::string(reinterpret_cast<const char*>(digest.data()), digest.size()));
  }

  std::filesystem::path folder_ = [] {
    auto folder = std::filesystem::temp_directory_path() / ("bitloop_job_" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder);
    return folder;
  }();
  std::filesystem::path path_ = folder_ / "lenet.job";
};

TEST_F(JobFile, what_is_written_reads_back) {
  const Job job = example();
  write_job(job, path_);
  EXPECT_EQ(read_job(path_), job);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1) << "a temporary file is left";
}

TEST_F(JobFile, a_folder_that_does_not_exist_is_an_error) {
  EXPECT_THROW(write_job(example(), folder_ / "none" / "x.job"), Error);
  EXPECT_THROW(read_job(folder_ / "none" / "x.job"), InputError);
  EXPECT_THROW(read_job(folder_), InputError);
}

TEST_F(JobFile, every_flipped_byte_and_every_cut_is_noticed) {
  write_job(example(), path_);
  const std::string good = bytes();
  for (std::size_t i = 0; i < good.size(); i += 1 + good.size() / 200) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 0x10);
    put(bad);
    EXPECT_THROW(read_job(path_), InputError) << "flipped at " << i;
    put(good.substr(0, i));
    EXPECT_THROW(read_job(path_), InputError) << "cut at " << i;
  }
  put(good + "x");
  EXPECT_THROW(read_job(path_), InputError);
}

/// Changes one text of the header, keeping lengths and hash right.
TEST_F(JobFile, hostile_headers_with_a_right_hash_are_refused) {
  write_job(example(), path_);
  const std::string good = bytes();
  const std::string content = good.substr(0, good.size() - sizeof(Sha256));
  const auto replaced = [&](const std::string& from, const std::string& to) {
    std::string header = content.substr(
        16, static_cast<unsigned char>(content[8]) + 256u * static_cast<unsigned char>(content[9]));
    const std::string data = content.substr(16 + header.size());
    const auto at = header.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    header.replace(at, from.size(), to);
    std::string length(8, '\0');
    for (int i = 0; i < 8; ++i) length[i] = static_cast<char>(header.size() >> (8 * i));
    return content.substr(0, 8) + length + header + data;
  };
  put_signed(replaced("\"filters\":16", "\"filters\":16"));
  EXPECT_NO_THROW(read_job(path_));
  const std::pair<const char*, const char*> attacks[] = {
      {"\"filters\":16", "\"filters\":-1"},
      {"\"filters\":16", "\"filters\":1e3"},
      {"\"filters\":16", "\"filters\":\"16\""},
      {"\"weight_rows\":", "\"weight_rows\":-"},
      {"\"staging_words\":", "\"words\":"},
      {"\"bytes\":", "\"bytes\":9"},
      {"\"bytes\":", "\"bytes\":-"},
      {"\"records\":", "\"records\":999999999"},
      {"\"descriptors\":", "\"descriptors\":18446744073709551615,\"x\":"},
      {"\"image_shape\":[1,28,28]", "\"image_shape\":[1,28]"},
      {"\"image_shape\":[1,28,28]", "\"image_shape\":[1048576,1048576,1048576]"},
      {"\"image_shape\":[1,28,28]", "\"image_shape\":[0,28,28]"},
      {"\"image_shape\":[1,28,28]", "\"image_shape\":[18446744073709551615,1,1]"},
      {"\"segments\":[", "\"segments\":[7,"},
      {"\"blocks\":[", "\"blocks\":[{\"bytes\":4294967295,\"offset\":0},"},
      {"\"blocks\":[", "\"blocks\":[{\"bytes\":16,\"offset\":8589934591},"},
      {"\"tensors\":[", "\"tensors\":[{},"},
      {"\"bits\":2", "\"bits\":3"},
      {"\"network\":", "\"network\":[],\"n\":"},
  };
  for (const auto& [from, to] : attacks) {
    put_signed(replaced(from, to));
    EXPECT_THROW(read_job(path_), InputError) << from << " -> " << to;
  }
  std::string longer = content;
  longer[15] = '\x7f';
  put_signed(longer);
  EXPECT_THROW(read_job(path_), InputError);
  put_signed("BLJOB002" + std::string(8, '\0'));
  EXPECT_THROW(read_job(path_), InputError);
}

void expect_refused(const Job& job, const char* why) {
  try {
    validate_job(job);
    ADD_FAILURE() << "must be refused: " << why;
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr(why));
  }
}

TEST_F(JobFile, parts_that_overlap_are_refused) {
  const Job job = example();
  ASSERT_NO_THROW(validate_job(job));
  for (const Address offset : {job.blocks[1].offset, job.records, job.image}) {
    Job bad = job;
    bad.blocks[0].offset = offset;
    expect_refused(bad, "overlap");
  }
}

TEST_F(JobFile, a_job_without_segments_is_refused) {
  Job job = example();
  job.segments.clear();
  expect_refused(job, "segment");
}

TEST_F(JobFile, descriptors_off_their_64_bytes_are_refused) {
  Job job = example();
  job.descriptors += 8;
  expect_refused(job, "aligned");
  job = example();
  job.bytes += 4096;
  job.blocks.back().offset += 8;  // holds the descriptors
  job.descriptors += 64;
  expect_refused(job, "aligned");
}

TEST_F(JobFile, more_memory_than_offsets_reach_is_refused) {
  Job job = example();
  job.bytes = Address{1} << 32;
  EXPECT_NO_THROW(validate_job(job));
  ++job.bytes;
  expect_refused(job, "memory");
}

TEST_F(JobFile, random_damage_with_a_right_hash_never_does_more_than_refuse) {
  write_job(example(), path_);
  const std::string good = bytes();
  const std::string content = good.substr(0, good.size() - sizeof(Sha256));
  std::mt19937_64 random(1);
  for (int i = 0; i < 300; ++i) {
    std::string bad = content;
    for (int n = 0; n < 3; ++n) bad[random() % 1500] = static_cast<char>(random());
    put_signed(bad);
    try {
      read_job(path_);
    } catch (const InputError&) {
    }
  }
}

}  // namespace
}  // namespace bitloop::host::test
