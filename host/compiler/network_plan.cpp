#include "host/compiler/network_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "host/base/error.h"
#include "host/base/integers.h"
#include "host/compiler/residency.h"
#include "host/program/instruction.h"

namespace bitloop::host {
namespace {

constexpr int kLargestChannel = std::numeric_limits<int>::max();

/// Builds the plan: which forms lie inside others, which segments run, where everything lies.
class Planner {
 public:
  Planner(const Network& network, const Policy& policy, const HardwareInfo& hardware,
          const CompileOptions& options)
      : network_(network), hardware_(hardware), options_(options), uses_(2 * network.tensors.size()) {
    plan_.bits = tensor_bits(network, policy);
    plan_.forms.resize(2 * network.tensors.size());
    plan_.lanes.resize(plan_.forms.size());
    std::size_t next = 0;
    for (const Layer& layer : network.layers) {
      weight_bits_.push_back(layer.has_weights() ? policy.layers.at(next++).weight_bits : 8);
    }
    layout_ = lay_out_channels(network, plan_.bits, weight_bits_, hardware);
    insides_.resize(plan_.forms.size());
  }

  NetworkPlan build() {
    find_readers();
    for (std::size_t i = 0; i < network_.layers.size(); ++i)
      if (network_.layers[i].kind == LayerKind::interleave) interleave(static_cast<int>(i));
    if (has_narrow(network_.input)) add_narrowing(network_.input);
    for (std::size_t i = 0; i < network_.layers.size(); ++i) add_layer(static_cast<int>(i));
    place_in_memory();
    if (!options_.spill_all && !options_.separate) note_lives();
    keep_on_chip();
    give_places();
    return std::move(plan_);
  }

 private:
  /// Words that follow each other.
  struct Part {
    int root = 0;  ///< Form::index() of the form whose memory they are in
    int first_word = 0;
    int words = 0;  ///< per position
    std::optional<Grid> grid = {};
  };
  /// Rows and columns of another form, of the same channels, where a form lies.
  struct Inside {
    Form form;
    Grid grid;
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

  [[nodiscard]] const Layer& layer(int index) const {
    return network_.layers[static_cast<std::size_t>(index)];
  }
  [[nodiscard]] bool has_narrow(int tensor) const { return plan_.bits.narrow[tensor] != 0; }
  [[nodiscard]] int bits_of(const Form& form) const {
    return form.narrow ? plan_.bits.narrow[form.tensor] : plan_.bits.written[form.tensor];
  }
  [[nodiscard]] Form read_form(const Layer& reader, int tensor) const {
    return host::read_form(plan_.bits, reader, tensor);
  }
  /// Where the channels of a form lie; of a form inside another, those of that.
  [[nodiscard]] const FormLayout& layout_of(Form form) const {
    while (const auto& outer = insides_[form.index()]) form = outer->form;
    return layout_.forms[form.index()];
  }
  [[nodiscard]] std::optional<Grid> grid_of(Form form) const {
    std::optional<Grid> grid;
    while (const auto& outer = insides_[form.index()]) {
      grid = grid ? within(outer->grid, *grid) : outer->grid;
      form = outer->form;
    }
    return grid;
  }
  [[nodiscard]] int end_word(const Form& form, const Piece& piece) const {
    return piece.first_word + words_per_position(static_cast<int>(piece.channels.size()), bits_of(form));
  }
  [[nodiscard]] const Piece& piece_of(const Form& form, int channel) const {
    const FormLayout& layout = layout_of(form);
    return layout.pieces[layout.piece_of[channel]];
  }
  /// The words from the piece that holds `first` to the one that holds `last`.
  [[nodiscard]] Part part_between(const Form& form, int first, int last) const {
    const int word = piece_of(form, first).first_word;
    return {layout_of(form).root, word, end_word(form, piece_of(form, last)) - word, grid_of(form)};
  }

  void find_readers() {
    readers_.resize(network_.tensors.size());
    writer_.assign(network_.tensors.size(), -1);
    for (std::size_t i = 0; i < network_.layers.size(); ++i) {
      for (const int tensor : network_.layers[i].inputs) readers_[tensor].push_back(static_cast<int>(i));
      writer_[network_.layers[i].output] = static_cast<int>(i);
    }
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
      if (!alone && readers_[tensor].size() == 1 && !shares_memory(input))
        insides_[input.index()] = {{layer.output, false}, phase_of(layer, i)};
    }
  }
  [[nodiscard]] bool shares_memory(const Form& form) const {
    const int root = layout_.forms[form.index()].root;
    return std::count_if(layout_.forms.begin(), layout_.forms.end(),
                         [&](const FormLayout& layout) { return layout.root == root; }) > 1;
  }
  /// The rows and columns that an interleave's output has of input `i`.
  [[nodiscard]] Grid phase_of(const Layer& layer, std::size_t i) const {
    const auto part = static_cast<int>(i);
    return {network_.output_shape(layer).width, part / layer.stride.x, part % layer.stride.x, layer.stride};
  }

  /// Which of its groups (of a depthwise layer: of a channel's filters) a layer writes a channel with.
  [[nodiscard]] int group_of(int index, int channel) const {
    if (index < 0) return 0;
    const Layer& layer = this->layer(index);
    const int channels = network_.output_shape(layer).channels;
    if (layer.kind == LayerKind::depthwise) return channel % filters_per_channel(layer);
    return channel / (channels / layout_.groups[index]);
  }
  /// 1 but of depthwise layers.
  [[nodiscard]] int filters_per_channel(const Layer& layer) const {
    if (layer.kind != LayerKind::depthwise) return 1;
    return network_.output_shape(layer).channels / network_.input_shape(layer).channels;
  }

  /// Forms of a chain, and where each has a channel of the results; the first is a result.
  [[nodiscard]] static std::vector<Source> forms_of(const Chain& chain) {
    std::vector<Source> forms;
    for (const auto& form : chain.results)
      if (form) forms.push_back({*form});
    if (chain.second) forms.push_back({*chain.second});
    if (chain.vector) forms.push_back({*chain.vector});
    if (chain.input) forms.push_back(*chain.input);
    return forms;
  }

  /// Whether the piece of channel `next` follows that of channel `last` in all forms.
  [[nodiscard]] bool follows(const std::vector<Source>& forms, int last, int next, bool holes) const {
    return std::all_of(forms.begin(), forms.end(), [&](const Source& source) {
      const Piece& before = piece_of(source.form, source.channel(last));
      const bool full = before.channels.size() % word_channels(bits_of(source.form)) == 0;
      return (full || holes) &&
             piece_of(source.form, source.channel(next)).first_word == end_word(source.form, before);
    });
  }

  [[nodiscard]] std::vector<Run> runs_of(const Chain& chain) const {
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

  /// The words of a run in the forms of its chain.
  [[nodiscard]] Operands operands_of(const Chain& chain, const Run& run) const {
    const int first = run.channels.front(), last = run.channels.back();
    Operands operands;
    if (chain.input) {
      operands.input =
          part_between(chain.input->form, chain.input->channel(first), chain.input->channel(last));
    }
    if (chain.second) operands.second = part_between(*chain.second, first, last);
    if (chain.vector) operands.vector = part_between(*chain.vector, first, last);
    for (const auto& form : chain.results)
      operands.results.push_back(form ? std::optional(part_between(*form, first, last)) : std::nullopt);
    return operands;
  }

  /// The lanes of a form from one channel's piece to another's.
  [[nodiscard]] std::vector<int> lanes_of(const Form& form, const Part& part) const {
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

  static bool is_in_order(const std::vector<int>& channels, int count) {
    for (std::size_t i = 0; i < channels.size(); ++i)
      if (channels[i] != static_cast<int>(i)) return false;
    return static_cast<int>(channels.size()) == count;
  }

  /// What one segment computes of a layer that reads across channels, and where it reads.
  [[nodiscard]] std::pair<ChannelChoice, Part> choose(int index, const Run& run) const {
    const Layer& layer = this->layer(index);
    const Form input = read_form(layer, layer.input());
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

  void add_layer(int index) {
    const Layer& layer = this->layer(index);
    if (done_.contains(index)) return;
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
    segment.op = lower(network_, layer, plan_.bits, weight_bits_[static_cast<std::size_t>(index)], hardware_);
    chain.layer = index;
    chain.holes = segment.op.kind == OpKind::max_pool || segment.op.kind == OpKind::copy;
    if (segment.op.by_blocks())
      chain.input = Source{.form = read_form(layer, layer.inputs[0]), .each = filters_per_channel(layer)};
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
      segment.stages.push_back({StageKind::requantize, plan_.bits.narrow[tensor], -1, tensor, false});
      chain.results.push_back(Form{tensor, true});
    }
    append_runs(index, segment, chain);
    if (has_narrow(tensor) && alone) add_narrowing(tensor);
  }

  /// A segment for each run of a layer.
  void append_runs(int index, const Segment& whole, const Chain& chain) {
    const Layer& layer = this->layer(index);
    for (const Run& run : runs_of(chain)) {
      Segment segment = whole;
      Operands operands = operands_of(chain, run);
      if (segment.op.by_blocks()) {
        const int channels = chain.holes ? run.lanes : static_cast<int>(run.channels.size());
        segment.op = part_of(whole.op, channels, channels);
        if (!is_in_order(run.channels, network_.output_shape(layer).channels))
          segment.channels.filters = run.channels;
      } else {
        std::tie(segment.channels, operands.input) = choose(index, run);
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
    const WindowOp op = lower(network_, layer, plan_.bits, 8, hardware_);
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
      for (const Run& run : runs_of(chain)) {
        const auto channels = static_cast<int>(run.channels.size());
        segment.op = part_of(region_op(op, region), channels, channels);
        Operands operands = operands_of(chain, run);
        narrow_to(operands.input, input);
        narrow_to(*operands.results.front(), output);
        append(segment, std::move(operands));
      }
    }
  }
  static void narrow_to(Part& part, const Grid& grid) {
    part.grid = part.grid ? within(*part.grid, grid) : grid;
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
      segment.op.output_bits = plan_.bits.written[tensor];
    } else {
      Stage& stage = segment.stages.back();
      stage.table = true;
      stage.output_bits = plan_.bits.written[tensor];
      stage.tensor = tensor;
    }
    segment.function = function;
    segment.layers.push_back(function);
    chain.results.back() = Form{tensor, false};
    done_.insert(function);
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
    lower(network_, layer, plan_.bits, 8, hardware_);  // refuses what the hardware cannot do
    const bool second_first = layer.inputs[0] != this->layer(last).output;
    const int other = layer.inputs[second_first ? 0 : 1];
    segment.stages.push_back(
        {StageKind::add, plan_.bits.written[layer.output], add, layer.output, second_first});
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
    segment.pool = lower(network_, layer, plan_.bits, 8, hardware_);
    segment.stages.push_back(
        {StageKind::max_pool, plan_.bits.written[layer.output], pool, layer.output, false});
    fuse(pool, segment, chain);
  }

  void fuse(int layer, Segment& segment, Chain& chain) {
    segment.layers.push_back(layer);
    if (!options_.spill_all) chain.results[0].reset();
    chain.results.push_back(Form{this->layer(layer).output, false});
    done_.insert(layer);
  }

  /// Segments that make the narrow form of a tensor whose layer computes nothing.
  void add_narrowing(int tensor) {
    Segment segment;
    segment.name = fmt::format("{}:{}", network_.tensors[tensor].name, plan_.bits.narrow[tensor]);
    segment.layers = {writer_[tensor]};
    segment.narrowed = tensor;
    const WindowOp op = narrow_op(segment.name, network_.tensors[tensor].shape, plan_.bits.narrow[tensor]);
    const Chain chain{.input = Source{{tensor, false}}, .second = {}, .results = {Form{tensor, true}}};
    for (const Run& run : runs_of(chain)) {
      const auto channels = static_cast<int>(run.channels.size());
      segment.op = part_of(op, channels, channels);
      append(segment, operands_of(chain, run));
    }
  }

  /// Copies the inputs of a concat, select or interleave that cannot be read where they lie.
  void add_copies(int index) {
    const Layer& layer = this->layer(index);
    int first = 0;
    if (layer.kind == LayerKind::interleave) {
      for (std::size_t i = 0; i < layer.inputs.size(); ++i) {
        const Form input = read_form(layer, layer.inputs[i]);
        if (!insides_[input.index()]) add_copy(index, Source{input}, kLargestChannel, phase_of(layer, i));
      }
      return;
    }
    for (std::size_t i = 0; i < layer.inputs.size(); ++i) {
      const int end = first + network_.tensors[layer.inputs[i]].shape.channels;
      const Source source{
          .form = read_form(layer, layer.inputs[i]), .first = first, .chosen = layer.channels};
      if (layout_.is_copied[index][i]) add_copy(index, source, end);
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
    WindowOp op = narrow_op(segment.name, tensor.shape, bits_of(source.form));
    op.kind = OpKind::copy;
    op.input_bits = bits_of(source.form);
    if (op.input_bits == 1) op.block_channels = word_channels(1);
    const Chain chain{.input = source,
                      .second = {},
                      .results = {Form{layer.output, false}},
                      .holes = true,
                      .first = source.first,
                      .end = end};
    for (const Run& run : runs_of(chain)) {
      segment.op = part_of(op, run.lanes, run.lanes);
      Operands operands = operands_of(chain, run);
      if (phase) narrow_to(*operands.results.front(), *phase);
      append(segment, std::move(operands));
    }
  }

  void append(Segment segment, Operands operands) {
    const int time = static_cast<int>(plan_.segments.size());
    use(operands.input, time);
    if (operands.second) use(*operands.second, time);
    if (operands.vector) {
      use(*operands.vector, time);
      vectors_.insert(operands.vector->root);
    }
    for (const auto& result : operands.results) {
      if (result) use(*result, time);
    }
    plan_.segments.push_back(std::move(segment));
    operands_.push_back(std::move(operands));
  }

  /// Notes that a segment reads or writes a part of a form.
  void use(const Part& part, int time) {
    uses_[part.root].push_back(time);
    if (part.grid) in_parts_.insert(part.root);
  }

  /// Gives every form that exists an offset in memory, whether it will lie there or not: a job's memory is
  /// not scarce.
  void place_in_memory() {
    for (std::size_t i = 0; i < uses_.size(); ++i) {
      if (uses_[i].empty() && static_cast<int>(i) != 2 * network_.input) continue;
      const Form form{static_cast<int>(i / 2), i % 2 == 1};
      Place& place = plan_.forms[i];
      place.in_memory = true;
      place.words = layout_.words[i];
      place.offset = plan_.tensor_bytes;
      const Shape& shape = network_.tensors[form.tensor].shape;
      const bool image = network_.image_input && form.tensor == network_.input;
      const Address bytes = image ? round_up(static_cast<Address>(shape.elements()), kWordBytes)
                                  : kWordBytes * static_cast<Address>(shape.height) *
                                        static_cast<Address>(shape.width) * static_cast<Address>(place.words);
      plan_.tensor_bytes += round_up(bytes, kPageBytes);
    }
  }

  void note_lives() {
    for (std::size_t i = 0; i < uses_.size(); ++i) {
      const Form form{static_cast<int>(i / 2), i % 2 == 1};
      if (uses_[i].empty() || form.tensor == network_.input || network_.is_output(form.tensor)) continue;
      if (is_copied_to(static_cast<int>(i)) || in_parts_.contains(static_cast<int>(i))) continue;
      if (vectors_.contains(static_cast<int>(i))) continue;
      const Shape& shape = network_.tensors[form.tensor].shape;
      if (static_cast<long>(shape.height) * shape.width > kLargestRing) continue;
      const Ring ring = make_ring(shape.width, shape.height, layout_.words[i], hardware_.pixels);
      if (ring.positions() > kLargestRing || ring.bank_rows() > hardware_.activation_rows) continue;
      const auto [first, last] = std::minmax_element(uses_[i].begin(), uses_[i].end());
      lives_.push_back({static_cast<int>(i), ring, *first, *last, static_cast<int>(uses_[i].size())});
    }
  }

  /// A copy goes through activation SRAM, not within it.
  [[nodiscard]] bool is_copied_to(int root) const {
    for (std::size_t i = 0; i < plan_.segments.size(); ++i) {
      if (plan_.segments[i].op.kind != OpKind::copy) continue;
      if (operands_[i].results[0]->root == root) return true;
    }
    return false;
  }

  /// What a segment's streams take: at the least some rows of each, of one unit's channels where only those
  /// are needed at a time.
  [[nodiscard]] std::vector<Stream> streams_of(std::size_t index) const {
    const Segment& segment = plan_.segments[index];
    const WindowOp& op = segment.op;
    const Operands& operands = operands_[index];
    const auto rows = [&](int width, int count, int words) {
      return make_ring(width, count, words, hardware_.pixels).bank_rows();
    };
    const auto unit_words = [](int bits) { return bits == 1 ? 1 : 2 * words_per_block(bits); };
    const int span = std::min(op.input_height, op.span_height() + 2 * op.stride_y);
    const int positions = segment.pool ? segment.pool->span_height() + 2 * segment.pool->stride_y : 3;
    /// `whole_input`, or only some rows of it; of the results all words of some rows, or those of one unit.
    const auto streams = [&](bool whole_input, bool all_words) {
      std::vector<Stream> list;
      const int input_words =
          op.by_blocks() ? std::min(op.input_words(), unit_words(op.input_bits)) : op.input_words();
      list.push_back(
          {operands.input.root, rows(op.input_width, whole_input ? op.input_height : span, input_words)});
      const auto add = [&](const std::optional<Part>& part, int result, int bits) {
        const Extent extent = segment.extent(result);
        const int words = words_per_position(op.filters, bits);
        list.push_back({part ? part->root : -1, rows(extent.width, std::min(extent.height, positions),
                                                     all_words ? words : std::min(words, unit_words(bits)))});
      };
      if (operands.second) add(operands.second, 0, 8);
      for (int i = 0; i < static_cast<int>(operands.results.size()); ++i) {
        add(operands.results[static_cast<std::size_t>(i)], i, segment.result_bits(i));
      }
      return list;
    };
    const auto total = [](const std::vector<Stream>& list) {
      int sum = 0;
      for (const Stream& stream : list) sum += stream.bank_rows;
      return sum;
    };
    std::vector<Stream> least = streams(false, false);
    if (op.by_blocks()) return least;
    // With less than one of these, the input of a convolution is loaded anew for every unit of filters.
    std::vector<Stream> once = streams(true, false);
    std::vector<Stream> strips = streams(false, true);
    std::vector<Stream>& better = total(once) <= total(strips) ? once : strips;
    return total(better) <= hardware_.activation_rows ? better : least;
  }

  void keep_on_chip() {
    std::vector<std::vector<Stream>> streams;
    for (std::size_t i = 0; i < plan_.segments.size(); ++i) streams.push_back(streams_of(i));
    const Residency residency = choose_residents(lives_, streams, hardware_.activation_rows);
    for (const Life& life : residency.kept) {
      Place& place = plan_.forms[life.form];
      place.on_chip = true;
      place.in_memory = false;
      place.ring = life.ring;
    }
    for (std::size_t i = 0; i < plan_.segments.size(); ++i) plan_.segments[i].free = residency.free[i];
  }

  [[nodiscard]] Place place_of(const Part& part) const {
    Place place = plan_.forms[part.root];
    place.first_word += part.first_word;
    place.ring.base += part.first_word * place.ring.stride;
    place.ring.words = part.words;
    place.grid = part.grid;
    return place;
  }

  void give_places() {
    for (std::size_t i = 0; i < plan_.segments.size(); ++i) {
      Segment& segment = plan_.segments[i];
      const Operands& operands = operands_[i];
      segment.input = place_of(operands.input);
      if (operands.second) segment.second = place_of(*operands.second);
      if (operands.vector) segment.vector = place_of(*operands.vector);
      for (const auto& result : operands.results)
        segment.results.push_back(result ? place_of(*result) : Place{});
    }
    std::vector<Place> places;  // parts have places too, for whoever asks
    for (std::size_t i = 0; i < plan_.forms.size(); ++i) {
      const Form form{static_cast<int>(i / 2), i % 2 == 1};
      const FormLayout& layout = layout_of(form);
      if (layout.root < 0) {
        places.emplace_back();
        continue;
      }
      const int word = layout.pieces.front().first_word;
      const Part part{layout.root, word, end_word(form, layout.pieces.back()) - word, grid_of(form)};
      places.push_back(place_of(part));
      give_lanes(form, part);
    }
    plan_.forms = std::move(places);
  }

  void give_lanes(const Form& form, const Part& part) {
    const std::vector<int> channels = lanes_of(form, part);
    if (is_in_order(channels, network_.tensors[form.tensor].shape.channels)) return;
    std::vector<int>& lanes = plan_.lanes[form.index()];
    lanes.resize(static_cast<std::size_t>(network_.tensors[form.tensor].shape.channels));
    for (std::size_t lane = 0; lane < channels.size(); ++lane)
      if (channels[lane] >= 0) lanes[static_cast<std::size_t>(channels[lane])] = static_cast<int>(lane);
  }

  const Network& network_;
  const HardwareInfo& hardware_;
  const CompileOptions& options_;
  NetworkPlan plan_;
  std::vector<int> weight_bits_;           ///< per layer
  std::vector<std::vector<int>> readers_;  ///< per tensor, layers
  std::vector<int> writer_;                ///< per tensor, the layer, or -1
  ChannelLayout layout_;
  std::vector<std::optional<Inside>> insides_;  ///< per form
  std::set<int> done_;                          ///< layers that are fused behind others
  std::vector<Operands> operands_;              ///< per segment
  std::vector<std::vector<int>> uses_;          ///< per root: segments
  std::set<int> in_parts_;  ///< roots of which some rows and columns are read or written alone
  std::set<int> vectors_;   ///< roots that are loaded from memory as weights
  std::vector<Life> lives_;
};

}  // namespace

NetworkPlan plan_network(const Network& network, const Policy& policy, const HardwareInfo& hardware,
                         const CompileOptions& options) {
  return Planner(network, policy, hardware, options).build();
}

}  // namespace bitloop::host
