// Hardware configurations by text: what is refused, and one that is really built, in a cache of its own.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include "host/base/error.h"
#include "host/compiler/compiler.h"
#include "host/driver/driver.h"
#include "sim/hardware_text.h"
#include "sim/on_demand.h"
#include "sim/sim_device.h"
#include "tests/host/network/random_cases.h"

namespace bitloop::sim {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

constexpr const char* kParameters =
    "F=16|P=8|ActivationRows=4096|ChannelLanes=32|ParameterSlots=64|StagingWords=4096|WeightRows=1024";

TEST(HardwareText, changes_what_it_names_and_keeps_the_rest) {
  EXPECT_EQ(
      change_parameters(kParameters, "p=4,weight_rows=512"),
      "F=16|P=4|ActivationRows=4096|ChannelLanes=32|ParameterSlots=64|StagingWords=4096|WeightRows=512");
  EXPECT_EQ(parameter_changes(kParameters, change_parameters(kParameters, "weight_rows=512,p=4,f=16")),
            "p=4,weight_rows=512");
  EXPECT_EQ(parameter_value(kParameters, "activation_rows"), 4096);
}

TEST(HardwareText, says_what_hardware_it_means_without_building_it) {
  const host::HardwareInfo changed = hardware_info("f=8,p=4,staging_words=512");
  EXPECT_EQ(changed.name, "p=4,f=8,staging_words=512");
  EXPECT_EQ(changed.pixels, 4);
  EXPECT_EQ(changed.filters, 8);
  EXPECT_EQ(changed.staging_words, 512);
  EXPECT_EQ(changed.weight_rows, hardware_info("default").weight_rows);
  EXPECT_EQ(hardware_info("p=8,f=16").name, "default");
  EXPECT_THAT([] { hardware_info("huge"); }, ThrowsMessage<InputError>(HasSubstr("'huge' is unknown")));
}

TEST(HardwareText, refuses_a_value_with_the_limit_and_the_nearest_legal_one) {
  const auto refusal = [](const char* text) { return [text] { make_sim_device(text); }; };
  const auto says = [](const char* item, const char* limit, const char* nearest) {
    return ThrowsMessage<InputError>(AllOf(HasSubstr(item), HasSubstr(limit), HasSubstr(nearest)));
  };
  EXPECT_THAT(refusal("p=3"), says("p=3", "from 2 to 32", "nearest is 4"));
  EXPECT_THAT(refusal("p=5"), says("p=5", "from 2 to 32", "nearest is 4"));
  EXPECT_THAT(refusal("f=64"), says("f=64", "from 2 to 32", "nearest is 32"));
  EXPECT_THAT(refusal("f=-4"), says("f=-4", "from 2 to 32", "nearest is 2"));
  EXPECT_THAT(refusal("weight_rows=1000"), says("weight_rows=1000", "to 32768", "nearest is 1024"));
  EXPECT_THAT(refusal("staging_words=0"), says("staging_words=0", "from 64", "nearest is 64"));
}

// The RTL has the same limits: tests/rtl/parameters_test.py.
TEST(HardwareText, takes_every_parameter_at_its_limits_and_none_beyond) {
  for (const HardwareParameter& parameter : kHardwareParameters) {
    const auto change = [&](int value) {
      const std::string text = fmt::format("{}={}", parameter.name, value);
      return parameter_value(change_parameters(kParameters, text), parameter.name);
    };
    for (const int limit : {parameter.low, parameter.high}) EXPECT_EQ(change(limit), limit) << parameter.name;
    for (const int beyond : {parameter.low / 2, parameter.low + 1, 2 * parameter.high}) {
      EXPECT_THROW(change(beyond), InputError) << parameter.name << "=" << beyond;
    }
  }
}

TEST(HardwareText, refuses_what_is_no_list_of_known_parameters) {
  const auto refusal = [](const char* text) { return [text] { make_sim_device(text); }; };
  EXPECT_THAT(refusal("p=4,q=32"),
              ThrowsMessage<InputError>(AllOf(HasSubstr("'q='"), HasSubstr("weight_rows"))));
  EXPECT_THAT(refusal("p=4,f"), ThrowsMessage<InputError>(HasSubstr("'f' is not of the form")));
  EXPECT_THAT(refusal("p=4,"), ThrowsMessage<InputError>(HasSubstr("'' is not of the form")));
  EXPECT_THAT(refusal("p=4x"), ThrowsMessage<InputError>(HasSubstr("p=4x is no integer")));
  EXPECT_THAT(refusal("p=99999999999999999999"), ThrowsMessage<InputError>(HasSubstr("is no integer")));
  EXPECT_THAT(refusal("p=4,p=8"), ThrowsMessage<InputError>(HasSubstr("p is given twice")));
}

TEST(HardwareText, that_means_a_configuration_with_a_name_gives_that_one) {
  EXPECT_EQ(make_sim_device("p=8,staging_words=4096")->info().name, "default");
  const auto tiny =
      make_sim_device("p=2,f=4,activation_rows=1024,weight_rows=512,parameter_slots=32,staging_words=512");
  EXPECT_EQ(tiny->info().fingerprint, make_sim_device("tiny")->info().fingerprint);
}

TEST(OnDemandHardware, has_the_fingerprint_that_the_build_computes) {
  for (const Configuration& configuration : configurations()) {
    const MakeDevice compiled_in = configuration.make(Detail::full);
    if (compiled_in == nullptr) continue;
    const std::string fingerprint = compiled_in(configuration, {}, {})->info().fingerprint.substr(0, 16);
    EXPECT_EQ(configuration.compiled_sources(), rtl_sources_hash(own_rtl())) << configuration.name;
    EXPECT_EQ(rtl_fingerprint(own_rtl(), configuration.parameters), fingerprint) << configuration.name;
  }
}

/// One cache for all tests, so that little is compiled: the full model once; what is built again and again is
/// the one without a datapath, in a third of the time.
class BuiltHardware : public ::testing::Test {
 protected:
  static constexpr const char* kBuilding = "building it without its datapath once";
  static constexpr const char* kText =
      "p=2,f=8,activation_rows=512,weight_rows=256,parameter_slots=8,channel_lanes=16,"
      "staging_words=512";

  static void SetUpTestSuite() {
    if (const char* before = std::getenv("XDG_CACHE_HOME")) cache_before_ = before;
    cache_ = fs::path(::testing::TempDir()) / fmt::format("bitloop_on_demand_{}", getpid());
    fs::create_directories(cache_);
    setenv("XDG_CACHE_HOME", cache_.c_str(), 1);
  }
  static void TearDownTestSuite() {
    cache_before_.empty() ? unsetenv("XDG_CACHE_HOME") : setenv("XDG_CACHE_HOME", cache_before_.c_str(), 1);
    fs::remove_all(cache_);
  }
  void SetUp() override {
    if (const std::string obstacle = on_demand_obstacle(); !obstacle.empty()) GTEST_SKIP() << obstacle;
  }

  static std::unique_ptr<host::Device> make_timing() {
    return make_sim_device(kText, {}, {}, Detail::timing);
  }

  /// The built file without a datapath.
  static fs::path timing_model() {
    const std::string fingerprint = make_timing()->info().fingerprint.substr(0, 16);
    return cache_ / "bitloop" / "hardware" / fingerprint / "timing.so";
  }

  /// What making the device prints on stderr.
  static std::string words_of_making_it() {
    ::testing::internal::CaptureStderr();
    const auto device = make_timing();
    return ::testing::internal::GetCapturedStderr();
  }

  static inline fs::path cache_;
  static inline std::string cache_before_;
};

TEST_F(BuiltHardware, tells_its_parameters) {
  const auto device = make_sim_device(kText);
  EXPECT_EQ(device->info().name, kText);
  EXPECT_EQ(device->info().pixels, 2);
  EXPECT_EQ(device->info().filters, 8);
  EXPECT_EQ(device->info().activation_rows, 512);
  EXPECT_EQ(device->info().weight_rows, 256);
  EXPECT_EQ(device->info().parameter_slots, 8);
  EXPECT_EQ(device->info().channel_lanes, 16);
  EXPECT_EQ(device->info().staging_words, 512);
}

TEST_F(BuiltHardware, runs_random_jobs_with_the_golden_tensors) {
  const std::uint64_t seed = 11;
  std::mt19937_64 random(seed);
  const auto device = make_sim_device(kText);
  host::Driver driver(*device);
  for (int i = 0; i < 40; ++i) {
    using host::test::between;
    const int size = between(random, 3, 10);
    const int kernel = between(random, 1, 3);
    const std::string layer =
        i % 4 == 0 ? fmt::format("linear in={} out={}", between(random, 1, 200), between(random, 1, 40))
                   : fmt::format("conv in={}x{}x{} out={} kernel={} stride={} pad={}", between(random, 1, 70),
                                 size, size, between(random, 1, 40), kernel, between(random, 1, 2),
                                 between(random, 0, kernel - 1));
    SCOPED_TRACE(fmt::format("{}, job {} of seed {}", layer, i, seed));
    const host::Network network = host::single_layer_network(layer);
    const host::QuantizedNetwork quantized =
        host::random_quantization(network, host::test::random_policy(network, random), random());
    const host::Job job = host::compile(quantized, device->info(), {.spill_all = true});
    driver.load(job);
    const auto input = host::test::random_input(network.tensors[network.input].shape,
                                                quantized.bits.read(network.input), random);
    driver.run(input, 10'000'000);
    const auto golden = host::golden_run(quantized, input);
    for (const host::TensorPlace& place : job.tensors) {
      const auto tensor = std::find_if(network.tensors.begin(), network.tensors.end(),
                                       [&](const host::Tensor& t) { return t.name == place.name; });
      ASSERT_NE(tensor, network.tensors.end()) << place.name;
      const auto& expected =
          (place.narrow ? golden.narrow : golden.written)[tensor - network.tensors.begin()];
      ASSERT_EQ(driver.read_tensor(place).codes, expected.codes) << place.name;
    }
  }
}

TEST_F(BuiltHardware, is_also_built_without_its_datapath_and_loaded_without_a_word_the_second_time) {
  EXPECT_THAT(words_of_making_it(), AllOf(HasSubstr("without its datapath"), HasSubstr("timing.so")));
  const auto built = fs::last_write_time(timing_model());
  EXPECT_EQ(words_of_making_it(), "");
  EXPECT_EQ(fs::last_write_time(timing_model()), built);
}

TEST_F(BuiltHardware, without_its_datapath_has_the_same_fingerprint_and_counters) {
  const auto timing = make_timing();
  const auto full = make_sim_device(kText);
  EXPECT_EQ(timing->info().fingerprint, full->info().fingerprint);
  const host::Network network = host::single_layer_network("conv in=40x6x6 out=12 kernel=3 stride=1 pad=1");
  const host::QuantizedNetwork quantized =
      host::random_quantization(network, host::uniform_policy(network, 4, 2), 1);
  const std::vector<std::uint8_t> input(40 * 6 * 6, 1);
  const auto counters = [&](host::Device& device) {
    host::Driver driver(device);
    driver.load(host::compile(quantized, device.info()));
    return driver.run(input, 1'000'000).total;
  };
  EXPECT_EQ(counters(*timing), counters(*full));
}

TEST_F(BuiltHardware, follows_the_rtl_as_it_is_now_also_where_something_else_was_compiled_in) {
  const fs::path rtl = cache_ / "rtl";
  fs::copy(fs::path(BITLOOP_ROOT) / "rtl", rtl, fs::copy_options::recursive);
  const auto append = [&](const char* text) {
    std::ofstream(rtl / "common" / "fifo.sv", std::ios::app) << text;
  };
  const auto info = [](const std::string& hardware) {
    return make_sim_device(hardware, {}, {}, Detail::timing)->info();
  };
  const auto make = [&] { return info(with_rtl("tiny", rtl.string())).fingerprint; };
  const std::string compiled_in = info("tiny").fingerprint;
  EXPECT_EQ(make(), compiled_in);
  append("// another source\n");
  ::testing::internal::CaptureStderr();
  const std::string changed = make();
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("is not what was compiled in"));
  EXPECT_NE(changed, compiled_in);
  EXPECT_EQ(make(), changed);
  EXPECT_EQ(info(with_rtl("tiny", rtl.string())).name, "tiny@" + rtl.string());
  EXPECT_EQ(info("tiny").fingerprint, compiled_in);  // both live in one process
  append("module\n");
  EXPECT_THAT(make, ThrowsMessage<Error>(AllOf(HasSubstr("cannot be built: %Error"), HasSubstr("fifo.sv"))));
  fs::remove_all(rtl);
  EXPECT_THAT(make, ThrowsMessage<InputError>(HasSubstr("there is no RTL in")));
}

TEST_F(BuiltHardware, is_built_again_by_one_of_several_where_its_file_was_cut_off_or_is_garbage) {
  const fs::path file = timing_model();
  // By renaming: what is loaded must not change under those who use it.
  const auto bytes = fs::file_size(file);
  fs::copy_file(file, file.string() + ".cut");
  fs::resize_file(file.string() + ".cut", bytes / 2);
  fs::rename(file.string() + ".cut", file);
  ::testing::internal::CaptureStderr();
  std::thread other([] { make_timing(); });
  make_timing();
  other.join();
  const std::string words = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(words, HasSubstr("timing.so is not used: it is damaged"));
  EXPECT_EQ(words.find(kBuilding), words.rfind(kBuilding)) << words;
  EXPECT_EQ(fs::file_size(file), bytes);

  fs::remove(file);
  std::ofstream(file) << "garbage";
  EXPECT_THAT(words_of_making_it(), AllOf(HasSubstr("it is damaged"), HasSubstr(kBuilding)));
  EXPECT_EQ(words_of_making_it(), "");
}

TEST_F(BuiltHardware, is_built_again_where_another_build_of_bitloop_made_it) {
  const fs::path file = timing_model();
  std::string bytes(fs::file_size(file), '\0');
  std::ifstream(file, std::ios::binary).read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  char& stamp = bytes.at(bytes.rfind("\nbitloop ") + 9);
  stamp = stamp == '0' ? '1' : '0';
  fs::remove(file);
  std::ofstream(file, std::ios::binary) << bytes;
  EXPECT_THAT(words_of_making_it(), HasSubstr("another build of bitloop"));
  EXPECT_EQ(words_of_making_it(), "");
}

}  // namespace
}  // namespace bitloop::sim
