#pragma once

#include <cmath>
#include <random>

#include "agent/tables/table.h"

namespace bitloop::search::test {

/// A table of `layers` weight and `layers` activation decisions of three choices: losses additive but for a
/// small part of each policy's own, accuracies that follow, ten reward folds and one of test, cycles as
/// products of bits.
inline Table example_table(int layers = 3, std::uint64_t seed = 1) {
  Table table{.name = "example", .origin = "tests"};
  table.space.name = "example";
  const std::vector<Choice> choices{{"2", 2}, {"4", 4}, {"8", 8}};
  for (int layer = 0; layer < layers; ++layer) {
    for (const char* kind : {"weight", "activation"}) {
      table.space.decisions.push_back(
          {.name = std::to_string(layer) + " " + kind, .kind = kind, .choices = choices});
    }
  }
  table.measures = {Measure::cycles, Measure::bytes};
  std::mt19937_64 random(seed);
  const auto uniform = [&] { return static_cast<double>(random() >> 11) * 0x1p-53; };
  std::vector<double> weight_of(table.space.decisions.size());
  for (double& weight : weight_of) weight = 0.2 + uniform();
  const auto rise = [&](const Assignment& a) {
    double sum = 0;
    for (std::size_t d = 0; d < a.size(); ++d) sum += weight_of[d] * std::pow(4.0, -choices[a[d]].bits) * 4;
    return sum;
  };
  Assignment assignment = table.space.lowest();
  for (bool more = true; more;) {
    Table::Row row;
    for (int layer = 0; layer < layers; ++layer) {
      const double w = choices[assignment[2 * layer]].bits;
      row.costs[Measure::cycles] += 10 * (layer + 1) * w * choices[assignment[2 * layer + 1]].bits;
      row.costs[Measure::bytes] += 100 * (layer + 1) * w / 8;
    }
    const double loss = 0.3 + rise(assignment) * (1 + 0.1 * (uniform() - 0.5));
    const auto fold = [&](int images) {
      const double right =
          std::clamp(1 - 0.35 * loss + 0.1 * (uniform() - 0.5) / std::sqrt(images / 100.0), 0.0, 1.0);
      return Fold{images, static_cast<int>(std::lround(right * images)), loss * images};
    };
    for (int i = 0; i < 10; ++i) row.reward.push_back(fold(100));
    row.test.push_back(fold(10'000));
    table.rows.emplace(assignment, row);
    table.reference = row.costs;  // the highest comes last
    more = false;
    for (std::size_t i = assignment.size(); i-- > 0;) {
      if (++assignment[i] < static_cast<int>(choices.size())) {
        more = true;
        break;
      }
      assignment[i] = 0;
    }
  }
  OneAtATime probes{.images = 200, .price = 0.25, .highest = 0.3};
  for (std::size_t d = 0; d < weight_of.size(); ++d) {
    probes.losses.emplace_back();
    for (const Choice& choice : choices)
      probes.losses.back().push_back(0.3 +
                                     weight_of[d] * 4 * (std::pow(4.0, -choice.bits) - std::pow(4.0, -8.0)));
  }
  table.probes = probes;
  return table;
}

}  // namespace bitloop::search::test
