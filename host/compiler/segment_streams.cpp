#include "host/compiler/segment_streams.h"

#include <algorithm>
#include <optional>

namespace bitloop::host {

std::vector<Stream> streams_of(const Segment& segment, const Operands& operands,
                               const HardwareInfo& hardware) {
  const WindowOp& op = segment.op;
  const auto rows = [&](int width, int count, int words) {
    return make_ring(width, count, words, hardware.pixels).bank_rows();
  };
  const auto unit_words = [](int bits) { return bits == 1 ? 1 : 2 * words_per_block(bits); };
  const int span = std::min(op.input_height, op.span_height() + 2 * op.stride_y);
  const int positions = segment.pool ? segment.pool->span_height() + 2 * segment.pool->stride_y : 3;
  /// `whole_input`, or only some rows of it; of the results all words of some rows, or those of one unit.
  const auto streams = [&](bool whole_input, bool all_words) {
    std::vector<Stream> list;
    const int input_words =
        op.by_blocks() ? std::min(op.input_words(), unit_words(op.input_bits)) : op.input_words();
    list.push_back(
        {operands.input.root, rows(op.input_width, whole_input ? op.input_height : span, input_words)});
    const auto add = [&](const std::optional<Part>& part, int result, int bits) {
      const Extent extent = segment.extent(result);
      const int words = words_per_position(op.filters, bits);
      list.push_back({part ? part->root : -1, rows(extent.width, std::min(extent.height, positions),
                                                   all_words ? words : std::min(words, unit_words(bits)))});
    };
    if (operands.second) add(operands.second, 0, 8);
    for (int i = 0; i < static_cast<int>(operands.results.size()); ++i) {
      add(operands.results[static_cast<std::size_t>(i)], i, segment.result_bits(i));
    }
    return list;
  };
  const auto total = [](const std::vector<Stream>& list) {
    int sum = 0;
    for (const Stream& stream : list) sum += stream.bank_rows;
    return sum;
  };
  std::vector<Stream> least = streams(false, false);
  if (op.by_blocks()) return least;
  // With less than one of these, the input of a convolution is loaded anew for every unit of filters.
  std::vector<Stream> once = streams(true, false);
  std::vector<Stream> strips = streams(false, true);
  std::vector<Stream>& better = total(once) <= total(strips) ? once : strips;
  return total(better) <= hardware.activation_rows ? better : least;
}

}  // namespace bitloop::host
