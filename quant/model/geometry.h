#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "host/network/network.h"
#include "host/network/quantized_network.h"

namespace bitloop::quant {

/// The classes that the one result of a network tells apart: one per number; a single number is the logit of
/// the second of two.
int class_count(const host::Network& network);

/// The code of its first result that stands for zero.
int result_zero(const host::QuantizedNetwork& network);
/// Codes per class, zero being 0, from those of its result.
std::vector<std::int32_t> class_codes(const host::QuantizedNetwork& network, std::vector<std::int32_t> codes);

/// Throws InputError where a network has more than one result, or a map: only classifiers are trained and
/// tested.
void require_classifier(const host::Network& network);

/// Numbers that stand for a layer's kind in files and hashes: they stay, whatever is added.
int kind_number(host::LayerKind kind);
/// Throws InputError where none has it.
host::LayerKind kind_of_number(int number);

/// SHA-256 of everything that the meaning of weights depends on.
std::string geometry_hash(const host::Network& network);

}  // namespace bitloop::quant
