#include "host/compiler/constants.h"

#include <algorithm>
#include <span>

#include "host/compiler/layer_weights.h"

namespace bitloop::host {
namespace {

const QuantizedLayer& integers_of(const QuantizedNetwork& network, int layer) {
  return network.layers[static_cast<std::size_t>(layer)];
}

void append(Words& words, const Words& more) { words.insert(words.end(), more.begin(), more.end()); }

/// Parameters of every channel of an operation: `sets` per F channels, set after set.
struct ChannelParameters {
  std::vector<std::vector<Requantization>> sets;
  OutputRange range;
};

/// The same numbers for every channel.
std::vector<Requantization> repeated(const Requantization& requantization, int channels) {
  return std::vector<Requantization>(static_cast<std::size_t>(channels), requantization);
}

/// Those of the filters that are named; all where none is.
std::vector<Requantization> chosen(const std::vector<Requantization>& all, const std::vector<int>& filters) {
  if (filters.empty()) return all;
  std::vector<Requantization> result;
  for (const int filter : filters) result.push_back(all[static_cast<std::size_t>(filter)]);
  return result;
}

/// Both sets of an add hold shift and limits; the sum starts with the first one's bias.
ChannelParameters add_parameters(const QuantizedLayer& integers, bool second_first, int channels) {
  Requantization first = integers.requantization.at(0);
  Requantization second = first;
  second.multiplier = integers.requantization.at(1).multiplier;
  if (second_first) std::swap(first.multiplier, second.multiplier);
  return {{repeated(first, channels), repeated(second, channels)}, integers.range};
}

ChannelParameters narrow_parameters(const Narrowing& narrowing, int channels) {
  return {{repeated(narrowing.requantization, channels)}, narrowing.range};
}

/// y = x: a function's input is its index.
ChannelParameters identity_parameters(int channels) {
  return {{repeated({.multiplier = 2, .shift = 1, .bias = 1}, channels)}, {0, 0, kTableCodes - 1}};
}

/// The sum of a signed input's products is 128 too low (docs/accelerator.md).
ChannelParameters product_parameters(const WindowOp& op, const QuantizedLayer& integers) {
  Requantization r = integers.requantization.at(0);
  if (op.zero_code != 0) r.bias += std::int64_t{128} * r.multiplier;
  return {{repeated(r, op.filters)}, integers.range};
}

ChannelParameters operation_parameters(const Segment& segment, const QuantizedNetwork& network) {
  const WindowOp& op = segment.op;
  if (segment.narrowed >= 0) {
    return narrow_parameters(network.narrowing[static_cast<std::size_t>(segment.narrowed)], op.filters);
  }
  if (segment.layers.front() == segment.function) return identity_parameters(op.filters);
  const QuantizedLayer& integers = integers_of(network, segment.layers.front());
  if (op.kind == OpKind::add) return add_parameters(integers, false, op.filters);
  if (op.product) return product_parameters(op, integers);
  if (op.unit_weights) {
    return {{repeated(integers.requantization.at(static_cast<std::size_t>(segment.set)), op.filters)},
            integers.range};
  }
  ChannelParameters parameters{{chosen(integers.requantization, segment.channels.filters)}, integers.range};
  if (op.leaky) parameters.sets.push_back(chosen(integers.negative, segment.channels.filters));
  return parameters;
}

/// Slots for channels 0 .. `channels` - 1, F at a time; the block ends with empty slots.
void append_slots(Words& words, const ChannelParameters& parameters, int channels, int lanes) {
  for (int first = 0; first < channels; first += lanes) {
    for (const auto& set : parameters.sets)
      append(words, pack_parameters(set, parameters.range, first, lanes));
  }
}

int padded_channels(const WindowOp& op, int lanes) { return op.groups(lanes) * op.group_channels(lanes); }

}  // namespace

Address weight_size(const Segment& segment, const SegmentPlan& plan, int lanes) {
  Address rows = 0;
  for (const ReductionPart& part : reduction_parts(plan)) {
    rows += static_cast<Address>(part_words(segment.op, part, lanes));
  }
  return rows * static_cast<Address>(segment.op.groups(lanes)) * static_cast<Address>(lanes) * kWordBytes;
}

Address parameter_size(const Segment& segment, int lanes) {
  const int slots = segment.stage_slots(lanes) + segment.op.group_slots(lanes) * segment.op.groups(lanes);
  return static_cast<Address>(slots) * parameter_words(lanes) * kWordBytes;
}

std::vector<std::byte> weight_bytes(const Segment& segment, const SegmentPlan& plan,
                                    const QuantizedNetwork& network, int lanes) {
  const WindowOp& op = segment.op;
  Words words;
  if (weight_size(segment, plan, lanes) == 0) return {};
  const int layer = segment.layers.front();
  const WeightCodes weights =
      lower_weights(op, network.network, network.network.layers[static_cast<std::size_t>(layer)],
                    integers_of(network, layer), segment.channels);
  for (int group = 0; group < op.groups(lanes); ++group) {
    if (op.kind == OpKind::depthwise) {
      append(words, pack_depthwise(weights, group, lanes));
      continue;
    }
    for (const ReductionPart& part : reduction_parts(plan)) {
      append(words, pack_weights(weights, part, group * lanes, lanes));
    }
  }
  return to_bytes(words);
}

std::vector<std::byte> table_bytes(const Segment& segment, const QuantizedNetwork& network) {
  if (segment.function < 0) return {};
  const auto codes = std::as_bytes(std::span(integers_of(network, segment.function).table));
  return {codes.begin(), codes.end()};
}

std::vector<std::byte> parameter_bytes(const Segment& segment, const QuantizedNetwork& network, int lanes) {
  Words words;
  for (const Stage& stage : segment.stages) {
    if (stage.operands() == 0) continue;
    const ChannelParameters parameters =
        stage.kind == StageKind::add
            ? add_parameters(integers_of(network, stage.layer), stage.second_first, kBlockChannels)
            : narrow_parameters(network.narrowing[static_cast<std::size_t>(stage.tensor)], kBlockChannels);
    append_slots(words, parameters, kBlockChannels, lanes);
  }
  if (segment.op.group_slots(lanes) > 0) {
    append_slots(words, operation_parameters(segment, network), padded_channels(segment.op, lanes), lanes);
  }
  return to_bytes(words);
}

}  // namespace bitloop::host
