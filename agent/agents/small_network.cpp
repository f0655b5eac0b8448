#include "agent/agents/small_network.h"

#include <cmath>

namespace bitloop::agents {
namespace {

constexpr double kLastLayerBound = 3e-3;

double bound_of(std::int64_t values) { return 1 / std::sqrt(static_cast<double>(values)); }

}  // namespace

LearningThread::LearningThread() { at::globalContext().setFlushDenormal(true); }
LearningThread::~LearningThread() { at::globalContext().setFlushDenormal(false); }

void Parameters::differentiate(const at::Tensor& loss) const {
  all.grad().zero_();
  loss.backward({}, c10::nullopt, /*create_graph=*/false, at::TensorList(parts));
}

Parameters make_parameters(const std::vector<Part>& parts, std::mt19937_64& random) {
  std::vector<std::int64_t> sizes;
  for (const Part& part : parts) sizes.push_back(c10::multiply_integers(part.shape));
  Parameters parameters{.all = at::zeros({c10::sum_integers(sizes)}), .parts = {}};
  parameters.all.mutable_grad() = at::zeros_like(parameters.all);
  parameters.parts = parameters.all.split_with_sizes(sizes);
  const auto gradients = parameters.all.grad().split_with_sizes(sizes);
  for (std::size_t p = 0; p < parts.size(); ++p) {
    const auto bound = static_cast<float>(parts[p].bound);
    std::uniform_real_distribution<float> uniform(-bound, bound);
    at::Tensor& part = parameters.parts[p];
    part = part.view(parts[p].shape);
    float* data = part.data_ptr<float>();
    for (std::int64_t i = 0; i < part.numel(); ++i) data[i] = uniform(random);
    part.requires_grad_();
    part.mutable_grad() = gradients[p].view(parts[p].shape);
  }
  return parameters;
}

std::vector<Part> linear_parts(const std::vector<int>& widths) {
  std::vector<Part> parts;
  for (std::size_t layer = 1; layer < widths.size(); ++layer) {
    const int inputs = widths[layer - 1];
    const int outputs = widths[layer];
    const bool last = layer + 1 == widths.size();
    parts.push_back({{outputs, inputs}, last ? kLastLayerBound : bound_of(inputs)});
    parts.push_back({{outputs}, last ? kLastLayerBound : bound_of(outputs)});
  }
  return parts;
}

at::Tensor linear_layers(std::span<const at::Tensor> parts, at::Tensor x) {
  for (std::size_t i = 0; i < parts.size(); i += 2) {
    if (i > 0) x = x.relu();
    x = at::addmm(parts[i + 1], x, parts[i].t());
  }
  return x;
}

}  // namespace bitloop::agents
