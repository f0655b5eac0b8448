#include "host/compiler/channel_runs.h"

#include <algorithm>

namespace bitloop::host {
namespace {

/// Forms of a chain, and where each has a channel of the results; the first is a result.
std::vector<Source> forms_of(const Chain& chain) {
  std::vector<Source> forms;
  for (const auto& form : chain.results)
    if (form) forms.push_back({*form});
  if (chain.second) forms.push_back({*chain.second});
  if (chain.vector) forms.push_back({*chain.vector});
  if (chain.input) forms.push_back(*chain.input);
  return forms;
}

}  // namespace

bool is_in_order(const std::vector<int>& channels, int count) {
  for (std::size_t i = 0; i < channels.size(); ++i)
    if (channels[i] != static_cast<int>(i)) return false;
  return static_cast<int>(channels.size()) == count;
}

int filters_per_channel(const Network& network, const Layer& layer) {
  if (layer.kind != LayerKind::depthwise) return 1;
  return network.output_shape(layer).channels / network.input_shape(layer).channels;
}

ChannelRuns::ChannelRuns(const Network& network, const TensorBits& bits, const std::vector<int>& weight_bits,
                         const HardwareInfo& hardware)
    : network_(network),
      bits_(bits),
      layout_(lay_out_channels(network, bits, weight_bits, hardware)),
      insides_(layout_.forms.size()) {}

int ChannelRuns::bits_of(const Form& form) const {
  return form.narrow ? bits_.narrow[form.tensor] : bits_.written[form.tensor];
}

void ChannelRuns::put_inside(const Form& form, const Form& outer, const Grid& grid) {
  insides_[form.index()] = {outer, grid};
}

bool ChannelRuns::shares_memory(const Form& form) const {
  const int root = layout_.forms[form.index()].root;
  return std::count_if(layout_.forms.begin(), layout_.forms.end(),
                       [&](const FormLayout& layout) { return layout.root == root; }) > 1;
}

std::optional<Part> ChannelRuns::part_of(const Form& form) const {
  const FormLayout& layout = layout_of(form);
  if (layout.root < 0) return {};
  const int word = layout.pieces.front().first_word;
  return Part{layout.root, word, end_word(form, layout.pieces.back()) - word, grid_of(form)};
}

const FormLayout& ChannelRuns::layout_of(Form form) const {
  while (const auto& outer = insides_[form.index()]) form = outer->form;
  return layout_.forms[form.index()];
}

std::optional<Grid> ChannelRuns::grid_of(Form form) const {
  std::optional<Grid> grid;
  while (const auto& outer = insides_[form.index()]) {
    grid = grid ? within(outer->grid, *grid) : outer->grid;
    form = outer->form;
  }
  return grid;
}

int ChannelRuns::end_word(const Form& form, const Piece& piece) const {
  return piece.first_word + words_per_position(static_cast<int>(piece.channels.size()), bits_of(form));
}

const Piece& ChannelRuns::piece_of(const Form& form, int channel) const {
  const FormLayout& layout = layout_of(form);
  return layout.pieces[layout.piece_of[channel]];
}

Part ChannelRuns::part_between(const Form& form, int first, int last) const {
  const int word = piece_of(form, first).first_word;
  return {layout_of(form).root, word, end_word(form, piece_of(form, last)) - word, grid_of(form)};
}

int ChannelRuns::group_of(int index, int channel) const {
  if (index < 0) return 0;
  const Layer& layer = network_.layers[static_cast<std::size_t>(index)];
  const int channels = network_.output_shape(layer).channels;
  if (layer.kind == LayerKind::depthwise) return channel % filters_per_channel(network_, layer);
  return channel / (channels / layout_.groups[index]);
}

bool ChannelRuns::follows(const std::vector<Source>& forms, int last, int next, bool holes) const {
  return std::all_of(forms.begin(), forms.end(), [&](const Source& source) {
    const Piece& before = piece_of(source.form, source.channel(last));
    const bool full = before.channels.size() % word_channels(bits_of(source.form)) == 0;
    return (full || holes) &&
           piece_of(source.form, source.channel(next)).first_word == end_word(source.form, before);
  });
}

std::vector<Run> ChannelRuns::runs_of(const Chain& chain) const {
  const std::vector<Source> forms = forms_of(chain);
  const Form lead = forms.front().form;
  std::vector<Run> runs;
  for (const Piece& piece : layout_of(lead).pieces) {
    const int first = piece.channels.front();
    if (first < chain.first || first >= chain.end) continue;
    const int group = group_of(chain.layer, first);
    const bool goes_on = !runs.empty() && runs.back().group == group &&
                         follows(forms, runs.back().channels.back(), first, chain.holes);
    if (!goes_on) runs.push_back({{}, group, 0});
    Run& run = runs.back();
    run.channels.insert(run.channels.end(), piece.channels.begin(), piece.channels.end());
    const int word = piece.first_word - piece_of(lead, run.channels.front()).first_word;
    run.lanes = word / words_per_block(bits_of(lead)) * word_channels(bits_of(lead)) +
                static_cast<int>(piece.channels.size());
  }
  return runs;
}

Operands ChannelRuns::operands_of(const Chain& chain, const Run& run) const {
  const int first = run.channels.front(), last = run.channels.back();
  Operands operands;
  if (chain.input) {
    operands.input = part_between(chain.input->form, chain.input->channel(first), chain.input->channel(last));
  }
  if (chain.second) operands.second = part_between(*chain.second, first, last);
  if (chain.vector) operands.vector = part_between(*chain.vector, first, last);
  for (const auto& form : chain.results)
    operands.results.push_back(form ? std::optional(part_between(*form, first, last)) : std::nullopt);
  return operands;
}

std::vector<int> ChannelRuns::lanes_of(const Form& form, const Part& part) const {
  const int bits = bits_of(form);
  std::vector<int> lanes;
  for (const Piece& piece : layout_of(form).pieces) {
    const int word = piece.first_word - part.first_word;
    if (word < 0 || word >= part.words) continue;
    lanes.resize(static_cast<std::size_t>(word / words_per_block(bits) * word_channels(bits)), -1);
    lanes.insert(lanes.end(), piece.channels.begin(), piece.channels.end());
  }
  return lanes;
}

std::pair<ChannelChoice, Part> ChannelRuns::choose(int index, const Run& run) const {
  const Layer& layer = network_.layers[static_cast<std::size_t>(index)];
  const Form input = read_form(bits_, layer, layer.input());
  const int each = network_.input_shape(layer).channels / layout_.groups[index];
  const FormLayout& layout = layout_of(input);
  int first = run.group * each, last = first;  // by words
  for (int c = first; c < (run.group + 1) * each; ++c) {
    if (layout.piece_of[c] < layout.piece_of[first]) first = c;
    if (layout.piece_of[c] > layout.piece_of[last]) last = c;
  }
  const Part part = part_between(input, first, last);
  ChannelChoice choice{run.channels, lanes_of(input, part)};
  if (is_in_order(choice.filters, network_.output_shape(layer).channels)) choice.filters.clear();
  if (is_in_order(choice.channels, network_.input_shape(layer).channels)) choice.channels.clear();
  return {std::move(choice), part};
}

}  // namespace bitloop::host
