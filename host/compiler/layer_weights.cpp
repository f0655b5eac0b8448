#include "host/compiler/layer_weights.h"

#include <algorithm>

namespace bitloop::host {
namespace {

/// A weight code that counts as zero; widths below 4 have none.
int zero_weight(int weight_bits) { return weight_bits == 8 ? 128 : 8; }

/// Of 1 and 2 bits: 1 and -1 in turn.
int cancelling_weight(int weight_bits, int turn) { return weight_bits == 1 ? turn % 2 : 1 + turn % 2; }

/// Weights in the order of the packed lanes: channel (row * columns + column) * C + c of each block.
WeightCodes packed_weights(const WindowOp& op, const Network& network, const Layer& layer,
                           const QuantizedLayer& integers, const ChannelChoice& choice) {
  const Shape& image = network.input_shape(layer);
  const Window window = layer_window(network, layer);
  const int read = network.filter_channels(layer);
  const ImagePacking& packing = *op.packing;
  const int channels = (op.blocks - 1) * kBlockChannels + op.last_block_channels;
  WeightCodes packed{op.filters, channels, op.kernel_height, 1, op.weight_bits, kBlockChannels, {}};
  packed.codes.resize(static_cast<std::size_t>(op.filters) * channels * op.kernel_height);
  for (int f = 0; f < op.filters; ++f) {
    const int filter = choice.filters.empty() ? f : choice.filters[static_cast<std::size_t>(f)];
    const int first_channel = network.first_channel(layer, filter);
    int first_column = 0;
    for (int block = 0; block < op.blocks; first_column += packing.block_columns[block++]) {
      const int lanes = packing.block_columns[block] * packing.image.channels;  // of a row
      for (int lane = 0; lane < packing.rows * lanes; ++lane) {
        const int byte = first_column * packing.image.channels + lane % lanes;  // of the window's row
        const int c = byte % image.channels, column = byte / image.channels;
        for (int step = 0; step < op.kernel_height; ++step) {
          const int row = step * packing.rows + lane / lanes;
          const std::size_t to =
              (static_cast<std::size_t>(f) * channels + block * kBlockChannels + lane) * op.kernel_height +
              step;
          const bool reads = row < window.height && c >= first_channel && c < first_channel + read;
          const std::size_t from =
              ((static_cast<std::size_t>(filter) * read + c - first_channel) * window.height + row) *
                  window.width +
              column;
          packed.codes[to] =
              reads ? integers.weights[from] : static_cast<std::uint8_t>(zero_weight(op.weight_bits));
        }
      }
    }
  }
  return packed;
}

/// Weights of lanes and filters as a choice puts them. Of a hole, and of a channel of another group, a weight
/// is zero; widths without a zero have holes alone, whose weights cancel each other in pairs.
WeightCodes chosen_weights(const WindowOp& op, const Network& network, const Layer& layer,
                           const QuantizedLayer& integers, const ChannelChoice& choice) {
  const Window window = layer_window(network, layer);
  const int taps = window.height * window.width;
  const bool across = op.kind == OpKind::conv;
  const int read = network.filter_channels(layer);
  const int lanes = across ? (op.blocks - 1) * op.block_channels + op.last_block_channels : 1;
  WeightCodes weights{op.filters, lanes, window.height, window.width, op.weight_bits, op.block_channels, {}};
  weights.codes.resize(static_cast<std::size_t>(op.filters) * lanes * taps);
  auto to = weights.codes.begin();
  for (int i = 0; i < op.filters; ++i) {
    const int filter = choice.filters.empty() ? i : choice.filters[static_cast<std::size_t>(i)];
    const int first = network.first_channel(layer, filter);
    int holes = 0;
    for (int lane = 0; lane < lanes; ++lane, to += taps) {
      const auto at = static_cast<std::size_t>(lane);
      const int channel = !across                       ? first
                          : choice.channels.empty()     ? lane
                          : at < choice.channels.size() ? choice.channels[at]
                                                        : -1;
      if (channel >= first && channel < first + read) {
        const auto from =
            integers.weights.begin() + (static_cast<std::ptrdiff_t>(filter) * read + channel - first) * taps;
        std::copy_n(from, taps, to);
      } else {
        std::fill_n(
            to, taps,
            op.weight_bits >= 4 ? zero_weight(op.weight_bits) : cancelling_weight(op.weight_bits, holes++));
      }
    }
  }
  return weights;
}

}  // namespace

WeightCodes lower_weights(const WindowOp& op, const Network& network, const Layer& layer,
                          const QuantizedLayer& integers, const ChannelChoice& choice) {
  const Window window = layer_window(network, layer);
  if (op.packing) return packed_weights(op, network, layer, integers, choice);
  if (layer.groups != 1 || !choice.filters.empty() || !choice.channels.empty())
    return chosen_weights(op, network, layer, integers, choice);
  return {op.filters,      network.filter_channels(layer),
          window.height,   window.width,
          op.weight_bits,  op.block_channels,
          integers.weights};
}

}  // namespace bitloop::host
