#pragma once

#include <vector>

#include "host/device/device.h"
#include "host/network/policy.h"

namespace bitloop::host {

/// A tensor in one width: `written` by its layer, or requantized from that.
struct Form {
  int tensor = 0;
  bool narrow = false;
  [[nodiscard]] int index() const { return 2 * tensor + (narrow ? 1 : 0); }
  bool operator==(const Form&) const = default;
};

/// The form of a tensor that a layer reads.
inline Form read_form(const TensorBits& bits, const Layer& reader, int tensor) {
  return {tensor, reads_narrow(bits, reader, tensor)};
}

/// Channels that lie one behind the other, from the first lane of a word on, wherever they go.
struct Piece {
  std::vector<int> channels;  ///< of the form that holds it, in the order of their lanes
  int first_word = 0;         ///< per position, of the memory that the form lies in
};

/// Where the channels of a form lie.
struct FormLayout {
  int root = -1;              ///< Form::index() of the form whose memory it shares; -1: there is no such form
  std::vector<Piece> pieces;  ///< in the order of their words
  std::vector<int> piece_of;  ///< per channel
};

/// Where all channels of a network lie.
///
/// Channels stay where their layer has written them: a concat and a select are ways of reading. So a
/// convolution writes its filters in the order that suits all who read them, and what reads a tensor across
/// its channels sorts its weights accordingly. A piece begins at a word's first lane; behind its last channel
/// the word's lanes are holes, whose codes are 0: they count nowhere.
struct ChannelLayout {
  std::vector<FormLayout> forms;             ///< by Form::index()
  std::vector<int> words;                    ///< per position, by root
  std::vector<int> groups;                   ///< per layer: of the convolution as it runs, some merged
  std::vector<std::vector<bool>> is_copied;  ///< per layer, per input of a concat or select: not in place
};

/// Whether channels keep together in all tensors: nothing joins, divides or groups them. Then the layout of a
/// form says nothing about another's, and depends on its own width alone.
bool has_plain_layout(const Network& network);

/// Lays out all channels, so that what reads a tensor across its channels finds them in words that follow
/// each other; where that contradicts itself, concats and selects copy. Throws InputError, naming a layer,
/// where channelwise layers meet channels in orders that no copy brings together.
ChannelLayout lay_out_channels(const Network& network, const TensorBits& bits,
                               const std::vector<int>& weight_bits, const HardwareInfo& hardware);

}  // namespace bitloop::host
