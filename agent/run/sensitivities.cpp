#include "agent/run/sensitivities.h"

#include <fmt/format.h>

#include <map>

namespace bitloop::agent {

std::string sensitivities_csv(const search::Space& space, const std::vector<search::Step>& steps) {
  const search::Assignment highest = space.highest();
  std::map<int, double> base;  // by images
  std::vector<std::pair<int, const search::Answer*>> probes;
  for (const search::Step& step : steps) {
    const search::Answer& answer = step.answer;
    if (answer.query.fidelity != search::Fidelity::probe || answer.remembered) continue;
    std::vector<int> changed;
    for (int d = 0; d < space.size(); ++d)
      if (answer.query.assignment[d] != highest[d]) changed.push_back(d);
    if (changed.empty()) base[answer.images()] = answer.loss();
    if (changed.size() == 1) probes.emplace_back(changed.front(), &answer);
  }
  std::string rows = "decision,kind,choice,bits,images,loss,rise,price\n";
  for (const auto& [d, answer] : probes) {
    const search::Decision& decision = space.decisions[d];
    const search::Choice& choice = decision.choices[answer->query.assignment[d]];
    const auto highest_loss = base.find(answer->images());
    rows += fmt::format(
        "{},{},{},{:g},{},{},{},{}\n", decision.name, decision.kind, choice.label, choice.bits,
        answer->images(), answer->loss(),
        highest_loss == base.end() ? "" : fmt::format("{}", answer->loss() - highest_loss->second),
        answer->price);
  }
  return rows;
}

}  // namespace bitloop::agent
