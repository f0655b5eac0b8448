#include "quant/onnx/refusals.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <string_view>

#include "quant/onnx/file.h"

namespace bitloop::quant::importer {
namespace {

constexpr std::size_t kMostKinds = 20;  // of a message

struct NearForm {
  std::string_view op, advice;
};
constexpr std::string_view kQdq = "quantize with QuantizeLinear and DequantizeLinear (QDQ) instead";
constexpr std::string_view kTrace = "export without control flow (torch.onnx.export traces)";
constexpr std::string_view kBatchNorm = "the nearest that is: BatchNormalization";
constexpr std::string_view kLeaky = "the nearest that is: LeakyRelu";
constexpr NearForm kNearForms[] = {
    {"Celu", kLeaky},
    {"ConvInteger", kQdq},
    {"Elu", kLeaky},
    {"GroupNormalization", kBatchNorm},
    {"If", kTrace},
    {"InstanceNormalization", kBatchNorm},
    {"LRN", kBatchNorm},
    {"LayerNormalization", kBatchNorm},
    {"Loop", kTrace},
    {"LpPool", "the nearest that is: AveragePool"},
    {"MatMulInteger", kQdq},
    {"QLinearAdd", kQdq},
    {"QLinearConv", kQdq},
    {"QLinearMatMul", kQdq},
    {"ReduceSum", "the nearest that is: ReduceMean"},
    {"Scan", kTrace},
    {"Selu", kLeaky},
};

}  // namespace

std::string unknown_operator(const Node& node) {
  const std::string& domain = node.proto().domain();
  const std::string where = domain.empty() ? "" : " of domain " + printable(domain);
  const auto nearest = std::ranges::find(kNearForms, node.op(), &NearForm::op);
  if (nearest == std::end(kNearForms) || !domain.empty())
    return fmt::format("this operator{} is not supported; docs/networks.md lists those that are", where);
  return fmt::format("this operator is not supported; {}", nearest->advice);
}

void Refusals::add(const NodeRefusal& refusal) {
  const auto [same, is_new] = numbers_.try_emplace({refusal.op(), refusal.reason()}, kinds_.size());
  if (is_new) kinds_.push_back({refusal.op(), refusal.reason(), refusal.node(), 0});
  ++kinds_[same->second].nodes;
}

std::string Refusals::text(const std::vector<std::string>& ends) const {
  int nodes = 0;
  for (const Kind& kind : kinds_) nodes += kind.nodes;
  std::string text;
  if (nodes == 1) {
    const Kind& only = kinds_.front();
    text = fmt::format("node {} ({}): {}", only.first, only.op, only.reason);
  } else {
    text = fmt::format("{} nodes are not supported", nodes);
    for (std::size_t i = 0; i < std::min(kinds_.size(), kMostKinds); ++i) {
      const Kind& kind = kinds_[i];
      text += fmt::format("{} {} {} ({}{}): {}", i == 0 ? ":" : ";", kind.nodes, kind.op,
                          kind.nodes > 1 ? "first " : "", kind.first, kind.reason);
    }
    if (kinds_.size() > kMostKinds) text += fmt::format("; and {} more kinds", kinds_.size() - kMostKinds);
  }
  if (!ends.empty() && ends.size() <= kMostEnds)
    text += fmt::format("; or end the network before {}: --outputs {}", nodes == 1 ? "it" : "them",
                        fmt::join(ends, ","));
  return text;
}

}  // namespace bitloop::quant::importer
