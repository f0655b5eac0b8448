#pragma once

#include <string>
#include <vector>

#include "agent/trial/trial.h"

namespace bitloop::agent {

/// What each choice adds alone to the loss of the highest assignment, from the probes of a search: a row per
/// probe of one changed decision (decision, kind, choice, bits, images, loss, rise, price). `rise` is empty
/// where the highest was not probed on as many images.
std::string sensitivities_csv(const search::Space& space, const std::vector<search::Step>& steps);

}  // namespace bitloop::agent
