#include "host/compiler/stored_bits.h"

#include <algorithm>

#include "host/base/disjoint_sets.h"
#include "host/base/integers.h"
#include "host/compiler/channel_layout.h"
#include "host/compiler/weight_plan.h"

namespace bitloop::host {
namespace {

int& width(TensorBits& bits, int form) {
  return (form % 2 == 0 ? bits.written : bits.narrow)[static_cast<std::size_t>(form / 2)];
}
int width(const TensorBits& bits, int form) {
  return (form % 2 == 0 ? bits.written : bits.narrow)[static_cast<std::size_t>(form / 2)];
}

ReadCost cost(const WindowOp& op, const HardwareInfo& hardware) {
  const long groups = op.groups(hardware.filters);
  const long tiles = divide_up(op.output_positions(), hardware.pixels);
  const long words = static_cast<long>(part_words(op, op.whole(), hardware.filters)) * hardware.filters;
  if (op.by_blocks()) return {tiles * op.tile_cycles(op.whole()), groups * words};
  const long tile = std::max<long>(op.tile_cycles(op.whole()), hardware.pixels);  // the drain's
  return {groups * std::max(tiles * tile, words), groups * words};
}

}  // namespace

ReadCost& ReadCost::operator+=(const ReadCost& other) {
  cycles += other.cycles;
  weight_words += other.weight_words;
  return *this;
}

std::vector<OneBitForms> one_bit_forms(const Network& network, const TensorBits& bits) {
  const auto forms = static_cast<int>(2 * network.tensors.size());
  DisjointSets joined(forms);
  for (const Layer& layer : network.layers) {
    if (!layer.keeps_codes()) continue;
    for (const int tensor : layer.inputs)
      joined.unite(read_form(bits, layer, tensor).index(), Form{layer.output, false}.index());
  }
  std::vector<OneBitForms> of_root(static_cast<std::size_t>(forms));
  for (int form = 0; form < forms; ++form)
    if (width(bits, form) == 1) of_root[joined.find(form)].forms.push_back(form);
  for (std::size_t i = 0; i < network.layers.size(); ++i) {
    const Layer& layer = network.layers[i];
    if (layer.has_weights())
      of_root[joined.find(read_form(bits, layer, layer.input()).index())].readers.push_back(
          static_cast<int>(i));
  }
  for (const int output : network.outputs) of_root[joined.find(2 * output)].forms.clear();
  std::erase_if(of_root, [](const OneBitForms& ones) { return ones.forms.empty(); });
  return of_root;
}

void widen(TensorBits& bits, const OneBitForms& ones) {
  for (const int form : ones.forms) width(bits, form) = 2;
}

ReadCost cost_of_widening(const Network& network, int layer, const TensorBits& bits, int weight_bits,
                          const HardwareInfo& hardware) {
  const Layer& reader = network.layers[static_cast<std::size_t>(layer)];
  TensorBits wider = bits;
  width(wider, read_form(bits, reader, reader.input()).index()) = 2;
  const ReadCost narrow = cost(lower(network, reader, bits, weight_bits, hardware), hardware);
  ReadCost added = cost(lower(network, reader, wider, weight_bits, hardware), hardware);
  added += {-narrow.cycles, -narrow.weight_words};
  return added;
}

TensorBits stored_bits(const Network& network, const TensorBits& bits, const std::vector<int>& weight_bits,
                       const HardwareInfo& hardware) {
  const auto is_one = [](int width) { return width == 1; };
  if (std::none_of(bits.written.begin(), bits.written.end(), is_one) &&
      std::none_of(bits.narrow.begin(), bits.narrow.end(), is_one))
    return bits;
  TensorBits stored = bits;
  for (const OneBitForms& ones : one_bit_forms(network, bits)) {
    ReadCost added;
    for (const int layer : ones.readers)
      added += cost_of_widening(network, layer, bits, weight_bits[static_cast<std::size_t>(layer)], hardware);
    if (added < ReadCost{}) widen(stored, ones);
  }
  return stored;
}

}  // namespace bitloop::host
