#include <gmock/gmock.h>

#include "quant/data/dataset.h"
#include "tests/quant/files.h"
#include "tests/quant/fixtures.h"

namespace bitloop::quant {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr std::size_t kRecord = 3073;

Bytes batch_file(std::size_t count, std::uint64_t seed) {
  Bytes bytes = random_bytes(count * kRecord, seed);
  for (std::size_t i = 0; i < count; ++i) bytes[i * kRecord] = static_cast<std::uint8_t>(i % 10);
  return bytes;
}

class CifarTest : public ::testing::Test {
 protected:
  void write_set() {
    write_plain(folder_.path() / "data_batch_2.bin", batch_file(12, 1));
    write_gzip(folder_.path() / "data_batch_5.bin.gz", batch_file(13, 2));
    write_plain(test_batch(), batch_file(7, 3));
  }
  [[nodiscard]] std::filesystem::path test_batch() const { return folder_.path() / "test_batch.bin"; }
  [[nodiscard]] std::string spec() const { return "cifar10:" + folder_.path().string(); }
  [[nodiscard]] std::string refused() const {
    return refusal([&] { load_dataset(spec()); });
  }

  TemporaryFolder folder_;
};

TEST_F(CifarTest, batches_that_are_there_make_the_training_file) {
  write_set();
  const Dataset data = load_dataset(spec());
  EXPECT_EQ(data.name, "CIFAR-10");
  EXPECT_EQ(data.spec, spec());
  EXPECT_EQ(data.shape, (host::Shape{3, 32, 32}));
  EXPECT_EQ(data.train.size(), 20U);
  EXPECT_EQ(data.reward.size(), 5U);
  EXPECT_EQ(data.test.size(), 7U);
  EXPECT_EQ(data.mean.size(), 3U);
  EXPECT_EQ(data.class_names.at(9), "truck");
  EXPECT_EQ(data.augmentation.shift, 4);
  EXPECT_TRUE(data.augmentation.mirror);
}

TEST_F(CifarTest, planes_become_interleaved_pixels) {
  write_set();
  const Bytes file = batch_file(7, 3);
  const Dataset data = load_dataset(spec());
  for (std::size_t image = 0; image < 7; ++image) {
    EXPECT_EQ(data.test.labels[image], image);
    for (std::size_t pixel = 0; pixel < 1024; ++pixel)
      for (std::size_t channel = 0; channel < 3; ++channel)
        ASSERT_EQ(data.test.pixels[image * 3072 + pixel * 3 + channel],
                  file[image * kRecord + 1 + channel * 1024 + pixel]);
  }
}

TEST_F(CifarTest, mean_and_deviation_are_per_channel) {
  Bytes bytes = batch_file(10, 1);
  for (std::size_t image = 0; image < 10; ++image)
    for (std::size_t i = 0; i < 3072; ++i)
      bytes[image * kRecord + 1 + i] = static_cast<std::uint8_t>(i < 1024   ? 51
                                                                 : i < 2048 ? (i % 2) * 102
                                                                            : 204);
  write_plain(folder_.path() / "data_batch_1.bin", bytes);
  write_plain(test_batch(), batch_file(7, 3));
  const Dataset data = load_dataset(spec());
  EXPECT_THAT(data.mean, ::testing::Pointwise(::testing::FloatEq(), {0.2F, 0.2F, 0.8F}));
  // A channel without contrast gets a deviation of one step, so that nothing is divided by 0.
  EXPECT_THAT(data.deviation, ::testing::Pointwise(::testing::FloatEq(), {1 / 255.0F, 0.2F, 1 / 255.0F}));
}

TEST_F(CifarTest, a_packed_file_without_the_ending_is_read_too) {
  write_set();
  const Dataset plain = load_dataset(spec());
  write_gzip(test_batch(), batch_file(7, 3));
  EXPECT_EQ(load_dataset(spec()).split_hash, plain.split_hash);
}

TEST_F(CifarTest, absent_batches_are_named) {
  EXPECT_THAT(refused(), HasSubstr("no test_batch.bin"));
  write_plain(test_batch(), batch_file(7, 3));
  EXPECT_THAT(refused(), AllOf(HasSubstr("no data_batch_1.bin"), HasSubstr(folder_.path().string())));
  EXPECT_THAT(refusal([] { load_dataset("cifar10:/nowhere"); }), HasSubstr("/nowhere"));
}

TEST_F(CifarTest, files_of_other_sizes_are_refused_and_named) {
  write_set();
  Bytes bytes = batch_file(7, 3);
  bytes.pop_back();
  write_plain(test_batch(), bytes);
  EXPECT_THAT(refused(), AllOf(HasSubstr(test_batch().string()), HasSubstr("3073")));
  write_plain(test_batch(), {});
  EXPECT_THAT(refused(), HasSubstr("0 bytes"));
}

TEST_F(CifarTest, truncated_and_damaged_gzip_is_refused) {
  write_set();
  const auto path = folder_.path() / "data_batch_5.bin.gz";
  const Bytes whole = read_plain(path);
  write_plain(path, Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(whole.size() / 2)));
  EXPECT_THAT(refused(), AllOf(HasSubstr(path.string()), HasSubstr("truncated")));
  Bytes damaged = whole;
  damaged[damaged.size() - 6] ^= 0xff;  // inside of the checksum
  write_plain(path, damaged);
  EXPECT_THAT(refused(), AllOf(HasSubstr(path.string()), HasSubstr("damaged")));
}

TEST_F(CifarTest, labels_out_of_range_are_refused) {
  write_set();
  Bytes bytes = batch_file(7, 3);
  bytes[5 * kRecord] = 10;
  write_plain(test_batch(), bytes);
  EXPECT_THAT(refused(), HasSubstr("label 10 at image 5"));
}

TEST(Cifar, images_published_as_jpeg_are_known_by_their_content) {
  const std::filesystem::path folder = shared_folder() / "data/cifar10-jpeg";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << folder << " is absent";
  const Dataset data = load_dataset("cifar10:" + folder.string());
  EXPECT_EQ(data.name, "CIFAR-10 (JPEG)");
  EXPECT_EQ(data.train.size(), 8000U);
  EXPECT_EQ(data.reward.size(), 2000U);
  EXPECT_EQ(data.test.size(), 10'000U);
  EXPECT_NEAR(data.mean[0], 0.491, 0.01);
  EXPECT_NEAR(data.deviation[2], 0.262, 0.01);
}

}  // namespace
}  // namespace bitloop::quant
