#include "host/compiler/group_feed.h"

#include <utility>

namespace bitloop::host {
namespace {

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

}  // namespace bitloop::host
