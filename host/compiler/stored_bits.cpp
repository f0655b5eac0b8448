#include "host/compiler/stored_bits.h"

#include <algorithm>
#include <compare>

#include "host/base/disjoint_sets.h"
#include "host/base/integers.h"
#include "host/compiler/channel_layout.h"
#include "host/compiler/weight_plan.h"

namespace bitloop::host {
namespace {

/// What reading costs; of equal cycles, fewer words of weights count.
struct ReadCost {
  long cycles = 0;
  long weight_words = 0;
  auto operator<=>(const ReadCost&) const = default;
};

class WidthChooser {
 public:
  WidthChooser(const Network& network, const TensorBits& bits, const std::vector<int>& weight_bits,
               const HardwareInfo& hardware)
      : network_(network),
        bits_(bits),
        weight_bits_(weight_bits),
        hardware_(hardware),
        joined_(static_cast<int>(2 * network.tensors.size())) {
    for (const Layer& layer : network.layers) {
      if (!layer.keeps_codes()) continue;
      for (const int tensor : layer.inputs)
        joined_.unite(read_form(bits, layer, tensor).index(), Form{layer.output, false}.index());
    }
  }

  TensorBits choose() {
    TensorBits chosen = bits_;
    for (int form = 0; form < static_cast<int>(2 * network_.tensors.size()); ++form) {
      if (joined_.find(form) != form || width(bits_, form) != 1 || holds_output(form)) continue;
      const TensorBits wider = widened(chosen, form);
      if (cost(wider, form) < cost(chosen, form)) chosen = wider;
    }
    return chosen;
  }

 private:
  static int width(const TensorBits& bits, int form) {
    return (form % 2 == 0 ? bits.written : bits.narrow)[static_cast<std::size_t>(form / 2)];
  }

  [[nodiscard]] bool holds_output(int root) {
    return std::any_of(network_.outputs.begin(), network_.outputs.end(),
                       [&](int tensor) { return joined_.find(2 * tensor) == root; });
  }

  [[nodiscard]] TensorBits widened(const TensorBits& bits, int root) {
    TensorBits wider = bits;
    for (int form = 0; form < static_cast<int>(2 * network_.tensors.size()); ++form) {
      if (joined_.find(form) != root || width(bits, form) != 1) continue;
      (form % 2 == 0 ? wider.written : wider.narrow)[static_cast<std::size_t>(form / 2)] = 2;
    }
    return wider;
  }

  /// Of all layers with weights that read one of the joined forms.
  [[nodiscard]] ReadCost cost(const TensorBits& bits, int root) {
    ReadCost sum;
    for (std::size_t i = 0; i < network_.layers.size(); ++i) {
      const Layer& layer = network_.layers[i];
      if (!layer.has_weights() || joined_.find(read_form(bits, layer, layer.input()).index()) != root)
        continue;
      const WindowOp op = lower(network_, layer, bits, weight_bits_[i], hardware_);
      const ReadCost one = cost(op);
      sum.cycles += one.cycles;
      sum.weight_words += one.weight_words;
    }
    return sum;
  }

  [[nodiscard]] ReadCost cost(const WindowOp& op) const {
    const long groups = op.groups(hardware_.filters);
    const long tiles = divide_up(op.output_positions(), hardware_.pixels);
    const long words = static_cast<long>(part_words(op, op.whole(), hardware_.filters)) * hardware_.filters;
    if (op.by_blocks()) return {tiles * op.tile_cycles(op.whole()), groups * words};
    const long tile = std::max<long>(op.tile_cycles(op.whole()), hardware_.pixels);  // the drain's
    return {groups * std::max(tiles * tile, words), groups * words};
  }

  const Network& network_;
  const TensorBits& bits_;
  const std::vector<int>& weight_bits_;
  const HardwareInfo& hardware_;
  DisjointSets joined_;  ///< forms by Form::index(): those that layers which keep codes join
};

}  // namespace

TensorBits stored_bits(const Network& network, const TensorBits& bits, const std::vector<int>& weight_bits,
                       const HardwareInfo& hardware) {
  const auto is_one = [](int width) { return width == 1; };
  if (std::none_of(bits.written.begin(), bits.written.end(), is_one) &&
      std::none_of(bits.narrow.begin(), bits.narrow.end(), is_one))
    return bits;
  return WidthChooser(network, bits, weight_bits, hardware).choose();
}

}  // namespace bitloop::host
