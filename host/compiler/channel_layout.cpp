#include "host/compiler/channel_layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <numeric>
#include <optional>
#include <set>

#include "host/base/disjoint_sets.h"
#include "host/base/error.h"
#include "host/base/integers.h"
#include "host/compiler/channel_order.h"
#include "host/program/plane_words.h"

namespace bitloop::host {
namespace {

constexpr int kSegmentCycles = 300;  // of a segment beside its work: start, first loads, record

/// How many groups a convolution with groups runs in: neighbours may be merged, with weights of zero between
/// them, where the weights' width has a zero. The fewest cycles by the array's and the segments' time.
int merged_groups(const Network& network, const Layer& layer, int weight_bits, int input_bits,
                  const HardwareInfo& hardware) {
  if (layer.groups == 1 || weight_bits < 4) return layer.groups;
  if (network.image_input && layer.input() == network.input) return 1;
  const Shape& out = network.output_shape(layer);
  const int channels = network.input_shape(layer).channels;
  const double tiles =
      static_cast<double>(divide_up(static_cast<long>(out.height) * out.width, hardware.pixels));
  const double taps = static_cast<double>(layer.kernel_height) * layer.kernel_width;
  const auto cycles = [&](int groups) {
    const double filters = divide_up(out.channels / groups, hardware.filters);
    const double blocks = divide_up(channels / groups, kBlockChannels);
    return groups * (filters * tiles * blocks * taps * weight_bits * input_bits / 2 + kSegmentCycles);
  };
  int best = layer.groups;
  for (int groups = 1; groups < layer.groups; ++groups)
    if (layer.groups % groups == 0 && cycles(groups) < cycles(best)) best = groups;
  return best;
}

/// Finds the layout. Every channel of every form is a *node*. Nodes that are one and the same memory are
/// united in a *cell*; what a channelwise layer makes of a cell has the same *lane*.
class Layouter {
 public:
  Layouter(const Network& network, const TensorBits& bits, const std::vector<int>& weight_bits,
           const HardwareInfo& hardware)
      : network_(network), bits_(bits) {
    int nodes = 0;
    for (std::size_t i = 0; i < 2 * network.tensors.size(); ++i) {
      first_node_.push_back(nodes);
      if (exists(static_cast<int>(i))) nodes += channels_of(static_cast<int>(i));
    }
    first_node_.push_back(nodes);
    for (std::size_t i = 0; i < network.layers.size(); ++i) {
      const Layer& layer = network.layers[i];
      layout_.groups.push_back(
          merged_groups(network, layer, weight_bits[i], bits.read(layer.input()), hardware));
      layout_.is_copied.emplace_back(layer.inputs.size(), false);
    }
  }

  ChannelLayout find() {
    while (const auto conflict = attempt()) resolve(*conflict);
    return std::move(layout_);
  }

 private:
  struct Link {
    int first = 0;  ///< nodes
    int second = 0;
    int kind = 0;  ///< layer, operand and filter of the channel: links of a kind lead from piece to piece
  };

  [[nodiscard]] bool exists(int form) const {
    return form % 2 == 0 || bits_.narrow[static_cast<std::size_t>(form / 2)] != 0;
  }
  [[nodiscard]] int channels_of(int form) const {
    return network_.tensors[static_cast<std::size_t>(form / 2)].shape.channels;
  }
  [[nodiscard]] int bits_of(int form) const {
    const auto tensor = static_cast<std::size_t>(form / 2);
    return form % 2 == 0 ? bits_.written[tensor] : bits_.narrow[tensor];
  }
  [[nodiscard]] int node(const Form& form, int channel) const {
    return first_node_[static_cast<std::size_t>(form.index())] + channel;
  }
  [[nodiscard]] int form_of(int node) const {
    return static_cast<int>(std::upper_bound(first_node_.begin(), first_node_.end(), node) -
                            first_node_.begin()) -
           1;
  }

  /// One layout; nothing where it is found.
  std::optional<Conflict> attempt() {
    const int nodes = first_node_.back();
    cells_.emplace(nodes);
    lanes_.emplace(nodes);
    links_.clear();
    kinds_ = 0;
    for (std::size_t i = 0; i < network_.layers.size(); ++i) connect(static_cast<int>(i));
    for (std::size_t t = 0; t < network_.tensors.size(); ++t) {
      const auto tensor = static_cast<int>(t);
      if (!exists(2 * tensor + 1)) continue;
      const int kind = new_kind();
      for (int c = 0; c < network_.tensors[t].shape.channels; ++c)
        link(node({tensor, false}, c), node({tensor, true}, c), kind);
    }
    divide();
    return place();
  }

  int new_kind() { return kinds_++; }
  void link(int first, int second, int kind) {
    links_.push_back({first, second, kind});
    lanes_->unite(first, second);
  }
  void join(int first, int second) {
    cells_->unite(first, second);
    lanes_->unite(first, second);
  }

  /// What a layer says of its channels.
  void connect(int index) {
    const Layer& layer = network_.layers[static_cast<std::size_t>(index)];
    const Form output{layer.output, false};
    const int channels = network_.output_shape(layer).channels;
    switch (layer.kind) {
      case LayerKind::conv:
      case LayerKind::linear:
        return;
      case LayerKind::concat:
        connect_concat(index);
        return;
      case LayerKind::select:
        if (layer.input() == network_.input) layout_.is_copied[static_cast<std::size_t>(index)][0] = true;
        connect_part(index, 0, layer.channels, 0);
        return;
      default:
        for (const int tensor : layer.inputs) {
          const Form input = read_form(bits_, layer, tensor);
          const int each = channels / network_.tensors[static_cast<std::size_t>(tensor)].shape.channels;
          const int kind = kinds_;
          kinds_ += each;
          for (int c = 0; c < channels; ++c) link(node(input, c / each), node(output, c), kind + c % each);
        }
    }
  }

  /// Parts that are parts of it already, and the network's input, are copied.
  void connect_concat(int index) {
    const Layer& layer = network_.layers[static_cast<std::size_t>(index)];
    std::set<int> held;
    int first = 0;
    for (std::size_t i = 0; i < layer.inputs.size(); ++i) {
      const int tensor = layer.inputs[i];
      const Form input = read_form(bits_, layer, tensor);
      std::vector<int> channels(
          static_cast<std::size_t>(network_.tensors[static_cast<std::size_t>(tensor)].shape.channels));
      std::iota(channels.begin(), channels.end(), 0);
      bool twice = tensor == network_.input;
      for (const int c : channels) twice = !held.insert(cells_->find(node(input, c))).second || twice;
      if (twice) layout_.is_copied[static_cast<std::size_t>(index)][i] = true;
      connect_part(index, static_cast<int>(i), channels, first);
      first += static_cast<int>(channels.size());
    }
  }

  /// Channels of an input that the output of a concat or select has from channel `first` on.
  void connect_part(int index, int input, const std::vector<int>& channels, int first) {
    const Layer& layer = network_.layers[static_cast<std::size_t>(index)];
    const Form source = read_form(bits_, layer, layer.inputs[static_cast<std::size_t>(input)]);
    const bool copied = layout_.is_copied[static_cast<std::size_t>(index)][static_cast<std::size_t>(input)];
    const int kind = new_kind();
    for (std::size_t i = 0; i < channels.size(); ++i) {
      const int from = node(source, channels[i]);
      const int to = node({layer.output, false}, first + static_cast<int>(i));
      if (copied) {
        link(from, to, kind);
      } else {
        join(from, to);
      }
    }
  }

  /// Divides the cells into blocks: those whose channels all forms, groups and channelwise layers treat
  /// alike.
  void divide() {
    const int nodes = first_node_.back();
    std::vector<std::vector<int>> says(static_cast<std::size_t>(nodes));  // of each cell
    for (int form = 0; form + 1 < static_cast<int>(first_node_.size()); ++form)
      for (int n = first_node_[form]; n < first_node_[form + 1]; ++n) says[cells_->find(n)].push_back(form);
    mark_groups(says);
    block_of_.assign(static_cast<std::size_t>(nodes), 0);
    std::size_t count = renumber(says);
    for (std::size_t before = 0; before != count;) {
      before = count;
      for (auto& words : says) words.clear();
      for (const Link& link : links_) {
        const int first = cells_->find(link.first), second = cells_->find(link.second);
        says[first].insert(says[first].end(), {2 * link.kind, block_of_[second]});
        says[second].insert(says[second].end(), {2 * link.kind + 1, block_of_[first]});
      }
      count = renumber(says);
    }
    collect_blocks(count);
  }

  void mark_groups(std::vector<std::vector<int>>& says) {
    int mark = static_cast<int>(first_node_.size());
    for (std::size_t i = 0; i < network_.layers.size(); ++i) {
      const Layer& layer = network_.layers[i];
      const int groups = layout_.groups[i];
      if (groups == 1) continue;
      const auto mark_form = [&](const Form& form) {
        const int channels = channels_of(form.index());
        for (int c = 0; c < channels; ++c)
          says[cells_->find(node(form, c))].push_back(mark + c / (channels / groups));
        mark += groups;
      };
      mark_form(read_form(bits_, layer, layer.input()));
      mark_form({layer.output, false});
    }
  }

  /// Splits the blocks of cells that say different things; blocks are numbered by their first node.
  std::size_t renumber(std::vector<std::vector<int>>& says) {
    std::map<std::pair<int, std::vector<int>>, int> numbers;
    std::vector<int> renumbered(block_of_.size(), -1);
    for (std::size_t n = 0; n < renumbered.size(); ++n) {
      if (cells_->find(static_cast<int>(n)) != static_cast<int>(n)) continue;
      renumbered[n] =
          numbers.try_emplace({block_of_[n], says[n]}, static_cast<int>(numbers.size())).first->second;
    }
    block_of_ = std::move(renumbered);
    return numbers.size();
  }

  void collect_blocks(std::size_t count) {
    blocks_.assign(count, {});
    for (std::size_t n = 0; n < block_of_.size(); ++n) {
      if (block_of_[n] < 0) continue;
      Block& block = blocks_[static_cast<std::size_t>(block_of_[n])];
      block.nodes.push_back(static_cast<int>(n));
      block.bits = bits_of(form_of(static_cast<int>(n)));
    }
    for (Block& block : blocks_) {
      const auto lane = [&](int n) { return lanes_->find(n); };
      std::stable_sort(block.nodes.begin(), block.nodes.end(),
                       [&](int a, int b) { return lane(a) < lane(b); });
      const auto twice = std::adjacent_find(block.nodes.begin(), block.nodes.end(),
                                            [&](int a, int b) { return lane(a) == lane(b); });
      if (twice == block.nodes.end()) continue;
      throw InputError(
          fmt::format("tensor {}: channelwise layers meet its channels in several orders, which no place in "
                      "memory serves; put a convolution between them",
                      network_.tensors[static_cast<std::size_t>(form_of(*twice) / 2)].name));
    }
  }

  /// Gives every block its words; the conflict where what is wished contradicts itself.
  std::optional<Conflict> place() {
    const int forms = static_cast<int>(first_node_.size()) - 1;
    std::vector<std::set<int>> held(static_cast<std::size_t>(forms));  // blocks by form
    DisjointSets joined(forms);
    std::vector<int> holder(blocks_.size(), -1);
    for (int form = 0; form < forms; ++form) {
      for (int n = first_node_[form]; n < first_node_[form + 1]; ++n)
        held[form].insert(block_of_[cells_->find(n)]);
      for (const int block : held[form]) {
        if (holder[block] < 0) holder[block] = form;
        joined.unite(holder[block], form);
      }
    }
    std::map<int, std::set<int>> members;  // by joined form
    for (int form = 0; form < forms; ++form)
      members[joined.find(form)].insert(held[form].begin(), held[form].end());
    std::map<int, std::vector<Wish>> wishes;
    for (Wish& wish : all_wishes()) wishes[joined.find(wish.form)].push_back(std::move(wish));
    const std::vector<int> ranks = natural_ranks(held);
    std::vector<int> first_word(blocks_.size(), 0);
    std::map<int, int> words;
    for (const auto& [root, blocks] : members) {
      Ordering ordering(blocks_, ranks);
      const std::vector<int> order = ordering.order(blocks, wishes[root]);
      if (ordering.conflict) return ordering.conflict;
      for (const int block : order) {
        first_word[block] = words[root];
        words[root] += words_per_position(blocks_[block].channels(), blocks_[block].bits);
      }
    }
    write(held, joined, first_word, words);
    return {};
  }

  /// The order of blocks in the forms that hold most of them.
  std::vector<int> natural_ranks(const std::vector<std::set<int>>& held) {
    std::vector<int> forms(held.size());
    std::iota(forms.begin(), forms.end(), 0);
    std::stable_sort(forms.begin(), forms.end(),
                     [&](int a, int b) { return held[a].size() > held[b].size(); });
    std::vector<int> ranks(blocks_.size(), -1);
    int next = 0;
    for (const int form : forms) {
      for (int n = first_node_[form]; n < first_node_[form + 1]; ++n) {
        int& rank = ranks[block_of_[cells_->find(n)]];
        if (rank < 0) rank = next++;
      }
    }
    return ranks;
  }

  /// What is read across channels.
  std::vector<Wish> all_wishes() {
    std::vector<Wish> wishes;
    for (std::size_t i = 0; i < network_.layers.size(); ++i) {
      const Layer& layer = network_.layers[i];
      if (layer.kind != LayerKind::conv && layer.kind != LayerKind::linear) continue;
      const Form form = read_form(bits_, layer, layer.input());
      const int each = channels_of(form.index()) / layout_.groups[i];
      for (int group = 0; group < layout_.groups[i]; ++group) {
        Wish wish{{}, form.index()};
        for (int c = group * each; c < (group + 1) * each; ++c)
          wish.blocks.insert(block_of_[cells_->find(node(form, c))]);
        wishes.push_back(std::move(wish));
      }
    }
    return wishes;
  }

  void write(const std::vector<std::set<int>>& held, DisjointSets& joined, const std::vector<int>& first_word,
             const std::map<int, int>& words) {
    const std::size_t forms = held.size();
    std::map<int, int> roots;  // the form that holds most names the memory
    for (std::size_t form = 0; form < forms; ++form) {
      if (held[form].empty()) continue;
      int& root =
          roots.try_emplace(joined.find(static_cast<int>(form)), static_cast<int>(form)).first->second;
      if (held[form].size() > held[static_cast<std::size_t>(root)].size()) root = static_cast<int>(form);
    }
    layout_.forms.assign(forms, {});
    layout_.words.assign(forms, 0);
    for (std::size_t f = 0; f < forms; ++f) {
      if (held[f].empty()) continue;
      const int form = static_cast<int>(f);
      FormLayout& layout = layout_.forms[f];
      layout.root = roots.at(joined.find(form));
      layout_.words[static_cast<std::size_t>(layout.root)] = words.at(joined.find(form));
      std::map<int, int> channel_of;  // by cell
      for (int n = first_node_[f]; n < first_node_[f + 1]; ++n)
        channel_of[cells_->find(n)] = n - first_node_[f];
      std::vector<int> blocks(held[f].begin(), held[f].end());
      std::sort(blocks.begin(), blocks.end(), [&](int a, int b) { return first_word[a] < first_word[b]; });
      layout.piece_of.resize(channel_of.size());
      for (const int block : blocks) {
        Piece piece{{}, first_word[block]};
        for (const int cell : blocks_[block].nodes) {
          piece.channels.push_back(channel_of.at(cell));
          layout.piece_of[static_cast<std::size_t>(piece.channels.back())] =
              static_cast<int>(layout.pieces.size());
        }
        layout.pieces.push_back(std::move(piece));
      }
    }
  }

  /// Lets the concat or select behind a conflict copy: the one that gives the later of the two tensors, or
  /// the last one of all.
  void resolve(const Conflict& conflict) {
    const int later = std::max(conflict.first_form, conflict.second_form) / 2;
    int chosen = -1;
    for (std::size_t i = 0; i < network_.layers.size(); ++i) {
      const Layer& layer = network_.layers[i];
      if (layer.kind != LayerKind::concat && layer.kind != LayerKind::select) continue;
      const auto& copied = layout_.is_copied[i];
      if (std::all_of(copied.begin(), copied.end(), [](bool c) { return c; })) continue;
      if (chosen < 0 || network_.layers[static_cast<std::size_t>(chosen)].output != later)
        chosen = static_cast<int>(i);
    }
    if (chosen < 0) {
      throw InputError(fmt::format("network {}: tensor {} cannot be laid out for all that read it",
                                   network_.name, network_.tensors[static_cast<std::size_t>(later)].name));
    }
    layout_.is_copied[static_cast<std::size_t>(chosen)].assign(
        layout_.is_copied[static_cast<std::size_t>(chosen)].size(), true);
  }

  const Network& network_;
  const TensorBits& bits_;
  ChannelLayout layout_;
  std::vector<int> first_node_;  ///< by Form::index(), and the end
  std::optional<DisjointSets> cells_, lanes_;
  std::vector<Link> links_;
  int kinds_ = 0;
  std::vector<int> block_of_;  ///< per cell, by its first node; -1 of other nodes
  std::vector<Block> blocks_;
};

ChannelLayout plain_layout(const Network& network, const TensorBits& bits) {
  ChannelLayout layout;
  layout.forms.resize(2 * network.tensors.size());
  layout.words.resize(2 * network.tensors.size());
  layout.groups.assign(network.layers.size(), 1);
  layout.is_copied.resize(network.layers.size());
  for (std::size_t i = 0; i < layout.forms.size(); ++i) {
    const int width = i % 2 == 0 ? bits.written[i / 2] : bits.narrow[i / 2];
    if (width == 0) continue;
    const int channels = network.tensors[i / 2].shape.channels;
    std::vector<int> all(static_cast<std::size_t>(channels));
    std::iota(all.begin(), all.end(), 0);
    layout.forms[i].root = static_cast<int>(i);
    layout.forms[i].piece_of.assign(all.size(), 0);
    layout.forms[i].pieces.push_back({std::move(all), 0});
    layout.words[i] = words_per_position(channels, width);
  }
  return layout;
}

}  // namespace

bool has_plain_layout(const Network& network) {
  return std::none_of(network.layers.begin(), network.layers.end(), [&](const Layer& layer) {
    return layer.kind == LayerKind::concat || layer.kind == LayerKind::select || layer.groups != 1 ||
           (layer.kind == LayerKind::depthwise &&
            network.output_shape(layer).channels != network.input_shape(layer).channels);
  });
}

ChannelLayout lay_out_channels(const Network& network, const TensorBits& bits,
                               const std::vector<int>& weight_bits, const HardwareInfo& hardware) {
  if (has_plain_layout(network)) return plain_layout(network, bits);
  return Layouter(network, bits, weight_bits, hardware).find();
}

}  // namespace bitloop::host
