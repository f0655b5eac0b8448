#include "host/compiler/network_draft.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <tuple>
#include <utility>

#include "host/compiler/pool_regions.h"
#include "host/compiler/stored_bits.h"

namespace bitloop::host {
namespace {

constexpr int kMostFused = 3;  // behind a layer: a function, an add and another function

/// Per layer; 8 of those without weights.
std::vector<int> weight_bits_of(const Network& network, const Policy& policy) {
  std::vector<int> bits;
  std::size_t next = 0;
  for (const Layer& layer : network.layers)
    bits.push_back(layer.has_weights() ? policy.layers.at(next++).weight_bits : 8);
  return bits;
}

/// The layers that read each tensor.
std::vector<std::vector<int>> readers_of(const Network& network) {
  std::vector<std::vector<int>> readers(network.tensors.size());
  for (std::size_t i = 0; i < network.layers.size(); ++i)
    for (const int tensor : network.layers[i].inputs) readers[tensor].push_back(static_cast<int>(i));
  return readers;
}

}  // namespace

Place memory_place(int words) {
  Place place;
  place.in_memory = true;
  place.words = words;
  return place;
}

void keep_on_chip(Place& whole, const Ring& ring) {
  whole.on_chip = true;
  whole.in_memory = false;
  whole.ring = ring;
}

Place place_of(const Part& part, const Place& whole) {
  Place place = whole;
  place.first_word += part.first_word;
  place.ring.base += part.first_word * place.ring.stride;
  place.ring.words = part.words;
  place.grid = part.grid;
  return place;
}

void give_places(Segment& segment, const Operands& operands, std::span<const Place> wholes) {
  const auto place = [&](const Part& part) {
    return place_of(part, wholes[static_cast<std::size_t>(part.root)]);
  };
  segment.input = place(operands.input);
  if (operands.second) segment.second = place(*operands.second);
  if (operands.vector) segment.vector = place(*operands.vector);
  for (const auto& result : operands.results) segment.results.push_back(result ? place(*result) : Place{});
}

/// Builds one layer's draft at a time.
class Drafter::Builder {
 public:
  Builder(const Network& network, const Policy& policy, const HardwareInfo& hardware,
          const CompileOptions& options)
      : network_(network),
        hardware_(hardware),
        options_(options),
        weight_bits_(weight_bits_of(network, policy)),
        bits_(stored_bits(network, tensor_bits(network, policy), weight_bits_, hardware)),
        channels_(network, bits_, weight_bits_, hardware),
        readers_(readers_of(network)),
        writer_(network.tensors.size(), -1) {
    for (std::size_t i = 0; i < network.layers.size(); ++i)
      writer_[network.layers[i].output] = static_cast<int>(i);
    for (std::size_t i = 0; i < network_.layers.size(); ++i)
      if (network_.layers[i].kind == LayerKind::interleave) interleave(static_cast<int>(i));
  }

  [[nodiscard]] const TensorBits& bits() const { return bits_; }
  [[nodiscard]] const ChannelRuns& channels() const { return channels_; }

  LayerDraft input() {
    if (has_narrow(network_.input)) add_narrowing(network_.input);
    return std::exchange(draft_, {});
  }
  LayerDraft layer_draft(int index) {
    draft_ = {};
    add_layer(index);
    return std::exchange(draft_, {});
  }

 private:
  [[nodiscard]] const Layer& layer(int index) const {
    return network_.layers[static_cast<std::size_t>(index)];
  }
  [[nodiscard]] bool has_narrow(int tensor) const { return bits_.narrow[tensor] != 0; }
  [[nodiscard]] Form read_form(const Layer& reader, int tensor) const {
    return host::read_form(bits_, reader, tensor);
  }

  /// Lets an interleave's inputs be written where its output lies, as far as nothing else reads them or
  /// shares their memory.
  void interleave(int index) {
    const Layer& layer = this->layer(index);
    for (std::size_t i = 0; i < layer.inputs.size(); ++i) {
      const int tensor = layer.inputs[i];
      const Form input = read_form(layer, tensor);
      const int writer = writer_[tensor];
      // Repeated positions are stored by the row; tensors that are compared lie by themselves.
      const bool alone = writer < 0 || this->layer(writer).kind == LayerKind::upsample || options_.spill_all;
      if (!alone && readers_[tensor].size() == 1 && !channels_.shares_memory(input))
        channels_.put_inside(input, {layer.output, false}, phase_of(layer, i));
    }
  }
  /// The rows and columns that an interleave's output has of input `i`.
  [[nodiscard]] Grid phase_of(const Layer& layer, std::size_t i) const {
    const auto part = static_cast<int>(i);
    return {network_.output_shape(layer).width, part / layer.stride.x, part % layer.stride.x, layer.stride};
  }

  void add_layer(int index) {
    const Layer& layer = this->layer(index);
    const bool joins = layer.kind == LayerKind::concat || layer.kind == LayerKind::select ||
                       layer.kind == LayerKind::interleave;
    const bool in_regions = layer.kind == LayerKind::average_pool && counted_taps(network_, layer).size() > 1;
    if (joins || in_regions) {
      if (joins) add_copies(index);
      if (in_regions) add_regions(index);
      if (has_narrow(layer.output)) add_narrowing(layer.output);
      return;
    }
    Segment segment;
    Chain chain;
    segment.name = layer.name;
    segment.layers = {index};
    segment.op = lower(network_, layer, bits_, weight_bits_[static_cast<std::size_t>(index)], hardware_);
    chain.layer = index;
    chain.holes = segment.op.kind == OpKind::max_pool || segment.op.kind == OpKind::copy;
    if (segment.op.by_blocks())
      chain.input =
          Source{.form = read_form(layer, layer.inputs[0]), .each = filters_per_channel(network_, layer)};
    if (layer.kind == LayerKind::add) chain.second = read_form(layer, layer.inputs[1]);
    if (layer.kind == LayerKind::product) chain.vector = read_form(layer, layer.inputs[1]);
    chain.results.push_back(Form{layer.output, false});
    if (layer.kind == LayerKind::function) segment.function = index;
    int last = index;
    if (const int function = function_behind(last, segment); function >= 0) {
      fuse_function(function, segment, chain);
      last = function;
    }
    if (const int add = add_behind(index, last); add >= 0) {
      fuse_add(last, add, segment, chain);
      last = add;
      if (const int function = function_behind(last, segment); function >= 0) {
        fuse_function(function, segment, chain);
        last = function;
      }
    } else if (const int pool = pool_behind(index, last); pool >= 0) {
      fuse_pool(pool, segment, chain);
      last = pool;
    }
    const int tensor = this->layer(last).output;
    const bool alone = segment.op.kind == OpKind::copy || options_.separate;
    if (has_narrow(tensor) && !alone) {
      segment.stages.push_back({StageKind::requantize, bits_.narrow[tensor], -1, tensor, false});
      chain.results.push_back(Form{tensor, true});
    }
    append_runs(index, segment, chain);
    if (has_narrow(tensor) && alone) add_narrowing(tensor);
  }

  /// A segment for each run of a layer.
  void append_runs(int index, const Segment& whole, const Chain& chain) {
    const Layer& layer = this->layer(index);
    for (const Run& run : channels_.runs_of(chain)) {
      Segment segment = whole;
      Operands operands = channels_.operands_of(chain, run);
      if (segment.op.by_blocks()) {
        const int channels = chain.holes ? run.lanes : static_cast<int>(run.channels.size());
        segment.op = part_of(whole.op, channels, channels);
        if (!is_in_order(run.channels, network_.output_shape(layer).channels))
          segment.channels.filters = run.channels;
      } else {
        std::tie(segment.channels, operands.input) = channels_.choose(index, run);
        segment.op = part_of(network_, layer, whole.op, segment.channels);
      }
      if (segment.pool) segment.pool = part_of(*whole.pool, segment.op.filters, segment.op.filters);
      append(std::move(segment), std::move(operands));
    }
  }

  /// An average pool that leaves padding out of its count: segments for each part of its output whose
  /// windows count the same number of taps.
  void add_regions(int index) {
    const Layer& layer = this->layer(index);
    const std::vector<int> counts = counted_taps(network_, layer);
    const WindowOp op = lower(network_, layer, bits_, 8, hardware_);
    const Chain chain{.input = Source{read_form(layer, layer.input())},
                      .second = {},
                      .results = {Form{layer.output, false}}};
    int number = 0;
    for (const PoolRegion& region : pool_regions(network_, layer)) {
      Segment segment;
      segment.name = number++ == 0 ? layer.name : fmt::format("{}:{}", layer.name, number);
      segment.layers = {index};
      segment.set = static_cast<int>(std::ranges::find(counts, region.taps) - counts.begin());
      const Grid input{op.input_width, region.input.first_row, region.input.first_column};
      const Grid output{op.output_width, region.output.first_row, region.output.first_column};
      for (const Run& run : channels_.runs_of(chain)) {
        const auto channels = static_cast<int>(run.channels.size());
        segment.op = part_of(region_op(op, region), channels, channels);
        Operands operands = channels_.operands_of(chain, run);
        operands.input.narrow_to(input);
        operands.results.front()->narrow_to(output);
        append(segment, std::move(operands));
      }
    }
  }

  /// The layer that alone reads a layer's output, where that has one form; -1: none.
  [[nodiscard]] int only_reader(int index) const {
    const int tensor = layer(index).output;
    return readers_[tensor].size() != 1 || has_narrow(tensor) ? -1 : readers_[tensor].front();
  }

  /// The function that alone reads the codes which a layer requantizes, where the segment has no other; -1:
  /// none.
  [[nodiscard]] int function_behind(int index, const Segment& segment) const {
    if (options_.separate || options_.spill_all || segment.function >= 0) return -1;
    if (layer(index).keeps_codes()) return -1;
    const int reader = only_reader(index);
    return reader >= 0 && layer(reader).kind == LayerKind::function ? reader : -1;
  }

  /// The last result goes through the function's table before it is written.
  void fuse_function(int function, Segment& segment, Chain& chain) {
    const int tensor = layer(function).output;
    if (segment.stages.empty()) {
      segment.op.table = true;
      segment.op.output_bits = bits_.written[tensor];
    } else {
      Stage& stage = segment.stages.back();
      stage.table = true;
      stage.output_bits = bits_.written[tensor];
      stage.tensor = tensor;
    }
    segment.function = function;
    segment.layers.push_back(function);
    chain.results.back() = Form{tensor, false};
    draft_.fused.push_back(function);
  }

  /// The add that alone reads the output of layer `last` of the segment of layer `index`, and whose other
  /// operand exists by then; -1: none.
  [[nodiscard]] int add_behind(int index, int last) const {
    if (options_.separate) return -1;
    const LayerKind kind = layer(index).kind;
    if (kind == LayerKind::add || kind == LayerKind::upsample || kind == LayerKind::function) return -1;
    const int tensor = layer(last).output;
    const int reader = only_reader(last);
    if (reader < 0 || layer(reader).kind != LayerKind::add) return -1;
    const int other = layer(reader).inputs[layer(reader).inputs[0] == tensor ? 1 : 0];
    if (other == tensor || (writer_[other] >= index)) return -1;
    return reader;
  }

  void fuse_add(int last, int add, Segment& segment, Chain& chain) {
    const Layer& layer = this->layer(add);
    lower(network_, layer, bits_, 8, hardware_);  // refuses what the hardware cannot do
    const bool second_first = layer.inputs[0] != this->layer(last).output;
    const int other = layer.inputs[second_first ? 0 : 1];
    segment.stages.push_back({StageKind::add, bits_.written[layer.output], add, layer.output, second_first});
    chain.second = read_form(layer, other);
    fuse(add, segment, chain);
  }

  /// The max pool that alone reads the output of layer `last` of a convolution's segment; -1: none.
  [[nodiscard]] int pool_behind(int index, int last) const {
    if (options_.separate || !layer(index).has_weights()) return -1;
    const int reader = only_reader(last);
    return reader >= 0 && layer(reader).kind == LayerKind::max_pool ? reader : -1;
  }

  void fuse_pool(int pool, Segment& segment, Chain& chain) {
    const Layer& layer = this->layer(pool);
    segment.pool = lower(network_, layer, bits_, 8, hardware_);
    segment.stages.push_back({StageKind::max_pool, bits_.written[layer.output], pool, layer.output, false});
    fuse(pool, segment, chain);
  }

  void fuse(int layer, Segment& segment, Chain& chain) {
    segment.layers.push_back(layer);
    if (!options_.spill_all) chain.results[0].reset();
    chain.results.push_back(Form{this->layer(layer).output, false});
    draft_.fused.push_back(layer);
  }

  /// Segments that make the narrow form of a tensor whose layer computes nothing.
  void add_narrowing(int tensor) {
    Segment segment;
    segment.name = fmt::format("{}:{}", network_.tensors[tensor].name, bits_.narrow[tensor]);
    segment.layers = {writer_[tensor]};
    segment.narrowed = tensor;
    const WindowOp op = narrow_op(segment.name, network_.tensors[tensor].shape, bits_.narrow[tensor]);
    const Chain chain{.input = Source{{tensor, false}}, .second = {}, .results = {Form{tensor, true}}};
    for (const Run& run : channels_.runs_of(chain)) {
      const auto channels = static_cast<int>(run.channels.size());
      segment.op = part_of(op, channels, channels);
      append(segment, channels_.operands_of(chain, run));
    }
  }

  /// Copies the inputs of a concat, select or interleave that cannot be read where they lie.
  void add_copies(int index) {
    const Layer& layer = this->layer(index);
    int first = 0;
    if (layer.kind == LayerKind::interleave) {
      for (std::size_t i = 0; i < layer.inputs.size(); ++i) {
        const Form input = read_form(layer, layer.inputs[i]);
        if (!channels_.is_inside(input)) add_copy(index, Source{input}, kLargestChannel, phase_of(layer, i));
      }
      return;
    }
    for (std::size_t i = 0; i < layer.inputs.size(); ++i) {
      const int end = first + network_.tensors[layer.inputs[i]].shape.channels;
      const Source source{
          .form = read_form(layer, layer.inputs[i]), .first = first, .chosen = layer.channels};
      if (channels_.layout().is_copied[index][i]) add_copy(index, source, end);
      first = end;
    }
  }

  /// Copies a tensor to where the output of a layer has its channels, which end before `end`.
  void add_copy(int index, const Source& source, int end, const std::optional<Grid>& phase = {}) {
    const Layer& layer = this->layer(index);
    Segment segment;
    const Tensor& tensor = network_.tensors[source.form.tensor];
    segment.name = fmt::format("{}:{}", layer.name, tensor.name);
    segment.layers = {index};
    WindowOp op = narrow_op(segment.name, tensor.shape, channels_.bits_of(source.form));
    op.kind = OpKind::copy;
    op.input_bits = channels_.bits_of(source.form);
    if (op.input_bits == 1) op.block_channels = word_channels(1);
    const Chain chain{.input = source,
                      .second = {},
                      .results = {Form{layer.output, false}},
                      .holes = true,
                      .first = source.first,
                      .end = end};
    for (const Run& run : channels_.runs_of(chain)) {
      segment.op = part_of(op, run.lanes, run.lanes);
      Operands operands = channels_.operands_of(chain, run);
      if (phase) operands.results.front()->narrow_to(*phase);
      append(segment, std::move(operands));
    }
  }
  void append(Segment segment, Operands operands) {
    draft_.segments.push_back({std::move(segment), std::move(operands)});
  }

  const Network& network_;
  const HardwareInfo& hardware_;
  const CompileOptions& options_;
  const std::vector<int> weight_bits_;  ///< per layer
  const TensorBits bits_;
  ChannelRuns channels_;
  std::vector<std::vector<int>> readers_;  ///< per tensor, layers
  std::vector<int> writer_;                ///< per tensor, the layer, or -1
  LayerDraft draft_;
};

Drafter::Drafter(const Network& network, const Policy& policy, const HardwareInfo& hardware,
                 const CompileOptions& options)
    : builder_(std::make_unique<Builder>(network, policy, hardware, options)) {}
Drafter::~Drafter() = default;

const TensorBits& Drafter::bits() const { return builder_->bits(); }
const ChannelRuns& Drafter::channels() const { return builder_->channels(); }
LayerDraft Drafter::input() { return builder_->input(); }
LayerDraft Drafter::layer(int index) { return builder_->layer_draft(index); }

bool Drafter::is_local(const Network& network) {
  return has_plain_layout(network) &&
         std::none_of(network.layers.begin(), network.layers.end(),
                      [](const Layer& layer) { return layer.kind == LayerKind::interleave; });
}

std::vector<int> Drafter::tensors_of(const Network& network, int layer) {
  const auto readers = readers_of(network);
  std::vector<int> tensors;
  for (int fused = 0; fused <= kMostFused; ++fused) {
    const Layer& one = network.layers[static_cast<std::size_t>(layer)];
    tensors.insert(tensors.end(), one.inputs.begin(), one.inputs.end());
    tensors.push_back(one.output);
    if (readers[one.output].size() != 1) break;
    layer = readers[one.output].front();
    const LayerKind kind = network.layers[static_cast<std::size_t>(layer)].kind;
    if (kind != LayerKind::function && kind != LayerKind::add && kind != LayerKind::max_pool) break;
  }
  return tensors;
}

}  // namespace bitloop::host
