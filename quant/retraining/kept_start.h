#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "quant/model/hash.h"
#include "quant/quantizers/clipping.h"

namespace bitloop::quant {

// What StartPoint keeps in the cache: the same comes out with and without (quant/model/result_cache.h).

/// make_clipping_table, kept under the hash of the samples, of which nothing but the table comes.
ClippingTable kept_clipping_table(const ClippingSamples& samples, Clipping clipping);

/// What `compute` gives, floats of these sizes on the CPU, kept as `kind` under a hash of all that it depends
/// on.
at::Tensor kept_tensor(std::string_view kind, const std::string& key, const std::vector<std::int64_t>& sizes,
                       const std::function<at::Tensor()>& compute);

/// Adds sizes and numbers; of an undefined tensor a word that says so.
void add_tensor(Sha256& hash, const at::Tensor& tensor);

}  // namespace bitloop::quant
