#pragma once

#include <algorithm>
#include <cstdint>
#include <random>
#include <utility>
#include <vector>

#include "tests/rtl/accelerator_bench.h"

namespace bitloop::rtl_test {

constexpr std::uint32_t kSampleJob = 0x1000;
constexpr std::uint32_t kSampleRecords = 0x8000;
constexpr std::uint32_t kSampleData = 0x10000;
constexpr std::uint32_t kSampleResult = 0x80000;
constexpr std::uint32_t kSampleResultEnd = 0xa0000;

/// A job for an array of P = 2, F = 4 with every instruction in it, written by hand so that nothing but the
/// RTL is needed, in three segments: convolution, max pool, depthwise (with a table) and add on one tensor;
/// depthwise (leaky), max pool, convolution (leaky) and a tile in three parts of its sum (with a table), on a
/// tensor of any width, with repeating stores; an image packed, convolved and requantized. Sizes and widths
/// depend on the seed. All that is read has been loaded, so that every result is determined; operands are
/// whatever the memory holds.
class SampleJob {
 public:
  explicit SampleJob(unsigned seed) : random_(seed) {}

  template <class Model>
  void place(Bench<Model>& bench) {
    for (std::size_t i = kSampleData / 8; i < kSampleResult / 8; ++i) {
      bench.memory[i] = std::uint64_t{random_()} << 32 | random_();
    }
    std::vector<std::vector<Descriptor>> segments;
    tensor_layers();
    segments.push_back(std::move(segment_));
    start_segment();
    narrow_layers();
    segments.push_back(std::move(segment_));
    start_segment();
    image_layer();
    segments.push_back(std::move(segment_));
    for (const auto& [offset, word] : parameters_) bench.set_word(kBase + offset, word);
    bench.place_job(kSampleJob, segments, kSampleRecords);
  }

 private:
  static constexpr std::uint32_t kP = 2, kF = 4;
  static constexpr std::uint32_t kDepthwise = 0x12, kAdd = 0x13;
  enum Engine { kLoadEngine, kComputeEngine, kStoreEngine };

  void start_segment() {
    segment_.clear();
    for (std::uint32_t& count : count_) count = 0;
    weight_row_ = slot_ = 0;
  }

  std::uint32_t pick(std::uint32_t low, std::uint32_t high) { return low + random_() % (high - low + 1); }

  /// Every instruction waits for all before it on the other engines, but loads for nothing: they go to places
  /// of their own.
  void append(Engine engine, Descriptor d) {
    if (engine != kLoadEngine) {
      d[0] |= count_[kLoadEngine] << 16;
      d[1] |= count_[kComputeEngine] | count_[kStoreEngine] << 16;
    }
    ++count_[engine];
    segment_.push_back(d);
  }

  std::uint32_t data(std::uint32_t words) {
    const std::uint32_t at = data_;
    data_ += 8 * words;
    return at;
  }

  std::uint32_t load_weights(std::uint32_t rows) {
    append(kLoadEngine, load_words(kLoadWeight, data(rows * kF), rows, weight_row_));
    weight_row_ += rows;
    return weight_row_ - rows;
  }

  /// Parameters of `slots` groups: results of `out_bits` around their middle where sums are around
  /// 2^`magnitude`.
  std::uint32_t load_slots(std::uint32_t slots, std::uint32_t magnitude, std::uint32_t out_bits = 8) {
    constexpr std::uint32_t kWords = 2 * kF + 2;
    const std::uint64_t high = out_bits == 32 ? 0x7fffffff : (std::uint64_t{1} << out_bits) - 1;
    const std::uint32_t shift = 14 + magnitude + 2 - std::min(out_bits, 8U);
    const std::uint32_t at = data(slots * kWords);
    append(kLoadEngine, load_words(kLoadParam, at, slots, slot_));
    for (std::uint32_t slot = 0; slot < slots; ++slot) {
      for (std::uint32_t f = 0; f < kF; ++f) {
        parameters_.emplace_back(at + 8 * (slot * kWords + 2 * f), pick(0, 0xffff));
        parameters_.emplace_back(at + 8 * (slot * kWords + 2 * f + 1), pick(0x2000, 0x7fff) | shift << 16);
      }
      parameters_.emplace_back(at + 8 * (slot * kWords + 2 * kF), high << 32);
      parameters_.emplace_back(at + 8 * (slot * kWords + 2 * kF + 1), (high + 1) / 2);
    }
    slot_ += slots;
    return slot_ - slots;
  }

  void load_tensor(std::uint32_t height, std::uint32_t width, std::uint32_t words) {
    Rows rows;
    rows.offset = data(words * height * width);
    rows.memory_pitch = 8 * words * width;
    rows.rows = height;
    rows.width = rows.pitch = width;
    rows.words = words;
    rows.stride = height * width / kP;
    rows.ring = height * width;
    append(kLoadEngine, rows.descriptor(kLoadAct));
  }

  void store(std::uint32_t base, std::uint32_t stride, std::uint32_t words, std::uint32_t positions,
             std::uint32_t repeat = 0) {
    Rows rows;
    rows.offset = result_;
    rows.width = positions;
    rows.words = words;
    rows.base = base;
    rows.stride = stride;
    rows.pitch = rows.ring = stride * kP;
    Descriptor d = rows.descriptor(kStore);
    d[8] = repeat;
    result_ += 8 * positions * words * std::max(repeat, 1U) + 8 * pick(0, 3);
    append(kStoreEngine, d);
  }

  /// Words of a position in one block of 32 channels (64 at 1 bit).
  static std::uint32_t words_of(std::uint32_t log2_bits) {
    return log2_bits == 0 ? 1 : 1U << (log2_bits - 1);
  }

  /// Words that all instructions of the compute engine share: a window of `kernel` by `kernel` at stride 1
  /// over `height` by `width` positions at `base`, results as 8-bit codes at `out`.
  static Descriptor window(std::uint32_t opcode, std::uint32_t height, std::uint32_t width,
                           std::uint32_t kernel, std::uint32_t base, std::uint32_t out) {
    const std::uint32_t pad = kernel / 2, ring = height * width, stride = ring / kP;
    Descriptor d = instruction(opcode);
    d[2] = height | width << 16;
    d[3] = kernel | kernel << 8 | 0x11110000;
    d[4] = (-pad & 0xffff) | -pad << 16;
    d[5] = width << 16;
    d[6] = height * width | -pad << 24;
    d[7] = base | stride << 16;
    d[8] = (ring - pad * width) % ring | ring << 16;
    d[9] = width % ring | (width % ring) << 16;
    d[10] = ring << 16;
    d[11] = out | stride << 16;
    d[12] = 3 | 3 << 4 | 7 << 8 | 0x80 << 16 | 32U << 24;  // 8 bits in and out; clear, drain, zero-extend
    d[13] = 1;
    return d;
  }

  struct Convolution {
    std::uint32_t height, width, kernel, base, out;
    std::uint32_t log2_bits, log2_weight_bits;
    std::uint32_t blocks;    ///< of 32 channels, or of 64 where both sides have 1 bit
    std::uint32_t channels;  ///< in the last
    std::uint32_t out_code = 3;
    bool leaky = false;
  };

  Descriptor convolution(const Convolution& c) {
    const bool binary = c.log2_bits + c.log2_weight_bits == 0;
    const std::uint32_t half_words =
        (c.blocks * c.kernel * c.kernel << c.log2_weight_bits) * (binary ? 2 : 1);
    const std::uint32_t sums = (1U << c.log2_bits) + (1U << c.log2_weight_bits) + 2;
    const std::uint32_t weights = load_weights((half_words + 1) / 2);
    Descriptor d = window(kConv, c.height, c.width, c.kernel, c.base, c.out);
    d[12] = c.log2_bits | c.log2_weight_bits << 2 | c.out_code << 4 | (c.leaky ? 1 << 7 : 0) | 7 << 8 |
            (c.log2_bits == 0 ? 0 : pick(0, 1)) << 16 | c.channels << 24;
    d[13] = c.blocks | (kF - 1) << 16;
    d[14] = weights | load_slots(c.leaky ? 2 : 1, sums, 1U << c.out_code) << 16;
    return d;
  }

  /// One channel block: `weights` for DEPTHWISE; nothing else is set that depends on widths.
  Descriptor depthwise(std::uint32_t height, std::uint32_t width, std::uint32_t base, std::uint32_t out,
                       bool leaky, std::uint32_t magnitude, std::uint32_t out_bits) {
    Descriptor d = window(kDepthwise, height, width, 3, base, out);
    const bool unit = pick(0, 1) == 1;
    d[12] = (unit ? 1 << 8 : 0) | (leaky ? 1 << 7 : 0) | 1 << 10 | 32U << 24;
    d[13] = 1 | 31 << 16;
    d[14] = unit ? 0 : load_weights(9);  // a tap per row
    d[14] |= load_slots((leaky ? 2 : 1) * 32 / kF, magnitude, out_bits) << 16;
    return d;
  }

  Descriptor add(std::uint32_t height, std::uint32_t width, std::uint32_t base, std::uint32_t out,
                 std::uint32_t operands) {
    Descriptor d = window(kAdd, height, width, 1, base, out);
    d[12] = 3 | 3 << 4 | 1 << 10 | 0x80 << 16 | 32U << 24;
    d[13] = operands | 31 << 16;
    d[14] = load_slots(operands * 32 / kF, 8) << 16;
    return d;
  }

  void tensor_layers() {
    const std::uint32_t height = pick(3, 6), width = 2 * pick(2, 4), positions = height * width;
    const std::uint32_t stride = positions / kP, log2_bits = pick(0, 3), log2_weight_bits = pick(0, 3);
    // Of 32 channels. An odd number at 1 bit: the last is the lower half of its word.
    const std::uint32_t blocks = pick(1, log2_bits == 3 ? 2 : 3), pairs = (blocks + 1) / 2;
    load_tensor(height, width, log2_bits == 0 ? pairs : blocks * words_of(log2_bits));
    const bool binary = log2_bits + log2_weight_bits == 0;
    append(kComputeEngine, convolution({height, width, 3, 0, 256, log2_bits, log2_weight_bits,
                                        binary ? pairs : blocks, binary && blocks % 2 == 0 ? 64U : 32U}));
    store(256, stride, 4, positions);

    Descriptor pool = window(kMaxPool, height, width, 3, 256, 384);
    pool[12] = 3 | 32U << 24;
    append(kComputeEngine, pool);
    store(384, stride, 4, positions);

    append(kLoadEngine, load_words(kLoadTable, data(32), 32, 0));
    Descriptor channels = depthwise(height, width, 256, 512, false, 16, 8);
    channels[12] |= 3 | 3 << 4 | 1 << 11 | 0x80 << 16;
    append(kComputeEngine, channels);
    store(512, stride, 4, positions);

    Descriptor sum = add(height, width, 256, 640, 2);
    sum[9] = (sum[9] & 0xffff) | stride << 16;
    sum[14] |= 512;
    sum[15] = positions << 16;
    append(kComputeEngine, sum);
    store(640, stride, 4, positions, pick(0, 2));
  }

  /// On a tensor of any width: 32 channels, or 64 at 1 bit.
  void narrow_layers() {
    const std::uint32_t height = pick(3, 5), width = 2 * pick(2, 4), positions = height * width;
    const std::uint32_t stride = positions / kP, log2_bits = pick(0, 3), log2_weight_bits = pick(0, 3);
    const bool binary = log2_bits + log2_weight_bits == 0;
    const std::uint32_t channels = log2_bits == 0 ? 64 : 32, out_log2_bits = pick(0, 3);
    load_tensor(height, width, words_of(log2_bits));

    // Of 1-bit codes both halves of the word, each to the same half of a 1-bit result.
    Descriptor leaky = depthwise(height, width, 0, 128, true, 8 + (1U << log2_bits), 1U << out_log2_bits);
    leaky[12] |= log2_bits | out_log2_bits << 4;
    append(kComputeEngine, leaky);
    if (log2_bits == 0) {
      leaky[12] |= 1 << 9;
      if (out_log2_bits == 0) leaky[13] |= 32 << 24;
      append(kComputeEngine, leaky);
    }
    store(128, stride, words_of(out_log2_bits), positions, pick(0, 3));

    Descriptor pool = window(kMaxPool, height, width, 3, 0, 256);
    pool[12] = log2_bits | channels << 24;
    append(kComputeEngine, pool);
    store(256, stride, words_of(log2_bits), positions);

    const std::uint32_t out_codes[] = {0, 1, 2, 5};
    Convolution whole{height,
                      width,
                      3,
                      0,
                      384,
                      log2_bits,
                      log2_weight_bits,
                      binary ? 1 : channels / 32,
                      binary ? 64U : 32U};
    whole.out_code = out_codes[pick(0, 3)];
    whole.leaky = true;
    append(kComputeEngine, convolution(whole));
    store(384, stride, whole.out_code == 5 ? 16 : words_of(whole.out_code), positions);

    // A tile's sum in three parts: clear; neither; drain.
    Convolution part = whole;
    part.out = 768;
    part.out_code = 3;
    part.leaky = false;
    append(kLoadEngine, load_words(kLoadTable, data(32), 32, 0));
    for (std::uint32_t flags : {1, 0, 2 | 1 << 3}) {
      Descriptor d = convolution(part);
      d[6] = (d[6] & 0xff000000) | kP;
      d[12] = (d[12] & ~0x300U) | flags << 8;
      append(kComputeEngine, d);
    }
    store(768, stride, 4, kP, pick(0, 15));
  }

  void image_layer() {
    constexpr std::uint32_t kSize = 8, kPositions = kSize * kSize;
    const std::uint32_t image_channels = pick(1, 4), columns = pick(1, 24 / image_channels);
    const std::uint32_t rows = pick(1, 32 / (image_channels * columns)), line = kSize * image_channels;
    append(kLoadEngine, load_words(kLoadImage, data(kSize * line / 8), kSize * line / 8, 0));
    Descriptor d = instruction(kPack);
    d[2] = kSize | kSize << 16;
    d[3] = image_channels | columns << 8 | rows << 16 | 1 << 24;
    d[4] = kSize | kSize << 16;
    d[5] = 1 | kSize << 16;
    d[6] = kPositions / kP << 16;
    d[7] = kPositions << 16;
    d[8] = 0xffffffff;  // iy and ix: -1
    d[9] = random_();
    d[10] = 0U - line;
    d[11] = line;
    append(kLoadEngine, d);
    append(kComputeEngine,
           convolution({kSize, kSize, 1, 0, 256, 3, pick(0, 3), 1, image_channels * columns * rows}));
    store(256, kPositions / kP, 4, kPositions);
    append(kComputeEngine, add(kSize, kSize, 256, 512, 1));
    store(512, kPositions / kP, 4, kPositions);
  }

  std::mt19937 random_;
  std::vector<Descriptor> segment_;
  std::vector<std::pair<std::uint32_t, std::uint64_t>> parameters_;  // offset, word
  std::uint32_t count_[3] = {};
  std::uint32_t data_ = kSampleData, result_ = kSampleResult;
  std::uint32_t weight_row_ = 0, slot_ = 0;
};

}  // namespace bitloop::rtl_test
