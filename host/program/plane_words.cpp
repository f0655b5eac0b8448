#include "host/program/plane_words.h"

#include <fmt/format.h>

#include "host/base/error.h"

namespace bitloop::host {
namespace {

/// Where plane `plane` of channel `channel` lies: word within the position, bit within the word.
struct PlaneBit {
  int word;
  int bit;
};

PlaneBit plane_bit(int channel, int plane, int bits) {
  if (bits == 1) return {channel / 64, channel % 64};
  return {channel / kBlockChannels * (bits / 2) + plane / 2,
          channel % kBlockChannels + kBlockChannels * (plane % 2)};
}

/// Index of word `word` of position (y, x) in a tensor of `width` positions per row and `words` words per
/// position.
std::size_t word_index(int y, int x, int word, int width, int words) {
  return (static_cast<std::size_t>(y) * words + word) * width + x;
}

std::uint64_t load_word(std::span<const std::byte> bytes, std::size_t index) {
  std::uint64_t word = 0;
  for (int i = 7; i >= 0; --i)
    word = word << 8 | std::to_integer<std::uint64_t>(bytes[index * kWordBytes + i]);
  return word;
}

}  // namespace

std::vector<std::byte> to_bytes(std::span<const std::uint64_t> words) {
  std::vector<std::byte> bytes;
  bytes.reserve(words.size() * kWordBytes);
  for (const std::uint64_t word : words) {
    for (int i = 0; i < 8; ++i) bytes.push_back(static_cast<std::byte>(word >> (8 * i)));
  }
  return bytes;
}

std::vector<std::byte> pack_tensor(const CodeTensor& tensor) {
  const Shape& shape = tensor.shape;
  const int words = words_per_position(shape.channels, tensor.bits);
  Words memory(tensor_bytes(shape, tensor.bits) / kWordBytes);
  auto code = tensor.codes.begin();
  for (int c = 0; c < shape.channels; ++c) {
    for (int y = 0; y < shape.height; ++y) {
      for (int x = 0; x < shape.width; ++x, ++code) {
        for (int plane = 0; plane < tensor.bits; ++plane) {
          const PlaneBit place = plane_bit(c, plane, tensor.bits);
          const std::uint64_t one = static_cast<std::uint32_t>(*code) >> plane & 1u;
          memory[word_index(y, x, place.word, shape.width, words)] |= one << place.bit;
        }
      }
    }
  }
  return to_bytes(memory);
}

CodeTensor unpack_tensor(const Shape& shape, int bits, std::span<const std::byte> bytes) {
  if (bytes.size() != tensor_bytes(shape, bits)) {
    throw InputError(fmt::format("a tensor of {}x{}x{} at {} bits takes {} bytes, not {}", shape.channels,
                                 shape.height, shape.width, bits, tensor_bytes(shape, bits), bytes.size()));
  }
  const int words = words_per_position(shape.channels, bits);
  CodeTensor tensor{shape, bits, std::vector<std::int32_t>(static_cast<std::size_t>(shape.elements()))};
  auto code = tensor.codes.begin();
  for (int c = 0; c < shape.channels; ++c) {
    for (int y = 0; y < shape.height; ++y) {
      for (int x = 0; x < shape.width; ++x, ++code) {
        std::uint32_t value = 0;
        for (int plane = 0; plane < bits; ++plane) {
          const PlaneBit place = plane_bit(c, plane, bits);
          const std::uint64_t word = load_word(bytes, word_index(y, x, place.word, shape.width, words));
          value |= static_cast<std::uint32_t>(word >> place.bit & 1u) << plane;
        }
        *code = static_cast<std::int32_t>(value);
      }
    }
  }
  return tensor;
}

int weight_words(const WeightCodes& weights, const ReductionPart& part) {
  const long taps = static_cast<long>(part.end_block - part.first_block) * (part.end_row - part.first_row) *
                    weights.columns;
  if (weights.block_channels == 64) return static_cast<int>(taps);
  return static_cast<int>((taps * weights.bits + 1) / 2);
}

namespace {

/// One plane of one channel block of one filter at one kernel position: 32 or 64 lanes.
std::uint64_t weight_plane(const WeightCodes& weights, int filter, int block, int row, int column,
                           int plane) {
  std::uint64_t lanes = 0;
  const int first = block * weights.block_channels;
  for (int lane = 0; lane < weights.block_channels && first + lane < weights.channels; ++lane) {
    const std::size_t index =
        ((static_cast<std::size_t>(filter) * weights.channels + first + lane) * weights.rows + row) *
            weights.columns +
        column;
    lanes |= static_cast<std::uint64_t>(weights.codes[index] >> plane & 1) << lane;
  }
  return lanes;
}

}  // namespace

Words pack_weights(const WeightCodes& weights, const ReductionPart& part, int first_filter, int lanes) {
  Words stream(static_cast<std::size_t>(weight_words(weights, part)) * lanes);
  for (int f = 0; f < lanes && first_filter + f < weights.filters; ++f) {
    std::size_t plane_index = 0;  // in half words, or words where a plane has 64 lanes
    for (int block = part.first_block; block < part.end_block; ++block) {
      for (int row = part.first_row; row < part.end_row; ++row) {
        for (int column = 0; column < weights.columns; ++column) {
          for (int plane = 0; plane < weights.bits; ++plane, ++plane_index) {
            const std::uint64_t bits = weight_plane(weights, first_filter + f, block, row, column, plane);
            const bool whole = weights.block_channels == 64;
            const std::size_t word = whole ? plane_index : plane_index / 2;
            stream[word * lanes + f] |= whole || plane_index % 2 == 0 ? bits : bits << 32;
          }
        }
      }
    }
  }
  return stream;
}

Words pack_depthwise(const WeightCodes& weights, int block, int lanes) {
  const int taps = weights.rows * weights.columns;
  const WeightCode code = weight_code(weights.bits);
  constexpr int kTapWords = kBlockChannels / 8;
  Words rows(static_cast<std::size_t>(depthwise_rows(taps, lanes)) * lanes);
  const int first = block * kBlockChannels;
  for (int tap = 0; tap < taps; ++tap) {
    const int row = tap / (lanes / kTapWords);
    const int bank = tap % (lanes / kTapWords) * kTapWords;
    for (int c = 0; c < kBlockChannels && first + c < weights.filters; ++c) {
      const int value =
          code.alpha * weights.codes[static_cast<std::size_t>(first + c) * taps + tap] - code.beta;
      const auto byte = static_cast<std::uint8_t>(value);
      rows[static_cast<std::size_t>(row) * lanes + bank + c / 8] |= std::uint64_t{byte} << (8 * (c % 8));
    }
  }
  return rows;
}

Words pack_parameters(std::span<const Requantization> requantization, const OutputRange& range,
                      int first_filter, int lanes) {
  Words slot(parameter_words(lanes));
  const int filters = static_cast<int>(requantization.size());
  for (int f = 0; f < lanes && first_filter + f < filters; ++f) {
    const Requantization& r = requantization[first_filter + f];
    slot[2 * f] = static_cast<std::uint64_t>(r.bias);
    slot[2 * f + 1] = r.multiplier | static_cast<std::uint64_t>(r.shift) << 16;
  }
  const auto low = static_cast<std::uint32_t>(range.low);
  const auto high = static_cast<std::uint32_t>(range.high);
  slot[2 * lanes] = low | static_cast<std::uint64_t>(high) << 32;
  slot[2 * lanes + 1] = static_cast<std::uint32_t>(range.zero);
  return slot;
}

}  // namespace bitloop::host
