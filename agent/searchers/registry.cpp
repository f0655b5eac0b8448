#include "agent/searchers/registry.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <vector>

#include "host/base/error.h"

// Every searcher, in the order in which help names them.
// clang-format off
#define BITLOOP_METHODS(of) \
  of(ours)                  \
  of(solver)                \
  of(uniform)               \
  of(random)                \
  of(greedy)                \
  of(lagrange)              \
  of(evolution)             \
  of(nsga2)                 \
  of(tpe)                   \
  of(gp)                    \
  of(forest)                \
  of(dnas)                  \
  of(dnas_soft_barrier)
// clang-format on

namespace bitloop::search {

#define BITLOOP_DECLARE(name) extern const Method name##_method;
BITLOOP_METHODS(BITLOOP_DECLARE)
#undef BITLOOP_DECLARE

namespace {

std::vector<const Method*>& all() {
#define BITLOOP_ADDRESS(name) &name##_method,
  static std::vector<const Method*> methods{BITLOOP_METHODS(BITLOOP_ADDRESS)};
#undef BITLOOP_ADDRESS
  return methods;
}

}  // namespace

std::span<const Method* const> methods() { return all(); }

void add_method(const Method& method) { all().push_back(&method); }

const Method& method(std::string_view name) {
  std::vector<std::string_view> names;
  for (const Method* method : methods()) {
    if (method->name == name) return *method;
    names.push_back(method->name);
  }
  throw InputError(fmt::format("unknown method '{}': choose from {}", name, fmt::join(names, ", ")));
}

}  // namespace bitloop::search
