#include "agent/evaluation/assumed_normalization.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "quant/model/geometry.h"
#include "quant/training/float_checkpoint.h"

namespace bitloop::agent {
namespace {

constexpr std::size_t kImages = 300;

struct Candidate {
  std::string name;
  quant::Normalization input;
  quant::Accuracy accuracy{};
};

std::vector<Candidate> candidates(const quant::Dataset& data) {
  const auto alike = [&](std::string name, float mean, float deviation) {
    const auto channels = static_cast<std::size_t>(data.shape.channels);
    return Candidate{std::move(name), {std::vector(channels, mean), std::vector(channels, deviation)}};
  };
  std::vector<Candidate> result{alike("pixels in 0..1", 0, 1),
                                {"the data's own statistics", {data.mean, data.deviation}},
                                alike("pixels in -1..1", 0.5F, 0.5F),
                                alike("pixels in 0..255", 0, 1 / 255.0F)};
  if (data.shape.channels == 3)
    result.push_back({"ImageNet's statistics", {{0.485F, 0.456F, 0.406F}, {0.229F, 0.224F, 0.225F}}});
  return result;
}

bool fits(const host::Network& network, const quant::Dataset& data) {
  return network.outputs.size() == 1 && network.tensors.at(network.input).shape == data.shape &&
         quant::class_count(network) == data.classes;
}

quant::Split first_images(const quant::Split& split, std::size_t count, std::size_t bytes) {
  count = std::min(count, split.size());
  return {{split.pixels.begin(), split.pixels.begin() + static_cast<std::ptrdiff_t>(count * bytes)},
          {split.labels.begin(), split.labels.begin() + static_cast<std::ptrdiff_t>(count)}};
}

std::string given_as(const Candidate& candidate) {
  return fmt::format("--mean {:.4g} --std {:.4g}", fmt::join(candidate.input.mean, ","),
                     fmt::join(candidate.input.deviation, ","));
}

}  // namespace

AssumedNormalization assume_normalization(const quant::FloatNetwork& model, const quant::Dataset& data) {
  const std::string unknown = fmt::format(
      "{} does not say which mean and deviation it was trained with, nor does "
      "--mean",
      model.network.name);
  if (!fits(model.network, data))
    return {{data.mean, data.deviation}, fmt::format("{}: assumed are the data's own statistics", unknown)};
  const quant::Split images =
      first_images(data.reward, kImages, static_cast<std::size_t>(data.shape.elements()));
  std::vector<Candidate> tried = candidates(data);
  std::vector<std::string> accuracies;
  for (Candidate& candidate : tried) {
    quant::FloatNetwork with = model;
    auto [mean, deviation] = quant::in_a_row(candidate.input, model.own);
    with.mean = std::move(mean);
    with.deviation = std::move(deviation);
    candidate.accuracy = quant::FloatCheckpoint::imported(with, data).accuracy(images);
    accuracies.push_back(fmt::format("{} {:.3f}", candidate.name, candidate.accuracy.accuracy));
  }
  const auto better = [](const Candidate& a, const Candidate& b) {
    if (a.accuracy.accuracy != b.accuracy.accuracy) return a.accuracy.accuracy > b.accuracy.accuracy;
    return a.accuracy.loss < b.accuracy.loss;
  };
  const Candidate& best = *std::ranges::min_element(tried, better);
  return {best.input,
          fmt::format("{}: assumed is {} ({}), the best on {} images of the reward split ({})", unknown,
                      best.name, given_as(best), images.size(), fmt::join(accuracies, ", "))};
}

std::string contradicted_normalization(const quant::Normalization& given, const quant::FloatNetwork& model) {
  const auto differs = [](const std::vector<float>& one, const std::vector<float>& other) {
    return !one.empty() && !other.empty() && one != other;
  };
  if (!differs(given.mean, model.mean) && !differs(given.deviation, model.deviation)) return {};
  return fmt::format(
      "{} says of its input --mean {:.4g} --std {:.4g}: what the command says counts instead; without it the "
      "file's would",
      model.network.name, fmt::join(model.mean, ","), fmt::join(model.deviation, ","));
}

}  // namespace bitloop::agent
