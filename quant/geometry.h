#pragma once

#include <string>
#include <string_view>

#include "host/network.h"

namespace bitloop::quant {

/// Throws InputError, naming the layer, where a network holds what cannot be trained or quantized yet:
/// anything but convolutions, linear layers and max pools with one result.
void require_trainable(const host::Network& network);
/// A network of the zoo that can be trained.
host::Network trainable_zoo_network(std::string_view name);

/// Numbers that stand for a layer's kind in files and hashes: they stay, whatever is added.
int kind_number(host::LayerKind kind);
/// Throws InputError where none has it.
host::LayerKind kind_of_number(int number);

/// SHA-256 of everything that the meaning of weights depends on.
std::string geometry_hash(const host::Network& network);

}  // namespace bitloop::quant
