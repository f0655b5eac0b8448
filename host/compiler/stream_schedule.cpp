#include "host/compiler/stream_schedule.h"

#include <algorithm>
#include <utility>

#include "host/base/integers.h"
#include "host/compiler/instruction_templates.h"

namespace bitloop::host {

StreamSchedule::StreamSchedule(const Segment& segment, const HardwareInfo& hardware, StreamPlan plan)
    : Schedule(segment, hardware),
      plan_(std::move(plan)),
      steps_(stream_steps(plan_, segment, hardware)),
      passes_(channel_passes(hardware)) {
  input_ = {&plan_.input, &segment_.input, op_.input_bits, op_.input_height, op_.input_width, 0};
  if (segment_.second) {
    second_ = {&*plan_.second, &*segment_.second, 8, op_.output_height, op_.output_width, 0};
    find_second_keepers();
  }
  std::vector<GroupFeed::Use> uses;
  for (const Step& step : steps_) {
    uses.push_back(step.result == 0 ? GroupFeed::Use{step.group, step.part} : GroupFeed::Use{});
  }
  feed_groups(hardware, plan_.weights, plan_.parameters, std::move(uses));
}

double StreamSchedule::step_cycles(int index) const {
  const Step& step = steps_[index];
  const double tiles = divide_up(step.positions, pixels_);
  if (step.result > 0) {
    const Stage& stage = segment_.stages[static_cast<std::size_t>(step.result) - 1];
    if (stage.kind != StageKind::max_pool)
      return tiles * pixels_ * stage.operands() * kBlockChannels / lanes_;
    const int blocks =
        divide_up(unit_of(step).end_channel - unit_of(step).first_channel, segment_.pool->block_channels);
    return tiles *
           static_cast<double>(segment_.pool->tile_cycles({0, blocks, 0, segment_.pool->kernel_height}));
  }
  if (op_.kind == OpKind::copy) return 0;
  if (op_.kind == OpKind::max_pool) {
    const Unit& unit = unit_of(step);
    return tiles *
           static_cast<double>(op_.tile_cycles({unit.first_group, unit.end_group, 0, op_.kernel_height}));
  }
  if (op_.by_blocks()) {
    const double fetch = static_cast<double>(op_.tile_cycles({0, 1, 0, op_.kernel_height}));
    return tiles * std::max<double>(fetch * passes_, pixels_ * op_.group_slots(lanes_));
  }
  return tiles * static_cast<double>(op_.tile_cycles(plan_.weights.parts[step.part]));
}

/// Rows of later passes follow those of earlier ones in a ring, as if the passes lay one below the other.
int StreamSchedule::pass(const Buffer& buffer, const Step& step) const {
  if (buffer.whole || plan_.strips_outer) return 0;
  if (&buffer == &plan_.input && plan_.resident) return 0;
  return step.unit;
}

long StreamSchedule::virtual_row(const Buffer& buffer, int height, const Step& step, int row) const {
  const int granule = row_granule(buffer.ring.pitch, pixels_);
  return static_cast<long>(pass(buffer, step)) * round_up(height, granule) + row;
}

/// Of a position of a result of this extent, in a buffer whose rows are as wide.
int StreamSchedule::ring_position(const Buffer& buffer, const Extent& extent, const Step& step,
                                  int position) const {
  return modulo(virtual_row(buffer, extent.height, step, 0) * extent.width + position,
                buffer.ring.positions());
}

/// Bank row of the first word of a unit.
int StreamSchedule::word_row(const Buffer& buffer, int bits, const Unit& unit) const {
  const bool all = buffer.whole || plan_.strips_outer;
  return buffer.ring.base + (all ? unit.first_word(bits) : 0) * buffer.ring.stride;
}

/// Bank row of the first word of a step's channels.
int StreamSchedule::channel_row(const Buffer& buffer, int bits, const Step& step) const {
  const Unit& unit = unit_of(step);
  const int channel = step.first_channel - unit.first_channel;
  const int word = channel / word_channels(bits) * words_per_block(bits);
  return word_row(buffer, bits, unit) + word * buffer.ring.stride;
}

StreamSchedule::RowRange StreamSchedule::input_rows(const Step& step) const {
  return {op_.first_input_row(begin(step.strip, 0) / op_.output_width),
          op_.end_input_row((plan_.operation_ends[step.strip] - 1) / op_.output_width)};
}

StreamSchedule::RowRange StreamSchedule::output_rows(const Step& step) const {
  return {begin(step.strip, 0) / op_.output_width,
          (plan_.operation_ends[step.strip] - 1) / op_.output_width + 1};
}

bool StreamSchedule::reads_second(const Step& step) const {
  if (!segment_.second) return false;
  if (step.result == 0) return op_.kind == OpKind::add && op_.operands == 2;
  return segment_.stages[static_cast<std::size_t>(step.result) - 1].operands() == 2;
}

/// Stages of a strip may stand between the operation's tiles of the next.
void StreamSchedule::find_second_keepers() {
  const auto before = [&](const Step& a, const Step& b) {
    return plan_.strips_outer ? a.strip < b.strip : std::pair(a.unit, a.strip) < std::pair(b.unit, b.strip);
  };
  second_keepers_.resize(steps_.size());
  auto reader = static_cast<int>(steps_.size()) - 1;
  for (auto i = static_cast<int>(steps_.size()) - 1; i >= 0; --i) {
    if (reads_second(steps_[i]) && !before(steps_[reader], steps_[i])) reader = i;
    second_keepers_[i] = before(steps_[reader], steps_[i]) ? reader : i;
  }
}

Provision StreamSchedule::provide(int index, int current, bool now) {
  const Step& step = steps_[index];
  const Step& keeper = steps_[now || current < 0 ? index : current];
  Provision provision = Provision::ready;
  if (step.result == 0) {
    provision = provide_rows(input_, input_rows(step), input_rows(keeper).first, index, current, now);
  }
  if (provision == Provision::ready && reads_second(step)) {
    const int kept = now || current < 0 ? index : second_keepers_[current];
    provision = provide_rows(second_, output_rows(step), output_rows(steps_[kept]).first, index, kept, now);
  }
  if (provision != Provision::ready) return provision;
  if (step.result > 0) return provide_stages();
  return groups_ ? groups_->provide(index, now ? -1 : current, program) : Provision::ready;
}

/// Rows stay until the last step that was computed needs them no more: it still runs, and steps between it
/// and this one need no earlier rows.
Provision StreamSchedule::provide_rows(RowFeed& feed, const RowRange& wanted, int first_kept, int index,
                                       int current, bool now) {
  if (feed.buffer->whole) return Provision::ready;
  const Step& step = steps_[index];
  const Step& keeper = steps_[now || current < 0 ? index : current];
  const long start = virtual_row(*feed.buffer, feed.height, step, 0);
  const long begin = std::max(feed.loaded_end, start + wanted.first);
  const long end = start + wanted.end;
  if (end <= begin) return Provision::ready;
  const long kept = virtual_row(*feed.buffer, feed.height, keeper, first_kept);
  if (!now && end - feed.buffer->ring.rows > kept) return Provision::blocked;
  load_rows(feed, step, static_cast<int>(begin - start), static_cast<int>(end - begin));
  feed.loaded_end = end;
  return Provision::loaded;
}

/// The parameters of all stages, once.
Provision StreamSchedule::provide_stages() {
  if (stages_loaded_ || segment_.stage_slots(lanes_) == 0) return Provision::ready;
  stages_loaded_ = true;
  program.append(LoadParam{static_cast<std::uint32_t>(segment_.parameters), segment_.stage_slots(lanes_), 0});
  return Provision::loaded;
}

void StreamSchedule::load_rows(const RowFeed& feed, const Step& step, int first, int rows) {
  const Ring& ring = feed.buffer->ring;
  const bool image = feed.place == &segment_.input && image_;
  ChipRows chip{ring.base,
                ring.stride,
                modulo(virtual_row(*feed.buffer, feed.height, step, first), ring.rows) * ring.pitch,
                ring.pitch,
                ring.positions(),
                ring.spread};
  if (image) {
    image_->pack({first, rows, 0, op_.input_width}, 0, op_.blocks, chip, program);
    return;
  }
  const bool all = plan_.strips_outer || (feed.place == &segment_.input && !op_.by_blocks());
  const Unit& unit = unit_of(step);
  const int first_word = all ? 0 : unit.first_word(feed.bits);
  const int words = all ? ring.words : unit.words(feed.bits);
  for (const RowTransfer& transfer :
       row_transfers(*feed.place, feed.width, {first, rows, 0, feed.width, first_word, words}, chip)) {
    program.append(LoadAct{transfer});
  }
}

/// Windows over the segment's input.
void StreamSchedule::place_walk(WindowWalk& walk, const Step& step, const ReductionPart& part) const {
  const Ring& ring = plan_.input.ring;
  const int oy = step.first / op_.output_width;
  walk.input_height = op_.input_height;
  walk.input_width = op_.input_width;
  walk.iy = oy * op_.stride_y - op_.pad_y + part.first_row * op_.dilation_y;
  walk.ox = step.first % op_.output_width;
  walk.ix = walk.ox * op_.stride_x - op_.pad_x;
  walk.positions = step.positions;
  walk.input_stride = ring.stride;
  walk.input_ring = ring.positions();
  walk.input_spread = ring.spread;
  walk.ring_position =
      modulo(virtual_row(plan_.input, op_.input_height, step, walk.iy), ring.rows) * ring.pitch;
  walk.step_output_row = modulo(op_.stride_y, ring.rows) * ring.pitch;
  walk.step_kernel_row = modulo(op_.dilation_y, ring.rows) * ring.pitch;
  place_result(walk, step);
}

/// Position by position over a buffer that is as wide as the output.
void StreamSchedule::place_flat_walk(WindowWalk& walk, const Step& step, const Buffer& input) const {
  const Ring& ring = input.ring;
  const Extent extent = segment_.extent(step.result);
  walk.input_height = extent.height;
  walk.input_width = extent.width;
  walk.output_width = extent.width;
  walk.iy = step.first / extent.width;
  walk.ox = walk.ix = step.first % extent.width;
  walk.positions = step.positions;
  walk.input_stride = ring.stride;
  walk.input_ring = ring.positions();
  walk.input_spread = ring.spread;
  walk.ring_position = ring_position(input, extent, step, walk.iy * extent.width);
  walk.step_output_row = modulo(1, ring.rows) * ring.pitch;
  walk.input_base = channel_row(input, 8, step);
  place_result(walk, step);
}

void StreamSchedule::place_result(WindowWalk& walk, const Step& step) const {
  const Buffer& output = plan_.results[static_cast<std::size_t>(step.result)];
  walk.output_first = ring_position(output, segment_.extent(step.result), step, step.first);
  walk.output_ring = output.ring.positions();
  walk.output_spread = output.ring.spread;
  walk.output_base = channel_row(output, segment_.result_bits(step.result), step);
  walk.output_stride = output.ring.stride;
}

void StreamSchedule::place_second(Add& add, const Step& step) const {
  const Buffer& buffer = *plan_.second;
  add.second_base = channel_row(buffer, 8, step);
  add.second_stride = buffer.ring.stride;
  add.second_first = ring_position(buffer, segment_.extent(step.result), step, step.first);
  add.second_ring = buffer.ring.positions();
  add.second_spread = buffer.ring.spread;
}

void StreamSchedule::compute(int index) {
  const Step& step = steps_[index];
  if (step.result > 0) {
    compute_stage(step);
  } else {
    compute_operation(index, step);
  }
}

void StreamSchedule::compute_stage(const Step& step) {
  const Stage& stage = segment_.stages[static_cast<std::size_t>(step.result) - 1];
  if (stage.kind == StageKind::max_pool) {
    compute_pool(step);
    return;
  }
  Add add = add_template(op_.filters, step.group, stage.operands(), stage.table, stage.output_bits);
  place_flat_walk(add, step, plan_.results[static_cast<std::size_t>(step.result) - 1]);
  if (stage.operands() == 2) place_second(add, step);
  add.parameter_slot = segment_.stage_slot(step.result - 1, lanes_);
  program.append(add);
}

/// Windows over what the operation gives.
void StreamSchedule::compute_pool(const Step& step) {
  const WindowOp& op = *segment_.pool;
  const Unit& unit = unit_of(step);
  const Buffer& input = plan_.results[0];
  MaxPool pool = pool_template(op, unit.first_channel / op.block_channels,
                               divide_up(unit.end_channel, op.block_channels));
  pool.input_height = op.input_height;
  pool.input_width = op.input_width;
  pool.iy = step.first / op.output_width * op.stride_y - op.pad_y;
  pool.ox = step.first % op.output_width;
  pool.ix = pool.ox * op.stride_x - op.pad_x;
  pool.positions = step.positions;
  pool.input_base = word_row(input, op.input_bits, unit);
  pool.input_stride = input.ring.stride;
  pool.input_ring = input.ring.positions();
  pool.input_spread = input.ring.spread;
  pool.ring_position =
      modulo(virtual_row(input, op.input_height, step, pool.iy), input.ring.rows) * input.ring.pitch;
  pool.step_output_row = modulo(op.stride_y, input.ring.rows) * input.ring.pitch;
  pool.step_kernel_row = modulo(op.dilation_y, input.ring.rows) * input.ring.pitch;
  place_result(pool, step);
  program.append(pool);
}

void StreamSchedule::compute_operation(int index, const Step& step) {
  const Unit& unit = unit_of(step);
  switch (op_.kind) {
    case OpKind::copy:
      return;
    case OpKind::max_pool: {
      MaxPool pool = pool_template(op_, unit.first_group, unit.end_group);
      place_walk(pool, step, op_.whole());
      pool.input_base = channel_row(plan_.input, op_.input_bits, step);
      program.append(pool);
      return;
    }
    case OpKind::add: {
      Add add = add_template(op_.filters, step.group, op_.operands, op_.table, op_.output_bits);
      place_flat_walk(add, step, plan_.input);
      if (op_.operands == 2) place_second(add, step);
      add.parameter_slot = groups_->parameter_slot(index);
      program.append(add);
      break;
    }
    case OpKind::depthwise: {
      Depthwise depthwise = depthwise_template(op_, step.group);
      place_walk(depthwise, step, op_.whole());
      depthwise.input_base = channel_row(plan_.input, op_.input_bits, step);
      depthwise.weight_base = weight_base(index, step.group);
      depthwise.parameter_slot = groups_->parameter_slot(index);
      program.append(depthwise);
      break;
    }
    case OpKind::conv: {
      const ReductionPart& part = plan_.weights.parts[step.part];
      const int channels = word_channels(op_.output_bits);
      Conv conv =
          conv_template(op_, part, step.group, step.first_channel / channels * channels / lanes_, lanes_);
      place_walk(conv, step, part);
      conv.input_base = plan_.input.ring.base + op_.words_before(part.first_block) * plan_.input.ring.stride;
      conv.clear = step.clear;
      conv.drain = step.drain;
      conv.weight_base = groups_->weight_base(index);
      conv.parameter_slot = groups_->parameter_slot(index);
      program.append(conv);
      break;
    }
  }
  groups_->used(index);
}

void StreamSchedule::store(int index) {
  const Step& step = steps_[index];
  if (!step.unit_done || !segment_.results[static_cast<std::size_t>(step.result)].in_memory) return;
  const Extent extent = segment_.extent(step.result);
  const int positions = ends(step.result)[step.strip];
  const int end = positions == extent.positions() ? extent.height : positions / extent.width;
  store_rows(step, {begin(step.strip, step.result) / extent.width, end});
}

void StreamSchedule::store_rows(const Step& step, const RowRange& rows) {
  if (rows.end <= rows.first) return;
  const Place& place = segment_.results[static_cast<std::size_t>(step.result)];
  const Buffer& buffer = plan_.results[static_cast<std::size_t>(step.result)];
  const Buffer& source = op_.kind == OpKind::copy && step.result == 0 ? plan_.input : buffer;
  const int bits = segment_.result_bits(step.result);
  const Unit& unit = unit_of(step);
  const Extent extent = segment_.extent(step.result);
  const ChipRows chip{word_row(source, bits, unit),
                      source.ring.stride,
                      ring_position(source, extent, step, rows.first * extent.width),
                      extent.width,
                      source.ring.positions(),
                      source.ring.spread};
  const Steps repeat = step.result == 0 ? op_.repeat : Steps();
  if (repeat == Steps()) {
    const Area area{rows.first,   rows.end - rows.first, 0,
                    extent.width, unit.first_word(bits), unit.words(bits)};
    for (const RowTransfer& transfer : row_transfers(place, extent.width, area, chip)) {
      program.append(Store{transfer});
    }
    return;
  }
  const Address word_bytes = kWordBytes * extent.width * repeat.x;
  const Address row_bytes = word_bytes * place.words;
  for (int k = 0; k < repeat.y; ++k) {
    const Address offset = place.offset + (static_cast<Address>(rows.first) * repeat.y + k) * row_bytes +
                           word_bytes * (place.first_word + unit.first_word(bits));
    Store store{{static_cast<std::uint32_t>(offset), static_cast<std::uint32_t>(row_bytes * repeat.y),
                 rows.end - rows.first, extent.width, unit.words(bits), chip}};
    store.repeat = repeat.x;
    program.append(store);
  }
}

}  // namespace bitloop::host
