#include "agent/environment/search_space.h"

#include <fmt/format.h>

#include <algorithm>

#include "host/base/error.h"
#include "host/compiler/compiler.h"

namespace bitloop::agent {
namespace {

std::vector<int> activation_widths(bool is_signed) {
  if (is_signed) return {2, 4, 8};
  return {std::begin(host::kWidths), std::end(host::kWidths)};
}

}  // namespace

SearchSpace::SearchSpace(const host::Network& network, const SearchSpaceOptions& options)
    : network_(network) {
  const auto layers = network_.weight_layers();
  const std::vector<int> group = host::width_classes(network_);
  std::vector<bool> fixed(network_.tensors.size(), false);
  std::vector<bool> is_signed(network_.tensors.size(), false);
  std::vector<bool> is_read(network_.tensors.size(), false);
  fixed[group[network_.input]] = true;
  for (std::size_t t = 0; t < network_.tensors.size(); ++t) {
    if (network_.tensors[t].is_signed) is_signed[group[t]] = true;
  }
  const std::vector<std::string> names = host::named_layers(network_, options.pinned);
  const auto pinned = [&](const host::Layer& layer) {
    return std::find(names.begin(), names.end(), layer.name) != names.end();
  };
  for (const host::Layer* layer : layers) {
    is_read[group[layer->input()]] = true;
    if (pinned(*layer)) fixed[group[layer->input()]] = true;
  }

  std::vector<int> decision_of_group(network_.tensors.size(), -1);
  for (const host::Layer& layer : network_.layers) {
    if (layer.has_weights()) {
      rows_.push_back({.name = layer.name});
      if (!pinned(layer)) {
        rows_.back().weight_decision = static_cast<int>(decisions_.size());
        decisions_.push_back(
            {Decision::Kind::weight, rows() - 1, {std::begin(host::kWidths), std::end(host::kWidths)}});
      }
    }
    const int row = std::max(0, rows() - 1);
    const int produced = group[layer.output];
    if (fixed[produced] || !is_read[produced] || decision_of_group[produced] >= 0) continue;
    decision_of_group[produced] = static_cast<int>(decisions_.size());
    decisions_.push_back({Decision::Kind::activation, row, activation_widths(is_signed[produced])});
  }
  for (int row = 0; row < rows(); ++row)
    rows_[row].input_decision = decision_of_group[group[layers[row]->input()]];
  if (!options.hardware.empty()) keep_runnable(options.hardware);
}

void SearchSpace::keep_runnable(const std::vector<host::HardwareInfo>& hardware) {
  const auto reason = [&](const Assignment& assignment) {
    std::optional<std::string> last;
    for (const host::HardwareInfo& each : hardware) {
      last = host::reason_against(network_, policy(assignment), each);
      if (!last) break;
    }
    return last;
  };
  const auto uniform = [&](int bits) {
    Assignment assignment;
    for (const Decision& decision : decisions_) assignment.push_back(nearest_width(decision, bits));
    return assignment;
  };
  const auto widest = std::find_if(std::rbegin(host::kWidths), std::rend(host::kWidths),
                                   [&](int bits) { return !reason(uniform(bits)); });
  if (widest == std::rend(host::kWidths)) throw InputError(*reason(highest()));
  // Choices can exclude each other, as wide weights wide inputs where sums would overflow: each in turn gets
  // the widest that all before it leave.
  Assignment widest_of_all = uniform(*widest);
  const auto runs_with = [&](std::size_t decision, int width) {
    if (width == widest_of_all[decision]) return true;
    Assignment other = widest_of_all;
    other[decision] = width;
    return !reason(other);
  };
  for (std::size_t i = 0; i < decisions_.size(); ++i) {
    const auto& widths = decisions_[i].widths;
    widest_of_all[i] =
        *std::find_if(widths.rbegin(), widths.rend(), [&](int width) { return runs_with(i, width); });
  }
  for (std::size_t i = 0; i < decisions_.size(); ++i)
    std::erase_if(decisions_[i].widths,
                  [&](int width) { return width > widest_of_all[i] || !runs_with(i, width); });
}

int nearest_width(const Decision& decision, int bits) {
  const auto found = std::lower_bound(decision.widths.begin(), decision.widths.end(), bits);
  return found == decision.widths.end() ? decision.widths.back() : *found;
}

Assignment SearchSpace::highest() const {
  Assignment assignment;
  for (const Decision& decision : decisions_) assignment.push_back(decision.widths.back());
  return assignment;
}

Assignment SearchSpace::lowest() const {
  Assignment assignment;
  for (const Decision& decision : decisions_) assignment.push_back(decision.widths.front());
  return assignment;
}

host::Policy SearchSpace::policy(std::span<const int> assignment) const {
  host::Policy policy{.network = network_.name, .layers = {}};
  for (const Row& row : rows_) {
    const int input_bits = row.input_decision < 0 ? 8 : assignment[row.input_decision];
    const int free_bits = row.weight_decision < 0 ? 8 : assignment[row.weight_decision];
    policy.layers.push_back({row.name, free_bits, input_bits});
  }
  return policy;
}

std::optional<Assignment> SearchSpace::assignment(const host::Policy& policy) const {
  if (policy.layers.size() != rows_.size()) return std::nullopt;
  Assignment assignment = highest();
  for (int row = 0; row < rows(); ++row) {
    if (rows_[row].weight_decision >= 0)
      assignment[rows_[row].weight_decision] = policy.layers[row].weight_bits;
    if (rows_[row].input_decision >= 0) assignment[rows_[row].input_decision] = policy.layers[row].input_bits;
  }
  bool legal = this->policy(assignment).layers == policy.layers;
  for (std::size_t i = 0; i < assignment.size(); ++i)
    legal = legal && std::ranges::find(decisions_[i].widths, assignment[i]) != decisions_[i].widths.end();
  if (!legal) return std::nullopt;
  return assignment;
}

}  // namespace bitloop::agent
