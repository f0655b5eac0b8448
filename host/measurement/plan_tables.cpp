#include "host/measurement/plan_tables.h"

#include <algorithm>
#include <stdexcept>

#include "host/base/error.h"
#include "host/compiler/network_plan.h"
#include "host/compiler/segment_streams.h"
#include "host/measurement/segment_key.h"

namespace bitloop::host {
namespace {

constexpr std::size_t kMostOutcomes = 1 << 20;  // of a turn, that a table has room for
constexpr std::size_t kMostWidened = 6;         // forms of a class that take 2 bits or not by themselves

/// log2 of a width; -1 of what is none.
int width_index(int bits) {
  constexpr std::array<int, 9> kIndex = {-1, 0, 1, -1, 2, -1, -1, -1, 3};
  return bits >= 0 && bits <= 8 ? kIndex[static_cast<std::size_t>(bits)] : -1;
}

/// Plans each policy's network.
class WholePlans final : public NetworkPlans {
 public:
  WholePlans(const Network& network, const HardwareInfo& hardware, bool separate)
      : network_(network), hardware_(hardware), options_{.separate = separate} {}

  std::span<const Placed> plan(const Policy& policy) override {
    segments_ = plan_network(network_, policy, hardware_, options_).segments;
    placed_.clear();
    layers_.clear();
    for (const Segment& segment : segments_) {
      const bool first = placed_.empty();
      const auto number = static_cast<std::uint32_t>(
          number_of_.try_emplace(key_text(segment, first), number_of_.size()).first->second);
      placed_.push_back({.draft = 2 * number + (first ? 1 : 0)});
      layers_.push_back(segment.layers.front());
    }
    return placed_;
  }
  [[nodiscard]] std::span<const int> layers() const override { return layers_; }
  [[nodiscard]] Segment segment(std::size_t index) const override { return segments_[index]; }

 private:
  const Network& network_;
  const HardwareInfo& hardware_;
  CompileOptions options_;
  std::unordered_map<std::string, std::size_t> number_of_;  ///< by key text
  std::vector<Segment> segments_;
  std::vector<Placed> placed_;
  std::vector<int> layers_;
};

}  // namespace

std::size_t NetworkPlans::PlacedHash::operator()(const Placed& placed) const {
  std::uint64_t hash = placed.draft;
  const auto mix = [&](std::uint64_t high, std::uint64_t low) {
    hash = (hash ^ (high << 32 | low)) * 0x9e3779b97f4a7c15;
    hash ^= hash >> 32;
  };
  mix(placed.free_first, placed.free_end);
  mix(placed.spots[0], placed.spots[1]);
  mix(placed.spots[2], placed.spots[3]);
  mix(0, placed.spots[4]);
  return hash;
}

std::unique_ptr<NetworkPlans> make_network_plans(const Network& network, const HardwareInfo& hardware,
                                                 bool separate) {
  if (auto tables = PlanTables::make(network, hardware, separate)) return tables;
  return std::make_unique<WholePlans>(network, hardware, separate);
}

StoredWidths::StoredWidths(const Network& network, const HardwareInfo& hardware)
    : network_(network), hardware_(hardware), class_of_tensor_(network.tensors.size(), -1) {
  const std::vector<int> first = width_classes(network);  // tensors
  std::vector<int> class_of_first(network.tensors.size(), -1);
  for (const Layer& layer : network.layers) {
    row_of_layer_.push_back(layer.has_weights() ? static_cast<int>(class_of_row_.size()) : -1);
    if (!layer.has_weights()) continue;
    int& of_class = class_of_first[first[layer.input()]];
    if (of_class < 0) {
      of_class = static_cast<int>(classes_.size());
      classes_.emplace_back();
    }
    class_of_row_.push_back(of_class);
  }
  for (std::size_t t = 0; t < network.tensors.size(); ++t) class_of_tensor_[t] = class_of_first[first[t]];
  const TensorBits base = tensor_bits(network, uniform_policy(network, 8, 8));
  for (int c = 0; c < classes(); ++c) add_class(c, base);
  fixed_ = wholes(base, -1);
  widening_.resize(class_of_row_.size());
  state_.resize(classes_.size());
  width_.resize(classes_.size());
  weight_index_.resize(class_of_row_.size());
}

void StoredWidths::add_class(int of_class, const TensorBits& base) {
  Class& added = classes_[static_cast<std::size_t>(of_class)];
  for (int i = 0; i < kWidthCount; ++i) {
    added.state_of_width[i] = -1;
    Policy policy = uniform_policy(network_, 8, 8);
    for (std::size_t row = 0; row < policy.layers.size(); ++row)
      if (class_of_row_[row] == of_class) policy.layers[row].input_bits = 1 << i;
    TensorBits bits;
    try {
      bits = tensor_bits(network_, policy);
    } catch (const InputError&) {
      continue;  // not legal
    }
    for (std::size_t t = 0; t < network_.tensors.size(); ++t) {
      const bool same = bits.written[t] == base.written[t] && bits.narrow[t] == base.narrow[t];
      are_local_ = are_local_ && (same || class_of_tensor_[t] == of_class);
    }
    added.state_of_width[i] = add_state(of_class, bits);
    if (i > 0) continue;
    added.one_bit = bits;
    added.ones = one_bit_forms(network_, bits);
    are_local_ = are_local_ && added.ones.size() <= kMostWidened;
    if (!are_local_) return;
    for (std::size_t widened = 0; widened < std::size_t{1} << added.ones.size(); ++widened) {
      TensorBits wider = bits;
      for (std::size_t g = 0; g < added.ones.size(); ++g)
        if ((widened >> g & 1) != 0) widen(wider, added.ones[g]);
      added.state_of_widened.push_back(add_state(of_class, std::move(wider)));
    }
  }
}

/// Equal ones are one.
int StoredWidths::add_state(int of_class, TensorBits bits) {
  std::vector<State>& states = classes_[static_cast<std::size_t>(of_class)].states;
  const auto known =
      std::find_if(states.begin(), states.end(), [&](const State& state) { return state.bits == bits; });
  if (known != states.end()) return static_cast<int>(known - states.begin());
  State state{std::move(bits), {}};
  state.wholes = wholes(state.bits, of_class);
  states.push_back(std::move(state));
  return static_cast<int>(states.size()) - 1;
}

std::vector<StoredWidths::Whole> StoredWidths::wholes(const TensorBits& bits, int of_class) const {
  const std::vector<int> weight_bits(network_.layers.size(), 8);  // a plain layout does not ask
  const ChannelLayout layout = lay_out_channels(network_, bits, weight_bits, hardware_);
  std::vector<Whole> wholes;
  for (std::size_t form = 0; form < layout.forms.size(); ++form) {
    if (layout.forms[form].root < 0 || class_of_tensor_[form / 2] != of_class) continue;
    const auto index = static_cast<int>(form);
    if (const auto ring = whole_ring(network_, index, layout.words[form], hardware_))
      wholes.push_back({index, *ring});
  }
  return wholes;
}

const ReadCost& StoredWidths::widening(const Class& of, int layer) {
  const auto row = static_cast<std::size_t>(row_of_layer_[static_cast<std::size_t>(layer)]);
  const int index = weight_index_[row];
  std::optional<ReadCost>& cost = widening_[row][static_cast<std::size_t>(index)];
  if (!cost) cost = cost_of_widening(network_, layer, of.one_bit, 1 << index, hardware_);
  return *cost;
}

int StoredWidths::one_bit_state(const Class& of) {
  std::size_t widened = 0;
  for (std::size_t g = 0; g < of.ones.size(); ++g) {
    ReadCost added;
    for (const int layer : of.ones[g].readers) added += widening(of, layer);
    if (added < ReadCost{}) widened |= std::size_t{1} << g;
  }
  return of.state_of_widened[widened];
}

void StoredWidths::read(const Policy& policy) {
  if (policy.layers.size() != class_of_row_.size()) refuse(policy);
  std::fill(width_.begin(), width_.end(), -1);
  for (std::size_t row = 0; row < class_of_row_.size(); ++row) {
    const LayerBits& bits = policy.layers[row];
    const int index = width_index(bits.input_bits);
    int& width = width_[static_cast<std::size_t>(class_of_row_[row])];
    if (width < 0) width = index;
    weight_index_[row] = width_index(bits.weight_bits);
    if (index < 0 || width != index || weight_index_[row] < 0) refuse(policy);
  }
  for (std::size_t c = 0; c < classes_.size(); ++c) {
    const Class& one = classes_[c];
    state_[c] = one.state_of_width[static_cast<std::size_t>(width_[c])];
    if (state_[c] < 0) refuse(policy);
    if (width_[c] == 0) state_[c] = one_bit_state(one);
  }
}

void StoredWidths::refuse(const Policy& policy) const {
  validate_policy(network_, policy);
  throw std::logic_error("a policy is legal for its network and not for its tables: " + policy.key());
}

std::unique_ptr<PlanTables> PlanTables::make(const Network& network, const HardwareInfo& hardware,
                                             bool separate) {
  if (!Drafter::is_local(network)) return nullptr;
  std::unique_ptr<PlanTables> tables(new PlanTables(network, hardware, separate));
  if (!tables->widths_.are_local() || !tables->add_turn(-1, -1)) return nullptr;
  int row = 0;
  for (std::size_t i = 0; i < network.layers.size(); ++i) {
    const bool has_row = network.layers[i].has_weights();
    if (!tables->add_turn(static_cast<int>(i), has_row ? row++ : -1)) return nullptr;
  }
  return tables;
}

PlanTables::PlanTables(const Network& network, const HardwareInfo& hardware, bool separate)
    : network_(network),
      hardware_(hardware),
      options_{.separate = separate},
      widths_(network, hardware),
      uses_(2 * network.tensors.size()),
      chooser_(hardware.activation_rows) {}

/// False where its table would be too large.
bool PlanTables::add_turn(int layer, int row) {
  Turn turn{.layer = layer, .row = row, .scope = {}, .outcomes = {}};
  std::size_t count = row < 0 ? 1 : std::size(kWidths);
  const std::vector<int> tensors =
      layer < 0 ? std::vector{network_.input} : Drafter::tensors_of(network_, layer);
  for (const int tensor : tensors) {
    const int of_class = widths_.class_of(tensor);
    const bool known = std::any_of(turn.scope.begin(), turn.scope.end(),
                                   [&](const auto& scope) { return scope.first == of_class; });
    if (of_class < 0 || known) continue;
    turn.scope.emplace_back(of_class, static_cast<int>(count));
    count *= static_cast<std::size_t>(widths_.states(of_class));
    if (count > kMostOutcomes) return false;
  }
  turn.outcomes.assign(count, -1);
  turns_.push_back(std::move(turn));
  return true;
}

std::size_t PlanTables::index_of(const Turn& turn) const {
  int index = turn.row < 0 ? 0 : widths_.weight_index(turn.row);
  for (const auto& [of_class, step] : turn.scope) index += step * widths_.state(of_class);
  return static_cast<std::size_t>(index);
}

/// Offset of the outcome of a turn that has none yet.
int PlanTables::draft(const Turn& turn, const Policy& policy) {
  if (!drafter_) drafter_.emplace(network_, policy, hardware_, options_);
  LayerDraft drafted = turn.layer < 0 ? drafter_->input() : drafter_->layer(turn.layer);
  const auto offset = static_cast<int>(outcomes_.size());
  outcomes_.push_back(static_cast<int>(drafted.segments.size()));
  for (DraftSegment& one : drafted.segments)
    outcomes_.push_back(add_draft(std::move(one), drafter_->channels().layout()));
  outcomes_.push_back(static_cast<int>(drafted.fused.size()));
  outcomes_.insert(outcomes_.end(), drafted.fused.begin(), drafted.fused.end());
  return offset;
}

/// Equal ones are one.
int PlanTables::add_draft(DraftSegment segment, const ChannelLayout& layout) {
  const Operands& operands = segment.operands;
  std::vector<std::optional<Part>> parts{operands.input, operands.second};
  parts.insert(parts.end(), operands.results.begin(), operands.results.end());
  Draft added;
  std::vector<int> roots;
  for (const std::optional<Part>& part : parts) roots.push_back(part ? part->root : -1);
  if (roots.size() > Placed::kSpots)
    throw std::logic_error(segment.segment.name + ": it has more results than a key has room for");
  parts.push_back(operands.vector);
  std::string text = key_text(segment.segment, false);
  const auto say = [&](int number) { text += std::to_string(number) + ' '; };
  for (const std::optional<Part>& part : parts) {
    say(part ? part->root : -1);
    if (!part) continue;
    added.words.emplace_back(part->root, layout.words[static_cast<std::size_t>(part->root)]);
    say(added.words.back().second);
    say(part->first_word);
    say(part->words);
    const Grid grid = part->grid.value_or(Grid{.width = 0, .step = 0});
    for (const int number : {grid.width, grid.first_row, grid.first_column, grid.step.y, grid.step.x})
      say(number);
  }
  const auto [known, is_new] = draft_of_.try_emplace(std::move(text), static_cast<int>(drafts_.size()));
  if (!is_new) return known->second;
  needs_.push_back({Few(uses_of(segment.segment, operands)),
                    Few(streams_of(segment.segment, operands, hardware_)), Few(roots)});
  added.segment = std::move(segment);
  drafts_.push_back(std::move(added));
  return known->second;
}

template <class T>
PlanTables::Few<T>::Few(const std::vector<T>& items) : count_(items.size()) {
  if (items.size() > items_.size())
    throw std::logic_error("a segment has more operands than a key has room for");
  std::copy(items.begin(), items.end(), items_.begin());
}

std::span<const PlanTables::Placed> PlanTables::plan(const Policy& policy) {
  widths_.read(policy);
  run_turns(policy);
  place();
  return placed_;
}

void PlanTables::run_turns(const Policy& policy) {
  drafter_.reset();
  fused_.assign(network_.layers.size(), 0);
  uses_.clear();
  chosen_.clear();
  layers_.clear();
  streams_.clear();
  for (Turn& turn : turns_) {
    if (turn.layer >= 0 && fused_[static_cast<std::size_t>(turn.layer)] != 0) continue;
    int& known = turn.outcomes[index_of(turn)];
    if (known < 0) known = draft(turn, policy);
    const int* outcome = &outcomes_[static_cast<std::size_t>(known)];
    for (int count = *outcome++; count > 0; --count) {
      chosen_.push_back(*outcome++);
      layers_.push_back(turn.layer);
      uses_.add(needs_[static_cast<std::size_t>(chosen_.back())].uses.items());
    }
    for (int count = *outcome++; count > 0; --count) fused_[static_cast<std::size_t>(*outcome++)] = 1;
  }
}

void PlanTables::place() {
  for (const int draft : chosen_) streams_.push_back(needs_[static_cast<std::size_t>(draft)].streams.items());
  lives_.clear();
  if (!options_.separate) {
    widths_.for_each_whole([&](const StoredWidths::Whole& whole) {
      if (const auto life = uses_.life(whole.form, whole.ring)) lives_.push_back(*life);
    });
  }
  residency_ = &chooser_.choose(lives_, streams_);
  spots_.assign(2 * network_.tensors.size(), 0);
  for (const Life& life : residency_->kept) {
    spots_[static_cast<std::size_t>(life.form)] =
        1 + 2 * static_cast<std::uint32_t>(life.ring.base) + (life.ring.spread ? 1 : 0);
  }
  placed_.clear();
  for (std::size_t i = 0; i < chosen_.size(); ++i) {
    Placed& placed = placed_.emplace_back();
    placed.draft = 2 * static_cast<std::uint32_t>(chosen_[i]) + (i == 0 ? 1 : 0);
    placed.free_first = static_cast<std::uint32_t>(residency_->free[i].first);
    placed.free_end = static_cast<std::uint32_t>(residency_->free[i].end);
    std::size_t spot = 0;
    for (const int root : needs_[static_cast<std::size_t>(chosen_[i])].roots.items())
      placed.spots[spot++] = root < 0 ? 0 : spots_[static_cast<std::size_t>(root)];
  }
}

Segment PlanTables::segment(std::size_t index) const {
  const Draft& draft = drafts_[static_cast<std::size_t>(chosen_[index])];
  std::vector<Place> wholes(spots_.size());
  for (const auto& [root, words] : draft.words) wholes[static_cast<std::size_t>(root)] = memory_place(words);
  for (const Life& life : residency_->kept)
    keep_on_chip(wholes[static_cast<std::size_t>(life.form)], life.ring);
  Segment segment = draft.segment.segment;
  give_places(segment, draft.segment.operands, wholes);
  segment.free = residency_->free[index];
  return segment;
}

}  // namespace bitloop::host
