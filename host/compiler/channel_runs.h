#pragma once

#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "host/compiler/channel_layout.h"
#include "host/compiler/segment.h"
#include "host/network/policy.h"

namespace bitloop::host {

inline constexpr int kLargestChannel = std::numeric_limits<int>::max();

/// Words that follow each other.
struct Part {
  int root = 0;  ///< Form::index() of the form whose memory they are in
  int first_word = 0;
  int words = 0;  ///< per position
  std::optional<Grid> grid = {};
  void narrow_to(const Grid& inner) { grid = grid ? within(*grid, inner) : inner; }
};
/// Operands and results of a segment.
struct Operands {
  Part input;
  std::optional<Part> second;
  std::optional<Part> vector;
  std::vector<std::optional<Part>> results;  ///< none: only the next stage reads it
};
/// What a channelwise operation reads for channel c of its results: channel (c - first) / each, or
/// chosen[c].
struct Source {
  Form form;
  int first = 0;
  int each = 1;
  std::vector<int> chosen = {};
  [[nodiscard]] int channel(int result) const {
    return chosen.empty() ? (result - first) / each : chosen[static_cast<std::size_t>(result)];
  }
};
/// Forms that a segment reads and writes channel by channel.
struct Chain {
  std::optional<Source> input;  ///< none of a convolution, which reads across channels
  std::optional<Form> second;
  std::vector<std::optional<Form>> results;
  std::optional<Form> vector = {};  ///< of a product
  int layer = -1;                   ///< whose groups segments do not mix
  bool holes = false;               ///< codes are kept, also the zeros behind a piece
  int first = 0;                    ///< channels of the results: first .. end - 1
  int end = kLargestChannel;
};
/// Channels of a chain that one segment takes: they lie side by side in all of its forms.
struct Run {
  std::vector<int> channels;  ///< of the results
  int group = 0;              ///< of the chain's layer
  int lanes = 0;              ///< up to the last channel, holes included
};

/// Channels 0 .. `count` - 1, one by one.
bool is_in_order(const std::vector<int>& channels, int count);

/// Which channels lie side by side, and where: a layer whose channels lie in several places is several
/// segments, one for each run.
class ChannelRuns {
 public:
  /// `weight_bits`: per layer.
  ChannelRuns(const Network& network, const TensorBits& bits, const std::vector<int>& weight_bits,
              const HardwareInfo& hardware);

  [[nodiscard]] const ChannelLayout& layout() const { return layout_; }
  [[nodiscard]] int bits_of(const Form& form) const;
  /// Lets a form lie in rows and columns of another one, of the same channels.
  void put_inside(const Form& form, const Form& outer, const Grid& grid);
  [[nodiscard]] bool is_inside(const Form& form) const { return insides_[form.index()].has_value(); }
  [[nodiscard]] bool shares_memory(const Form& form) const;

  /// All words of a form; none where there is no such form.
  [[nodiscard]] std::optional<Part> part_of(const Form& form) const;
  /// The lanes of a part of a form: its channels, -1 of a hole.
  [[nodiscard]] std::vector<int> lanes_of(const Form& form, const Part& part) const;

  [[nodiscard]] std::vector<Run> runs_of(const Chain& chain) const;
  /// The words of a run in the forms of its chain.
  [[nodiscard]] Operands operands_of(const Chain& chain, const Run& run) const;
  /// What one segment computes of a layer that reads across channels, and where it reads.
  [[nodiscard]] std::pair<ChannelChoice, Part> choose(int index, const Run& run) const;

 private:
  struct Inside {
    Form form;
    Grid grid;
  };
  /// Where the channels of a form lie; of a form inside another, those of that.
  [[nodiscard]] const FormLayout& layout_of(Form form) const;
  [[nodiscard]] std::optional<Grid> grid_of(Form form) const;
  [[nodiscard]] int end_word(const Form& form, const Piece& piece) const;
  [[nodiscard]] const Piece& piece_of(const Form& form, int channel) const;
  /// The words from the piece that holds `first` to the one that holds `last`.
  [[nodiscard]] Part part_between(const Form& form, int first, int last) const;
  /// Which of its groups (of a depthwise layer: of a channel's filters) a layer writes a channel with.
  [[nodiscard]] int group_of(int index, int channel) const;
  /// Whether the piece of channel `next` follows that of channel `last` in all forms.
  [[nodiscard]] bool follows(const std::vector<Source>& forms, int last, int next, bool holes) const;

  const Network& network_;
  const TensorBits& bits_;
  ChannelLayout layout_;
  std::vector<std::optional<Inside>> insides_;  ///< by Form::index()
};

/// Filters of each channel: 1 but of depthwise layers.
int filters_per_channel(const Network& network, const Layer& layer);

}  // namespace bitloop::host
