#include "agent/environment/policy_space.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>

#include "agent/environment/features.h"
#include "host/base/error.h"

namespace bitloop::agent {
namespace {

constexpr const char* kWeight = "weight";
constexpr const char* kActivation = "activation";
constexpr const char* kResidual = "residual";

/// Weight bits that the CMC 2024 paper ties to input bits.
int tied_weight_bits(int input_bits) { return input_bits <= 2 ? 1 : input_bits; }

SearchSpaceOptions knob_options(const PolicySpaceOptions& options) {
  SearchSpaceOptions knobs{.pinned = options.pinned, .hardware = options.hardware};
  if (options.rules == Rules::ends8) knobs.pinned.insert(knobs.pinned.end(), {"first", "last"});
  return knobs;
}

/// Sets of knobs, by union.
class Partition {
 public:
  explicit Partition(std::size_t size) : root_(size) { std::iota(root_.begin(), root_.end(), 0); }
  int root(int i) const { return root_[i] == i ? i : root(root_[i]); }
  void join(int a, int b) {
    if (a >= 0 && b >= 0) root_[std::max(root(a), root(b))] = std::min(root(a), root(b));
  }

 private:
  std::vector<int> root_;
};

/// Which tensors an addition reads or writes, with all that share their codes.
std::vector<bool> residual_classes(const host::Network& network, const std::vector<int>& classes) {
  std::vector<bool> residual(network.tensors.size());
  for (const host::Layer& layer : network.layers) {
    if (layer.kind != host::LayerKind::add) continue;
    residual[classes[layer.output]] = true;
  }
  return residual;
}

/// Per weight layer the part of the network that it lies in: additions before it, or changes of resolution.
std::vector<int> parts_of(const host::Network& network, Grouping grouping) {
  std::vector<int> parts;
  int part = 0;
  int height = 0;
  const bool has_adds = std::ranges::any_of(
      network.layers, [](const host::Layer& l) { return l.kind == host::LayerKind::add; });
  for (const host::Layer& layer : network.layers) {
    if (grouping == Grouping::stage && layer.has_weights()) {
      const int now = network.output_shape(layer).height;
      if (now != height) ++part;
      height = now;
    }
    if (layer.has_weights()) parts.push_back(part);
    if (grouping == Grouping::block &&
        (layer.kind == host::LayerKind::add || (!has_adds && layer.has_weights())))
      ++part;
  }
  return parts;
}

}  // namespace

Rules rules_of(std::string_view name) {
  if (name == "free") return Rules::free;
  if (name == "tied") return Rules::tied;
  if (name == "ends8") return Rules::ends8;
  throw InputError(fmt::format("no rules are named '{}': use free, tied or ends8", name));
}

Grouping grouping_of(std::string_view name) {
  if (name == "none") return Grouping::none;
  if (name == "layer") return Grouping::layer;
  if (name == "block") return Grouping::block;
  if (name == "stage") return Grouping::stage;
  throw InputError(fmt::format("no grouping is named '{}': use none, layer, block or stage", name));
}

PolicySpace::PolicySpace(const host::Network& network, const PolicySpaceOptions& options)
    : knobs_(network, knob_options(options)) {
  const auto& knobs = knobs_.decisions();
  const bool tied = options.rules == Rules::tied;
  Partition sets(knobs.size());
  if (tied || options.grouping == Grouping::layer) {
    for (int row = 0; row < knobs_.rows(); ++row)
      sets.join(knobs_.weight_decision(row), knobs_.input_decision(row));
  }
  const std::vector<int> classes = host::width_classes(network);
  const std::vector<bool> residual = residual_classes(network, classes);
  const auto layers = network.weight_layers();
  std::vector<std::string> kinds(knobs.size(), kWeight);
  for (int row = 0; row < knobs_.rows(); ++row) {
    const int knob = knobs_.input_decision(row);
    const bool apart =
        options.grouping == Grouping::block && knob >= 0 && residual[classes[layers[row]->input()]];
    if (knob >= 0) kinds[knob] = apart ? kResidual : kActivation;
  }
  if (options.grouping == Grouping::block || options.grouping == Grouping::stage) {
    const std::vector<int> parts = parts_of(network, options.grouping);
    std::map<std::pair<int, std::string>, int> first;
    for (std::size_t i = 0; i < knobs.size(); ++i) {
      const auto key = std::pair(parts[knobs[i].row], kinds[i]);
      sets.join(static_cast<int>(i), first.try_emplace(key, static_cast<int>(i)).first->second);
    }
  }
  space_.name = network.name;
  space_.features = feature_names();
  std::map<int, std::vector<int>> groups;
  for (std::size_t i = 0; i < knobs.size(); ++i)
    groups[sets.root(static_cast<int>(i))].push_back(static_cast<int>(i));
  for (const auto& [root, group] : groups) {
    // Rules that tie leave weights alone at 8 bits.
    const bool has_input = std::ranges::any_of(group, [&](int k) { return kinds[k] != kWeight; });
    if (tied && !has_input) continue;
    members_.push_back(members_of(group, options));
    search::Decision decision{
        .name = name_of(root), .kind = kinds[root], .group = layers[knobs[root].row]->name};
    if (group.size() > 1) decision.name += fmt::format(" and {} more", group.size() - 1);
    for (const std::vector<int>& bits : members_.back().bits) {
      const double mean = std::accumulate(bits.begin(), bits.end(), 0.0) / static_cast<double>(bits.size());
      const auto input = std::ranges::find_if(group, [&](int k) { return kinds[k] != kWeight; });
      decision.choices.push_back(
          tied ? search::Choice{fmt::format("{}:{}", bits[input - group.begin()],
                                            tied_weight_bits(bits[input - group.begin()])),
                                mean}
               : search::Choice{fmt::format("{}", bits.front()), mean});
    }
    space_.decisions.push_back(std::move(decision));
  }
  set_weight_deviations({});
  space_.validate();
}

void PolicySpace::set_weight_deviations(const std::vector<double>& deviations) {
  const std::vector<LayerFeatures> rows = layer_features(network(), deviations);
  for (std::size_t i = 0; i < members_.size(); ++i) {
    search::Decision& decision = space_.decisions[i];
    const LayerFeatures& row = rows[knobs_.decisions()[members_[i].knobs.front()].row];
    decision.features.assign(row.begin(), row.end());
    decision.features.push_back(decision.kind == kWeight ? 0 : 1);
  }
}

PolicySpace::Members PolicySpace::members_of(const std::vector<int>& knobs,
                                             const PolicySpaceOptions& options) const {
  const bool tied = options.rules == Rules::tied;
  const auto has = [&](int knob, int width) {
    const auto& widths = knobs_.decisions()[knob].widths;
    return std::ranges::find(widths, width) != widths.end();
  };
  Members members{knobs, {}};
  for (const int width : host::kWidths) {
    if ((tied && width == 1) || std::ranges::find(options.widths, width) == options.widths.end()) continue;
    std::vector<int> bits;
    for (const int knob : knobs) {
      const bool is_weight = knobs_.decisions()[knob].kind == Decision::Kind::weight;
      const int turned = tied && is_weight ? tied_weight_bits(width) : width;
      if (has(knob, turned)) bits.push_back(turned);
    }
    if (bits.size() == knobs.size()) members.bits.push_back(std::move(bits));
  }
  if (members.bits.empty()) {
    throw InputError(
        fmt::format("the group of {} has no width that all its members can have: use a finer --group",
                    name_of(knobs.front())));
  }
  return members;
}

std::string PolicySpace::name_of(int knob) const {
  const auto layers = network().weight_layers();
  for (int row = 0; row < knobs_.rows(); ++row) {
    if (knobs_.weight_decision(row) == knob) return layers[row]->name + " weights";
    if (knobs_.input_decision(row) == knob) return layers[row]->name + " input";
  }
  return "nothing";
}

host::Policy PolicySpace::policy(const search::Assignment& assignment) const {
  Assignment bits = knobs_.highest();
  for (std::size_t i = 0; i < members_.size(); ++i) {
    const auto& choice = members_[i].bits[assignment[i]];
    for (std::size_t m = 0; m < choice.size(); ++m) bits[members_[i].knobs[m]] = choice[m];
  }
  return knobs_.policy(bits);
}

std::vector<PolicySpace::Setting> PolicySpace::settings(int decision, int choice) const {
  const Members& members = members_.at(decision);
  std::vector<Setting> settings;
  for (std::size_t m = 0; m < members.knobs.size(); ++m) {
    const int knob = members.knobs[m];
    const int bits = members.bits.at(choice)[m];
    const bool input = knobs_.decisions()[knob].kind == Decision::Kind::activation;
    for (int row = 0; row < knobs_.rows(); ++row) {
      if ((input ? knobs_.input_decision(row) : knobs_.weight_decision(row)) != knob) continue;
      settings.push_back({row, input, bits});
      break;  // others read the same
    }
  }
  return settings;
}

std::optional<search::Assignment> PolicySpace::find(const host::Policy& policy) const {
  const auto bits = knobs_.assignment(policy);
  if (!bits) return std::nullopt;
  search::Assignment assignment;
  for (const Members& members : members_) {
    std::vector<int> wanted;
    for (const int knob : members.knobs) wanted.push_back((*bits)[knob]);
    const auto found = std::ranges::find(members.bits, wanted);
    if (found == members.bits.end()) return std::nullopt;
    assignment.push_back(static_cast<int>(found - members.bits.begin()));
  }
  if (this->policy(assignment).layers != policy.layers) return std::nullopt;
  return assignment;
}

bool PolicySpace::contains(const host::Policy& policy) const { return find(policy).has_value(); }

search::Assignment PolicySpace::assignment(const host::Policy& policy) const {
  if (auto assignment = find(policy)) return *assignment;
  throw InputError(
      fmt::format("policy '{}' is outside the search space of {}: its pinned layers, rules, groups or "
                  "shared tensors differ",
                  policy.key(), network().name));
}

}  // namespace bitloop::agent
