#include "host/schedule.h"

#include <bit>

namespace bitloop::host {
namespace {

constexpr int kQueuedLoads = 4;           // instructions that the load engine's queue holds
constexpr double kPrefetchCycles = 8000;  // how far ahead, beyond the next steps
constexpr int kNextSteps = 2;
constexpr int kFarthestStep = 64;

int item_of(const GroupFeed::Use& use, int parts, int batch) {
  if (use.group < 0) return -1;
  return parts > 1 ? use.group * parts + use.part : GroupBatches{batch}.batch_of(use.group);
}

/// Per step the item that it uses, or -1 where its part is not among those that stay (or pass).
std::vector<int> weight_items(const std::vector<GroupFeed::Use>& uses, const WeightPlan& plan,
                              bool resident) {
  std::vector<int> items;
  for (const GroupFeed::Use& use : uses) {
    const bool counts = plan.is_resident(use.part) == resident;
    items.push_back(counts ? item_of(use, plan.part_count(), plan.batch) : -1);
  }
  return items;
}

std::vector<int> parameter_items(const std::vector<GroupFeed::Use>& uses, int batch) {
  std::vector<int> items;
  for (const GroupFeed::Use& use : uses) items.push_back(item_of(use, 1, batch));
  return items;
}

/// Buffers for parts that stay: all, unless some parts pass.
int resident_buffers(const WeightPlan& plan) {
  return plan.resident_parts() == plan.part_count() ? plan.buffers : plan.resident_parts();
}

}  // namespace

void Schedule::run() {
  for (int step = 0; step < steps(); ++step) {
    while (provide(step, step - 1, true) != Provision::ready) {
    }
    compute(step);
    timeline_.update(program, step_cycles(step));
    prefetch(step);
    store(step);
  }
}

/// Loads stand in the chain before the next compute instruction: never more than the load engine's queue
/// takes, so that the compute instruction behind them is dispatched while the current one runs.
void Schedule::prefetch(int current) {
  double cycles = 0;
  for (int step = current + 1; step < steps() && step <= current + kFarthestStep; ++step) {
    if (step > current + kNextSteps && cycles > kPrefetchCycles) return;
    Provision provision = Provision::loaded;
    while (provision == Provision::loaded) {
      timeline_.update(program, 0);
      if (timeline_.loads_after(timeline_.compute_start()) >= kQueuedLoads) return;
      provision = provide(step, current, false);
    }
    if (provision == Provision::blocked) return;
    cycles += step_cycles(step);
  }
}

GroupFeed::GroupFeed(const Segment& segment, const HardwareInfo& hardware, const WeightPlan& weights,
                     const ParameterPlan& parameters, std::vector<Use> uses)
    : lanes_(hardware.filters),
      groups_(segment.op.groups(lanes_)),
      weights_(weights),
      parameters_(parameters),
      weight_offset_(segment.weights),
      parameter_offset_(segment.parameters +
                        segment.stage_slots(lanes_) * parameter_words(lanes_) * kWordBytes),
      uses_(std::move(uses)),
      resident_cache_(resident_buffers(weights), weight_items(uses_, weights, true)),
      stream_cache_(weights.buffers - resident_buffers(weights), weight_items(uses_, weights, false)),
      parameter_cache_(parameters.buffers, parameter_items(uses_, parameters.batch)) {
  for (const ReductionPart& part : weights_.parts) {
    part_before_.push_back(group_words_);
    part_words_.push_back(part_words(segment.op, part, lanes_));
    group_words_ += part_words_.back();
  }
}

int GroupFeed::weight_item(const Use& use) const {
  return item_of(use, weights_.part_count(), weights_.batch);
}

int GroupFeed::weight_buffer(const Use& use) const {
  const int item = weight_item(use);
  return is_resident(use) ? *resident_cache_.find(item)
                          : resident_buffers(weights_) + *stream_cache_.find(item);
}

Provision GroupFeed::provide(int step, int busy, Program& program) {
  const Use& use = uses_[step];
  const int weights = weight_item(use);
  BufferCache& cache = cache_of(use);
  if (group_words_ > 0 && !cache.find(weights)) {
    if (!cache.place(weights, step, busy)) return Provision::blocked;
    load_weights(weights, weight_buffer(use), program);
    return Provision::loaded;
  }
  const int parameters = GroupBatches{parameters_.batch}.batch_of(uses_[step].group);
  if (!parameter_cache_.find(parameters)) {
    const auto buffer = parameter_cache_.place(parameters, step, busy);
    if (!buffer) return Provision::blocked;
    load_parameters(parameters, *buffer, program);
    return Provision::loaded;
  }
  return Provision::ready;
}

void GroupFeed::load_weights(int item, int buffer, Program& program) const {
  const int parts = static_cast<int>(weights_.parts.size());
  const GroupBatches batches{weights_.batch};
  const int group = parts > 1 ? item / parts : batches.first_group(item);
  const int part = parts > 1 ? item % parts : 0;
  const int words = parts > 1 ? part_words_[part] : batches.count(item, groups_) * group_words_;
  const Address before = static_cast<Address>(group) * group_words_ + part_before_[part];
  program.append(LoadWeight{static_cast<std::uint32_t>(weight_offset_ + before * lanes_ * kWordBytes),
                            static_cast<std::uint32_t>(words),
                            buffer * weights_.batch * weights_.part_words});
}

void GroupFeed::load_parameters(int item, int buffer, Program& program) const {
  const GroupBatches batches{parameters_.batch};
  const Address group_bytes = parameters_.group_slots * parameter_words(lanes_) * kWordBytes;
  const Address offset = parameter_offset_ + batches.first_group(item) * group_bytes;
  program.append(LoadParam{static_cast<std::uint32_t>(offset),
                           batches.count(item, groups_) * parameters_.group_slots,
                           parameters_.first_slot + buffer * parameters_.batch * parameters_.group_slots});
}

int GroupFeed::weight_base(int step) const {
  if (group_words_ == 0) return 0;
  const Use& use = uses_[step];
  const int item = weight_item(use);
  const int base = weight_buffer(use) * weights_.batch * weights_.part_words;
  if (weights_.parts.size() > 1) return base;
  return base + (use.group - GroupBatches{weights_.batch}.first_group(item)) * group_words_;
}

int GroupFeed::parameter_slot(int step) const {
  const GroupBatches batches{parameters_.batch};
  const int group = uses_[step].group;
  const int item = batches.batch_of(group);
  const int index = *parameter_cache_.find(item) * parameters_.batch + group - batches.first_group(item);
  return parameters_.first_slot + index * parameters_.group_slots;
}

void GroupFeed::used(int step) {
  if (group_words_ > 0) cache_of(uses_[step]).use(weight_item(uses_[step]), step);
  parameter_cache_.use(GroupBatches{parameters_.batch}.batch_of(uses_[step].group), step);
}

namespace {

int log2_bits(int bits) { return std::countr_zero(static_cast<unsigned>(bits)); }

void set_common(WindowWalk& walk, const WindowOp& op) {
  walk.stride_y = op.stride_y;
  walk.stride_x = op.stride_x;
  walk.dilation_y = op.dilation_y;
  walk.kernel_width = op.kernel_width;
  walk.ix_start = -op.pad;
  walk.output_width = op.output_width;
  walk.input_bits_log2 = log2_bits(op.input_bits);
  walk.output_bits_log2 = log2_bits(op.output_bits);
  walk.zero_code = op.zero_code;
}

void set_blocks(WindowWalk& walk, const WindowOp& op, int first_block, int end_block) {
  walk.blocks = end_block - first_block;
  walk.last_block_channels = end_block == op.blocks ? op.last_block_channels : op.block_channels;
}

}  // namespace

Conv conv_template(const WindowOp& op, const ReductionPart& part, int group, int unit_first_group,
                   int lanes) {
  Conv conv;
  set_common(conv, op);
  set_blocks(conv, op, part.first_block, part.end_block);
  conv.kernel_height = part.end_row - part.first_row;
  conv.weight_bits_log2 = log2_bits(op.weight_bits);
  conv.filters = std::min(lanes, op.filters - group * lanes);
  conv.bit_offset = (group - unit_first_group) * lanes;
  conv.zero_extend = (group + 1) * lanes >= op.filters;
  conv.leaky = op.leaky;
  return conv;
}

MaxPool pool_template(const WindowOp& op, int first_block, int end_block) {
  MaxPool pool;
  set_common(pool, op);
  set_blocks(pool, op, first_block, end_block);
  pool.kernel_height = op.kernel_height;
  return pool;
}

namespace {

/// Where block `block` of `channels` channels goes in the words of the result.
template <class Instruction>
void set_block(Instruction& instruction, int channels, int block) {
  instruction.blocks = 1;
  instruction.channels = std::min(kBlockChannels, channels - block * kBlockChannels);
  instruction.last_block_channels = instruction.channels;
  instruction.zero_extend = (block + 1) * kBlockChannels >= channels;
  instruction.bit_offset = instruction.output_bits_log2 == 0 ? block % 2 * kBlockChannels : 0;
}

}  // namespace

Depthwise depthwise_template(const WindowOp& op, int block) {
  Depthwise depthwise;
  set_common(depthwise, op);
  set_block(depthwise, op.filters, block);
  depthwise.kernel_height = op.kernel_height;
  depthwise.unit = op.unit_weights;
  depthwise.upper_half = op.input_bits == 1 && block % 2 == 1;
  depthwise.leaky = op.leaky;
  return depthwise;
}

Add add_template(int channels, int block, int operands, int output_bits) {
  Add add;
  add.input_bits_log2 = log2_bits(8);
  add.output_bits_log2 = log2_bits(output_bits);
  set_block(add, channels, block);
  add.operands = operands;
  return add;
}

}  // namespace bitloop::host
