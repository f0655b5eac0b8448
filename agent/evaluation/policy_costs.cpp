#include "agent/evaluation/policy_costs.h"

#include <algorithm>
#include <map>
#include <set>
#include <stdexcept>

namespace bitloop::agent {
namespace {

using LayerQuery = host::NetworkCosts::LayerQuery;

constexpr double kPicojoules = 1e12;
constexpr double kMostValues = 1024;  ///< of a term
constexpr double kMiddleBits = 4;     ///< about what budgets of 0.2 to 0.4 leave

/// Adds a term, to another of its scope where there is one.
class Terms {
 public:
  void add(const std::vector<int>& scope, const std::vector<double>& values) {
    if (scope.empty()) {
      costs_.constant += values.front();
      return;
    }
    const auto [known, is_new] = index_.try_emplace(scope, costs_.terms.size());
    if (is_new) costs_.terms.push_back({scope, std::vector<double>(values.size(), 0)});
    std::vector<double>& sum = costs_.terms[known->second].values;
    for (std::size_t i = 0; i < values.size(); ++i) sum[i] += values[i];
  }
  search::LocalCosts finish(bool exact) {
    costs_.exact = exact;
    return std::move(costs_);
  }

 private:
  search::LocalCosts costs_;
  std::map<std::vector<int>, std::size_t> index_;
};

/// Calls `visit` with an assignment for all choices of a scope, the last decision's running fastest.
template <class Visit>
void for_all_choices(const search::Space& space, const std::vector<int>& scope, search::Assignment assignment,
                     const Visit& visit) {
  for (const int decision : scope) assignment[decision] = 0;
  for (;;) {
    visit(assignment);
    std::size_t i = scope.size();
    while (i > 0 && ++assignment[scope[i - 1]] == space.decisions[scope[i - 1]].size())
      assignment[scope[--i]] = 0;
    if (i == 0) return;
  }
}

}  // namespace

PolicyWriter::PolicyWriter(const PolicySpace& space)
    : cells_(static_cast<std::size_t>(space.space().size())), policy_(space.policy(space.space().highest())) {
  const search::Assignment highest = space.space().highest();
  weight_decisions_.assign(policy_.layers.size(), -1);
  input_decisions_.assign(policy_.layers.size(), -1);
  const auto find_cells = [&](int decision, int host::LayerBits::*bits, std::vector<int>& decisions) {
    const int choices = space.space().decisions[decision].size();
    std::vector<Cell> cells;
    for (std::size_t row = 0; row < policy_.layers.size(); ++row)
      cells.push_back({static_cast<int>(row), bits, {}});
    search::Assignment assignment = highest;
    for (int choice = 0; choice < choices; ++choice) {
      assignment[decision] = choice;
      const host::Policy policy = space.policy(assignment);
      for (Cell& cell : cells) cell.widths.push_back(policy.layers[cell.row].*bits);
    }
    for (Cell& cell : cells) {
      if (std::ranges::all_of(cell.widths, [&](int width) { return width == cell.widths.front(); })) continue;
      if (decisions[cell.row] >= 0)
        throw std::logic_error("two decisions set the same bits of layer " + policy_.layers[cell.row].name);
      decisions[cell.row] = decision;
      cells_[decision].push_back(std::move(cell));
    }
  };
  for (int decision = 0; decision < space.space().size(); ++decision) {
    find_cells(decision, &host::LayerBits::weight_bits, weight_decisions_);
    find_cells(decision, &host::LayerBits::input_bits, input_decisions_);
  }
}

const host::Policy& PolicyWriter::policy(const search::Assignment& assignment) {
  for (std::size_t decision = 0; decision < cells_.size(); ++decision)
    for (const Cell& cell : cells_[decision])
      policy_.layers[cell.row].*cell.bits = cell.widths[assignment[decision]];
  return policy_;
}

PolicyCosts::PolicyCosts(const PolicySpace& space, host::SegmentMeter& meter, host::EnergyProfile energy,
                         host::SegmentMeter::Progress progress)
    : space_(space),
      costs_(meter, space.network()),
      energy_(std::move(energy)),
      progress_(std::move(progress)),
      writer_(space),
      middle_(space.space().highest()) {
  for (const host::Layer* layer : space.network().weight_layers())
    weights_.push_back(static_cast<double>(space.network().weight_count(*layer)));
  for (int i = 0; i < space.space().size(); ++i) {
    const auto& choices = space.space().decisions[i].choices;
    const auto middle = std::ranges::find_if(choices, [](const auto& c) { return c.bits >= kMiddleBits; });
    if (middle != choices.end()) middle_[i] = static_cast<int>(middle - choices.begin());
  }
  reference_ = costs(host::uniform_policy(space.network(), 8, 8));
}

search::Costs PolicyCosts::costs(const search::Assignment& assignment) {
  return costs(writer_.policy(assignment));
}

search::Costs PolicyCosts::costs(const host::Policy& policy) {
  return costs_of(costs_.counters(policy), bytes(policy));
}

search::Costs PolicyCosts::costs_of(const host::Counters& counters, double bytes) const {
  search::Costs costs;
  costs[search::Measure::cycles] = static_cast<double>(counters[0]);
  costs[search::Measure::energy] = host::energy(counters, energy_, costs_.hardware()).total() / kPicojoules;
  costs[search::Measure::bytes] = bytes;
  return costs;
}

double PolicyCosts::bytes(const host::Policy& policy) const {
  double bits = 0;
  for (std::size_t row = 0; row < weights_.size(); ++row)
    bits += weights_[row] * policy.layers[row].weight_bits;
  return bits / 8;
}

const search::LocalCosts& PolicyCosts::local(search::Measure measure) {
  auto& local = local_[static_cast<std::size_t>(measure)];
  if (!local) local = this->measure(measure, middle_, progress_);
  return *local;
}

search::LocalCosts PolicyCosts::local_around(search::Measure measure, const search::Assignment& context) {
  return this->measure(measure, context, {});
}

search::LocalCosts PolicyCosts::measure(search::Measure measure, const search::Assignment& context,
                                        const host::SegmentMeter::Progress& progress) {
  if (measure == search::Measure::bytes) return count_bytes();
  std::vector<LayerQuery> queries;
  std::vector<Sketch> sketches;
  const auto layers = static_cast<int>(space_.network().layers.size());
  for (int layer = -1; layer < layers; ++layer) sketch_layer(layer, context, queries, sketches);
  std::vector<double> costs;
  for (const host::Counters& counters : costs_.layers(queries, progress))
    costs.push_back(costs_of(counters, 0)[measure]);
  Terms terms;
  terms.add({}, {costs_of(costs_.end(), 0)[measure]});
  for (const Sketch& sketch : sketches) {
    std::vector<double> values;
    for (std::size_t i = 0; i < sketch.count; ++i)
      values.push_back(costs[sketch.first + i] - (sketch.base ? costs[*sketch.base] : 0));
    terms.add(sketch.scope, values);
  }
  return terms.finish(false);
}

search::LocalCosts PolicyCosts::count_bytes() {
  Terms terms;
  for (std::size_t row = 0; row < weights_.size(); ++row) {
    const int decision = writer_.decision_on(static_cast<int>(row), false);
    const std::vector<int> scope = decision < 0 ? std::vector<int>{} : std::vector{decision};
    std::vector<double> values;
    for_all_choices(space_.space(), scope, middle_, [&](const search::Assignment& assignment) {
      values.push_back(weights_[row] * writer_.policy(assignment).layers[row].weight_bits / 8);
    });
    terms.add(scope, values);
  }
  return terms.finish(true);
}

/// A term of all decisions, where that is not too many values; else the main ones, and corrections.
void PolicyCosts::sketch_layer(int layer, const search::Assignment& context, std::vector<LayerQuery>& queries,
                               std::vector<Sketch>& sketches) {
  const host::NetworkCosts::Rows rows = costs_.rows_of(layer);
  std::set<int> own, all;
  for (const int row : rows.weights)
    own.insert({writer_.decision_on(row, false), writer_.decision_on(row, true)});
  all = own;
  for (const int row : rows.inputs) all.insert(writer_.decision_on(row, true));
  own.erase(-1);
  all.erase(-1);
  const auto sketch = [&](const std::set<int>& decisions, std::optional<std::size_t> base) {
    const std::vector<int> scope(decisions.begin(), decisions.end());
    sketches.push_back({scope, queries.size(), 0, base});
    for_all_choices(space_.space(), scope, context, [&](const search::Assignment& assignment) {
      queries.push_back({writer_.policy(assignment), layer});
    });
    sketches.back().count = queries.size() - sketches.back().first;
  };
  double values = 1;
  for (const int decision : all) values *= space_.space().decisions[decision].size();
  if (values <= kMostValues) return sketch(all, {});
  sketch(own, {});
  const std::size_t base = queries.size();
  queries.push_back({writer_.policy(context), layer});
  for (const int decision : all)
    if (!own.contains(decision)) sketch({decision}, base);
}

}  // namespace bitloop::agent
