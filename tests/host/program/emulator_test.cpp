// The emulator's channelwise instructions against the golden functions, and what its SRAMs keep.
#include <gtest/gtest.h>

#include <bit>
#include <numeric>
#include <random>

#include "host/program/plane_words.h"
#include "tests/host/network/random_cases.h"
#include "tests/host/program/emulator_core.h"

namespace bitloop::host::test {
namespace {

/// A core and its memory of 64-bit words.
struct Bench {
  explicit Bench(const HardwareInfo& hardware) : info(hardware) {}

  HardwareInfo info;
  std::vector<std::uint64_t> memory = std::vector<std::uint64_t>(1 << 16);
  EmulatorCore core{info,
                    {[this](Address offset) { return memory.at(offset / 8); },
                     [this](Address offset, std::uint64_t word) { memory.at(offset / 8) = word; }}};

  void put(std::size_t word, const Words& words) {
    std::copy(words.begin(), words.end(), memory.begin() + static_cast<std::ptrdiff_t>(word));
  }
};

HardwareInfo random_hardware(std::mt19937_64& random) {
  HardwareInfo info;
  info.pixels = 1 << between(random, 0, 3);
  info.filters = 4 << between(random, 0, 3);
  return info;
}

int round_up(int value, int unit) { return (value + unit - 1) / unit * unit; }

Words tensor_words(const CodeTensor& tensor) {
  const auto bytes = pack_tensor(tensor);
  Words words(bytes.size() / 8);
  for (std::size_t i = 0; i < bytes.size(); ++i)
    words[i / 8] |= std::to_integer<std::uint64_t>(bytes[i]) << (8 * (i % 8));
  return words;
}

/// Loads a tensor whole, its rows at a pitch that is a multiple of P.
ChipRows load_tensor(Bench& bench, const CodeTensor& tensor, int base) {
  bench.put(0, tensor_words(tensor));
  const int pitch = round_up(tensor.shape.width, bench.info.pixels);
  const int ring = pitch * tensor.shape.height;
  const int words = words_per_position(tensor.shape.channels, tensor.bits);
  const ChipRows chip{base, ring / bench.info.pixels, 0, pitch, ring};
  bench.core.execute(LoadAct{{0, static_cast<std::uint32_t>(8 * words * tensor.shape.width),
                              tensor.shape.height, tensor.shape.width, words, chip}});
  return chip;
}

/// A walk over a whole tensor that writes flattened output positions from `output_base` on.
WindowWalk walk_all(const CodeTensor& input, const ChipRows& chip, const Shape& output, const Window& window,
                    int pixels, int output_base) {
  WindowWalk walk;
  walk.input_height = input.shape.height;
  walk.input_width = input.shape.width;
  walk.kernel_height = window.height;
  walk.kernel_width = window.width;
  walk.stride_y = window.stride.y;
  walk.stride_x = window.stride.x;
  walk.iy = -window.pad.top;
  walk.ix = walk.ix_start = -window.pad.left;
  walk.output_width = output.width;
  walk.positions = output.height * output.width;
  walk.input_base = chip.base;
  walk.input_stride = chip.stride;
  walk.ring_position = ((-window.pad.top * chip.pitch) % chip.ring + chip.ring) % chip.ring;
  walk.input_ring = chip.ring;
  walk.step_output_row = window.stride.y * chip.pitch % chip.ring;
  walk.step_kernel_row = chip.pitch % chip.ring;
  walk.output_ring = round_up(walk.positions, pixels);
  walk.output_base = output_base;
  walk.output_stride = walk.output_ring / pixels;
  walk.input_bits_log2 = static_cast<int>(std::countr_zero(static_cast<unsigned>(input.bits)));
  walk.blocks = 1;
  return walk;
}

/// Points the walk at channel block `block` of input and output; gives the bit offset.
int aim(WindowWalk& walk, int block, int channels, int input_bits, int output_bits) {
  walk.input_base += (input_bits == 1 ? block / 2 : block * input_bits / 2) * walk.input_stride;
  walk.output_base += (output_bits == 1 ? block / 2 : block * output_bits / 2) * walk.output_stride;
  walk.output_bits_log2 = static_cast<int>(std::countr_zero(static_cast<unsigned>(output_bits)));
  walk.last_block_channels = std::min(kBlockChannels, channels - block * kBlockChannels);
  return output_bits == 1 ? block % 2 * 32 : 0;
}

/// Stores the flattened output and reads it back.
CodeTensor stored(Bench& bench, const WindowWalk& walk, const Shape& shape, int bits) {
  const int words = words_per_position(shape.channels, bits);
  const ChipRows chip{walk.output_base, walk.output_stride, 0, walk.positions, walk.output_ring};
  bench.core.execute(Store{{0, 0, 1, walk.positions, words, chip}});
  const Words out(bench.memory.begin(), bench.memory.begin() + std::ptrdiff_t{words} * walk.positions);
  CodeTensor result = unpack_tensor({shape.channels, 1, walk.positions}, bits, to_bytes(out));
  EXPECT_EQ(tensor_words(result), out) << "channels beyond the last are not zero";
  result.shape = shape;
  return result;
}

/// Loads the slots of a block's groups: of each group, every set one behind the other.
void load_parameters(Bench& bench, const std::vector<std::vector<Requantization>>& sets,
                     const OutputRange& range, int block, int channels, int first_slot) {
  Words words;
  int slots = 0;
  for (int c = 0; c < channels; c += bench.info.filters) {
    for (const auto& set : sets) {
      const Words slot = pack_parameters(set, range, block * kBlockChannels + c, bench.info.filters);
      words.insert(words.end(), slot.begin(), slot.end());
      ++slots;
    }
  }
  bench.put(0, words);
  bench.core.execute(LoadParam{0, slots, first_slot});
}

CodeTensor random_tensor(const Shape& shape, int bits, std::mt19937_64& random) {
  return input_codes(shape, bits, random_input(shape, bits, random));
}

struct ChannelCase {
  Network network;
  QuantizedLayer integers;
  CodeTensor input;
  int output_bits = 8;

  [[nodiscard]] const Layer& layer() const { return network.layers[0]; }
};

ChannelCase random_channel_case(LayerKind kind, std::mt19937_64& random) {
  ChannelCase result;
  const int channels = between(random, 1, 130);
  const int kernel = between(random, 1, 4);
  const int stride = between(random, 1, 3);
  const int pad = between(random, 0, kernel - 1);
  const Shape in{channels, between(random, kernel, 9), between(random, kernel, 9)};
  Layer layer{"layer", kind, {0}, 1, kernel, kernel, stride, pad};
  const Shape out = layer.window().over(in);
  if (kind == LayerKind::depthwise && random() % 2 == 0) layer.activation = Activation::leaky_relu;
  result.network = {"test", {{"in", in}, {"out", out}}, {layer}, 0, {1}, false, 8};
  result.output_bits = any_width(random);

  const int input_bits = kind == LayerKind::average_pool ? 8 : any_width(random);
  result.input = random_tensor(in, input_bits, random);
  QuantizedLayer& integers = result.integers;
  integers.weight_bits = any_width(random);
  integers.pad_codes.assign(channels, static_cast<std::uint8_t>(random() & ((1u << input_bits) - 1)));
  integers.range = {between(random, -3, 3), 0, (1 << result.output_bits) - 1};
  const int taps = kernel * kernel;
  for (int i = 0; i < channels * taps; ++i)
    integers.weights.push_back(static_cast<std::uint8_t>(random() & ((1u << integers.weight_bits) - 1)));
  const auto requantization = [&] {
    return Requantization{static_cast<std::uint16_t>(random()),
                          static_cast<std::uint8_t>(between(random, 12, 22)),
                          static_cast<std::int64_t>(random() % (1 << 20)) - (1 << 19)};
  };
  for (int c = 0; c < channels; ++c) {
    integers.requantization.push_back(requantization());
    if (layer.activation == Activation::leaky_relu) integers.negative.push_back(requantization());
  }
  if (kind == LayerKind::average_pool) integers.requantization.resize(1);
  return result;
}

CodeTensor emulate_channels(Bench& bench, const ChannelCase& c, int output_base) {
  const Shape& out = c.network.output_shape(c.layer());
  const ChipRows chip = load_tensor(bench, c.input, 3);
  const WindowWalk walk =
      walk_all(c.input, chip, out, layer_window(c.network, c.layer()), bench.info.pixels, output_base);
  const bool unit = c.layer().kind == LayerKind::average_pool;
  std::vector<std::vector<Requantization>> sets{c.integers.requantization};
  if (unit) sets = {std::vector<Requantization>(out.channels, c.integers.requantization[0])};
  if (!c.integers.negative.empty()) sets.push_back(c.integers.negative);
  const int taps = walk.kernel_height * walk.kernel_width;
  const WeightCodes weights{
      out.channels,      1, walk.kernel_height, walk.kernel_width, c.integers.weight_bits, kBlockChannels,
      c.integers.weights};
  for (int block = 0; block * kBlockChannels < out.channels; ++block) {
    Depthwise i{walk};
    i.bit_offset = aim(i, block, out.channels, c.input.bits, c.output_bits);
    i.channels = i.last_block_channels;
    i.zero_code = c.integers.pad_codes[0];
    i.upper_half = c.input.bits == 1 && block % 2 != 0;
    i.zero_extend = (block + 1) * kBlockChannels >= out.channels;
    i.unit = unit;
    i.leaky = sets.size() == 2;
    i.weight_base = 11;
    i.parameter_slot = 2;
    bench.core.start_segment();  // activations stay
    load_parameters(bench, sets, c.integers.range, block, i.channels, i.parameter_slot);
    if (!unit) {
      bench.put(0, pack_depthwise(weights, block, bench.info.filters));
      bench.core.execute(
          LoadWeight{0, static_cast<std::uint32_t>(depthwise_rows(taps, bench.info.filters)), i.weight_base});
    }
    bench.core.execute(i);
  }
  return stored(bench, walk, out, c.output_bits);
}

TEST(Emulator, depthwise_convolutions_give_the_golden_codes) {
  for (int seed = 0; seed < 150; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937_64 random(seed);
    Bench bench(random_hardware(random));
    const ChannelCase c = random_channel_case(LayerKind::depthwise, random);
    ASSERT_EQ(emulate_channels(bench, c, 2500),
              golden_weight_layer(c.network, c.layer(), c.integers, c.input, c.output_bits));
  }
}

TEST(Emulator, average_pools_are_depthwise_convolutions_of_unit_weights) {
  for (int seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937_64 random(seed);
    Bench bench(random_hardware(random));
    const ChannelCase c = random_channel_case(LayerKind::average_pool, random);
    ASSERT_EQ(emulate_channels(bench, c, 2500),
              golden_average_pool(c.network, c.layer(), c.integers, c.input, c.output_bits));
  }
}

/// Loads operand 2 with its positions one behind the other in a ring, from position `first` on.
void load_second(Bench& bench, const CodeTensor& tensor, Add& i) {
  const int pixels = bench.info.pixels;
  const int positions = tensor.shape.height * tensor.shape.width;
  const int words = words_per_position(tensor.shape.channels, tensor.bits);
  i.second_ring = round_up(positions, pixels) + 2 * pixels;
  i.second_first = i.second_ring - pixels;  // wraps after the first tile
  i.second_base = 1700;
  i.second_stride = i.second_ring / pixels;
  CodeTensor flat = tensor;
  flat.shape = {tensor.shape.channels, 1, positions};
  bench.put(0, tensor_words(flat));
  for (int n = 0; n < positions; ++n) {
    const ChipRows chip{i.second_base, i.second_stride, (i.second_first + n) % i.second_ring, 1,
                        i.second_ring};
    for (int word = 0; word < words; ++word) {
      ChipRows place = chip;
      place.base += word * chip.stride;
      bench.core.execute(
          LoadAct{{static_cast<std::uint32_t>(8 * (word * positions + n)), 0, 1, 1, 1, place}});
    }
  }
}

CodeTensor emulate_add(Bench& bench, const QuantizedLayer& integers, const CodeTensor& first,
                       const CodeTensor* second, int output_bits) {
  const Shape& shape = first.shape;
  const ChipRows chip = load_tensor(bench, first, 0);
  const WindowWalk walk = walk_all(first, chip, shape, {}, bench.info.pixels, 3000);
  Add all{walk};
  all.operands = second != nullptr ? 2 : 1;
  if (second != nullptr) load_second(bench, *second, all);
  std::vector<std::vector<Requantization>> sets;
  for (int operand = 0; operand < all.operands; ++operand)
    sets.emplace_back(shape.channels, integers.requantization[operand]);
  for (int block = 0; block * kBlockChannels < shape.channels; ++block) {
    Add i = all;
    i.bit_offset = aim(i, block, shape.channels, 8, output_bits);
    i.channels = i.last_block_channels;
    i.zero_extend = (block + 1) * kBlockChannels >= shape.channels;
    i.second_base += block * 4 * i.second_stride;
    i.parameter_slot = 1;
    load_parameters(bench, sets, integers.range, block, i.channels, i.parameter_slot);
    bench.core.execute(i);
  }
  return stored(bench, walk, shape, output_bits);
}

QuantizedLayer random_add(int output_bits, std::mt19937_64& random) {
  QuantizedLayer integers;
  const auto shift = static_cast<std::uint8_t>(between(random, 14, 22));
  integers.requantization = {{static_cast<std::uint16_t>(random()), shift,
                              static_cast<std::int64_t>(random() % (1 << 24)) - (1 << 23)},
                             {static_cast<std::uint16_t>(random()), shift, 12345}};
  integers.range = {between(random, -3, 3), 0, (1 << output_bits) - 1};
  return integers;
}

TEST(Emulator, adds_of_two_operands_give_the_golden_codes) {
  for (int seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937_64 random(seed);
    Bench bench(random_hardware(random));
    const int bits = any_width(random);
    const QuantizedLayer integers = random_add(bits, random);
    const Shape shape{between(random, 1, 130), between(random, 1, 7), between(random, 1, 7)};
    const CodeTensor first = random_tensor(shape, 8, random);
    const CodeTensor second = random_tensor(shape, 8, random);
    ASSERT_EQ(emulate_add(bench, integers, first, &second, bits), golden_add(integers, first, second, bits));
  }
}

TEST(Emulator, an_add_of_one_operand_narrows) {
  for (int seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937_64 random(seed);
    Bench bench(random_hardware(random));
    const int bits = any_width(random);
    const QuantizedLayer integers = random_add(bits, random);
    const Shape shape{between(random, 1, 130), between(random, 1, 7), between(random, 1, 7)};
    const CodeTensor wide = random_tensor(shape, 8, random);
    ASSERT_EQ(emulate_add(bench, integers, wide, nullptr, bits),
              golden_narrow({integers.requantization[0], integers.range}, wide, bits));
  }
}

TEST(Emulator, leaky_convolutions_take_the_second_slot_below_zero) {
  // One channel, code x; weights -1 and +1; slots 4 and 5. (2d + 4 + 2) >> 2, else d >> 3, around 10.
  Bench bench(HardwareInfo{});
  const ChipRows chip = load_tensor(bench, {{1, 1, 4}, 8, {2, 3, 5, 80}}, 0);
  Conv conv{walk_all({{1, 1, 4}, 8, {}}, chip, {2, 1, 4}, {}, bench.info.pixels, 100)};
  conv.weight_bits_log2 = 0;
  conv.output_bits_log2 = 3;
  conv.last_block_channels = 1;
  conv.zero_extend = conv.leaky = true;
  conv.filters = 2;
  conv.parameter_slot = 4;
  load_parameters(bench, {{{2, 2, 6}, {2, 2, 6}}, {{1, 3, 0}, {1, 3, 0}}}, {10, 0, 255}, 0, 2, 4);
  bench.put(0, pack_weights({2, 1, 1, 1, 1, kBlockChannels, {0, 1}}, {0, 1, 0, 1}, 0, bench.info.filters));
  bench.core.execute(LoadWeight{0, 1, 0});
  bench.core.execute(conv);
  EXPECT_EQ(stored(bench, conv, {2, 1, 4}, 8).codes,
            (std::vector<std::int32_t>{10, 9, 9, 0, 12, 13, 14, 51}));
}

TEST(Emulator, a_store_repeats_every_position) {
  Bench bench(HardwareInfo{});
  const CodeTensor tensor{{40, 2, 3}, 4, std::vector<std::int32_t>(240, 5)};
  CodeTensor codes = tensor;
  std::iota(codes.codes.begin(), codes.codes.end(), 0);
  for (auto& code : codes.codes) code &= 15;
  const ChipRows chip = load_tensor(bench, codes, 0);
  constexpr int kWords = 4;
  for (std::uint32_t copy = 0; copy < 2; ++copy) {  // row y becomes rows 2y and 2y + 1
    bench.core.execute(Store{{copy * 8 * kWords * 6, 2 * 8 * kWords * 6, 2, 3, kWords, chip}, 2});
  }
  const Words out(bench.memory.begin(), bench.memory.begin() + kWords * 6 * 4);
  EXPECT_EQ(unpack_tensor({40, 4, 6}, 4, to_bytes(out)), golden_upsample(codes, 2));
}

TEST(Emulator, activations_last_for_a_job_and_parameters_for_a_segment) {
  Bench bench(HardwareInfo{});
  const CodeTensor tensor{{1, 1, 1}, 8, {77}};
  const ChipRows chip = load_tensor(bench, tensor, 0);
  const auto read_back = [&] {
    bench.core.execute(Store{{0, 0, 1, 1, 4, chip}});
    return unpack_tensor({1, 1, 1}, 8, to_bytes(std::span(bench.memory).first(4))).codes[0];
  };
  bench.core.start_segment();
  EXPECT_EQ(read_back(), 77);
  bench.core.start_job();
  EXPECT_NE(read_back(), 77);
}

TEST(Emulator, refuses_channelwise_instructions_that_break_a_rule) {
  Bench bench(HardwareInfo{});
  const CodeTensor tensor{{32, 1, 8}, 8, std::vector<std::int32_t>(256)};
  const ChipRows chip = load_tensor(bench, tensor, 0);
  load_parameters(bench, {std::vector<Requantization>(32, {1, 1, 0})}, {}, 0, 32, 0);
  Add good{walk_all(tensor, chip, tensor.shape, {}, bench.info.pixels, 100)};
  good.output_bits_log2 = 3;
  good.channels = good.last_block_channels = 32;
  EXPECT_NO_THROW(bench.core.execute(good));
  const auto refused = [&](const auto& change) {
    Add bad = good;
    change(bad);
    EXPECT_THROW(bench.core.execute(bad), DeviceError);
  };
  refused([](Add& i) { i.operands = 3; });
  refused([](Add& i) { i.kernel_width = 2; });
  refused([](Add& i) { i.input_bits_log2 = 2; });
  refused([](Add& i) { i.output_bits_log2 = 5; });
  refused([](Add& i) { i.bit_offset = 32; });
  refused([](Add& i) { i.blocks = 2; });
  refused([](Add& i) { i.parameter_slot = 63; });
  refused([](Add& i) { i.last_block_channels = 31; });
  refused([](Add& i) { i.operands = 2, i.second_ring = 12; });
  refused([](Add& i) { i.operands = 2, i.second_ring = 16, i.second_first = 4; });

  Depthwise deep{static_cast<WindowWalk>(good)};
  deep.channels = 32;
  deep.unit = true;
  EXPECT_NO_THROW(bench.core.execute(deep));
  deep.upper_half = true;
  EXPECT_THROW(bench.core.execute(deep), DeviceError);
  deep.upper_half = false;
  deep.unit = false;
  deep.weight_base = bench.info.weight_rows;
  EXPECT_THROW(bench.core.execute(deep), DeviceError);
}

}  // namespace
}  // namespace bitloop::host::test
