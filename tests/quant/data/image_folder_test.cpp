#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <opencv2/imgcodecs.hpp>
#include <set>

#include "quant/data/dataset.h"
#include "quant/data/image_file.h"
#include "quant/data/image_header.h"
#include "tests/quant/files.h"
#include "tests/quant/fixtures.h"

namespace bitloop::quant {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr std::array kExtensions = {".png", ".jpg", ".tif", ".webp", ".bmp"};

/// Blue, green, red.
using Colour = cv::Vec3b;

cv::Mat uniform(int height, int width, const Colour& colour) {
  return {height, width, CV_8UC3, cv::Scalar(colour)};
}

/// Smooth, so that JPEG changes little: red grows to the right, green downwards.
cv::Mat gradient(int height, int width) {
  cv::Mat image(height, width, CV_8UC3);
  for (int row = 0; row < height; ++row)
    for (int column = 0; column < width; ++column)
      image.at<Colour>(row, column) = {90, static_cast<std::uint8_t>(row * 255 / height),
                                       static_cast<std::uint8_t>(column * 255 / width)};
  return image;
}

Bytes encoded(const cv::Mat& image, const char* extension) {
  Bytes bytes;
  cv::imencode(extension, image, bytes);
  return bytes;
}

class ImageFolderTest : public ::testing::Test {
 protected:
  void write(const std::string& name, const cv::Mat& image) const {
    const auto path = folder_.path() / name;
    std::string extension = path.extension().string();
    std::ranges::transform(extension, extension.begin(),
                           [](char c) { return static_cast<char>(std::tolower(c)); });
    write_plain(path, encoded(image, extension.c_str()));
  }
  /// `count` images of each class; the grey value tells class and number: 100 * class + number.
  void write_classes(const std::string& folder, int classes, int count) const {
    for (int label = 0; label < classes; ++label)
      for (int i = 0; i < count; ++i) {
        const auto grey = static_cast<std::uint8_t>(100 * label + i);
        write(fmt_name(folder, label, i), uniform(8, 8, {grey, grey, grey}));
      }
  }
  [[nodiscard]] static std::string fmt_name(const std::string& folder, int label, int i) {
    return folder + "class" + std::to_string(label) + "/" + static_cast<char>('a' + i) + ".png";
  }
  [[nodiscard]] Dataset load(std::optional<host::Shape> size = {}, bool reward_from_test = false) const {
    return load_dataset("folder:" + folder_.path().string(),
                        {.image = size, .reward_from_test = reward_from_test});
  }
  [[nodiscard]] std::string refused(std::optional<host::Shape> size = {}) const {
    return refusal([&] { static_cast<void>(load(size)); });
  }
  [[nodiscard]] Image read(const std::string& name, std::optional<host::Shape> size = {}) const {
    return ImageReader().read(folder_.path() / name, size);
  }
  [[nodiscard]] std::string read_refused(const std::string& name) const {
    return refusal([&] { static_cast<void>(read(name)); });
  }

  TemporaryFolder folder_;
};

/// First byte of each image, sorted.
std::multiset<int> firsts(const Dataset& data, std::initializer_list<const Split*> splits) {
  std::multiset<int> values;
  for (const Split* split : splits)
    for (std::size_t i = 0; i < split->size(); ++i)
      values.insert(split->pixels[i * static_cast<std::size_t>(data.shape.elements())]);
  return values;
}

TEST_F(ImageFolderTest, every_fifth_image_of_a_class_by_name_is_the_test_file) {
  write_classes("", 2, 11);
  const Dataset data = load();
  EXPECT_EQ(firsts(data, {&data.test}), (std::multiset<int>{4, 9, 104, 109}));
  EXPECT_EQ(data.reward.size(), 3U);
  EXPECT_EQ(data.train.size(), 15U);
  EXPECT_EQ(firsts(data, {&data.train, &data.reward}).count(4), 0U);
  EXPECT_EQ(data.shape, (host::Shape{3, 8, 8}));
  EXPECT_EQ(data.class_names, (std::vector<std::string>{"class0", "class1"}));
  EXPECT_EQ(data.classes, 2);
  EXPECT_EQ(data.name, folder_.path().filename().string());
  EXPECT_EQ(data.augmentation.shift, 1);
  EXPECT_TRUE(data.augmentation.mirror);
}

TEST_F(ImageFolderTest, train_and_test_folders_are_the_two_files) {
  write_classes("train/", 2, 9);
  write_classes("test/", 2, 3);
  const Dataset data = load();
  EXPECT_EQ(firsts(data, {&data.test}), (std::multiset<int>{0, 1, 2, 100, 101, 102}));
  EXPECT_EQ(data.train.size() + data.reward.size(), 18U);
}

TEST_F(ImageFolderTest, images_keep_their_labels_in_every_split) {
  write_classes("train/", 2, 20);
  write_classes("test/", 2, 20);
  const Dataset data = load();
  for (const Split* split : {&data.train, &data.reward, &data.test})
    for (std::size_t i = 0; i < split->size(); ++i) ASSERT_EQ(split->labels[i], split->pixels[i * 192] / 100);
}

TEST_F(ImageFolderTest, halves_of_the_test_file_hold_all_classes) {
  write_classes("train/", 2, 20);
  write_classes("test/", 2, 20);
  const Dataset data = load({}, true);
  EXPECT_EQ(data.train.size(), 40U);
  for (const Split* split : {&data.reward, &data.test}) {
    EXPECT_EQ(split->size(), 20U);
    EXPECT_GT(std::ranges::count(split->labels, 0), 4);
    EXPECT_GT(std::ranges::count(split->labels, 1), 4);
  }
}

TEST_F(ImageFolderTest, loading_twice_gives_the_same) {
  write_classes("", 2, 20);
  const Dataset first = load(), second = load();
  EXPECT_EQ(first.train.pixels, second.train.pixels);
  EXPECT_EQ(first.split_hash, second.split_hash);
}

TEST_F(ImageFolderTest, other_and_hidden_files_are_ignored_and_endings_count_in_any_case) {
  for (const char* name : {"cat", "dog"}) {
    for (const char* file : {"1.PNG", "2.jpg", "3.JPEG", "4.tif", "5.Tiff", "6.jpeg"})
      write(std::string(name) + "/" + file, gradient(16, 16));
    write_plain(folder_.path() / name / "notes.txt", {1, 2, 3});
    write_plain(folder_.path() / name / "._1.png", {1, 2, 3});
    std::filesystem::create_directories(folder_.path() / name / "deeper.png");
  }
  std::filesystem::create_directories(folder_.path() / ".hidden");
  const Dataset data = load();
  EXPECT_EQ(data.classes, 2);
  EXPECT_EQ(data.train.size() + data.reward.size() + data.test.size(), 12U);
}

TEST_F(ImageFolderTest, formats_decode_to_red_green_blue) {
  const cv::Mat image = gradient(20, 30);
  for (const char* name : {"image.png", "image.tiff", "image.jpg"}) {
    write(name, image);
    const Image decoded = read(name);
    ASSERT_EQ(decoded.shape, (host::Shape{3, 20, 30}));
    const int tolerance = std::string(name) == "image.jpg" ? 12 : 0;
    for (int row = 0; row < 20; ++row)
      for (int column = 0; column < 30; ++column)
        for (int channel = 0; channel < 3; ++channel)
          ASSERT_NEAR(decoded.pixels[static_cast<std::size_t>((row * 30 + column) * 3 + channel)],
                      image.at<Colour>(row, column)[2 - channel], tolerance)
              << name << " at " << row << ", " << column;
  }
}

TEST_F(ImageFolderTest, one_channel_is_grey_and_grey_files_become_three_equal_channels) {
  write("colour.png", uniform(4, 4, {0, 0, 255}));
  const Image grey = read("colour.png", host::Shape{1, 4, 4});
  EXPECT_EQ(grey.pixels, Bytes(16, 76));  // 0.299 of red (ITU-R BT.601)
  write("grey.png", cv::Mat(4, 4, CV_8UC1, cv::Scalar(33)));
  EXPECT_EQ(read("grey.png").pixels, Bytes(48, 33));
}

TEST_F(ImageFolderTest, sixteen_bits_and_transparency_become_three_bytes) {
  write("deep.png", cv::Mat(4, 4, CV_16UC3, cv::Scalar::all(0x8000)));
  EXPECT_EQ(read("deep.png").pixels, Bytes(48, 128));
  write("clear.png", cv::Mat(4, 4, CV_8UC4, cv::Scalar(7, 7, 7, 0)));
  EXPECT_EQ(read("clear.png").pixels, Bytes(48, 7));
}

TEST_F(ImageFolderTest, a_size_takes_the_middle_and_averages_downwards) {
  // Columns 8..23 are white: the middle 16 of 32; two halves of black and white make grey rows.
  cv::Mat image = uniform(16, 32, {0, 0, 0});
  image(cv::Rect(8, 0, 16, 16)).setTo(cv::Scalar::all(200));
  for (int row = 0; row < 16; row += 2) image.row(row).setTo(cv::Scalar::all(0));
  write("wide.png", image);
  EXPECT_EQ(read("wide.png", host::Shape{3, 4, 4}).pixels, Bytes(48, 100));
  write("tall.png", image.t());
  EXPECT_EQ(read("tall.png", host::Shape{3, 4, 4}).pixels, Bytes(48, 100));
}

TEST_F(ImageFolderTest, small_images_grow_without_new_extremes) {
  write("small.png", gradient(5, 7));
  const Image image = read("small.png", host::Shape{3, 32, 32});
  EXPECT_EQ(image.shape, (host::Shape{3, 32, 32}));
  for (std::size_t i = 2; i < image.pixels.size(); i += 3) EXPECT_EQ(image.pixels[i], 90);  // blue is uniform
  for (std::size_t i = 3; i < 32 * 3; i += 3) EXPECT_GE(image.pixels[i], image.pixels[i - 3]);
}

TEST_F(ImageFolderTest, extreme_aspects_need_no_extreme_memory) {
  write("line.png", uniform(1, 60'000, {9, 9, 9}));
  EXPECT_EQ(read("line.png", host::Shape{3, 224, 224}).pixels, Bytes(3 * 224 * 224, 9));
}

TEST_F(ImageFolderTest, different_sizes_without_a_size_are_refused_with_what_to_do) {
  write_classes("", 2, 6);
  write("class1/z.png", uniform(8, 9, {1, 1, 1}));
  EXPECT_THAT(refused(), AllOf(HasSubstr("class1/z.png"), HasSubstr("8x9"), HasSubstr("--input")));
  EXPECT_EQ(load(host::Shape{1, 4, 4}).shape, (host::Shape{1, 4, 4}));
}

TEST_F(ImageFolderTest, sizes_that_no_image_can_have_are_refused) {
  write_classes("", 2, 6);
  EXPECT_THAT(refused(host::Shape{2, 4, 4}), HasSubstr("1 or 3 channels"));
  EXPECT_THAT(refused(host::Shape{3, 0, 4}), HasSubstr("3x0x4"));
  EXPECT_THAT(refused(host::Shape{3, 4, 100'000}), HasSubstr("sides"));
}

TEST_F(ImageFolderTest, more_pixels_than_memory_should_hold_are_refused_before_decoding) {
  write_classes("", 2, 100);  // 200 times 48 MiB
  EXPECT_THAT(refused(host::Shape{3, 4096, 4096}), AllOf(HasSubstr("GiB"), HasSubstr("smaller --input")));
}

TEST_F(ImageFolderTest, layouts_that_are_none_are_refused_with_what_to_do) {
  EXPECT_THAT(refused(), HasSubstr("holds 0 class folders"));
  write_classes("", 1, 6);
  EXPECT_THAT(refused(), HasSubstr("holds 1 class folders"));
  std::filesystem::create_directories(folder_.path() / "empty");
  EXPECT_THAT(refused(), AllOf(HasSubstr("/empty"), HasSubstr("no PNG, JPEG, TIFF, WebP or BMP")));
  EXPECT_THAT(refusal([] { load_dataset("folder:/nowhere"); }), HasSubstr("/nowhere"));
}

TEST_F(ImageFolderTest, images_of_other_formats_are_refused_rather_than_left_out) {
  write_classes("", 2, 6);
  write_plain(folder_.path() / "class1/seventh.Gif", {1, 2, 3});
  EXPECT_THAT(refused(),
              AllOf(HasSubstr("class1/seventh.Gif"), HasSubstr("no PNG, JPEG, TIFF, WebP or BMP")));
}

TEST_F(ImageFolderTest, a_lone_train_folder_and_unknown_test_classes_are_refused) {
  write_classes("train/", 2, 6);
  EXPECT_THAT(refused(), HasSubstr("no test"));
  write_classes("test/", 3, 1);
  EXPECT_THAT(refused(), AllOf(HasSubstr("test/class2"), HasSubstr("counterpart")));
}

TEST_F(ImageFolderTest, folders_are_known_in_any_case_and_validation_tests_where_there_is_no_test) {
  write_classes("Train/", 2, 10);
  write_classes("VAL/", 2, 3);
  EXPECT_EQ(load().test.size(), 6U);
  write_classes("test/", 2, 1);
  const Dataset data = load();  // now the validation images are for training
  EXPECT_EQ(data.test.size(), 2U);
  EXPECT_EQ(data.train.size() + data.reward.size(), 26U);
  write_classes("validation/", 2, 1);
  EXPECT_THAT(refused(), AllOf(HasSubstr("VAL"), HasSubstr("validation"), HasSubstr("leave one")));
}

TEST_F(ImageFolderTest, images_in_folders_within_a_classs_count) {
  write_classes("", 2, 6);
  write("class1/images/more/nested.png", uniform(8, 8, {7, 7, 7}));
  const Dataset data = load();
  EXPECT_EQ(data.train.size() + data.reward.size() + data.test.size(), 13U);
  std::filesystem::create_directory_symlink(folder_.path() / "class1", folder_.path() / "class1/images/loop");
  EXPECT_THAT(refused(), AllOf(HasSubstr("loop"), HasSubstr("folder above")));
}

TEST_F(ImageFolderTest, links_that_lead_nowhere_are_named) {
  write_classes("", 2, 6);
  std::filesystem::create_symlink("gone.png", folder_.path() / "class0/link.png");
  EXPECT_THAT(refused(), AllOf(HasSubstr("class0/link.png"), HasSubstr("gone.png, which is not there")));
}

TEST_F(ImageFolderTest, folders_may_be_some_of_the_named_classes) {
  write_classes("", 2, 6);
  const auto names = folder_.path() / "names.txt";
  const auto load_named = [&](const std::string& lines) {
    std::ofstream(names) << lines;
    return load_dataset("folder:" + folder_.path().string(), {.class_names = names});
  };
  const Dataset data = load_named("other\r\nclass1 the second, really\nclass0\nclass2");
  EXPECT_EQ(data.classes, 4);
  EXPECT_EQ(std::set(data.train.labels.begin(), data.train.labels.end()), (std::set<std::uint16_t>{1, 2}));
  EXPECT_EQ(std::ranges::count(data.train.labels, 1),
            std::ranges::count_if(data.train.pixels, [](auto grey) { return grey >= 100; }) / (3 * 64));
  EXPECT_THAT(refusal([&] { load_named("class0\nclass2"); }),
              AllOf(HasSubstr("class1"), HasSubstr("none of")));
  EXPECT_THAT(refusal([&] { load_named("class0\n\nclass1"); }), HasSubstr("line 2"));
  EXPECT_THAT(refusal([&] { load_named("class0\nclass0"); }), HasSubstr("twice"));
  EXPECT_THAT(refusal([&] { load_named(""); }), HasSubstr("names.txt"));
}

TEST_F(ImageFolderTest, rows_stay_those_of_the_file_whatever_exif_says_of_the_camera) {
  Bytes jpeg = encoded(gradient(8, 24), ".jpg");
  const Bytes turned{0xff, 0xe1, 0,    34,   'E', 'x', 'i', 'f', 0, 0, 'I', 'I', 42, 0, 8, 0, 0, 0,
                     1,    0,    0x12, 0x01, 3,   0,   1,   0,   0, 0, 6,   0,   0,  0, 0, 0, 0, 0};
  jpeg.insert(jpeg.begin() + 2, turned.begin(), turned.end());
  write_plain(folder_.path() / "turned.jpg", jpeg);
  EXPECT_EQ(read("turned.jpg").shape, (host::Shape{3, 8, 24}));
}

TEST_F(ImageFolderTest, too_few_images_to_split_are_refused) {
  write_classes("", 2, 2);
  EXPECT_THAT(refused(), HasSubstr("too few to split"));
}

TEST_F(ImageFolderTest, an_image_that_does_not_decode_is_named) {
  write_classes("", 2, 20);
  for (const char* name : {"class0/m.png", "class1/c.png", "class1/q.png"})
    write_plain(folder_.path() / name, {1, 2, 3});
  const std::string first = refused();
  EXPECT_THAT(first, AllOf(HasSubstr(".png"), HasSubstr("no PNG, JPEG, TIFF, WebP or BMP")));
  for (int i = 0; i < 5; ++i) EXPECT_EQ(refused(), first);  // whichever thread is first
}

TEST_F(ImageFolderTest, what_fails_is_told_by_the_exception_alone) {
  write_classes("", 2, 6);
  Bytes bytes = encoded(gradient(40, 40), ".tif");
  const std::array<std::uint8_t, 8> compression{3, 1, 3, 0, 1, 0, 0, 0};  // tag 259, short, one of it
  const auto at = std::ranges::search(bytes, compression);
  ASSERT_FALSE(at.empty());
  at.end()[0] = at.end()[1] = 0x77;  // no compression that there is
  write_plain(folder_.path() / "class0/damaged.tif", bytes);
  ::testing::internal::CaptureStderr();
  const std::string message = refused(host::Shape{3, 8, 8});
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
  EXPECT_THAT(message, AllOf(HasSubstr("damaged.tif"), HasSubstr("does not decode")));
}

TEST_F(ImageFolderTest, a_tiff_with_damaged_pixels_is_refused) {
  Bytes bytes = encoded(gradient(40, 40), ".tif");
  for (std::size_t i = 20; i < 60; ++i) bytes[i] ^= 0x5a;
  write_plain(folder_.path() / "damaged.tif", bytes);
  EXPECT_THAT(read_refused("damaged.tif"), HasSubstr("does not decode"));
}

TEST_F(ImageFolderTest, truncated_images_are_refused_in_every_format) {
  for (const char* extension : kExtensions) {
    const Bytes bytes = encoded(gradient(40, 40), extension);
    const std::string name = std::string("cut") + extension;
    for (const std::size_t size : {bytes.size() / 2, bytes.size() - 1, std::size_t{9}, std::size_t{0}}) {
      write_plain(folder_.path() / name,
                  Bytes(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size)));
      if (extension == std::string(".tif") && size == bytes.size() - 1) continue;  // may be padding
      EXPECT_THAT(read_refused(name), HasSubstr(name)) << size << " bytes";
    }
  }
}

TEST_F(ImageFolderTest, a_png_with_a_wrong_checksum_is_refused) {
  Bytes bytes = encoded(gradient(40, 40), ".png");
  bytes[bytes.size() / 2] ^= 1;
  write_plain(folder_.path() / "bad.png", bytes);
  EXPECT_THAT(read_refused("bad.png"), HasSubstr("checksum"));
}

TEST_F(ImageFolderTest, huge_sizes_are_refused_before_memory_is_taken) {
  Bytes jpeg = encoded(gradient(16, 16), ".jpg");
  const std::array<std::uint8_t, 2> frame{0xff, 0xc0};
  const auto at = std::ranges::search(jpeg, frame).begin();
  std::fill(at + 5, at + 9, std::uint8_t{0xff});
  write_plain(folder_.path() / "huge.jpg", jpeg);
  EXPECT_THAT(read_refused("huge.jpg"), HasSubstr("65535 x 65535"));
}

TEST_F(ImageFolderTest, other_formats_under_a_known_ending_are_refused) {
  write_plain(folder_.path() / "bitmap.png", encoded(gradient(16, 16), ".ppm"));
  EXPECT_THAT(read_refused("bitmap.png"), HasSubstr("no PNG, JPEG, TIFF, WebP or BMP"));
}

TEST(ImageHeader, states_the_size_of_every_format) {
  for (const char* extension : kExtensions)
    EXPECT_EQ(image_size(encoded(gradient(33, 57), extension), "file"), (ImageSize{33, 57})) << extension;
  const std::vector<int> progressive{cv::IMWRITE_JPEG_PROGRESSIVE, 1, cv::IMWRITE_JPEG_RST_INTERVAL, 2};
  Bytes bytes;
  cv::imencode(".jpg", gradient(100, 57), bytes, progressive);
  EXPECT_EQ(image_size(bytes, "file"), (ImageSize{100, 57}));
}

TEST(ImageHeader, survives_any_bytes) {
  for (const char* extension : kExtensions) {
    const Bytes whole = encoded(gradient(12, 12), extension);
    std::mt19937_64 generator(11);
    for (int i = 0; i < 3000; ++i) {
      Bytes bytes = whole;
      bytes.resize(whole.size() - generator() % (whole.size() / 2));
      for (int k = 0; k < 4; ++k)
        bytes[4 + generator() % (bytes.size() - 4)] = static_cast<std::uint8_t>(generator());
      refusal([&] { image_size(bytes, "file"); });
    }
  }
}

}  // namespace
}  // namespace bitloop::quant
