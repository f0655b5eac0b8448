#include "quant/data/dataset.h"

#include <gmock/gmock.h>

#include <cmath>
#include <fstream>

#include "quant/data/idx.h"
#include "tests/quant/files.h"
#include "tests/quant/fixtures.h"

namespace bitloop::quant {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

void append_u32(Bytes& bytes, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<std::uint8_t>(value >> shift));
}

Bytes image_file(std::uint32_t count, std::uint32_t height, std::uint32_t width) {
  Bytes bytes;
  for (const std::uint32_t value : {0x803U, count, height, width}) append_u32(bytes, value);
  const Bytes pixels = random_bytes(std::size_t{count} * height * width, 7);
  bytes.insert(bytes.end(), pixels.begin(), pixels.end());
  return bytes;
}

Bytes label_file(std::uint32_t count) {
  Bytes bytes;
  append_u32(bytes, 0x801);
  append_u32(bytes, count);
  for (std::uint32_t i = 0; i < count; ++i) bytes.push_back(static_cast<std::uint8_t>(i % 10));
  return bytes;
}

class IdxTest : public ::testing::Test {
 protected:
  [[nodiscard]] std::string images_refusal(const Bytes& bytes) const {
    write_plain(file(), bytes);
    return refusal([&] { read_idx_images(file()); });
  }
  [[nodiscard]] std::string labels_refusal(const Bytes& bytes) const {
    write_plain(file(), bytes);
    return refusal([&] { read_idx_labels(file(), 10); });
  }
  [[nodiscard]] std::filesystem::path file() const { return folder_.path() / "file"; }

  TemporaryFolder folder_;
};

TEST_F(IdxTest, plain_and_gzip_files_hold_the_same_images) {
  const Bytes bytes = image_file(3, 4, 5);
  write_plain(folder_.path() / "plain", bytes);
  write_gzip(folder_.path() / "packed.gz", bytes);
  const IdxImages plain = read_idx_images(folder_.path() / "plain");
  const IdxImages packed = read_idx_images(folder_.path() / "packed.gz");
  EXPECT_EQ(plain.count, 3U);
  EXPECT_EQ(plain.height, 4);
  EXPECT_EQ(plain.width, 5);
  EXPECT_EQ(plain.pixels, Bytes(bytes.begin() + 16, bytes.end()));
  EXPECT_EQ(plain.pixels, packed.pixels);
}

TEST_F(IdxTest, wrong_magic_is_refused_and_names_the_file) {
  EXPECT_THAT(images_refusal(label_file(30)), AllOf(HasSubstr(file().string()), HasSubstr("magic")));
  EXPECT_THAT(labels_refusal(image_file(2, 4, 4)), HasSubstr("magic"));
}

TEST_F(IdxTest, truncated_files_are_refused) {
  Bytes bytes = image_file(3, 4, 5);
  bytes.pop_back();
  EXPECT_THAT(images_refusal(bytes), HasSubstr("truncated"));
  EXPECT_THAT(images_refusal({0, 0, 8}), HasSubstr("truncated"));
  EXPECT_THAT(images_refusal({}), HasSubstr("truncated"));
}

TEST_F(IdxTest, truncated_gzip_is_refused) {
  write_gzip(file(), image_file(50, 28, 28));
  std::filesystem::resize_file(file(), std::filesystem::file_size(file()) / 2);
  EXPECT_THAT(refusal([&] { read_idx_images(file()); }), HasSubstr("truncated"));
}

TEST_F(IdxTest, damaged_gzip_is_refused) {
  write_gzip(file(), image_file(50, 28, 28));
  std::fstream stream(file(), std::ios::in | std::ios::out | std::ios::binary);
  stream.seekp(-6, std::ios::end);  // inside of the checksum
  stream.put('\x55').put('\xaa');
  stream.close();
  EXPECT_THAT(refusal([&] { read_idx_images(file()); }), HasSubstr("damaged"));
}

TEST_F(IdxTest, bytes_after_the_last_image_are_refused) {
  Bytes bytes = image_file(3, 4, 5);
  bytes.push_back(0);
  EXPECT_THAT(images_refusal(bytes), HasSubstr("more bytes"));
}

TEST_F(IdxTest, impossible_dimensions_are_refused_before_memory_is_taken) {
  Bytes bytes;
  for (const std::uint32_t value : {0x803U, 0xffffffffU, 4096U, 4096U}) append_u32(bytes, value);
  EXPECT_THAT(images_refusal(bytes), HasSubstr("impossible"));
  EXPECT_THAT(images_refusal(image_file(0, 4, 4)), HasSubstr("impossible"));
}

TEST_F(IdxTest, labels_out_of_range_are_refused) {
  Bytes bytes = label_file(30);
  bytes[8 + 12] = 10;
  EXPECT_THAT(labels_refusal(bytes), AllOf(HasSubstr("label 10 at image 12"), HasSubstr(file().string())));
}

class DatasetTest : public ::testing::Test {
 protected:
  void write_set(std::uint32_t training, std::uint32_t training_labels) {
    write_gzip(folder_.path() / "train-images-idx3-ubyte.gz", image_file(training, 4, 5));
    write_plain(folder_.path() / "train-labels-idx1-ubyte", label_file(training_labels));
    write_plain(folder_.path() / "t10k-images-idx3-ubyte", image_file(20, 4, 5));
    write_plain(folder_.path() / "t10k-labels-idx1-ubyte", label_file(20));
  }
  [[nodiscard]] std::string spec() const { return "mnist:" + folder_.path().string(); }

  TemporaryFolder folder_;
};

TEST_F(DatasetTest, small_sets_give_every_fifth_image_to_the_reward) {
  write_set(103, 103);
  const Dataset data = load_dataset(spec());
  EXPECT_EQ(data.reward.size(), 20U);
  EXPECT_EQ(data.train.size(), 83U);
  EXPECT_EQ(data.test.size(), 20U);
  EXPECT_EQ(data.reward.pixels.size(), 20U * 20);
  EXPECT_EQ(data.reward.labels[0], 4);
  EXPECT_EQ(data.reward.labels[1], 9);
  EXPECT_EQ(data.shape, (host::Shape{1, 4, 5}));
}

TEST_F(DatasetTest, large_sets_give_every_sixth_image_to_the_reward) {
  write_set(20'000, 20'000);
  const Dataset data = load_dataset(spec());
  EXPECT_EQ(data.reward.size(), 3333U);
  EXPECT_EQ(data.train.size(), 16'667U);
}

TEST_F(DatasetTest, split_hash_depends_on_the_images) {
  write_set(103, 103);
  const std::string first = load_dataset(spec()).split_hash;
  EXPECT_EQ(first.size(), 64U);
  EXPECT_EQ(first, load_dataset(spec()).split_hash);
  Bytes changed = label_file(103);
  std::swap(changed[8], changed[9]);
  write_plain(folder_.path() / "train-labels-idx1-ubyte", changed);
  EXPECT_NE(first, load_dataset(spec()).split_hash);
}

TEST_F(DatasetTest, reward_from_test_halves_the_test_file_and_trains_on_all_of_the_training_file) {
  write_set(103, 103);
  const Dataset usual = load_dataset(spec());
  const Dataset data = load_dataset(spec(), {.reward_from_test = true});
  EXPECT_EQ(data.train.size(), 103U);
  const auto half = usual.test.pixels.begin() + 10 * 20;
  EXPECT_EQ(data.reward.pixels, Bytes(usual.test.pixels.begin(), half));
  EXPECT_EQ(data.test.pixels, Bytes(half, usual.test.pixels.end()));
  EXPECT_THAT(data.test.labels, ::testing::ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9));
  EXPECT_NE(data.split_hash, usual.split_hash);
}

TEST_F(DatasetTest, given_mean_and_deviation_replace_the_train_splits_own_and_leave_the_hash) {
  write_set(103, 103);
  const Dataset data = load_dataset(spec(), {.mean = {0.25F}, .deviation = {2.0F}});
  EXPECT_EQ(data.mean, std::vector<float>{0.25F});
  EXPECT_EQ(data.deviation, std::vector<float>{2.0F});
  EXPECT_EQ(data.split_hash, load_dataset(spec()).split_hash);
}

TEST_F(DatasetTest, means_and_deviations_that_cannot_be_are_refused) {
  write_set(103, 103);
  const auto refused = [&](const std::vector<float>& mean, const std::vector<float>& deviation) {
    return refusal([&] { load_dataset(spec(), {.mean = mean, .deviation = deviation}); });
  };
  EXPECT_THAT(refused({0.5F, 0.5F}, {1, 1}), HasSubstr("1 channels, but 2 means"));
  EXPECT_THAT(refused({0.5F}, {}), HasSubstr("0 deviations"));
  EXPECT_THAT(refused({127.5F}, {1}), HasSubstr("value/255"));
  EXPECT_THAT(refused({std::nanf("")}, {1}), HasSubstr("value/255"));
  EXPECT_THAT(refused({0.5F}, {0}), HasSubstr("not above 0"));
  EXPECT_THAT(refused({0.5F}, {INFINITY}), HasSubstr("not above 0"));
}

TEST_F(DatasetTest, different_numbers_of_images_and_labels_are_refused) {
  write_set(103, 102);
  EXPECT_THAT(refusal([&] { load_dataset(spec()); }), HasSubstr("103 images"));
}

TEST_F(DatasetTest, absent_files_are_named) {
  EXPECT_THAT(refusal([&] { load_dataset(spec()); }), HasSubstr("train-images-idx3-ubyte"));
  EXPECT_THAT(refusal([&] { load_dataset("mnist:/nowhere"); }), HasSubstr("/nowhere"));
}

TEST(Augmentations, are_read_from_words) {
  EXPECT_FALSE(augmentation_of("none").any());
  EXPECT_EQ(augmentation_of("shift=3,mirror").shift, 3);
  EXPECT_TRUE(augmentation_of("shift=3,mirror").mirror);
  EXPECT_FALSE(augmentation_of("shift=64").mirror);
  for (const char* text : {"flip", "shift", "shift=", "shift=x", "shift=-1", "shift=65", "mirror,tilt"})
    EXPECT_THROW((void)augmentation_of(text), InputError) << text;
}

TEST(DatasetNames, unknown_sets_are_refused_with_the_known_ones) {
  EXPECT_THAT(refusal([&] { load_dataset("imagenet"); }),
              AllOf(HasSubstr("imagenet"), HasSubstr("fashion-mnist")));
  for (const char* empty : {"mnist:", "cifar10:", "folder:"})
    EXPECT_THAT(refusal([&] { load_dataset(empty); }),
                HasSubstr("mnist:DIR, cifar10:DIR, folder:DIR, npy:DIR or noise"));
}

TEST(FashionMnist, has_the_splits_of_the_design) {
  if (!std::filesystem::exists("/usr/share/datasets/fashion-mnist"))
    GTEST_SKIP() << "Debian's package dataset-fashion-mnist is not installed";
  const Dataset data = load_dataset("fashion-mnist");
  EXPECT_EQ(data.train.size(), 50'000U);
  EXPECT_EQ(data.reward.size(), 10'000U);
  EXPECT_EQ(data.test.size(), 10'000U);
  EXPECT_EQ(data.shape, (host::Shape{1, 28, 28}));
  EXPECT_NEAR(data.mean[0], 0.286, 0.001);
  EXPECT_NEAR(data.deviation[0], 0.353, 0.001);
  // As in every checkpoint so far; computed from the files by a script of its own.
  EXPECT_EQ(data.split_hash, "10066e12f5a367ee5f9f1a2185715e416355143ef0b0459010cba12cfb23c18e");
}

}  // namespace
}  // namespace bitloop::quant
