#include "host/measurement/all_pairs.h"

#include "host/base/error.h"

namespace bitloop::host {
namespace {

/// A layer as a network of its own.
Network network_of(const Network& network, const Layer& layer, int output_bits) {
  Network alone;
  alone.name = layer.name;
  alone.tensors = {network.tensors[layer.input()], network.tensors[layer.output]};
  alone.layers = {layer};
  alone.layers[0].inputs = {0};
  alone.layers[0].output = 1;
  alone.outputs = {1};
  alone.image_input = network.image_input && layer.input() == network.input;
  alone.output_bits = network.is_output(layer.output) ? network.output_bits : output_bits;
  return alone;
}

}  // namespace

std::vector<PairMeasurement> measure_all_pairs(SegmentMeter& meter, const Network& network, int output_bits,
                                               const SegmentMeter::Progress& progress) {
  std::vector<PairMeasurement> pairs;
  std::vector<NetworkPlan> plans;
  std::vector<std::size_t> planned;  // pair of each plan
  for (const Layer* layer : network.weight_layers()) {
    for (const int input_bits : kWidths) {
      const bool image = network.image_input && layer->input() == network.input;
      const bool is_signed = network.tensors[layer->input()].is_signed;
      if ((image && input_bits != 8) || (is_signed && input_bits == 1)) continue;
      const int wanted = output_bits != 0 ? output_bits : input_bits;
      const Network alone = network_of(network, *layer, wanted);
      for (const int weight_bits : kWidths) {
        Policy policy{alone.name, {{layer->name, weight_bits, input_bits}}};
        PairMeasurement pair{layer->name, weight_bits, input_bits, alone.output_bits, {}, {}};
        try {
          plans.push_back(plan_network(alone, policy, meter.hardware()));
          planned.push_back(pairs.size());
        } catch (const InputError& error) {
          pair.refusal = error.what();
        }
        pairs.push_back(pair);
      }
    }
  }
  std::vector<SegmentMeter::Request> all;
  for (const NetworkPlan& plan : plans) all.push_back({&plan.segments.front(), false});
  const std::vector<std::string> refusals = meter.refusals(all);
  std::vector<SegmentMeter::Request> requests;
  std::vector<std::size_t> requested;  // pair of each request
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (!refusals[i].empty()) {
      pairs[planned[i]].refusal = refusals[i];
      continue;
    }
    requests.push_back(all[i]);
    requested.push_back(planned[i]);
  }
  const auto result = meter.measure(requests, progress);
  for (std::size_t i = 0; i < requests.size(); ++i) pairs[requested[i]].counters = result.counters[i];
  return pairs;
}

}  // namespace bitloop::host
