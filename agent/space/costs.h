#pragma once

#include <array>
#include <string_view>
#include <vector>

#include "agent/space/space.h"

namespace bitloop::search {

/// What a policy may cost. Each is measured or counted, never estimated.
enum class Measure { cycles, energy, bytes };
inline constexpr std::size_t kMeasures = 3;
/// "cycles", "energy" (joules of one image), "bytes" (of stored weights).
std::string_view name_of(Measure measure);
/// Throws InputError for a name of none.
Measure measure_of(std::string_view name);

struct Costs {
  std::array<double, kMeasures> values{};
  [[nodiscard]] double operator[](Measure m) const { return values[static_cast<std::size_t>(m)]; }
  [[nodiscard]] double& operator[](Measure m) { return values[static_cast<std::size_t>(m)]; }
  [[nodiscard]] double cycles() const { return values[0]; }
  bool operator==(const Costs&) const = default;
};

/// A part of the cost that a few decisions fix.
struct CostTerm {
  std::vector<int> scope{};      ///< decisions, ascending
  std::vector<double> values{};  ///< per choices of the scope, the last decision's running fastest
};
int index_of(const Space& space, const CostTerm& term, const Assignment& assignment);

/// The cost as a sum of local terms: what an exact solver takes.
struct LocalCosts {
  double constant = 0;
  std::vector<CostTerm> terms{};
  /// The sum is the cost of every assignment. Otherwise it differs where far decisions change where a tensor
  /// lies, and a solution is checked, and its limit moved, by the model's own answer.
  bool exact = false;

  [[nodiscard]] double operator()(const Space& space, const Assignment& assignment) const;
};

/// Costs of any assignment of a space: exact, and in microseconds once their parts are measured.
class CostModel {
 public:
  virtual ~CostModel() = default;
  virtual Costs costs(const Assignment& assignment) = 0;
  virtual const LocalCosts& local(Measure measure) = 0;
  /// Local terms that are right near `context`, where those of everywhere are not exact: solving around a
  /// solution, again and again, ends where local and real cost agree.
  virtual LocalCosts local_around(Measure measure, const Assignment& context);
  /// Costs of the all-8-bit network, whatever the space leaves free: what cost ratios refer to.
  [[nodiscard]] virtual const Costs& reference() const = 0;
  /// Parts that hardware measured for its answers so far.
  [[nodiscard]] virtual std::size_t measured() const { return 0; }
};

}  // namespace bitloop::search
