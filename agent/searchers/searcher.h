#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "agent/environment/environment.h"
#include "agent/environment/outcome.h"

namespace bitloop::agent {

/// A policy that was proposed and what became of it.
struct Episode {
  int number = 0;
  host::Policy policy;
  Outcome outcome;
  double reward = 0;
};

/// Proposes policies and learns from outcomes, in batches: ask, then tell. Everything it does follows from
/// its options and from what it was told, so that replaying a run's episodes rebuilds it exactly.
class Searcher {
 public:
  virtual ~Searcher() = default;
  /// 1 to `at_most` policies, in general as many as the batch size; none where it has no more to propose.
  virtual std::vector<host::Policy> ask(int at_most) = 0;
  /// Outcomes of all policies of the last `ask`, in its order.
  virtual void tell(std::span<const Episode> episodes) = 0;
};

struct SearcherOptions {
  int evaluations = 60;  ///< evaluations that the run is planned for; schedules follow it
  int batch = 2;         ///< policies per ask; never the number of workers
  std::uint64_t seed = 1;
};

/// A searcher by name (`method_names`); throws InputError for an unknown one. The environment must outlive
/// it.
std::unique_ptr<Searcher> make_searcher(std::string_view method, const Environment& environment,
                                        const SearcherOptions& options);

}  // namespace bitloop::agent
