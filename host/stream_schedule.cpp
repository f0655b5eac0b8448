#include "host/stream_schedule.h"

#include <algorithm>
#include <numeric>

namespace bitloop::host {
namespace {

int modulo(long value, int divisor) { return static_cast<int>((value % divisor + divisor) % divisor); }

}  // namespace

StreamSchedule::StreamSchedule(const WindowOp& op, const HardwareInfo& hardware, StreamPlan plan,
                               const LayerPlaces& places)
    : Schedule(hardware),
      op_(op),
      pixels_(hardware.pixels),
      lanes_(hardware.filters),
      plan_(std::move(plan)),
      places_(places) {
  const int strips = static_cast<int>(plan_.strip_ends.size());
  const int units = static_cast<int>(plan_.units.size());
  const int outer = plan_.strips_outer ? strips : units;
  const int inner = plan_.strips_outer ? units : strips;
  for (int i = 0; i < outer; ++i) {
    for (int j = 0; j < inner; ++j) add_unit(plan_.strips_outer ? i : j, plan_.strips_outer ? j : i);
  }
  if (op_.packing) image_.emplace(op_, hardware, places_.input);
  if (op_.pool) return;
  std::vector<GroupFeed::Use> uses;
  for (const Step& step : steps_) uses.push_back({step.group, step.part});
  groups_.emplace(op_, hardware, plan_.weights, plan_.parameters, places_, std::move(uses));
}

void StreamSchedule::add_unit(int strip, int unit) {
  const Unit& range = plan_.units[unit];
  if (op_.pool) {
    const int first = strip_begin(strip);
    steps_.push_back({strip, unit, 0, 0, first, plan_.strip_ends[strip] - first, true, true, true});
    return;
  }
  for (int group = range.first_group; group < range.end_group; ++group) {
    add_group(strip, unit, group, group + 1 == range.end_group);
  }
}

void StreamSchedule::add_group(int strip, int unit, int group, bool last) {
  const std::vector<int> order = plan_.weights.part_order();
  const int end = plan_.strip_ends[strip];
  const int size = order.size() == 1 ? end - strip_begin(strip) : pixels_;
  for (int first = strip_begin(strip); first < end; first += size) {
    const int positions = std::min(size, end - first);
    for (std::size_t i = 0; i < order.size(); ++i) {
      const bool drain = i + 1 == order.size();
      const bool done = last && drain && first + positions == end;
      steps_.push_back({strip, unit, group, order[i], first, positions, i == 0, drain, done});
    }
  }
}

double StreamSchedule::step_cycles(int index) const {
  const Step& step = steps_[index];
  const long tile = op_.pool ? op_.tile_cycles({plan_.units[step.unit].first_group,
                                                plan_.units[step.unit].end_group, 0, op_.kernel_height})
                             : op_.tile_cycles(plan_.weights.parts[step.part]);
  return static_cast<double>((step.positions + pixels_ - 1) / pixels_) * static_cast<double>(tile);
}

int StreamSchedule::input_pass(const Step& step) const {
  return plan_.strips_outer || plan_.resident ? 0 : step.unit;
}

/// Rows of later passes follow those of earlier ones in the ring.
long StreamSchedule::virtual_row(const Step& step, int row) const {
  return static_cast<long>(input_pass(step)) * op_.input_height + row;
}

int StreamSchedule::output_position(const Step& step, int position) const {
  const int granule = pixels_ / std::gcd(op_.output_width, pixels_);
  const long pass_rows = (op_.output_height + granule - 1) / granule * granule;
  return modulo(output_pass(step) * pass_rows * op_.output_width + position, plan_.output.positions());
}

int StreamSchedule::output_base(const Step& step) const {
  const int word = plan_.strips_outer ? plan_.units[step.unit].output_word : 0;
  return plan_.output.base + word * plan_.output.stride;
}

Provision StreamSchedule::provide(int step, int current, bool now) {
  const Provision rows = provide_rows(step, current, now);
  if (rows != Provision::ready || !groups_) return rows;
  return groups_->provide(step, now ? -1 : current, program);
}

Provision StreamSchedule::provide_rows(int index, int current, bool now) {
  const Step& step = steps_[index];
  const int first_row = op_.first_input_row(strip_begin(step.strip) / op_.output_width);
  const int end_row = op_.end_input_row((plan_.strip_ends[step.strip] - 1) / op_.output_width);
  const long begin = std::max(loaded_end_, virtual_row(step, first_row));
  const long end = virtual_row(step, end_row);
  if (end <= begin) return Provision::ready;
  // Rows stay until the last step that was computed needs them no more: it still runs, and steps between it
  // and this one need no earlier rows.
  const Step& keeper = steps_[now || current < 0 ? index : current];
  const long kept = virtual_row(keeper, op_.first_input_row(strip_begin(keeper.strip) / op_.output_width));
  if (!now && end - plan_.input.rows > kept) return Provision::blocked;
  load_rows(step, static_cast<int>(begin - virtual_row(step, 0)), static_cast<int>(end - begin));
  loaded_end_ = end;
  return Provision::loaded;
}

void StreamSchedule::load_rows(const Step& step, int first, int rows) {
  const Ring& ring = plan_.input;
  const ChipRows chip{ring.base, ring.stride, modulo(virtual_row(step, first), ring.rows) * ring.pitch,
                      ring.pitch, ring.positions()};
  if (image_) {
    image_->pack({first, rows, 0, op_.input_width}, 0, op_.blocks, chip, program);
    return;
  }
  const Unit& unit = plan_.units[step.unit];
  const int first_word = op_.pool ? unit.output_word : 0;
  const int words = op_.pool ? unit.output_words : op_.input_words();
  const Address row_bytes = kWordBytes * op_.input_words() * op_.input_width;
  const Address offset = places_.input + first * row_bytes + kWordBytes * first_word * op_.input_width;
  program.append(LoadAct{{static_cast<std::uint32_t>(offset), static_cast<std::uint32_t>(row_bytes), rows,
                          op_.input_width, words, chip}});
}

void StreamSchedule::place_walk(WindowWalk& walk, const Step& step, const ReductionPart& part) const {
  const Ring& ring = plan_.input;
  const int oy = step.first / op_.output_width;
  walk.input_height = op_.input_height;
  walk.input_width = op_.input_width;
  walk.iy = oy * op_.stride_y - op_.pad + part.first_row * op_.dilation_y;
  walk.ox = step.first % op_.output_width;
  walk.ix = walk.ox * op_.stride_x - op_.pad;
  walk.positions = step.positions;
  walk.input_base = ring.base + (op_.pool ? 0 : op_.words_before(part.first_block)) * ring.stride;
  walk.input_stride = ring.stride;
  walk.input_ring = ring.positions();
  walk.ring_position = modulo(virtual_row(step, walk.iy), ring.rows) * ring.pitch;
  walk.step_output_row = modulo(op_.stride_y, ring.rows) * ring.pitch;
  walk.step_kernel_row = modulo(op_.dilation_y, ring.rows) * ring.pitch;
  walk.output_first = output_position(step, step.first);
  walk.output_ring = plan_.output.positions();
  walk.output_base = output_base(step);
  walk.output_stride = plan_.output.stride;
}

void StreamSchedule::compute(int index) {
  const Step& step = steps_[index];
  const Unit& unit = plan_.units[step.unit];
  if (op_.pool) {
    MaxPool pool = pool_template(op_, unit.first_group, unit.end_group);
    place_walk(pool, step, {unit.first_group, unit.end_group, 0, op_.kernel_height});
    program.append(pool);
    return;
  }
  const ReductionPart& part = plan_.weights.parts[step.part];
  Conv conv = conv_template(op_, part, step.group, unit.first_group, lanes_);
  place_walk(conv, step, part);
  conv.clear = step.clear;
  conv.drain = step.drain;
  conv.weight_base = groups_->weight_base(index);
  conv.parameter_slot = groups_->parameter_slot(index);
  program.append(conv);
  groups_->used(index);
}

void StreamSchedule::store(int index) {
  const Step& step = steps_[index];
  if (!step.unit_done) return;
  const bool last = step.strip + 1 == static_cast<int>(plan_.strip_ends.size());
  const int first = strip_begin(step.strip) / op_.output_width;
  const int end = last ? op_.output_height : plan_.strip_ends[step.strip] / op_.output_width;
  if (end <= first) return;
  const Unit& unit = plan_.units[step.unit];
  const Address row_bytes = kWordBytes * op_.output_words() * op_.output_width;
  const Address offset =
      places_.output + first * row_bytes + kWordBytes * unit.output_word * op_.output_width;
  const ChipRows chip{output_base(step), plan_.output.stride, output_position(step, first * op_.output_width),
                      op_.output_width, plan_.output.positions()};
  program.append(Store{{static_cast<std::uint32_t>(offset), static_cast<std::uint32_t>(row_bytes),
                        end - first, op_.output_width, unit.output_words, chip}});
}

}  // namespace bitloop::host
