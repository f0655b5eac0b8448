#include "agent/searchers/uniform_lines.h"

#include <fmt/format.h>

#include <algorithm>

namespace bitloop::agent {
namespace {

/// The policy of the space that has these bits wherever they are legal: what is pinned keeps 8 bits, and a
/// choice that lacks the width takes the nearest one.
host::Policy uniform_in(const SearchSpace& space, int weight_bits, int input_bits) {
  Assignment assignment;
  for (const Decision& d : space.decisions()) {
    const int bits = d.kind == Decision::Kind::weight ? weight_bits : input_bits;
    assignment.push_back(nearest_width(d, bits));
  }
  return space.policy(assignment);
}

}  // namespace

std::vector<NamedPolicy> uniform_lines(const host::Network& network) {
  std::vector<NamedPolicy> lines;
  for (const auto& [weight_bits, input_bits] : {std::pair{8, 8}, {4, 4}, {2, 2}, {1, 2}}) {
    lines.push_back({fmt::format("w{}a{}", weight_bits, input_bits),
                     host::uniform_policy(network, weight_bits, input_bits)});
  }
  return lines;
}

std::vector<host::Policy> uniform_within_budget(BudgetProjection& projection) {
  std::vector<host::Policy> policies;
  for (const int weight_bits : host::kWidths) {
    for (const int input_bits : host::kWidths) {
      const auto policy = uniform_in(projection.space(), weight_bits, input_bits);
      const bool known = std::find(policies.begin(), policies.end(), policy) != policies.end();
      if (!known && projection.cycles(policy) <= projection.limit()) {
        policies.push_back(policy);
      }
    }
  }
  return policies;
}

std::vector<host::Policy> UniformLines::ask(int at_most) {
  const std::size_t count =
      std::min(policies_.size() - next_, static_cast<std::size_t>(std::min(batch_, at_most)));
  const auto first = policies_.begin() + static_cast<std::ptrdiff_t>(next_);
  next_ += count;
  return {first, first + static_cast<std::ptrdiff_t>(count)};
}

}  // namespace bitloop::agent
