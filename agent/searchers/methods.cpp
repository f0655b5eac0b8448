#include "agent/searchers/methods.h"

#include <fmt/format.h>

#include "agent/searchers/ddpg.h"
#include "agent/searchers/random_search.h"
#include "agent/searchers/searcher.h"
#include "agent/searchers/uniform_lines.h"
#include "host/base/error.h"

namespace bitloop::agent {

std::unique_ptr<Searcher> make_searcher(std::string_view method, const Environment& environment,
                                        const SearcherOptions& options) {
  if (method == "ddpg") return std::make_unique<Ddpg>(environment, options);
  if (method == "random") return std::make_unique<RandomSearch>(environment, options);
  if (method == "uniform")
    return std::make_unique<UniformLines>(uniform_within_budget(environment.projection()), options.batch);
  throw InputError(fmt::format("unknown method '{}': choose ddpg, random or uniform", method));
}

}  // namespace bitloop::agent
