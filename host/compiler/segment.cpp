#include "host/compiler/segment.h"

#include <numeric>
#include <utility>

#include "host/base/integers.h"

namespace bitloop::host {

int row_granule(int pitch, int pixels) { return pixels / std::gcd(pitch, pixels); }

Ring make_ring(int width, int rows, int words, int pixels) {
  Ring ring;
  const int granule = row_granule(width, pixels);
  ring.pitch = width;
  ring.rows = round_up(rows, granule);
  ring.words = words;
  ring.stride = ring.positions() / pixels;
  return ring;
}

Grid within(const Grid& outer, const Grid& inner) {
  return {outer.width,
          outer.first_row + outer.step.y * inner.first_row,
          outer.first_column + outer.step.x * inner.first_column,
          {outer.step.y * inner.step.y, outer.step.x * inner.step.x}};
}

std::vector<RowTransfer> row_transfers(const Place& place, int width, const Area& area,
                                       const ChipRows& chip) {
  const Grid grid = place.grid.value_or(Grid{width, 0, 0, 1});
  const Address word_bytes = kWordBytes * grid.width;
  const Address row_bytes = word_bytes * place.words * grid.step.y;
  const auto offset = [&](int row, int word) {
    return static_cast<std::uint32_t>(
        place.offset + word_bytes * place.words * grid.first_row + row_bytes * row +
        word_bytes * (place.first_word + word) +
        kWordBytes * (grid.first_column + static_cast<Address>(area.first_column) * grid.step.x));
  };
  if (grid.width == area.columns && grid.step.x == 1) {
    return {{offset(area.first_row, area.first_word), static_cast<std::uint32_t>(row_bytes), area.rows,
             area.columns, area.words, chip}};
  }
  std::vector<RowTransfer> transfers;
  for (int row = 0; row < area.rows; ++row) {
    for (int word = 0; word < area.words; ++word) {
      RowTransfer& one = transfers.emplace_back();
      one.offset = offset(area.first_row + row, area.first_word + word);
      one.chip = chip;
      one.chip.base += word * chip.stride;
      one.chip.first = (chip.first + row * chip.pitch) % chip.ring;
      one.rows = one.words = 1;
      one.width = area.columns;
      if (grid.step.x == 1) continue;
      // Positions that are apart in memory: each is a row of its own.
      std::swap(one.rows, one.width);
      one.row_bytes = static_cast<std::uint32_t>(kWordBytes * grid.step.x);
      one.chip.pitch = 1;
    }
  }
  return transfers;
}

int Segment::stage_slot(int index, int lanes) const {
  int slots = 0;
  for (int i = 0; i < index; ++i)
    slots += stages[static_cast<std::size_t>(i)].operands() * kBlockChannels / lanes;
  return slots;
}

int Segment::stage_slots(int lanes) const { return stage_slot(static_cast<int>(stages.size()), lanes); }

}  // namespace bitloop::host
