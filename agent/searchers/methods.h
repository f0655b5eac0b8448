#pragma once

#include <string>
#include <vector>

namespace bitloop::agent {

/// Names of the searchers, for `--method` and `bitloop info`; without LibTorch. `make_searcher` knows each.
inline std::vector<std::string> method_names() { return {"ddpg", "random", "uniform"}; }

}  // namespace bitloop::agent
