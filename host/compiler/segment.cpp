#include "host/compiler/segment.h"

#include <numeric>

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

int Segment::stage_slot(int index, int lanes) const {
  int slots = 0;
  for (int i = 0; i < index; ++i)
    slots += stages[static_cast<std::size_t>(i)].operands() * kBlockChannels / lanes;
  return slots;
}

int Segment::stage_slots(int lanes) const { return stage_slot(static_cast<int>(stages.size()), lanes); }

}  // namespace bitloop::host
