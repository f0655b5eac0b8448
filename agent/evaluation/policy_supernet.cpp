#include "agent/evaluation/policy_supernet.h"

#include <utility>

namespace bitloop::agent {
namespace {

/// Where a mixture holds the share of a setting.
double& place_of(quant::Supernet::Mixture& mixture, const PolicySpace::Setting& setting) {
  auto& rows = setting.input ? mixture.inputs : mixture.weights;
  return rows.at(static_cast<std::size_t>(setting.row))[quant::Supernet::place_of(setting.bits)];
}

}  // namespace

PolicySupernet::PolicySupernet(const PolicySpace& space, std::unique_ptr<quant::Supernet> supernet,
                               double price_per_image)
    : supernet_(std::move(supernet)),
      price_per_image_(price_per_image),
      rows_(space.network().weight_layers().size()) {
  for (int d = 0; d < space.space().size(); ++d) {
    settings_.emplace_back();
    for (int c = 0; c < space.space().decisions[static_cast<std::size_t>(d)].size(); ++c)
      settings_.back().push_back(space.settings(d, c));
  }
}

quant::Supernet::Mixture PolicySupernet::pinned() const {
  quant::Supernet::Shares eight{};
  eight.back() = 1;
  return {std::vector(rows_, eight), std::vector(rows_, eight)};
}

search::Supernet::Pass PolicySupernet::pass(const search::Mixture& mixture, double rate) {
  quant::Supernet::Mixture of_rows = pinned();
  for (const auto& choices : settings_)
    for (const PolicySpace::Setting& setting : choices.front()) {
      auto& rows = setting.input ? of_rows.inputs : of_rows.weights;
      rows.at(static_cast<std::size_t>(setting.row)) = {};
    }
  for (std::size_t d = 0; d < settings_.size(); ++d)
    for (std::size_t c = 0; c < settings_[d].size(); ++c)
      for (const PolicySpace::Setting& setting : settings_[d][c])
        place_of(of_rows, setting) += mixture.at(d).at(c);
  quant::Supernet::Step step = supernet_->step(of_rows, rate);
  Pass pass{step.loss, mixture};
  for (std::size_t d = 0; d < settings_.size(); ++d) {
    for (std::size_t c = 0; c < settings_[d].size(); ++c) {
      pass.gradient[d][c] = 0;
      for (const PolicySpace::Setting& setting : settings_[d][c])
        pass.gradient[d][c] += place_of(step.gradient, setting);
    }
  }
  return pass;
}

}  // namespace bitloop::agent
