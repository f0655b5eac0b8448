#pragma once

#include "agent/searchers/batch.h"

namespace bitloop::search {

/// Loss that a choice adds where nothing was measured: quantization noise of b bits, 4^-b, the same for every
/// decision. The prior by width alone.
std::vector<std::vector<double>> effects_by_width(const Space& space);

/// The uniform assignments of all pairs of bits (of weights and of the other kinds), those beyond the limit
/// projected onto it by `effects_by_width` and filled up again; without doubles, the costliest first.
std::vector<Assignment> uniform_within(const Problem& problem);

}  // namespace bitloop::search
