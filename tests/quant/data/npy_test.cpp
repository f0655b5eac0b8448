#include "quant/data/npy.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <cstring>
#include <numeric>

#include "tests/quant/files.h"
#include "tests/quant/fixtures.h"

namespace bitloop::quant {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// As numpy.save writes version 1: the header padded to 64 bytes.
Bytes npy(const std::string& type, const std::string& shape, const Bytes& elements,
          const char* order = "False") {
  std::string header =
      fmt::format("{{'descr': '{}', 'fortran_order': {}, 'shape': {}, }}", type, order, shape);
  header.resize((header.size() + 10 + 64) / 64 * 64 - 11, ' ');
  header += '\n';
  Bytes bytes{0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, static_cast<std::uint8_t>(header.size()), 0};
  bytes.insert(bytes.end(), header.begin(), header.end());
  bytes.insert(bytes.end(), elements.begin(), elements.end());
  return bytes;
}

template <typename Number>
Bytes bytes_of(const std::vector<Number>& numbers) {
  Bytes bytes(numbers.size() * sizeof(Number));
  std::memcpy(bytes.data(), numbers.data(), bytes.size());
  return bytes;
}

class NpyTest : public ::testing::Test {
 protected:
  void write(const std::string& name, const Bytes& bytes) const { write_plain(folder_.path() / name, bytes); }
  [[nodiscard]] std::vector<double> read(const Bytes& bytes) const {
    write("array.npy", bytes);
    const NpyArray array(folder_.path() / "array.npy");
    std::vector<double> numbers;
    for (std::int64_t i = 0; i < array.count(); ++i) numbers.push_back(array[i]);
    return numbers;
  }
  [[nodiscard]] std::string refused(const Bytes& bytes) const {
    return refusal([&] { static_cast<void>(read(bytes)); });
  }
  /// `count` inputs of {channels, 1, 1} floats, and as many labels of 0 and 1.
  void write_set(const std::vector<float>& training, const std::vector<float>& test, int channels) const {
    const auto write_part = [&](const std::string& part, const std::vector<float>& numbers) {
      const auto count = numbers.size() / static_cast<std::size_t>(channels);
      std::vector<std::int64_t> labels(count);
      std::iota(labels.begin(), labels.end(), 0);
      for (std::int64_t& label : labels) label %= 2;
      write(part + "_x.npy", npy("<f4", fmt::format("({}, {})", count, channels), bytes_of(numbers)));
      write(part + "_y.npy", npy("<i8", fmt::format("({},)", count), bytes_of(labels)));
    };
    write_part("train", training);
    write_part("test", test);
  }
  [[nodiscard]] Dataset load(const DataOptions& options = {}) const {
    return load_dataset("npy:" + folder_.path().string(), options);
  }
  [[nodiscard]] std::string load_refused(const DataOptions& options = {}) const {
    return refusal([&] { static_cast<void>(load(options)); });
  }

  TemporaryFolder folder_;
};

TEST_F(NpyTest, numbers_of_every_type_are_read) {
  EXPECT_THAT(read(npy("|u1", "(2,)", {1, 255})), ElementsAre(1, 255));
  EXPECT_THAT(read(npy("|b1", "(2,)", {1, 0})), ElementsAre(1, 0));
  EXPECT_THAT(read(npy("|i1", "(2,)", {1, 255})), ElementsAre(1, -1));
  EXPECT_THAT(read(npy(">i2", "(1,)", {0xff, 0xfe})), ElementsAre(-2));
  EXPECT_THAT(read(npy("<i8", "(1, 1)", bytes_of<std::int64_t>({-5}))), ElementsAre(-5));
  EXPECT_THAT(read(npy("<f2", "(2,)", {0, 0xc0, 0, 0x3c})), ElementsAre(-2, 1));
  EXPECT_THAT(read(npy("<f4", "(1,)", bytes_of<float>({1.5F}))), ElementsAre(1.5));
  EXPECT_THAT(read(npy("<f8", "()", bytes_of<double>({-0.25}))), ElementsAre(-0.25));
}

TEST_F(NpyTest, what_is_no_such_array_is_refused_and_named) {
  EXPECT_THAT(refused({1, 2, 3, 4, 5, 6, 7, 8}), AllOf(HasSubstr("array.npy"), HasSubstr("no NumPy array")));
  EXPECT_THAT(refused(npy("<f4", "(2,)", {0, 0, 0, 0})), HasSubstr("holds 4 bytes, but its header states 8"));
  EXPECT_THAT(refused(npy("<f4", "(1,)", Bytes(4), "True")), HasSubstr("column-major"));
  EXPECT_THAT(refused(npy("<U4", "(1,)", Bytes(16))), HasSubstr("integers or floats"));
  EXPECT_THAT(refused(npy("<f4", "(99999999999, 9999999999)", {})), HasSubstr("impossible shape"));
  EXPECT_THAT(refused(npy("<f4", "(x,)", {})), HasSubstr("impossible shape"));
}

TEST_F(NpyTest, a_channels_range_becomes_256_codes_of_which_one_is_zero) {
  // -1 .. 3 in the first channel; 0 .. 510 in the second
  write_set({-1, 0, 3, 510, 0, 2, 1, 255, 2, 4, 0, 0}, {5, 600, -9, 1}, 2);
  const Dataset data = load({.classes = 5});
  EXPECT_TRUE(data.stated);
  EXPECT_EQ(data.shape, (host::Shape{2, 1, 1}));
  EXPECT_EQ(data.classes, 5);
  const auto number = [&](const Split& split, std::size_t image, std::size_t channel) {
    return (static_cast<float>(split.pixels[2 * image + channel]) / 255 - data.mean[channel]) /
           data.deviation[channel];
  };
  EXPECT_NEAR(number(data.train, 0, 0), -1, 0.01);
  EXPECT_NEAR(number(data.train, 1, 0), 3, 0.01);
  EXPECT_NEAR(number(data.train, 2, 0), 0, 1e-5);
  EXPECT_NEAR(number(data.train, 1, 1), 510, 1e-3);
  EXPECT_NEAR(number(data.test, 0, 0), 3, 0.02) << "clipped";
  EXPECT_NEAR(number(data.test, 1, 0), -1, 0.02) << "clipped";
}

TEST_F(NpyTest, inputs_are_seen_as_the_networks) {
  Bytes pixels(12 * 6);
  std::iota(pixels.begin(), pixels.end(), std::uint8_t{0});
  for (const char* part : {"train", "test"}) {
    write(fmt::format("{}_x.npy", part), npy("|u1", "(6, 2, 2, 3)", pixels));
    write(fmt::format("{}_y.npy", part), npy("|u1", "(6, 1)", {0, 1, 0, 1, 0, 1}));
  }
  const Dataset last = load();  // channels last, as only that dimension is a colour's
  EXPECT_EQ(last.shape, (host::Shape{3, 2, 2}));
  EXPECT_FALSE(last.stated);
  EXPECT_EQ(std::vector(last.test.pixels.begin(), last.test.pixels.begin() + 4), (Bytes{0, 1, 2, 3}));
  const Dataset first = load({.image = host::Shape{2, 2, 3}});
  EXPECT_EQ(std::vector(first.test.pixels.begin(), first.test.pixels.begin() + 4), (Bytes{0, 6, 1, 7}));
  EXPECT_THAT(load_refused({.image = host::Shape{1, 4, 4}}), AllOf(HasSubstr("2x2x3"), HasSubstr("1x4x4")));
}

TEST_F(NpyTest, sets_that_do_not_fit_together_are_refused_and_named) {
  EXPECT_THAT(load_refused(), HasSubstr("train_x.npy"));
  write_set({1, 2, 3, 4, 5, 6}, {1, 2}, 1);
  write("train_y.npy", npy("|u1", "(2,)", {0, 1}));
  EXPECT_THAT(load_refused(), AllOf(HasSubstr("train_y.npy"), HasSubstr("2 labels for 6 inputs")));
  write("train_y.npy", npy("<f4", "(6,)", Bytes(24)));
  EXPECT_THAT(load_refused(), AllOf(HasSubstr("train_y.npy"), HasSubstr("integers")));
  write("train_x.npy", npy("<f4", "(6, 1)", bytes_of<float>({1, 2, std::nanf(""), 4, 5, 6})));
  EXPECT_THAT(load_refused(), AllOf(HasSubstr("train_x.npy"), HasSubstr("not finite")));
  write("test_x.npy", npy("<f4", "(1, 2)", bytes_of<float>({1, 2})));
  EXPECT_THAT(load_refused(), AllOf(HasSubstr("test_x.npy"), HasSubstr("save both alike")));
}

}  // namespace
}  // namespace bitloop::quant
