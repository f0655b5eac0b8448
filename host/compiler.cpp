#include "host/compiler.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "host/error.h"
#include "host/instruction.h"
#include "host/plane_words.h"
#include "host/stream_schedule.h"
#include "host/tile_schedule.h"

namespace bitloop::host {
namespace {

constexpr Address kBurst = 128;  // bytes; parameters start at whole bursts

/// Hands out the job's memory, from offset 0 upwards. Tensors, weights and descriptors start at pages.
class MemoryMap {
 public:
  Address take(Address bytes, Address alignment) {
    const Address offset = (end_ + alignment - 1) / alignment * alignment;
    end_ = offset + bytes;
    if (end_ > kLargestJob) throw InputError("the network takes more than 4 GB of the accelerator's memory");
    return offset;
  }
  [[nodiscard]] Address bytes() const { return (end_ + kPageBytes - 1) / kPageBytes * kPageBytes; }

 private:
  Address end_ = 0;
};

/// How a layer will run, and its constants.
struct LayerJob {
  LoweredLayer lowered;
  const QuantizedLayer* integers = nullptr;
  std::optional<StreamPlan> stream;
  std::optional<TilePlan> tiles;
  LayerPlaces places;

  [[nodiscard]] const std::vector<ReductionPart>& parts() const {
    return stream ? stream->weights.parts : tiles->weights.parts;
  }
};

LayerJob plan_layer(const QuantizedNetwork& network, const Layer& layer, const QuantizedLayer* integers,
                    const HardwareInfo& hardware) {
  LayerJob job{lower(network, layer, integers), integers, {}, {}, {}};
  job.stream = plan_stream(job.lowered.op, hardware);
  if (!job.stream) job.tiles = plan_tiles(job.lowered.op, hardware);
  return job;
}

/// The weight streams of all groups and parts, one behind the other.
std::vector<std::byte> weight_bytes(const LayerJob& job, int lanes) {
  Words words;
  for (int first = 0; first < job.lowered.op.filters; first += lanes) {
    for (const ReductionPart& part : job.parts()) {
      const Words stream = pack_weights(job.lowered.weights, part, first, lanes);
      words.insert(words.end(), stream.begin(), stream.end());
    }
  }
  return to_bytes(words);
}

std::vector<std::byte> parameter_bytes(const LayerJob& job, int lanes) {
  Words words;
  for (int first = 0; first < job.lowered.op.filters; first += lanes) {
    const Words slot = pack_parameters(*job.integers, first, lanes);
    words.insert(words.end(), slot.begin(), slot.end());
  }
  return to_bytes(words);
}

std::vector<Instruction> schedule_layer(const LayerJob& job, const HardwareInfo& hardware) {
  std::unique_ptr<Schedule> schedule;
  if (job.stream) {
    schedule = std::make_unique<StreamSchedule>(job.lowered.op, hardware, *job.stream, job.places);
  } else {
    schedule = std::make_unique<TileSchedule>(job.lowered.op, hardware, *job.tiles, job.places);
  }
  schedule->run();
  return schedule->program.instructions();
}

void append(std::vector<std::byte>& bytes, const Descriptor& descriptor) {
  const DescriptorBytes part = to_bytes(descriptor);
  bytes.insert(bytes.end(), part.begin(), part.end());
}

/// The whole job, step by step: plans, memory map, constants, descriptors.
class JobBuilder {
 public:
  JobBuilder(const QuantizedNetwork& network, const HardwareInfo& hardware)
      : network_(network), hardware_(hardware) {}

  Job build(const CompileOptions& options) {
    plan_layers();
    name_job();
    place_tensors();
    name_tensors(options);
    place_constants();
    place_descriptors();
    job_.bytes = map_.bytes();
    return std::move(job_);
  }

 private:
  void plan_layers() {
    std::size_t weight_layer = 0;
    for (const Layer& layer : network_.network.layers) {
      const QuantizedLayer* integers = layer.has_weights() ? &network_.layers.at(weight_layer++) : nullptr;
      layers_.push_back(plan_layer(network_, layer, integers, hardware_));
      job_.segments.push_back(layer.name);
    }
  }

  void name_job() {
    const Network& graph = network_.network;
    job_.network = graph.name;
    job_.policy = network_.policy.key();
    job_.filters = hardware_.filters;
    job_.pixels = hardware_.pixels;
    job_.activation_rows = hardware_.activation_rows;
    job_.weight_rows = hardware_.weight_rows;
    job_.parameter_slots = hardware_.parameter_slots;
    job_.staging_words = graph.image_input ? hardware_.staging_words : 0;
    job_.image_shape = graph.tensors[graph.input].shape;
    job_.input_bits = graph.image_input ? 0 : network_.tensor_bits[graph.input];
  }

  void place_tensors() {
    const Network& graph = network_.network;
    for (std::size_t i = 0; i < graph.tensors.size(); ++i) {
      const bool image = graph.image_input && static_cast<int>(i) == graph.input;
      const Shape& shape = graph.tensors[i].shape;
      const Address bytes = image ? static_cast<Address>(shape.elements() + 7) / 8 * 8
                                  : tensor_bytes(shape, network_.tensor_bits[i]);
      tensors_.push_back(map_.take(bytes, kPageBytes));
    }
    job_.image = tensors_[graph.input];
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      layers_[i].places.input = tensors_[graph.layers[i].input];
      layers_[i].places.output = tensors_[graph.layers[i].output];
    }
  }

  void name_tensors(const CompileOptions& options) {
    const Network& graph = network_.network;
    const auto name = [&](int index) {
      const Tensor& tensor = graph.tensors[index];
      job_.tensors.push_back({tensor.name, tensor.shape, network_.tensor_bits[index], tensors_[index]});
    };
    for (const Layer& layer : graph.layers) {
      if (options.spill_all && layer.output != graph.output) name(layer.output);
    }
    name(graph.output);
  }

  Address add_block(std::vector<std::byte> bytes, Address alignment) {
    const Address offset = map_.take(bytes.size(), alignment);
    job_.blocks.push_back({offset, std::move(bytes)});
    return offset;
  }

  void place_constants() {
    for (LayerJob& layer : layers_) {
      if (layer.integers == nullptr) continue;
      layer.places.weights = add_block(weight_bytes(layer, hardware_.filters), kPageBytes);
      layer.places.parameters = add_block(parameter_bytes(layer, hardware_.filters), kBurst);
    }
  }

  void place_descriptors() {
    job_.records = map_.take(kRecordBytes * layers_.size(), kPageBytes);
    job_.descriptors = map_.take(0, kPageBytes);
    std::vector<std::byte> bytes;
    for (std::size_t i = 0; i < layers_.size(); ++i) append_segment(bytes, i);
    add_block(std::move(bytes), kPageBytes);
  }

  void append_segment(std::vector<std::byte>& bytes, std::size_t index) {
    try {
      const std::vector<Instruction> instructions = schedule_layer(layers_[index], hardware_);
      SegmentHeader header;
      header.last = index + 1 == layers_.size();
      header.instructions = static_cast<std::uint32_t>(instructions.size());
      const Address end = job_.descriptors + bytes.size() + (instructions.size() + 1) * kDescriptorBytes;
      header.next = header.last ? 0 : static_cast<std::uint32_t>(end);
      header.record = static_cast<std::uint32_t>(job_.records + kRecordBytes * index);
      append(bytes, encode(header));
      for (const Instruction& instruction : instructions) append(bytes, encode(instruction));
    } catch (const InputError& error) {
      const std::string prefix = fmt::format("layer {}", job_.segments[index]);
      if (std::string_view(error.what()).starts_with(prefix)) throw;
      throw InputError(fmt::format("{}: {}", prefix, error.what()));
    }
  }

  const QuantizedNetwork& network_;
  const HardwareInfo& hardware_;
  Job job_;
  MemoryMap map_;
  std::vector<LayerJob> layers_;
  std::vector<Address> tensors_;
};

void check_integers(const QuantizedNetwork& network) {
  const auto layers = network.network.weight_layers();
  if (network.layers.size() != layers.size() ||
      network.tensor_bits.size() != network.network.tensors.size()) {
    throw InputError(fmt::format("network {}: its integers do not belong to it", network.network.name));
  }
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const QuantizedLayer& integers = network.layers[i];
    const auto filters = static_cast<std::size_t>(network.network.output_shape(*layers[i]).channels);
    const auto channels = static_cast<std::size_t>(network.network.input_shape(*layers[i]).channels);
    if (integers.weights.size() != static_cast<std::size_t>(network.network.weight_count(*layers[i])) ||
        integers.requantization.size() != filters || integers.pad_codes.size() != channels) {
      throw InputError(fmt::format("layer {}: its integers have the wrong size", layers[i]->name));
    }
  }
}

}  // namespace

Job compile(const QuantizedNetwork& network, const HardwareInfo& hardware, const CompileOptions& options) {
  network.network.validate();
  check_integers(network);
  return JobBuilder(network, hardware).build(options);
}

}  // namespace bitloop::host
