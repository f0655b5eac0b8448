#include "host/compiler/tile_schedule.h"

#include <algorithm>

#include "host/base/integers.h"
#include "host/compiler/instruction_templates.h"

namespace bitloop::host {
namespace {

constexpr int kFarOutside = -20000;  // an input row that no window reaches: everything is padding

}  // namespace

TileSchedule::TileSchedule(const Segment& segment, const HardwareInfo& hardware, TilePlan plan)
    : Schedule(segment, hardware), plan_(std::move(plan)) {
  for (int tile = 0; tile < op_.output_height * tiles_per_row(); ++tile) add_tile(tile);
  std::vector<int> items;
  for (const Step& step : steps_) items.push_back(patch_item(step));
  patches_.emplace(plan_.patch_buffers, items);
  std::vector<GroupFeed::Use> uses;
  for (const Step& step : steps_) uses.push_back({step.group, step.weight_part});
  feed_groups(hardware, plan_.weights, plan_.parameters, std::move(uses));
}

void TileSchedule::add_tile(int tile) {
  for (int unit = 0; unit < static_cast<int>(plan_.units.size()); ++unit) {
    const Unit& range = plan_.units[unit];
    for (int group = range.first_group; group < range.end_group; ++group) {
      const std::vector<int> order = plan_.weights.part_order();
      for (std::size_t i = 0; i < order.size(); ++i) {
        const bool drain = i + 1 == order.size();
        const int input_part = op_.by_blocks() ? group / op_.block_granule() : order[i];
        steps_.push_back(
            {tile, unit, group, input_part, order[i], i == 0, drain, drain && group + 1 == range.end_group});
      }
    }
  }
}

int TileSchedule::tile_positions(const Step& step) const {
  return std::min(plan_.tile, op_.output_width - tile_column(step));
}

ReductionPart TileSchedule::part_of(const Step& step) const { return plan_.input_parts[step.input_part]; }

int TileSchedule::patch_item(const Step& step) const {
  return step.tile * static_cast<int>(plan_.input_parts.size()) + step.input_part;
}

double TileSchedule::step_cycles(int step) const {
  return static_cast<double>(op_.tile_cycles(part_of(steps_[step])));
}

TileSchedule::Patch TileSchedule::patch_of(const Step& step) const {
  const ReductionPart part = part_of(step);
  Patch patch;
  const int iy = tile_row(step) * op_.stride_y - op_.pad_y + part.first_row * op_.dilation_y;
  const int outside = iy < 0 ? divide_up(-iy, op_.dilation_y) : 0;  // kernel rows above the input
  patch.iy = -outside;
  patch.ix = tile_column(step) * op_.stride_x - op_.pad_x;
  patch.first_row = iy + outside * op_.dilation_y;
  patch.rows = std::min(part.end_row - part.first_row - outside,
                        divide_up(op_.input_height - patch.first_row, op_.dilation_y));
  const int end = patch.ix + (tile_positions(step) - 1) * op_.stride_x + op_.span_width();
  patch.first_column = std::max(patch.ix, 0);
  patch.columns = std::min(end, op_.input_width) - patch.first_column;
  return patch;
}

Provision TileSchedule::provide(int index, int current, bool now) {
  const Step& step = steps_[index];
  const int item = patch_item(step);
  if (!patches_->find(item)) {
    const auto buffer = patches_->place(item, index, now ? -1 : current);
    if (!buffer) return Provision::blocked;
    load_patch(step, *buffer);
    return Provision::loaded;
  }
  return groups_ ? groups_->provide(index, now ? -1 : current, program) : Provision::ready;
}

void TileSchedule::load_patch(const Step& step, int buffer) {
  const Patch patch = patch_of(step);
  if (patch.empty()) return;
  for (int row = 0; row < patch.rows; ++row) {
    if (!image_) {
      load_tensor_row(step, patch, row, buffer);
      continue;
    }
    const ReductionPart part = part_of(step);
    const ChipRows chip{buffer * plan_.patch_stride * plan_.patch_words, plan_.patch_stride,
                        row * patch.columns, patch.columns, plan_.patch_stride * pixels_};
    image_->pack({patch.first_row + row * op_.dilation_y, 1, patch.first_column, patch.columns},
                 part.first_block, part.end_block, chip, program);
  }
}

/// One row of a patch: the transfer's rows are the words of that row.
void TileSchedule::load_tensor_row(const Step& step, const Patch& patch, int row, int buffer) {
  const ReductionPart part = part_of(step);
  const int words = op_.input_words(part);
  const Place& place = segment_.input;
  const int pitch = plan_.patch_stride * pixels_;
  const ChipRows chip{buffer * plan_.patch_stride * plan_.patch_words, plan_.patch_stride,
                      row * patch.columns, pitch, pitch * words};
  if (place.grid) {
    const Area area{patch.first_row + row * op_.dilation_y, 1,    patch.first_column, patch.columns,
                    op_.words_before(part.first_block),     words};
    for (const RowTransfer& transfer : row_transfers(place, op_.input_width, area, chip)) {
      program.append(LoadAct{transfer});
    }
    return;
  }
  const Address word_bytes = kWordBytes * op_.input_width;
  const Address offset = place.offset +
                         ((patch.first_row + row * op_.dilation_y) * static_cast<Address>(place.words) +
                          place.first_word + op_.words_before(part.first_block)) *
                             word_bytes +
                         kWordBytes * patch.first_column;
  program.append(LoadAct{{static_cast<std::uint32_t>(offset), static_cast<std::uint32_t>(word_bytes), words,
                          patch.columns, 1, chip}});
}

int TileSchedule::output_base(const Step& step) const {
  const int turn = (step.tile * static_cast<int>(plan_.units.size()) + step.unit) % 2;
  return plan_.output_base + turn * plan_.output_words;
}

/// The patch is the whole input: what lies outside it is padding.
void TileSchedule::place_walk(WindowWalk& walk, const Step& step) const {
  const Patch patch = patch_of(step);
  const int buffer = *patches_->find(patch_item(step));
  walk.dilation_y = 1;
  walk.input_height = patch.empty() ? 1 : patch.rows;
  walk.input_width = patch.empty() ? 1 : patch.columns;
  walk.iy = patch.empty() ? kFarOutside : patch.iy;
  walk.ix = patch.empty() ? 0 : patch.ix - patch.first_column;
  walk.ix_start = walk.ix;
  walk.output_width = tile_positions(step);
  walk.positions = tile_positions(step);
  walk.input_base = buffer * plan_.patch_stride * plan_.patch_words;
  walk.input_stride = plan_.patch_stride;
  walk.input_ring = plan_.patch_stride * pixels_;
  const int pitch = walk.input_width;
  walk.ring_position = modulo(walk.iy * pitch, walk.input_ring);
  walk.step_output_row = 0;
  walk.step_kernel_row = pitch % walk.input_ring;
  walk.output_first = 0;
  walk.output_ring = pixels_;
  walk.output_base = output_base(step);
  walk.output_stride = 1;
}

/// First word of a group's channels within those of its unit.
int TileSchedule::group_word(const Step& step) const {
  const int channel = step.group * op_.group_channels(lanes_) - plan_.units[step.unit].first_channel;
  return channel / word_channels(op_.output_bits) * words_per_block(op_.output_bits);
}

void TileSchedule::compute(int index) {
  const Step& step = steps_[index];
  if (op_.kind == OpKind::max_pool) {
    MaxPool pool = pool_template(op_, step.group, step.group + 1);
    place_walk(pool, step);
    pool.output_base +=
        step.group * words_per_block(op_.output_bits) - plan_.units[step.unit].first_word(op_.output_bits);
    program.append(pool);
  } else if (op_.kind == OpKind::depthwise) {
    Depthwise depthwise = depthwise_template(op_, step.group);
    place_walk(depthwise, step);
    depthwise.output_base += group_word(step);
    depthwise.weight_base = weight_base(index, step.group);
    depthwise.parameter_slot = groups_->parameter_slot(index);
    program.append(depthwise);
    groups_->used(index);
  } else {
    const int channels = word_channels(op_.output_bits);
    Conv conv = conv_template(op_, part_of(step), step.group,
                              step.group * lanes_ / channels * channels / lanes_, lanes_);
    place_walk(conv, step);
    conv.output_base += group_word(step);
    conv.clear = step.clear;
    conv.drain = step.drain;
    conv.weight_base = groups_->weight_base(index);
    conv.parameter_slot = groups_->parameter_slot(index);
    program.append(conv);
    groups_->used(index);
  }
  patches_->use(patch_item(step), index);
}

/// The transfer's rows are the words of the unit, as in load_tensor_row.
void TileSchedule::store(int index) {
  const Step& step = steps_[index];
  if (!step.unit_done) return;
  const Unit& unit = plan_.units[step.unit];
  const Place& place = segment_.results[0];
  const int words = unit.words(op_.output_bits);
  const ChipRows chip{output_base(step), 1, 0, pixels_, pixels_ * words};
  if (place.grid) {
    const Area area{
        tile_row(step), 1, tile_column(step), tile_positions(step), unit.first_word(op_.output_bits), words};
    for (const RowTransfer& transfer : row_transfers(place, op_.output_width, area, chip)) {
      program.append(Store{transfer});
    }
    return;
  }
  const Address word_bytes = kWordBytes * op_.output_width;
  const Address offset = place.offset +
                         (tile_row(step) * static_cast<Address>(place.words) + place.first_word +
                          unit.first_word(op_.output_bits)) *
                             word_bytes +
                         kWordBytes * tile_column(step);
  program.append(Store{{static_cast<std::uint32_t>(offset), static_cast<std::uint32_t>(word_bytes), words,
                        tile_positions(step), 1, chip}});
}

}  // namespace bitloop::host
