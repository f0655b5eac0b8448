#pragma once

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
/// RTL is needed: convolution, max pool, depthwise and add on one tensor, then an image packed and convolved.
/// Sizes and widths depend on the seed. All that is read has been loaded, so that every result is determined;
/// operands are whatever the memory holds.
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

  /// Parameters of `slots` groups: results around the middle of 0..255 where sums are around 2^`magnitude`.
  std::uint32_t load_slots(std::uint32_t slots, std::uint32_t magnitude) {
    constexpr std::uint32_t kWords = 2 * kF + 2;
    const std::uint32_t at = data(slots * kWords);
    append(kLoadEngine, load_words(kLoadParam, at, slots, slot_));
    for (std::uint32_t slot = 0; slot < slots; ++slot) {
      for (std::uint32_t f = 0; f < kF; ++f) {
        parameters_.emplace_back(at + 8 * (slot * kWords + 2 * f), pick(0, 0xffff));
        parameters_.emplace_back(at + 8 * (slot * kWords + 2 * f + 1),
                                 pick(0x2000, 0x7fff) | (14 + magnitude - 6) << 16);
      }
      parameters_.emplace_back(at + 8 * (slot * kWords + 2 * kF), std::uint64_t{255} << 32);
      parameters_.emplace_back(at + 8 * (slot * kWords + 2 * kF + 1), 128);
    }
    slot_ += slots;
    return slot_ - slots;
  }

  void store(std::uint32_t base, std::uint32_t stride, std::uint32_t words, std::uint32_t positions) {
    Rows rows;
    rows.offset = result_;
    rows.width = positions;
    rows.words = words;
    rows.base = base;
    rows.stride = stride;
    rows.pitch = rows.ring = stride * kP;
    result_ += 8 * positions * words + 8 * pick(0, 3);
    append(kStoreEngine, rows.descriptor(kStore));
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

  void convolve(std::uint32_t height, std::uint32_t width, std::uint32_t kernel, std::uint32_t base,
                std::uint32_t out, std::uint32_t log2_bits, std::uint32_t log2_weight_bits,
                std::uint32_t blocks, std::uint32_t channels) {
    const std::uint32_t half_words = blocks * kernel * kernel << log2_weight_bits;
    Descriptor d = window(kConv, height, width, kernel, base, out);
    d[12] = log2_bits | log2_weight_bits << 2 | 3 << 4 | 7 << 8 | pick(0, 1) << 16 | channels << 24;
    d[13] = blocks | (kF - 1) << 16;
    d[14] = load_weights((half_words + 1) / 2);
    d[14] |= load_slots(1, (1U << log2_bits) + (1U << log2_weight_bits) + 2) << 16;
    append(kComputeEngine, d);
  }

  void tensor_layers() {
    const std::uint32_t height = pick(3, 6), width = 2 * pick(2, 4), positions = height * width;
    const std::uint32_t stride = positions / kP, blocks = pick(1, 2), log2_bits = pick(1, 3);
    const std::uint32_t words = blocks << (log2_bits - 1);
    Rows rows;
    rows.offset = data(words * positions);
    rows.memory_pitch = 8 * words * width;
    rows.rows = height;
    rows.width = rows.pitch = width;
    rows.words = words;
    rows.stride = stride;
    rows.ring = positions;
    append(kLoadEngine, rows.descriptor(kLoadAct));
    convolve(height, width, 3, 0, 256, log2_bits, pick(0, 3), blocks, 32);
    store(256, stride, 4, positions);

    Descriptor pool = window(kMaxPool, height, width, 3, 256, 384);
    pool[12] = 3 | 32U << 24;
    append(kComputeEngine, pool);
    store(384, stride, 4, positions);

    Descriptor depthwise = window(kDepthwise, height, width, 3, 256, 512);
    depthwise[13] = 1 | 31 << 16;
    depthwise[14] = load_weights(9);  // a tap per row
    depthwise[14] |= load_slots(32 / kF, 16) << 16;
    append(kComputeEngine, depthwise);
    store(512, stride, 4, positions);

    Descriptor add = window(kAdd, height, width, 1, 256, 640);
    add[9] = (add[9] & 0xffff) | stride << 16;
    add[13] = 2 | 31 << 16;
    add[14] = 512 | load_slots(2 * 32 / kF, 8) << 16;
    add[15] = positions << 16;
    append(kComputeEngine, add);
    store(640, stride, 4, positions);
  }

  void image_layer() {
    constexpr std::uint32_t kSize = 8, kChannels = 3, kLine = kSize * kChannels, kPositions = kSize * kSize;
    append(kLoadEngine, load_words(kLoadImage, data(kSize * kLine / 8), kSize * kLine / 8, 0));
    Descriptor d = instruction(kPack);
    d[2] = kSize | kSize << 16;
    d[3] = kChannels | 3 << 8 | 3 << 16 | 1 << 24;
    d[4] = kSize | kSize << 16;
    d[5] = 1 | kSize << 16;
    d[6] = kPositions / kP << 16;
    d[7] = kPositions << 16;
    d[8] = 0xffffffff;  // iy and ix: -1
    d[9] = random_();
    d[10] = 0U - kLine;
    d[11] = kLine;
    append(kLoadEngine, d);
    convolve(kSize, kSize, 1, 0, 256, 3, pick(0, 3), 1, 27);
    store(256, kPositions / kP, 4, kPositions);
  }

  std::mt19937 random_;
  std::vector<Descriptor> segment_;
  std::vector<std::pair<std::uint32_t, std::uint64_t>> parameters_;  // offset, word
  std::uint32_t count_[3] = {};
  std::uint32_t data_ = kSampleData, result_ = kSampleResult;
  std::uint32_t weight_row_ = 0, slot_ = 0;
};

}  // namespace bitloop::rtl_test
