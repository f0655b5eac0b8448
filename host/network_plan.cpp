#include "host/network_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "host/error.h"
#include "host/instruction.h"
#include "host/residency.h"

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
  /// A form that is a part of another one's words.
  struct Parent {
    Form form;
    int first_word = 0;
  };
  /// Operands and results of a segment, as forms.
  struct Operands {
    Form input;
    std::optional<Form> second;
    std::vector<std::optional<Form>> results;  ///< none: only the next stage reads it
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
    const Form whole{concat.output, false};
    const int bits = bits_of(whole);
    int channel = 0;
    for (const int tensor : concat.inputs) {
      if (channel % word_channels(bits) != 0) {
        throw InputError(fmt::format(
            "layer {}: tensor {} starts at channel {} and {}-bit codes join at multiples of {}; use channel "
            "counts that are multiples of {}{}",
            concat.name, network_.tensors[tensor].name, channel, bits, word_channels(bits),
            word_channels(bits), bits == 1 && channel % kBlockChannels == 0 ? ", or 2 bits" : ""));
      }
      const Form part = read_form(concat, tensor);
      if (!parents_[part.index()] && tensor != network_.input) {
        parents_[part.index()] = Parent{whole, channel / word_channels(bits) * words_per_block(bits)};
      } else {
        copies_.push_back({index, part, {whole, channel / word_channels(bits) * words_per_block(bits)}});
      }
      channel += network_.tensors[tensor].shape.channels;
    }
  }

  /// The form whose words hold this one's, and where.
  [[nodiscard]] Parent root(const Form& form) const {
    Parent found{form, 0};
    while (const auto& parent = parents_[found.form.index()]) {
      found = {parent->form, found.first_word + parent->first_word};
    }
    return found;
  }

  void add_layer(int index) {
    const Layer& layer = this->layer(index);
    if (done_.contains(index)) return;
    if (layer.kind == LayerKind::concat) {
      add_copies(index);
      if (has_narrow(layer.output)) add_narrowing(layer.output);
      return;
    }
    Segment segment;
    Operands operands;
    segment.name = layer.name;
    segment.layers = {index};
    segment.op = lower(network_, layer, plan_.bits, weight_bits_[static_cast<std::size_t>(index)], hardware_);
    operands.input = read_form(layer, layer.inputs[0]);
    if (layer.kind == LayerKind::add) operands.second = read_form(layer, layer.inputs[1]);
    operands.results.push_back(Form{layer.output, false});
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
      operands.results.push_back(Form{tensor, true});
    }
    append(std::move(segment), std::move(operands));
    if (has_narrow(tensor) && alone) add_narrowing(tensor);
  }

  /// The add that alone reads a layer's output and whose other operand exists by then; -1: none.
  [[nodiscard]] int add_behind(int index) const {
    if (options_.separate) return -1;
    const Layer& producer = layer(index);
    if (producer.kind == LayerKind::add || producer.kind == LayerKind::upsample) return -1;
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
    operands.second = read_form(layer, other);
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
    operands.results.push_back(Form{this->layer(layer).output, false});
    done_.insert(layer);
  }

  /// A segment that makes the narrow form of a tensor whose layer computes nothing.
  void add_narrowing(int tensor) {
    Segment segment;
    segment.name = fmt::format("{}:{}", network_.tensors[tensor].name, plan_.bits.narrow[tensor]);
    segment.layers = {writer_[tensor]};
    segment.narrowed = tensor;
    segment.op = narrow_op(segment.name, network_.tensors[tensor].shape, plan_.bits.narrow[tensor]);
    append(std::move(segment), {Form{tensor, false}, {}, {Form{tensor, true}}});
  }

  /// Copies the inputs of a concat that are parts of something else.
  void add_copies(int index) {
    for (const Copy& copy : copies_) {
      if (copy.layer != index) continue;
      Segment segment;
      const Tensor& tensor = network_.tensors[copy.part.tensor];
      segment.name = fmt::format("{}:{}", layer(index).name, tensor.name);
      segment.layers = {index};
      segment.op = narrow_op(segment.name, tensor.shape, bits_of(copy.part));
      segment.op.kind = OpKind::copy;
      segment.op.input_bits = bits_of(copy.part);
      if (segment.op.input_bits == 1) {
        segment.op.block_channels = word_channels(1);
        segment.op.blocks = words_of(copy.part);
      }
      copy_targets_.push_back({plan_.segments.size(), copy.target});
      append(std::move(segment), {copy.part, {}, {Form{layer(index).output, false}}});
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

  /// Notes that a segment reads or writes a form, in the words of its root.
  void use(const Form& form, int time) { uses_[root(form).form.index()].push_back(time); }

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
      const Address bytes =
          image ? static_cast<Address>(shape.elements() + 7) / 8 * 8 : tensor_bytes(shape, bits_of(form));
      plan_.tensor_bytes += (bytes + kPageBytes - 1) / kPageBytes * kPageBytes;
    }
  }

  void note_lives() {
    for (std::size_t i = 0; i < uses_.size(); ++i) {
      const Form form{static_cast<int>(i / 2), i % 2 == 1};
      if (uses_[i].empty() || form.tensor == network_.input || network_.is_output(form.tensor)) continue;
      if (is_copied_to(form)) continue;
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
      if (root(*operands_[i].results[0]).form == form) return true;
    }
    return false;
  }

  /// The least that a segment's streams take: some rows of each, of one unit's channels where only those are
  /// needed at a time.
  [[nodiscard]] std::vector<Stream> streams_of(std::size_t index) const {
    const Segment& segment = plan_.segments[index];
    const WindowOp& op = segment.op;
    const Operands& operands = operands_[index];
    const auto rows = [&](int width, int count, int words) {
      return make_ring(width, count, words, hardware_.pixels).bank_rows();
    };
    const auto unit_words = [](int bits) { return bits == 1 ? 1 : 2 * words_per_block(bits); };
    std::vector<Stream> streams;
    const int span = std::min(op.input_height, (op.kernel_height - 1) * op.dilation_y + 1 + 2 * op.stride_y);
    const int words =
        op.by_blocks() ? std::min(op.input_words(), unit_words(op.input_bits)) : op.input_words();
    streams.push_back({root(operands.input).form.index(), rows(op.input_width, span, words)});
    const int positions = segment.pool ? segment.pool->kernel_height + 2 * segment.pool->stride_y : 3;
    const auto add = [&](const std::optional<Form>& form, int result, int bits) {
      const Extent extent = segment.extent(result);
      const int all = words_per_position(op.filters, bits);
      streams.push_back(
          {form ? root(*form).form.index() : -1,
           rows(extent.width, std::min(extent.height, positions), std::min(all, unit_words(bits)))});
    };
    if (operands.second) add(operands.second, 0, 8);
    for (int i = 0; i < static_cast<int>(operands.results.size()); ++i) {
      add(operands.results[static_cast<std::size_t>(i)], i, segment.result_bits(i));
    }
    return streams;
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

  /// The place of a form, as a part of its root.
  [[nodiscard]] Place place_of(const Form& form) const {
    const Parent parent = root(form);
    return part_of(plan_.forms[parent.form.index()], parent.first_word, words_of(form));
  }

  static Place part_of(Place place, int first_word, int words) {
    place.first_word += first_word;
    place.ring.base += first_word * place.ring.stride;
    place.ring.words = words;
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
    for (const CopyTarget& copy : copy_targets_) {
      Segment& segment = plan_.segments[copy.segment];
      const Parent parent = root(copy.target.form);
      segment.results[0] = part_of(plan_.forms[parent.form.index()],
                                   parent.first_word + copy.target.first_word, segment.op.input_words());
    }
    for (std::size_t i = 0; i < plan_.forms.size(); ++i) {  // parts have places too, for whoever asks
      const Form form{static_cast<int>(i / 2), i % 2 == 1};
      if (parents_[i]) plan_.forms[i] = place_of(form);
    }
  }

  struct Copy {
    int layer = 0;
    Form part;
    Parent target;
  };
  struct CopyTarget {
    std::size_t segment = 0;
    Parent target;
  };

  const Network& network_;
  const HardwareInfo& hardware_;
  const CompileOptions& options_;
  NetworkPlan plan_;
  std::vector<int> weight_bits_;                ///< per layer
  std::vector<std::vector<int>> readers_;       ///< per tensor, layers
  std::vector<int> writer_;                     ///< per tensor, the layer, or -1
  std::vector<std::optional<Parent>> parents_;  ///< per form
  std::vector<Copy> copies_;
  std::vector<CopyTarget> copy_targets_;
  std::set<int> done_;                  ///< layers that are fused behind others
  std::vector<Operands> operands_;      ///< per segment
  std::vector<std::vector<int>> uses_;  ///< per form that is no part: segments
  std::vector<Life> lives_;
};

}  // namespace

NetworkPlan plan_network(const Network& network, const Policy& policy, const HardwareInfo& hardware,
                         const CompileOptions& options) {
  return Planner(network, policy, hardware, options).build();
}

}  // namespace bitloop::host
