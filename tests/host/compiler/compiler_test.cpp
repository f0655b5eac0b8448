// Compiled jobs on the emulator, against the golden functions: all orders of execution that the waits allow.
#include "host/compiler/compiler.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "host/compiler/segment_program.h"
#include "host/driver/driver.h"
#include "host/network/zoo/builder.h"
#include "tests/host/network/random_cases.h"
#include "tests/host/network/random_graphs.h"
#include "tests/host/program/emulator.h"

namespace bitloop::host::test {
namespace {

constexpr Interleaving kInterleavings[] = {Interleaving::program_order, Interleaving::loads_first,
                                           Interleaving::compute_first, Interleaving::stores_late};

HardwareInfo hardware(int pixels, int filters, int activation_rows, int weight_rows, int slots,
                      int staging_words) {
  HardwareInfo info;
  info.name = "test";
  info.pixels = pixels;
  info.filters = filters;
  info.activation_rows = activation_rows;
  info.weight_rows = weight_rows;
  info.parameter_slots = slots;
  info.staging_words = staging_words;
  return info;
}

/// Runs a job in every order that its waits allow and compares all tensors that it keeps in memory.
void expect_job(const Job& job, const Network& graph, const TensorCodes& golden,
                const std::vector<std::uint8_t>& input, const HardwareInfo& info) {
  for (const Interleaving interleaving : kInterleavings) {
    Emulator emulator(info, {interleaving, job.bytes + kPageBytes});
    Driver driver(emulator);
    driver.load(job);
    try {
      driver.run(input);
    } catch (const DeviceError& error) {
      FAIL() << error.what() << ": " << emulator.last_error();
    }
    for (const TensorPlace& place : job.tensors) {
      const auto tensor = std::find_if(graph.tensors.begin(), graph.tensors.end(),
                                       [&](const Tensor& t) { return t.name == place.name; });
      const auto index = static_cast<std::size_t>(tensor - graph.tensors.begin());
      const CodeTensor& expected = place.narrow ? golden.narrow[index] : golden.written[index];
      ASSERT_TRUE(driver.read_tensor(place).codes == expected.codes)
          << "tensor " << place.name << (place.narrow ? " (narrow)" : "") << ", interleaving "
          << static_cast<int>(interleaving);
    }
  }
}

/// Every tensor in every form, with all of them spilled; then the results of the job as it usually runs.
void expect_golden(const QuantizedNetwork& network, const HardwareInfo& info, std::mt19937_64& random) {
  const Network& graph = network.network;
  const Shape& shape = graph.tensors[graph.input].shape;
  const auto input = random_input(shape, network.bits.read(graph.input), random);
  const TensorCodes golden = golden_run(network, input);
  const Job spilled = compile(network, info, {.spill_all = true});
  const auto narrow = std::count_if(network.bits.narrow.begin(), network.bits.narrow.end(),
                                    [](int bits) { return bits != 0; });
  ASSERT_EQ(spilled.tensors.size(), graph.layers.size() + static_cast<std::size_t>(narrow));
  expect_job(spilled, graph, golden, input, info);
  if (testing::Test::HasFatalFailure()) return;
  SCOPED_TRACE("as it usually runs");
  const Job job = compile(network, info);
  ASSERT_EQ(job.tensors.size(), graph.outputs.size());
  expect_job(job, graph, golden, input, info);
}

void expect_layer(const std::string& text, int weight_bits, int input_bits, const HardwareInfo& info,
                  std::uint64_t seed) {
  SCOPED_TRACE(fmt::format("{} w{}a{} P={} F={} rows {} {} slots {}", text, weight_bits, input_bits,
                           info.pixels, info.filters, info.activation_rows, info.weight_rows,
                           info.parameter_slots));
  const Network network = single_layer_network(text);
  const Policy policy = uniform_policy(network, weight_bits, input_bits);
  std::mt19937_64 random(seed);
  expect_golden(random_quantization(network, policy, seed), info, random);
}

TEST(Compiler, all_sixteen_width_pairs_equal_the_golden_function) {
  for (const int w : kWidths) {
    for (const int a : kWidths) {
      expect_layer("conv in=40x9x7 out=37 kernel=3 stride=1 pad=1", w, a, HardwareInfo{}, 1);
      expect_layer("linear in=100x3x2 out=21 out_bits=32", w, a, HardwareInfo{}, 2);
    }
  }
}

TEST(Compiler, every_output_width_equals_the_golden_function) {
  for (const int bits : {1, 2, 4, 8, 32}) {
    expect_layer(fmt::format("conv in=5x6x6 out=70 kernel=3 pad=1 out_bits={}", bits), 2, 4, HardwareInfo{},
                 3);
    expect_layer(fmt::format("conv in=5x6x6 out=70 kernel=3 pad=1 out_bits={}", bits), 1, 1,
                 hardware(2, 4, 1024, 512, 32, 512), 3);
  }
}

TEST(Compiler, signed_inputs_are_padded_with_their_zero_code) {
  for (const int a : {2, 4, 8})
    expect_layer("conv in=33x6x5 out=16 kernel=5x3 pad=2 signed=1", 4, a, HardwareInfo{}, 4);
}

TEST(Compiler, depthwise_layers_of_all_width_pairs_equal_the_golden_function) {
  for (const int w : kWidths) {
    for (const int a : kWidths) {
      expect_layer("dwconv in=75x9x7 kernel=3 stride=1 pad=1", w, a, HardwareInfo{}, 11);
      expect_layer("dwconv in=33x8x9 kernel=5 stride=2 pad=2 out_bits=1", w, a,
                   hardware(2, 4, 512, 128, 32, 512), 12);
    }
  }
}

/// One number for both directions, or one for each; paddings reach beyond the kernel.
std::string random_window(std::mt19937_64& random) {
  const auto steps = [&](int most) { return between(random, 1, most); };
  const auto pad = [&] { return between(random, 0, 6); };
  if (random() % 3 == 0) return fmt::format("kernel={} stride={} pad={}", steps(5), steps(3), pad());
  return fmt::format("kernel={}x{} stride={}x{} dilation={}x{} pad={}x{}x{}x{}", steps(5), steps(5), steps(3),
                     steps(3), steps(3), steps(3), pad(), pad(), pad(), pad());
}

std::string random_depthwise(std::mt19937_64& random) {
  const int out_bits[] = {0, 1, 2, 4, 8};
  return fmt::format("dwconv in={}x{}x{} {} out_bits={} signed=0", between(random, 1, 150),
                     between(random, 13, 15), between(random, 13, 19), random_window(random),
                     out_bits[random() % 5]);
}

std::string random_layer(std::mt19937_64& random) {
  const int out_bits[] = {0, 1, 2, 4, 8, 32};
  return fmt::format("conv in={}x13x19 out={} {} out_bits={}", between(random, 1, 150),
                     between(random, 1, 70), random_window(random), out_bits[random() % 6]);
}

class RandomLayers : public testing::TestWithParam<int> {};

TEST_P(RandomLayers, equal_the_golden_function_on_large_srams) {
  std::mt19937_64 random(static_cast<std::uint64_t>(GetParam()));
  const int p = 1 << between(random, 0, 4);
  const int f = 1 << between(random, 1, 5);
  expect_layer(random_layer(random), any_width(random), any_width(random),
               hardware(p, f, 4096, 1024, 64, 4096), random());
}

TEST_P(RandomLayers, equal_the_golden_function_where_rings_wrap_and_reductions_split) {
  std::mt19937_64 random(1000 + static_cast<std::uint64_t>(GetParam()));
  const int p = 1 << between(random, 1, 3);
  const int f = 1 << between(random, 1, 4);
  const HardwareInfo info =
      hardware(p, f, between(random, 64, 300), between(random, 40, 100), between(random, 1, 4), 64);
  expect_layer(random_layer(random), any_width(random), any_width(random), info, random());
}

TEST_P(RandomLayers, depthwise_equal_the_golden_function) {
  std::mt19937_64 random(3000 + static_cast<std::uint64_t>(GetParam()));
  const int p = 1 << between(random, 1, 3);
  const int f = 1 << between(random, 2, 5);
  const bool small = random() % 2 == 0;
  const HardwareInfo info = small ? hardware(p, f, between(random, 64, 300), between(random, 40, 100), 16, 64)
                                  : hardware(p, f, 4096, 1024, 64, 4096);
  expect_layer(random_depthwise(random), any_width(random), any_width(random), info, random());
}

TEST_P(RandomLayers, graphs_of_all_operations_equal_the_golden_functions) {
  const auto seed = static_cast<std::uint64_t>(GetParam());
  std::mt19937_64 random(4000 + seed);
  const Network network = random_graph(seed);
  const Policy policy = random_policy(network, random);
  const HardwareInfo info = seed % 5 == 4
                                ? hardware(1 << between(random, 1, 5), 1 << between(random, 2, 5),
                                           64 << between(random, 0, 3), 64 << between(random, 0, 3), 64, 256)
                            : seed % 3 == 0 ? hardware(2, 4, 1024, 512, 32, 512)
                            : seed % 3 == 1 ? hardware(4, 8, between(random, 400, 900), 300, 64, 512)
                                            : HardwareInfo{};
  SCOPED_TRACE(fmt::format("graph {} {} on P={}", seed, policy.key(), info.pixels));
  const QuantizedNetwork quantized = random_quantization(network, policy, random());
  if (seed % 5 == 4) {
    try {
      compile(quantized, info, {.spill_all = true});
    } catch (const InputError& error) {
      GTEST_SKIP() << "too small: " << error.what();
    }
  }
  expect_golden(quantized, info, random);
}

/// A network on an image: conv, sometimes a pool, conv, linear.
Network random_network(std::mt19937_64& random) {
  Network network;
  network.name = "random";
  network.tensors.push_back(
      {"image", {between(random, 1, 4), between(random, 5, 20), between(random, 5, 20)}});
  const auto append = [&](LayerKind kind, int channels, int kernel, int stride, int pad) {
    const Shape in = network.tensors.back().shape;
    const int last = static_cast<int>(network.tensors.size()) - 1;
    Layer layer{fmt::format("layer{}", last), kind, {last}, last + 1, kernel, kernel, stride, pad};
    Shape out{channels, 1, 1};
    if (kind != LayerKind::linear) {
      out = layer.window().over(in);
      out.channels = channels;
    }
    network.tensors.push_back({layer.name, out, kind == LayerKind::conv && random() % 3 == 0});
    if (kind == LayerKind::max_pool) network.tensors.back().is_signed = network.tensors[last].is_signed;
    network.layers.push_back(layer);
  };
  const int kernel = between(random, 1, 5);
  append(LayerKind::conv, between(random, 1, 70), kernel, between(random, 1, 3),
         between(random, 0, kernel - 1));
  if (random() % 2 == 0)
    append(LayerKind::max_pool, network.tensors.back().shape.channels, 2, between(random, 1, 2), 1);
  append(LayerKind::conv, between(random, 1, 40), 3, 1, between(random, 1, 2));
  if (random() % 2 == 0) append(LayerKind::max_pool, network.tensors.back().shape.channels, 3, 2, 1);
  append(LayerKind::linear, between(random, 1, 40), 1, 1, 0);
  network.outputs = {static_cast<int>(network.tensors.size()) - 1};
  network.tensors.back().is_signed = false;
  network.validate();
  return network;
}

TEST_P(RandomLayers, networks_on_images_equal_the_golden_functions) {
  std::mt19937_64 random(2000 + static_cast<std::uint64_t>(GetParam()));
  const Network network = random_network(random);
  const Policy policy = random_policy(network, random);
  const bool small = random() % 2 == 0;
  const HardwareInfo info =
      small ? hardware(4, 8, between(random, 100, 400), between(random, 80, 200), 2, 64) : HardwareInfo{};
  SCOPED_TRACE(fmt::format("{} on {}", policy.key(), small ? "small SRAMs" : "the default"));
  expect_golden(random_quantization(network, policy, random()), info, random);
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomLayers, testing::Range(0, 100));

TEST(Compiler, lenet_equals_the_golden_functions) {
  const Network network = zoo_network("lenet");
  std::mt19937_64 random(5);
  for (const auto& [w, a] : {std::pair{8, 8}, {4, 4}, {2, 2}, {1, 1}, {1, 8}}) {
    SCOPED_TRACE(fmt::format("w{}a{}", w, a));
    expect_golden(random_quantization(network, uniform_policy(network, w, a), 6), HardwareInfo{}, random);
    expect_golden(random_quantization(network, uniform_policy(network, w, a), 7),
                  hardware(2, 4, 1024, 512, 32, 512), random);
  }
}

TEST(Compiler, image_kernels_of_any_size_equal_the_golden_function) {
  std::mt19937_64 random(8);
  for (const int kernel : {1, 2, 3, 5, 7, 9, 11}) {
    for (const int channels : {1, 3, 4, 6, 40}) {
      for (const int stride : {1, 2, 4}) {
        const int pad = channels > 4 ? 0 : kernel / 2;
        Network network{"image", {{"image", {channels, 14, 13}}, {"out", {}}}, {}, 0, {1}};
        Layer layer{"conv", LayerKind::conv, {0}, 1, kernel, kernel, stride, pad};
        network.tensors[1].shape = layer.window().over(network.tensors[0].shape);
        network.tensors[1].shape.channels = 5;
        network.layers.push_back(layer);
        const int weight_bits = any_width(random);
        SCOPED_TRACE(fmt::format("{}x{} C={} stride {} w{}", kernel, kernel, channels, stride, weight_bits));
        const auto quantized =
            random_quantization(network, uniform_policy(network, weight_bits, 8), random());
        expect_golden(quantized, HardwareInfo{}, random);
        expect_golden(quantized, hardware(2, 4, 100, 64, 4, 128), random);
      }
    }
  }
}

TEST(Compiler, vectors_as_images_equal_the_golden_function) {
  std::mt19937_64 random(9);
  for (const int numbers : {5, 16, 300, 784}) {
    Network network{"vector", {{"vector", {numbers, 1, 1}}, {"out", {7, 1, 1}}}, {}, 0, {1}};
    network.layers.push_back({"linear", LayerKind::conv, {0}, 1});
    SCOPED_TRACE(numbers);
    expect_golden(random_quantization(network, uniform_policy(network, any_width(random), 8), random()),
                  HardwareInfo{}, random);
  }
}

TEST(Compiler, says_what_it_cannot_do_to_an_image_of_many_channels) {
  const auto message = [](int channels, const Window& window) -> std::string {
    Network network{"image", {{"image", {channels, 8, 8}}, {"out", {}}}, {}, 0, {1}};
    network.tensors[1].shape = window.over({4, 8, 8});
    Layer layer{"conv", LayerKind::conv, {0}, 1, window.height, window.width, window.stride, window.pad};
    layer.dilation = window.dilation;
    network.layers.push_back(layer);
    try {
      compile(random_quantization(network, uniform_policy(network, 8, 8), 1), HardwareInfo{});
    } catch (const InputError& error) {
      return error.what();
    }
    return {};
  };
  EXPECT_EQ(message(5, {3, 3, 1, Steps{2, 1}}), "");
  EXPECT_THAT(message(5, {3, 3, 1, 1, {0, 0, 0, 1}}), testing::HasSubstr("pads or dilates"));
  EXPECT_THAT(message(5, {3, 3, 1, Steps{1, 2}}), testing::HasSubstr("pads or dilates"));
  EXPECT_THAT(message(128, {3, 3, 2}), testing::HasSubstr("from window to window 256"));
  EXPECT_THAT(message(5000, {3, 3}), testing::HasSubstr("bytes of an image row 40000"));
}

TEST(Compiler, a_layer_beyond_the_hardware_names_layer_and_limit) {
  const Network network = single_layer_network("conv in=32x5x200 out=4 kernel=1x200");
  const QuantizedNetwork quantized = random_quantization(network, uniform_policy(network, 8, 8), 1);
  try {
    compile(quantized, hardware(8, 16, 4096, 64, 64, 4096));
    FAIL() << "must be refused";
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), testing::AllOf(testing::HasSubstr("conv"), testing::HasSubstr("64")));
  }
}

TEST(Compiler, a_sum_that_the_accumulator_cannot_hold_is_refused) {
  const auto compile_layer = [](int channels, int weight_bits) {
    const Network network = single_layer_network(fmt::format("conv in={}x3x3 out=1 kernel=3", channels));
    return compile(random_quantization(network, uniform_policy(network, weight_bits, 8), 1), HardwareInfo{});
  };
  EXPECT_NO_THROW(compile_layer(7339, 8));  // 66051 * 255 * 255 = 2^32 - 1021
  EXPECT_NO_THROW(compile_layer(7340, 4));
  try {
    compile_layer(7340, 8);
    FAIL() << "must be refused";
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), testing::AllOf(testing::HasSubstr("conv"), testing::HasSubstr("66060"),
                                             testing::HasSubstr("66051"), testing::HasSubstr("4-bit")));
  }
}

TEST(Compiler, a_sum_over_packed_image_rows_that_the_accumulator_cannot_hold_is_refused) {
  const auto compile_layer = [](int kernel) {
    Network network{"image", {{"image", {4, kernel, kernel}}, {"out", {1, 1, 1}}}, {}, 0, {1}};
    network.layers.push_back({"conv", LayerKind::conv, {0}, 1, kernel, kernel, 1, 0});
    return compile(random_quantization(network, uniform_policy(network, 8, 8), 1), HardwareInfo{});
  };
  EXPECT_NO_THROW(compile_layer(128));
  EXPECT_THROW(compile_layer(129), InputError);
}

TEST(Compiler, says_why_a_policy_cannot_run_and_nothing_where_it_can) {
  zoo::NetworkBuilder net("grouped-image", {4, 8, 8});
  const int conv = net.conv("first", net.image(), {.filters = 8, .kernel = 3, .groups = 2});
  const Network network = net.finish({net.linear("end", conv, 3, Activation::none, false)});
  for (const int bits : {4, 8})
    EXPECT_FALSE(reason_against(network, uniform_policy(network, bits, 8), HardwareInfo{})) << bits;
  for (const int bits : {1, 2}) {
    const auto reason = reason_against(network, uniform_policy(network, bits, 8), HardwareInfo{});
    ASSERT_TRUE(reason) << bits;
    EXPECT_THAT(*reason, testing::HasSubstr("layer first: groups on the image need weights of 4 or 8 bits"));
  }
}

TEST(Compiler, compiling_twice_gives_identical_jobs) {
  const Network network = zoo_network("lenet");
  const QuantizedNetwork quantized = random_quantization(network, uniform_policy(network, 4, 4), 1);
  EXPECT_EQ(compile(quantized, HardwareInfo{}), compile(quantized, HardwareInfo{}));
}

/// The instructions of a network's segment.
std::vector<Instruction> instructions_of(const Network& network, const Policy& policy, std::size_t segment) {
  const HardwareInfo info;
  const NetworkPlan plan = plan_network(network, policy, info);
  const Segment& chosen = plan.segments.at(segment);
  return schedule_segment(chosen, plan_segment(chosen, info), info);
}

TEST(Compiler, weights_of_the_next_filters_arrive_while_the_present_ones_compute) {
  // 576 of 1024 rows of weight SRAM: those of two groups of filters do not fit
  const Network network = single_layer_network("conv in=512x7x7 out=32 kernel=3 pad=1");
  const auto instructions = instructions_of(network, uniform_policy(network, 8, 8), 0);
  int loaded = 0;
  int loaded_before_last = 0;  // CONV of the first group
  for (const Instruction& instruction : instructions) {
    if (const auto* load = std::get_if<LoadWeight>(&instruction.operation)) loaded += load->words;
    const auto* conv = std::get_if<Conv>(&instruction.operation);
    if (conv != nullptr && conv->bit_offset == 0) loaded_before_last = loaded;
  }
  EXPECT_EQ(loaded, 2 * 576);
  EXPECT_GE(loaded_before_last, 1000);
}

TEST(Compiler, a_tile_starts_with_the_first_part_of_its_weights) {
  const Network network = single_layer_network("conv in=512x7x7 out=32 kernel=3 pad=1");
  int loaded = 0;  // rows of weight SRAM; a group has 288
  for (const Instruction& instruction : instructions_of(network, uniform_policy(network, 4, 4), 0)) {
    if (const auto* load = std::get_if<LoadWeight>(&instruction.operation)) loaded += load->words;
    if (std::holds_alternative<Conv>(instruction.operation)) break;
  }
  EXPECT_EQ(loaded, 288 / 4);
}

/// ADDs of a network's segment, and how many of them stand before the last part of a convolution's tile.
std::pair<int, int> woven_adds(const Network& network, const Policy& policy, std::size_t segment) {
  int adds = 0, inside = 0;
  bool open = false;  // a tile has begun and is not complete
  for (const Instruction& instruction : instructions_of(network, policy, segment)) {
    if (const auto* conv = std::get_if<Conv>(&instruction.operation)) open = !conv->drain;
    const bool add = std::holds_alternative<Add>(instruction.operation);
    adds += add ? 1 : 0;
    inside += add && open ? 1 : 0;
  }
  return {adds, inside};
}

TEST(Compiler, the_array_computes_while_an_add_drains) {
  zoo::NetworkBuilder builder("shortcut", {3, 56, 56});
  const int first = builder.conv("first", builder.image(), {.filters = 64, .kernel = 3});
  const int second = builder.conv("second", first, {.filters = 64, .kernel = 3});
  const int sum = builder.add("sum", second, first, Activation::relu);
  const Network network = builder.finish({builder.conv("last", sum, {.filters = 16})});
  const auto [adds, inside] = woven_adds(network, uniform_policy(network, 8, 8), 1);
  EXPECT_EQ(adds, 2 * 392);          // two channel blocks of 392 tiles
  EXPECT_GE(inside, adds * 9 / 10);  // the last tile of a strip has none to stand in
}

TEST(Compiler, what_reads_a_pool_stands_between_tiles_of_the_convolution) {
  zoo::NetworkBuilder builder("pooled", {3, 112, 112});
  const int stem = builder.conv("stem", builder.image(), {.filters = 64, .kernel = 7, .stride = 2});
  const int pool = builder.max_pool("pool", stem, 3, 2, 1, 1);
  const int next = builder.conv("next", pool, {.filters = 64, .kernel = 3});
  const Network network = builder.finish(
      {builder.conv("last", builder.add("sum", next, pool, Activation::relu), {.filters = 16})});
  const int inside = woven_adds(network, uniform_policy(network, 4, 4), 0).second;
  EXPECT_GE(inside, 2 * 98 * 7 / 10);  // they narrow the pool's codes: two channel blocks of 98 tiles
}

TEST(Compiler, codes_of_one_bit_that_fill_less_than_half_a_word_are_stored_in_two) {
  const auto stored = [](int channels, int weight_bits) {
    const Network network = single_layer_network(fmt::format("conv in={}x9x9 out=16 kernel=3", channels));
    return plan_network(network, uniform_policy(network, weight_bits, 1), {}).bits.read(network.input);
  };
  EXPECT_EQ(stored(16, 1), 2);
  EXPECT_EQ(stored(32, 1), 2);
  EXPECT_EQ(stored(33, 1), 1);  // two blocks of 32 channels take longer than one of 64
  EXPECT_EQ(stored(16, 2), 1);  // weights of two bits read blocks of 32 channels at 1 bit as well
}

/// Every image's results of a job of several, in every order that its waits allow.
void expect_images(const Network& network, const Policy& policy, int images, const HardwareInfo& info) {
  SCOPED_TRACE(fmt::format("{} {}, {} images", network.name, policy.key(), images));
  const QuantizedNetwork quantized = random_quantization(network, policy, 5);
  const Job job = compile(quantized, info, {.images = images});
  std::mt19937_64 random(5);
  std::vector<std::uint8_t> pixels;
  std::vector<TensorCodes> golden;
  for (int i = 0; i < images; ++i) {
    const auto image = random_input(network.tensors[static_cast<std::size_t>(network.input)].shape,
                                    quantized.bits.read(network.input), random);
    golden.push_back(golden_run(quantized, image));
    pixels.insert(pixels.end(), image.begin(), image.end());
  }
  ASSERT_EQ(job.tensors.size(), static_cast<std::size_t>(images) * network.outputs.size());
  for (const Interleaving interleaving : kInterleavings) {
    Emulator emulator(info, {interleaving, job.bytes + kPageBytes});
    Driver driver(emulator);
    driver.load(job);
    driver.run(pixels);
    for (const TensorPlace& place : job.tensors) {
      const std::vector<std::int32_t> codes = driver.read_tensor(place).codes;
      const TensorCodes& expected = golden[static_cast<std::size_t>(place.image)];
      EXPECT_EQ(codes, expected.written[static_cast<std::size_t>(network.output())].codes)
          << "image " << place.image;
    }
  }
}

TEST(Compiler, jobs_of_several_images_give_each_image_its_results) {
  const Network lenet = zoo_network("lenet");
  const Network resnet = zoo_network("resnet18", Shape{3, 32, 32});
  for (const int bits : {1, 4}) {
    expect_images(lenet, uniform_policy(lenet, bits, bits), 3, HardwareInfo{});
    expect_images(lenet, uniform_policy(lenet, bits, bits), 5, hardware(2, 4, 1024, 256, 32, 512));
  }
  expect_images(resnet, uniform_policy(resnet, 4, 4), 2, HardwareInfo{});
  for (const char* layer : {"linear in=100x3x2 out=21 out_bits=32", "conv in=40x9x7 out=37 kernel=3 pad=1"}) {
    const Network network = single_layer_network(layer);
    expect_images(network, uniform_policy(network, 2, 4), 9, HardwareInfo{});
  }
}

TEST(Compiler, weights_of_linear_layers_are_loaded_once_for_all_images) {
  const Network network = zoo_network("lenet");
  const Policy policy = uniform_policy(network, 4, 4);
  const auto weight_words = [&](int images) {
    const HardwareInfo info;
    long words = 0;
    for (const Segment& segment : plan_network(network, policy, info, {.images = images}).segments) {
      if (!segment.name.starts_with("fc")) continue;
      for (const Instruction& instruction : schedule_segment(segment, plan_segment(segment, info), info)) {
        if (const auto* load = std::get_if<LoadWeight>(&instruction.operation)) words += load->words;
      }
    }
    return words;
  };
  EXPECT_EQ(weight_words(16), weight_words(1));
}

}  // namespace
}  // namespace bitloop::host::test
