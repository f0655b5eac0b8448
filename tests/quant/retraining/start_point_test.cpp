#include <gtest/gtest.h>
#include <sched.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>

#include "host/base/error.h"
#include "host/network/network.h"
#include "quant/model/result_cache.h"
#include "quant/retraining/quantizer.h"
#include "tests/quant/fixtures.h"

namespace bitloop::quant {
namespace {

/// The cache is a folder of the test's own.
class StartPointTest : public ::testing::Test {
 protected:
  StartPointTest() {
    if (const char* before = std::getenv("XDG_CACHE_HOME")) before_ = before;
    setenv("XDG_CACHE_HOME", folder_.path().c_str(), 1);
  }
  ~StartPointTest() override {
    before_.empty() ? unsetenv("XDG_CACHE_HOME") : setenv("XDG_CACHE_HOME", before_.c_str(), 1);
  }

  /// By a quantizer that has computed nothing yet.
  QuantizedModel quantize(const Retraining& options = {.epochs = 1, .images = 300, .batch = 32}) const {
    QuantizedModel model =
        Quantizer(network_, checkpoint_, data_).quantize(host::load_policy(network_, "w4a4"), options);
    model.seconds = 0;
    return model;
  }
  static std::vector<std::filesystem::path> files() {
    std::vector<std::filesystem::path> result;
    for (const auto& entry : std::filesystem::directory_iterator(cache_folder() / "start"))
      result.push_back(entry.path());
    return result;
  }

  TemporaryFolder folder_;
  std::string before_;
  const host::Network network_ = host::zoo_network("lenet");
  const Dataset data_ = bars_dataset();
  const FloatCheckpoint checkpoint_ = FloatCheckpoint::untrained(network_, data_, 3);
};

void expect_same(const QuantizedModel& a, const QuantizedModel& b) {
  EXPECT_EQ(a.weight_scales, b.weight_scales);
  ASSERT_EQ(a.integers.layers.size(), b.integers.layers.size());
  for (std::size_t i = 0; i < a.integers.layers.size(); ++i) {
    EXPECT_EQ(a.integers.layers[i].weights, b.integers.layers[i].weights) << i;
    EXPECT_EQ(a.integers.layers[i].requantization, b.integers.layers[i].requantization) << i;
  }
}

TEST_F(StartPointTest, what_is_kept_changes_no_bit_nor_does_a_damaged_file) {
  const QuantizedModel first = quantize();
  ASSERT_EQ(files().size(), 2U);  // start scales, targets
  expect_same(quantize(), first);
  for (const auto& file : files()) std::filesystem::resize_file(file, std::filesystem::file_size(file) - 1);
  expect_same(quantize(), first);
  std::filesystem::remove_all(cache_folder());
  setenv("XDG_CACHE_HOME", "/dev/null", 1);  // nothing can be kept there
  expect_same(quantize(), first);
}

TEST_F(StartPointTest, nobody_teaches_where_nothing_is_retrained) {
  (void)quantize({.epochs = 0});
  EXPECT_EQ(files().size(), 1U);
}

TEST_F(StartPointTest, other_inputs_have_files_of_their_own) {
  (void)quantize();
  (void)quantize({.epochs = 1, .images = 200, .batch = 32, .clipping = "mse"});
  EXPECT_EQ(files().size(), 4U);
}

TEST_F(StartPointTest, the_number_of_cores_changes_no_bit) {
  const QuantizedModel all = quantize();
  std::filesystem::remove_all(cache_folder());
  cpu_set_t before, one;
  ASSERT_EQ(sched_getaffinity(0, sizeof before, &before), 0);
  CPU_ZERO(&one);
  for (int core = 0; core < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++core)
    if (CPU_ISSET(core, &before)) CPU_SET(core, &one);
  ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
  const QuantizedModel alone = quantize();
  sched_setaffinity(0, sizeof before, &before);
  expect_same(alone, all);
}

TEST_F(StartPointTest, so_many_images_calibrate) {
  const auto scales = [&](int images) {
    return quantize({.epochs = 0, .clipping = "max", .calibration_images = images})
        .tensor_scales.at(2)
        .written;
  };
  EXPECT_LT(scales(1), scales(512));      // the largest number of many images is larger
  EXPECT_EQ(scales(5000), scales(2000));  // there are 2,000
  EXPECT_THROW((void)scales(0), InputError);
}

TEST_F(StartPointTest, the_longest_unread_results_go) {
  const ResultCache cache("words");
  Container result;
  result.payload.resize(10);
  cache.keep(std::string(64, 'a'), result);
  cache.keep(std::string(64, 'b'), result);
  for (const auto& file : files()) {
    if (file.string().ends_with('a')) {
      std::filesystem::resize_file(file, 255U << 20U);  // sparse
      std::filesystem::last_write_time(file,
                                       std::filesystem::file_time_type::clock::now() - std::chrono::hours(1));
    }
  }
  result.payload.resize(2U << 20U);
  cache.keep(std::string(64, 'c'), result);
  EXPECT_FALSE(cache.find(std::string(64, 'a')));
  ASSERT_TRUE(cache.find(std::string(64, 'b')));
  EXPECT_EQ(cache.find(std::string(64, 'c'))->payload, result.payload);
  EXPECT_FALSE(ResultCache("other").find(std::string(64, 'c')));
}

}  // namespace
}  // namespace bitloop::quant
