#include "quant/retraining/kept_start.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <optional>
#include <span>

#include "host/base/error.h"
#include "quant/model/result_cache.h"

namespace bitloop::quant {
namespace {

// Renamed whenever other scales come from the same samples.
constexpr std::string_view kScales = "start-scales-1";
constexpr std::size_t kWidthCount = std::size(host::kWidths);

std::string key_of(const ClippingSamples& samples, Clipping clipping) {
  Sha256 hash;
  hash.add(name_of(clipping));
  for (const WeightSample& sample : samples.weights)
    for (const at::Tensor& tensor : {sample.values, sample.patches, sample.gain, sample.stated})
      add_tensor(hash, tensor);
  for (const ActivationSample& sample : samples.activations) {
    add_tensor(hash, sample.values);
    add_tensor(hash, sample.image_maxima);
    hash.add(fmt::format("{}", sample.is_signed));
    for (const auto& all : {sample.stated, sample.stated_narrow}) {
      hash.add(";");
      for (const host::Limits& limits : all)
        hash.add(fmt::format(" {} {} {}", limits.low, limits.high, limits.step));
    }
  }
  return hash.hex();
}

/// Calls `visit(numbers)` for all numbers of a table, in one order.
template <typename Table, typename Visit>
void visit_numbers(Table& table, const Visit& visit) {
  for (auto& scales : table.weights)
    for (auto& of_width : scales)
      visit(std::span(of_width.template data_ptr<float>(), static_cast<std::size_t>(of_width.numel())));
  for (auto& scales : table.activations) visit(std::span(scales));
  for (auto* choices : {&table.weight_choices, &table.activation_choices})
    for (auto& of_layer : *choices) visit(std::span(of_layer));
}

Container container_of(ClippingTable table) {
  for (auto& scales : table.weights)
    for (at::Tensor& of_width : scales) of_width = of_width.to(at::kCPU).contiguous();
  Container container;
  visit_numbers(table, [&](auto numbers) {
    append_values(container.payload, std::span<const typename decltype(numbers)::element_type>(numbers));
  });
  return container;
}

/// Throws InputError where the numbers are not those of such samples.
ClippingTable table_of(const Container& container, const ClippingSamples& samples, Clipping clipping) {
  ClippingTable table;
  table.clipping = clipping;
  for (const WeightSample& sample : samples.weights)
    for (auto& of_width : table.weights.emplace_back())
      of_width = at::empty({sample.values.size(0)}, at::kFloat);
  table.activations.resize(samples.activations.size());
  table.weight_choices.resize(samples.weights.size());
  table.activation_choices.resize(samples.activations.size());
  PayloadReader reader(container.payload, "start scales");
  visit_numbers(table, [&](auto numbers) {
    reader.take(std::span<typename decltype(numbers)::element_type>(numbers));
  });
  reader.expect_end();
  for (std::size_t i = 0; i < samples.weights.size(); ++i)
    for (at::Tensor& of_width : table.weights[i]) of_width = of_width.to(samples.weights[i].values.device());
  return table;
}

}  // namespace

ClippingTable kept_clipping_table(const ClippingSamples& samples, Clipping clipping) {
  const ResultCache cache(kScales);
  const std::string key = key_of(samples, clipping);
  if (const auto found = cache.find(key)) {
    try {
      return table_of(*found, samples, clipping);
    } catch (const InputError&) {
      // Another network's, by an accident of hashes or hands: it is made anew.
    }
  }
  ClippingTable table = make_clipping_table(samples, clipping);
  cache.keep(key, container_of(table));
  return table;
}

at::Tensor kept_tensor(std::string_view kind, const std::string& key, const std::vector<std::int64_t>& sizes,
                       const std::function<at::Tensor()>& compute) {
  const ResultCache cache(kind);
  if (const auto found = cache.find(key)) {
    at::Tensor tensor = at::empty(sizes, at::kFloat);
    const auto bytes =
        std::as_writable_bytes(std::span(tensor.data_ptr<float>(), static_cast<std::size_t>(tensor.numel())));
    if (found->payload.size() == bytes.size()) {
      std::ranges::copy(found->payload, bytes.begin());
      return tensor;
    }
  }
  at::Tensor tensor = compute().contiguous();
  Container container;
  append_values(container.payload,
                std::span<const float>(tensor.data_ptr<float>(), static_cast<std::size_t>(tensor.numel())));
  cache.keep(key, container);
  return tensor;
}

void add_tensor(Sha256& hash, const at::Tensor& tensor) {
  if (!tensor.defined()) {
    hash.add("none");
    return;
  }
  const at::Tensor here = tensor.to(at::kCPU).contiguous();
  hash.add(fmt::format("[{}]", fmt::join(here.sizes(), ",")));
  hash.add(std::span(static_cast<const std::byte*>(here.data_ptr()), here.nbytes()));
}

}  // namespace bitloop::quant
