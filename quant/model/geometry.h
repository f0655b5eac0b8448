#pragma once

#include <string>
#include <string_view>

#include "host/network/network.h"

namespace bitloop::quant {

/// Throws InputError where a network has more than one result: only classifiers are trained and tested.
void require_classifier(const host::Network& network);

/// Numbers that stand for a layer's kind in files and hashes: they stay, whatever is added.
int kind_number(host::LayerKind kind);
/// Throws InputError where none has it.
host::LayerKind kind_of_number(int number);

/// SHA-256 of everything that the meaning of weights depends on.
std::string geometry_hash(const host::Network& network);

}  // namespace bitloop::quant
