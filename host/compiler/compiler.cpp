#include "host/compiler/compiler.h"

#include <fmt/format.h>

#include <utility>

#include "host/base/error.h"
#include "host/base/integers.h"
#include "host/compiler/constants.h"
#include "host/compiler/segment_program.h"
#include "host/program/instruction.h"

namespace bitloop::host {
namespace {

/// Hands out the job's memory, from offset 0 upwards, in whole pages.
class MemoryMap {
 public:
  Address take(Address bytes) {
    const Address offset = end_;
    end_ += round_up(bytes, kPageBytes);
    if (end_ > kLargestJob) throw InputError("the network takes more than 4 GB of the accelerator's memory");
    return offset;
  }
  [[nodiscard]] Address bytes() const { return end_; }

 private:
  Address end_ = 0;
};

/// A plan whose segments the hardware has room for, and how each runs.
struct PlannedNetwork {
  NetworkPlan network;
  std::vector<SegmentPlan> segments;
};

std::vector<SegmentPlan> plan_segments(const NetworkPlan& network, const HardwareInfo& hardware) {
  std::vector<SegmentPlan> plans;
  for (const Segment& segment : network.segments) {
    plans.push_back(segment.original < 0 ? plan_segment(segment, hardware)
                                         : plans[static_cast<std::size_t>(segment.original)]);
  }
  return plans;
}

/// Where SRAM is too small to fuse layers or to keep tensors on chip, they are separate.
PlannedNetwork plan_all(const Network& network, const Policy& policy, const HardwareInfo& hardware,
                        const CompileOptions& options) {
  NetworkPlan plan = plan_network(network, policy, hardware, options);
  try {
    std::vector<SegmentPlan> segments = plan_segments(plan, hardware);
    return {std::move(plan), std::move(segments)};
  } catch (const InputError&) {
    if (options.separate) throw;
    CompileOptions separate = options;
    separate.separate = true;
    return plan_all(network, policy, hardware, separate);
  }
}

/// The whole job, step by step: plans, memory map, constants, descriptors.
class JobBuilder {
 public:
  JobBuilder(const QuantizedNetwork& network, const HardwareInfo& hardware, const CompileOptions& options)
      : network_(network),
        hardware_(hardware),
        options_(options),
        plan_(plan_all(network.network, network.policy, hardware, options)),
        job_(empty_job(network.network.name, hardware, network.network.image_input)) {}

  CompiledNetwork build() {
    describe();
    map_.take(plan_.network.tensor_bytes);
    name_tensors();
    place_constants();
    place_descriptors();
    job_.bytes = map_.bytes();
    return {std::move(job_), std::move(plan_.network.segments)};
  }

 private:
  void describe() {
    const Network& graph = network_.network;
    job_.policy = network_.policy.key();
    job_.image_shape = graph.tensors[graph.input].shape;
    job_.input_bits = graph.image_input ? 0 : plan_.network.bits.written[graph.input];
    const Form input{graph.input, false};
    job_.image = plan_.network.place(input).offset;
    job_.images = options_.images;
    job_.image_bytes = plan_.network.image_bytes[static_cast<std::size_t>(input.index())];
    for (const Segment& segment : plan_.network.segments) job_.segments.push_back(segment.name);
  }

  void name_tensor(const Form& form, int image) {
    const Tensor& tensor = network_.network.tensors[form.tensor];
    const Place& place = plan_.network.place(form);
    const TensorBits& bits = plan_.network.bits;
    if (!place.in_memory) return;
    TensorPlace named{
        tensor.name, tensor.shape, form.narrow ? bits.narrow[form.tensor] : bits.written[form.tensor],
        place.offset + image * plan_.network.image_bytes[static_cast<std::size_t>(form.index())]};
    named.narrow = form.narrow;
    named.image = image;
    named.words = place.words;
    named.first_word = place.first_word;
    named.lanes = plan_.network.lanes[form.index()];
    job_.tensors.push_back(named);
  }

  void name_tensors() {
    const Network& graph = network_.network;
    for (const Layer& layer : graph.layers) {
      if (!options_.spill_all || graph.is_output(layer.output)) continue;
      name_tensor({layer.output, false}, 0);
      name_tensor({layer.output, true}, 0);
    }
    for (int image = 0; image < options_.images; ++image)
      for (const int output : graph.outputs) name_tensor({output, false}, image);
  }

  Address add_block(std::vector<std::byte> bytes) {
    const Address offset = map_.take(bytes.size());
    if (!bytes.empty()) job_.blocks.push_back({offset, std::move(bytes)});
    return offset;
  }

  void place_constants() {
    for (std::size_t i = 0; i < plan_.segments.size(); ++i) {
      Segment& segment = plan_.network.segments[i];
      if (segment.original >= 0) {
        const Segment& original = plan_.network.segments[static_cast<std::size_t>(segment.original)];
        segment.op = original.op;
        segment.weights = original.weights;
        segment.parameters = original.parameters;
        segment.table = original.table;
        continue;
      }
      if (segment.narrowed < 0) {
        set_padding(segment.op, network_.layers[static_cast<std::size_t>(segment.layers.front())]);
      }
      segment.weights = add_block(weight_bytes(segment, plan_.segments[i], network_, hardware_.filters));
      segment.parameters = add_block(parameter_bytes(segment, network_, hardware_.filters));
      segment.table = add_block(table_bytes(segment, network_));
    }
  }

  void place_descriptors() {
    job_.records = map_.take(kRecordBytes * plan_.segments.size());
    job_.descriptors = map_.bytes();
    std::vector<std::byte> bytes;
    for (std::size_t i = 0; i < plan_.segments.size(); ++i) append_segment(bytes, i);
    add_block(std::move(bytes));
  }

  void append_segment(std::vector<std::byte>& bytes, std::size_t index) {
    const auto instructions =
        schedule_segment(plan_.network.segments[index], plan_.segments[index], hardware_);
    const bool last = index + 1 == plan_.segments.size();
    const auto more = segment_descriptors(instructions, job_.descriptors + bytes.size(),
                                          job_.records + kRecordBytes * index, last);
    bytes.insert(bytes.end(), more.begin(), more.end());
  }

  const QuantizedNetwork& network_;
  const HardwareInfo& hardware_;
  const CompileOptions& options_;
  PlannedNetwork plan_;
  Job job_;
  MemoryMap map_;
};

void check_integers(const QuantizedNetwork& network) {
  const Network& graph = network.network;
  if (network.layers.size() != graph.layers.size() || network.narrowing.size() != graph.tensors.size()) {
    throw InputError(fmt::format("network {}: its integers do not belong to it", graph.name));
  }
  for (std::size_t i = 0; i < graph.layers.size(); ++i) {
    const Layer& layer = graph.layers[i];
    const QuantizedLayer& integers = network.layers[i];
    const auto filters = static_cast<std::size_t>(graph.output_shape(layer).channels);
    const auto channels = static_cast<std::size_t>(graph.input_shape(layer).channels);
    const std::size_t sets = layer.has_weights()                     ? filters
                             : layer.kind == LayerKind::add          ? 2
                             : layer.kind == LayerKind::average_pool ? counted_taps(graph, layer).size()
                             : layer.kind == LayerKind::product      ? 1
                                                                     : 0;
    const bool leaky = layer.activation == Activation::leaky_relu;
    const std::size_t codes = layer.kind == LayerKind::function ? kTableCodes : 0;
    if (integers.weights.size() != static_cast<std::size_t>(graph.weight_count(layer)) ||
        integers.requantization.size() != sets || integers.negative.size() != (leaky ? filters : 0) ||
        integers.table.size() != codes || (layer.has_weights() && integers.pad_codes.size() != channels)) {
      throw InputError(fmt::format("layer {}: its integers have the wrong size", layer.name));
    }
  }
}

}  // namespace

CompiledNetwork compile_network(const QuantizedNetwork& network, const HardwareInfo& hardware,
                                const CompileOptions& options) {
  network.network.validate();
  check_integers(network);
  return JobBuilder(network, hardware, options).build();
}

std::optional<std::string> reason_against(const Network& network, const Policy& policy,
                                          const HardwareInfo& hardware) try {
  plan_all(network, policy, hardware, {});
  return {};
} catch (const InputError& error) {
  return error.what();
}

Job compile(const QuantizedNetwork& network, const HardwareInfo& hardware, const CompileOptions& options) {
  return compile_network(network, hardware, options).job;
}

Job empty_job(std::string name, const HardwareInfo& hardware, bool stages_image) {
  Job job;
  job.network = std::move(name);
  job.filters = hardware.filters;
  job.pixels = hardware.pixels;
  job.activation_rows = hardware.activation_rows;
  job.weight_rows = hardware.weight_rows;
  job.parameter_slots = hardware.parameter_slots;
  job.staging_words = stages_image ? hardware.staging_words : 0;
  return job;
}

}  // namespace bitloop::host
