#include "host/compiler/network_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "host/base/error.h"
#include "host/base/integers.h"
#include "host/compiler/residency.h"
#include "host/program/instruction.h"

namespace bitloop::host {
namespace {

/// Builds the plan: which forms lie inside others, which segments run, where everything lies.
class Planner {
 public:
  Planner(const Network& network, const Policy& policy, const HardwareInfo& hardware,
          const CompileOptions& options)
      : network_(network), hardware_(hardware), options_(options), uses_(2 * network.tensors.size()) {
    plan_.bits = tensor_bits(network, policy);
    plan_.forms.resize(2 * network.tensors.size());
    parents_.resize(plan_.forms.size());
    std::size_t next = 0;
    for (const Layer& layer : network.layers) {
      weight_bits_.push_back(layer.has_weights() ? policy.layers.at(next++).weight_bits : 8);
    }
  }

  NetworkPlan build() {
    find_readers();
    for (std::size_t i = 0; i < network_.layers.size(); ++i) {
      if (network_.layers[i].kind == LayerKind::concat) join(static_cast<int>(i));
      if (network_.layers[i].kind == LayerKind::interleave) interleave(static_cast<int>(i));
    }
    if (has_narrow(network_.input)) add_narrowing(network_.input);
    for (std::size_t i = 0; i < network_.layers.size(); ++i) add_layer(static_cast<int>(i));
    place_in_memory();
    if (!options_.spill_all && !options_.separate) note_lives();
    keep_on_chip();
    give_places();
    return std::move(plan_);
  }

 private:
  /// Words of a form.
  struct Part {
    Form form;
    int first_word = 0;
    int words = 0;  ///< per position
    std::optional<Grid> grid = {};
  };
  /// Operands and results of a segment.
  struct Operands {
    Part input;
    std::optional<Part> second;
    std::vector<std::optional<Part>> results;  ///< none: only the next stage reads it
  };
  /// An input of a concat or interleave that cannot be written where the output lies.
  struct Copy {
    int layer = 0;
    Form source;
    Part target;
  };

  [[nodiscard]] const Layer& layer(int index) const {
    return network_.layers[static_cast<std::size_t>(index)];
  }
  [[nodiscard]] bool has_narrow(int tensor) const { return plan_.bits.narrow[tensor] != 0; }
  [[nodiscard]] int bits_of(const Form& form) const {
    return form.narrow ? plan_.bits.narrow[form.tensor] : plan_.bits.written[form.tensor];
  }
  [[nodiscard]] int words_of(const Form& form) const {
    return words_per_position(network_.tensors[form.tensor].shape.channels, bits_of(form));
  }
  [[nodiscard]] Part whole(const Form& form) const { return {form, 0, words_of(form)}; }
  /// The form of a tensor that a layer reads.
  [[nodiscard]] Form read_form(const Layer& reader, int tensor) const {
    return {tensor, reads_narrow(plan_.bits, reader, tensor)};
  }

  void find_readers() {
    readers_.resize(network_.tensors.size());
    writer_.assign(network_.tensors.size(), -1);
    for (std::size_t i = 0; i < network_.layers.size(); ++i) {
      for (const int tensor : network_.layers[i].inputs) readers_[tensor].push_back(static_cast<int>(i));
      writer_[network_.layers[i].output] = static_cast<int>(i);
    }
  }

  /// Lets a concat's inputs be written where its output lies, as far as they are not parts of another form.
  void join(int index) {
    const Layer& concat = layer(index);
    const Form output{concat.output, false};
    const int bits = bits_of(output);
    int channel = 0;
    for (const int tensor : concat.inputs) {
      if (channel % word_channels(bits) != 0) {
        throw InputError(fmt::format(
            "layer {}: tensor {} starts at channel {} and {}-bit codes join at multiples of {}; use channel "
            "counts that are multiples of {}{}",
            concat.name, network_.tensors[tensor].name, channel, bits, word_channels(bits),
            word_channels(bits), bits == 1 && channel % kBlockChannels == 0 ? ", or 2 bits" : ""));
      }
      const Form input = read_form(concat, tensor);
      const Part part{output, channel / word_channels(bits) * words_per_block(bits), words_of(input)};
      if (!parents_[input.index()] && tensor != network_.input) {
        parents_[input.index()] = part;
      } else {
        copies_.push_back({index, input, part});
      }
      channel += network_.tensors[tensor].shape.channels;
    }
  }

  /// Lets an interleave's inputs be written where its output lies, as far as nothing else reads them and they
  /// are not parts of another form.
  void interleave(int index) {
    const Layer& layer = this->layer(index);
    const Form output{layer.output, false};
    for (std::size_t i = 0; i < layer.inputs.size(); ++i) {
      const int tensor = layer.inputs[i], part = static_cast<int>(i);
      const Form input = read_form(layer, tensor);
      const Part target{output, 0, words_of(input),
                        Grid{network_.output_shape(layer).width, part / layer.stride.x, part % layer.stride.x,
                             layer.stride}};
      const int writer = writer_[tensor];
      // Repeated positions are stored by the row; tensors that are compared lie by themselves.
      const bool alone = writer < 0 || this->layer(writer).kind == LayerKind::upsample || options_.spill_all;
      if (!alone && !parents_[input.index()] && readers_[tensor].size() == 1) {
        parents_[input.index()] = target;
      } else {
        copies_.push_back({index, input, target});
      }
    }
  }

  /// The same words as a part of the form that is itself no part.
  [[nodiscard]] Part in_root(Part part) const {
    while (const auto& parent = parents_[part.form.index()]) {
      part.form = parent->form;
      part.first_word += parent->first_word;
      if (parent->grid) part.grid = part.grid ? within(*parent->grid, *part.grid) : parent->grid;
    }
    return part;
  }

  void add_layer(int index) {
    const Layer& layer = this->layer(index);
    if (done_.contains(index)) return;
    if (layer.kind == LayerKind::concat || layer.kind == LayerKind::interleave) {
      add_copies(index);
      if (has_narrow(layer.output)) add_narrowing(layer.output);
      return;
    }
    if (layer.kind == LayerKind::average_pool && counted_taps(network_, layer).size() > 1) {
      add_regions(index);
      if (has_narrow(layer.output)) add_narrowing(layer.output);
      return;
    }
    Segment segment;
    Operands operands;
    segment.name = layer.name;
    segment.layers = {index};
    segment.op = lower(network_, layer, plan_.bits, weight_bits_[static_cast<std::size_t>(index)], hardware_);
    operands.input = whole(read_form(layer, layer.inputs[0]));
    if (layer.kind == LayerKind::add) operands.second = whole(read_form(layer, layer.inputs[1]));
    operands.results.push_back(whole({layer.output, false}));
    int tensor = layer.output;
    if (const int add = add_behind(index); add >= 0) {
      fuse_add(index, add, segment, operands);
      tensor = this->layer(add).output;
    } else if (const int pool = pool_behind(index); pool >= 0) {
      fuse_pool(pool, segment, operands);
      tensor = this->layer(pool).output;
    }
    const bool alone = segment.op.kind == OpKind::copy || options_.separate;
    if (has_narrow(tensor) && !alone) {
      segment.stages.push_back({StageKind::requantize, plan_.bits.narrow[tensor], -1, tensor, false});
      operands.results.push_back(whole({tensor, true}));
    }
    append(std::move(segment), std::move(operands));
    if (has_narrow(tensor) && alone) add_narrowing(tensor);
  }

  /// An average pool that leaves padding out of its count: a segment for each part of its output whose
  /// windows count the same number of taps.
  void add_regions(int index) {
    const Layer& layer = this->layer(index);
    const std::vector<int> counts = counted_taps(network_, layer);
    const WindowOp op = lower(network_, layer, plan_.bits, 8, hardware_);
    int number = 0;
    for (const PoolRegion& region : pool_regions(network_, layer)) {
      Segment segment;
      segment.name = number++ == 0 ? layer.name : fmt::format("{}:{}", layer.name, number);
      segment.layers = {index};
      segment.op = region_op(op, region);
      segment.set = static_cast<int>(std::ranges::find(counts, region.taps) - counts.begin());
      Part input = whole(read_form(layer, layer.input())), output = whole({layer.output, false});
      input.grid = Grid{op.input_width, region.input.first_row, region.input.first_column};
      output.grid = Grid{op.output_width, region.output.first_row, region.output.first_column};
      append(std::move(segment), {input, {}, {output}});
    }
  }

  /// The add that alone reads a layer's output and whose other operand exists by then; -1: none.
  [[nodiscard]] int add_behind(int index) const {
    if (options_.separate) return -1;
    const Layer& producer = layer(index);
    if (producer.kind == LayerKind::add || producer.kind == LayerKind::upsample) return -1;
    if (counted_taps(network_, producer).size() > 1) return -1;
    const int tensor = producer.output;
    if (readers_[tensor].size() != 1 || has_narrow(tensor)) return -1;
    const int reader = readers_[tensor].front();
    if (layer(reader).kind != LayerKind::add) return -1;
    const int other = layer(reader).inputs[layer(reader).inputs[0] == tensor ? 1 : 0];
    if (other == tensor || (writer_[other] >= index)) return -1;
    return reader;
  }

  void fuse_add(int index, int add, Segment& segment, Operands& operands) {
    const Layer& layer = this->layer(add);
    lower(network_, layer, plan_.bits, 8, hardware_);  // refuses what the hardware cannot do
    const bool second_first = layer.inputs[0] != this->layer(index).output;
    const int other = layer.inputs[second_first ? 0 : 1];
    segment.stages.push_back(
        {StageKind::add, plan_.bits.written[layer.output], add, layer.output, second_first});
    operands.second = whole(read_form(layer, other));
    fuse(add, segment, operands);
  }

  /// The max pool that alone reads a convolution's output; -1: none.
  [[nodiscard]] int pool_behind(int index) const {
    if (options_.separate || !layer(index).has_weights()) return -1;
    const int tensor = layer(index).output;
    if (readers_[tensor].size() != 1 || has_narrow(tensor)) return -1;
    const int reader = readers_[tensor].front();
    return layer(reader).kind == LayerKind::max_pool ? reader : -1;
  }

  void fuse_pool(int pool, Segment& segment, Operands& operands) {
    const Layer& layer = this->layer(pool);
    segment.pool = lower(network_, layer, plan_.bits, 8, hardware_);
    segment.stages.push_back(
        {StageKind::max_pool, plan_.bits.written[layer.output], pool, layer.output, false});
    fuse(pool, segment, operands);
  }

  void fuse(int layer, Segment& segment, Operands& operands) {
    segment.layers.push_back(layer);
    if (!options_.spill_all) operands.results[0].reset();
    operands.results.push_back(whole({this->layer(layer).output, false}));
    done_.insert(layer);
  }

  /// A segment that makes the narrow form of a tensor whose layer computes nothing.
  void add_narrowing(int tensor) {
    Segment segment;
    segment.name = fmt::format("{}:{}", network_.tensors[tensor].name, plan_.bits.narrow[tensor]);
    segment.layers = {writer_[tensor]};
    segment.narrowed = tensor;
    segment.op = narrow_op(segment.name, network_.tensors[tensor].shape, plan_.bits.narrow[tensor]);
    append(std::move(segment), {whole({tensor, false}), {}, {whole({tensor, true})}});
  }

  /// Copies the inputs of a concat or interleave that are parts of something else.
  void add_copies(int index) {
    for (const Copy& copy : copies_) {
      if (copy.layer != index) continue;
      Segment segment;
      const Tensor& tensor = network_.tensors[copy.source.tensor];
      segment.name = fmt::format("{}:{}", layer(index).name, tensor.name);
      segment.layers = {index};
      segment.op = narrow_op(segment.name, tensor.shape, bits_of(copy.source));
      segment.op.kind = OpKind::copy;
      segment.op.input_bits = bits_of(copy.source);
      if (segment.op.input_bits == 1) {
        segment.op.block_channels = word_channels(1);
        segment.op.blocks = words_of(copy.source);
      }
      append(std::move(segment), {whole(copy.source), {}, {copy.target}});
    }
  }

  void append(Segment segment, Operands operands) {
    const int time = static_cast<int>(plan_.segments.size());
    use(operands.input, time);
    if (operands.second) use(*operands.second, time);
    for (const auto& result : operands.results) {
      if (result) use(*result, time);
    }
    plan_.segments.push_back(std::move(segment));
    operands_.push_back(std::move(operands));
  }

  /// Notes that a segment reads or writes a part of a form.
  void use(const Part& part, int time) {
    const Part words = in_root(part);
    uses_[words.form.index()].push_back(time);
    if (words.grid) in_parts_.insert(words.form.index());
  }

  /// Gives every form that exists an offset in memory, whether it will lie there or not: a job's memory is
  /// not scarce.
  void place_in_memory() {
    for (std::size_t i = 0; i < uses_.size(); ++i) {
      if (uses_[i].empty() && static_cast<int>(i) != 2 * network_.input) continue;
      const Form form{static_cast<int>(i / 2), i % 2 == 1};
      Place& place = plan_.forms[i];
      place.in_memory = true;
      place.words = words_of(form);
      place.offset = plan_.tensor_bytes;
      const Shape& shape = network_.tensors[form.tensor].shape;
      const bool image = network_.image_input && form.tensor == network_.input;
      const Address bytes = image ? round_up(static_cast<Address>(shape.elements()), kWordBytes)
                                  : tensor_bytes(shape, bits_of(form));
      plan_.tensor_bytes += round_up(bytes, kPageBytes);
    }
  }

  void note_lives() {
    for (std::size_t i = 0; i < uses_.size(); ++i) {
      const Form form{static_cast<int>(i / 2), i % 2 == 1};
      if (uses_[i].empty() || form.tensor == network_.input || network_.is_output(form.tensor)) continue;
      if (is_copied_to(form) || in_parts_.contains(form.index())) continue;
      const Shape& shape = network_.tensors[form.tensor].shape;
      if (static_cast<long>(shape.height) * shape.width > kLargestRing) continue;
      const Ring ring = make_ring(shape.width, shape.height, words_of(form), hardware_.pixels);
      if (ring.positions() > kLargestRing || ring.bank_rows() > hardware_.activation_rows) continue;
      const auto [first, last] = std::minmax_element(uses_[i].begin(), uses_[i].end());
      lives_.push_back({static_cast<int>(i), ring, *first, *last, static_cast<int>(uses_[i].size())});
    }
  }

  /// A copy goes through activation SRAM, not within it.
  [[nodiscard]] bool is_copied_to(const Form& form) const {
    for (std::size_t i = 0; i < plan_.segments.size(); ++i) {
      if (plan_.segments[i].op.kind != OpKind::copy) continue;
      if (in_root(*operands_[i].results[0]).form == form) return true;
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
      list.push_back({in_root(operands.input).form.index(),
                      rows(op.input_width, whole_input ? op.input_height : span, input_words)});
      const auto add = [&](const std::optional<Part>& part, int result, int bits) {
        const Extent extent = segment.extent(result);
        const int words = words_per_position(op.filters, bits);
        list.push_back({part ? in_root(*part).form.index() : -1,
                        rows(extent.width, std::min(extent.height, positions),
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
    const Part words = in_root(part);
    Place place = plan_.forms[words.form.index()];
    place.first_word += words.first_word;
    place.ring.base += words.first_word * place.ring.stride;
    place.ring.words = words.words;
    place.grid = words.grid;
    return place;
  }

  void give_places() {
    for (std::size_t i = 0; i < plan_.segments.size(); ++i) {
      Segment& segment = plan_.segments[i];
      const Operands& operands = operands_[i];
      segment.input = place_of(operands.input);
      if (operands.second) segment.second = place_of(*operands.second);
      for (const auto& result : operands.results)
        segment.results.push_back(result ? place_of(*result) : Place{});
    }
    for (std::size_t i = 0; i < plan_.forms.size(); ++i) {  // parts have places too, for whoever asks
      const Form form{static_cast<int>(i / 2), i % 2 == 1};
      if (parents_[i]) plan_.forms[i] = place_of(whole(form));
    }
  }

  const Network& network_;
  const HardwareInfo& hardware_;
  const CompileOptions& options_;
  NetworkPlan plan_;
  std::vector<int> weight_bits_;              ///< per layer
  std::vector<std::vector<int>> readers_;     ///< per tensor, layers
  std::vector<int> writer_;                   ///< per tensor, the layer, or -1
  std::vector<std::optional<Part>> parents_;  ///< per form, of what it is a part
  std::vector<Copy> copies_;
  std::set<int> done_;                  ///< layers that are fused behind others
  std::vector<Operands> operands_;      ///< per segment
  std::vector<std::vector<int>> uses_;  ///< per form that is no part: segments
  std::set<int> in_parts_;              ///< forms of which some rows and columns are read or written alone
  std::vector<Life> lives_;
};

}  // namespace

NetworkPlan plan_network(const Network& network, const Policy& policy, const HardwareInfo& hardware,
                         const CompileOptions& options) {
  return Planner(network, policy, hardware, options).build();
}

}  // namespace bitloop::host
