#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "host/device/device.h"
#include "host/network/quantized_network.h"

namespace bitloop::host {

// Tensors, weights and parameters as the 64-bit words that lie in the accelerator's memory
// (docs/accelerator.md, "Numbers as planes").

inline constexpr int kBlockChannels =
    32;  ///< channels of a block; 64 where words hold one plane of 1-bit codes
inline constexpr Address kWordBytes = 8;

using Words = std::vector<std::uint64_t>;

/// Channels that share one word: 64 where codes have 1 bit, else 32.
constexpr int word_channels(int bits) { return bits == 1 ? 64 : kBlockChannels; }
/// Words of one group of `word_channels` channels: 1 at 1 and 2 bits, ..., 16 at 32 bits.
constexpr int words_per_block(int bits) { return bits == 1 ? 1 : bits / 2; }
/// 64-bit words that hold all channels of one position.
constexpr int words_per_position(int channels, int bits) {
  return (channels + word_channels(bits) - 1) / word_channels(bits) * words_per_block(bits);
}
/// Bytes of a tensor in memory.
constexpr Address tensor_bytes(const Shape& shape, int bits) {
  return kWordBytes * static_cast<Address>(shape.height) * static_cast<Address>(shape.width) *
         static_cast<Address>(words_per_position(shape.channels, bits));
}

std::vector<std::byte> to_bytes(std::span<const std::uint64_t> words);  ///< little endian

std::vector<std::byte> pack_tensor(const CodeTensor& tensor);
/// `bytes` holds exactly tensor_bytes(shape, bits). 32-bit codes come back signed.
CodeTensor unpack_tensor(const Shape& shape, int bits, std::span<const std::byte> bytes);

/// Weight codes as the array sees them: [filter][channel][row][column].
struct WeightCodes {
  int filters = 0;
  int channels = 0;
  int rows = 1;
  int columns = 1;
  int bits = 8;
  int block_channels = kBlockChannels;  ///< 64 where activations and weights both have 1 bit
  std::vector<std::uint8_t> codes;

  [[nodiscard]] int blocks() const { return (channels + block_channels - 1) / block_channels; }
};

/// A part of the reduction: channel blocks and kernel rows, each from first (inclusive) to end (exclusive).
struct ReductionPart {
  int first_block = 0;
  int end_block = 1;
  int first_row = 0;
  int end_row = 1;
  bool operator==(const ReductionPart&) const = default;
};

/// Words per filter of a part's weight stream.
int weight_words(const WeightCodes& weights, const ReductionPart& part);
/// The stream of filters first_filter .. first_filter + lanes - 1, interleaved; missing filters are zero.
Words pack_weights(const WeightCodes& weights, const ReductionPart& part, int first_filter, int lanes);

/// Rows of the weight SRAM that one channel block of depthwise weights takes with F = `lanes` (at least 4).
constexpr int depthwise_rows(int taps, int lanes) { return (taps + lanes / 4 - 1) / (lanes / 4); }
/// Depthwise weights of one channel block: a byte per channel and tap, as docs/accelerator.md says, `lanes`
/// words per row. `weights` has one channel per filter.
Words pack_depthwise(const WeightCodes& weights, int block, int lanes);

/// Words of one parameter slot for `lanes` filters.
constexpr int parameter_words(int lanes) { return 2 * lanes + 2; }
/// One slot: the parameters of filters first_filter .. first_filter + lanes - 1; missing filters are zero.
Words pack_parameters(std::span<const Requantization> requantization, const OutputRange& range,
                      int first_filter, int lanes);

}  // namespace bitloop::host
