#include "host/compiler/image_feed.h"

#include <fmt/format.h>

#include <algorithm>

#include "host/base/error.h"
#include "host/base/integers.h"

namespace bitloop::host {
namespace {

constexpr long kStagedAtOnce = 128;  // words of one LOAD_IMAGE, at least

}  // namespace

ImageFeed::ImageFeed(const WindowOp& op, const HardwareInfo& hardware, Address image)
    : op_(op), packing_(*op.packing), staging_words_(hardware.staging_words), image_(image) {}

ImageFeed::ImageRows ImageFeed::image_rows(int first, int rows) const {
  const long begin = static_cast<long>(first) * packing_.stride_y - packing_.pad_y;
  const long end = begin + static_cast<long>(rows - 1) * packing_.stride_y + packing_.rows;
  const long height = packing_.image.height;
  return {std::clamp(begin, 0L, height), std::clamp(end, 0L, height)};
}

ImageFeed::Words ImageFeed::image_words(const ImageRows& rows) const {
  return {rows.begin * packing_.image_row_bytes() / 8, divide_up(rows.end * packing_.image_row_bytes(), 8)};
}

int ImageFeed::rows_that_fit(const Area& area) const {
  const auto fit = [&](int rows) {
    const Words needed = image_words(image_rows(area.first_row, rows));
    return needed.end - needed.begin <= staging_words_;
  };
  int rows = area.rows;
  while (rows > 1 && !fit(rows)) rows = (rows + 1) / 2;
  if (!fit(rows)) {
    throw InputError(
        fmt::format("layer {}: {} image rows of {} bytes do not fit the staging ring of {} bytes; use a "
                    "narrower image, a lower kernel or hardware with more",
                    op_.name, packing_.rows, packing_.image_row_bytes(), staging_words_ * 8));
  }
  // The next rows are staged while these are packed where both fit.
  int beside = rows;
  while (beside > 1 && !fit(2 * beside)) beside = (beside + 1) / 2;
  return fit(2 * beside) ? beside : rows;
}

/// Whether two stretches of words share a place in the ring.
bool ImageFeed::meet(const Words& a, const Words& b) const {
  return modulo(b.begin - a.begin, staging_words_) < a.end - a.begin ||
         modulo(a.begin - b.begin, staging_words_) < b.end - b.begin;
}

void ImageFeed::stage(const ImageRows& rows, Program& program) {
  if (rows.begin >= rows.end) return;
  const auto [first, needed] = image_words(rows);
  if (first < staged_.begin || first > staged_.end) staged_.begin = staged_.end = first;
  if (needed <= staged_.end) return;
  // Some words more than needed make fewer loads, unless they would push out rows that are needed or being
  // packed.
  const long image_end = divide_up(packing_.image.elements(), 8);
  const long kept = packed_.begin <= first && first <= packed_.end ? packed_.begin : first;
  const long end = std::clamp(staged_.end + kStagedAtOnce, needed,
                              std::max(needed, std::min(image_end, kept + staging_words_)));
  const Words loaded{staged_.end, end};
  program.append(LoadImage{static_cast<std::uint32_t>(image_ + loaded.begin * 8),
                           static_cast<std::uint32_t>(loaded.end - loaded.begin),
                           static_cast<int>(loaded.begin % staging_words_), !meet(loaded, packed_)});
  staged_.end = end;
  staged_.begin = std::max(staged_.begin, end - staging_words_);
}

void ImageFeed::pack(const Area& area, int first_block, int end_block, const ChipRows& chip,
                     Program& program) {
  Area part = area;
  ChipRows at = chip;
  for (int done = 0; done < area.rows; done += part.rows) {
    part.first_row = area.first_row + done;
    part.rows = area.rows - done;
    part.rows = rows_that_fit(part);
    at.first = (chip.first + done * chip.pitch) % chip.ring;
    const ImageRows rows = image_rows(part.first_row, part.rows);
    stage(rows, program);
    packed_ = image_words(rows);
    for (int block = first_block; block < end_block; ++block) {
      at.base = chip.base + (block - first_block) * words_per_block(8) * chip.stride;
      pack_block(part, block, at, program);
    }
  }
}

void ImageFeed::pack_block(const Area& area, int block, const ChipRows& chip, Program& program) const {
  Pack pack;
  pack.image_height = packing_.image.height;
  pack.image_width = packing_.image.width;
  pack.channels = packing_.image.channels;
  pack.columns = packing_.block_columns[block];
  pack.rows = packing_.rows;
  pack.stride_x = packing_.stride_x;
  pack.stride_y = packing_.stride_y;
  pack.packed_rows = area.rows;
  pack.packed_width = area.columns;
  pack.chip = chip;
  pack.iy = area.first_row * packing_.stride_y - packing_.pad_y;
  pack.ix = area.first_column * packing_.stride_x - packing_.pad_x;
  for (int b = 0; b < block; ++b) pack.ix += packing_.block_columns[b] * packing_.dilation_x;
  pack.pad_codes = packing_.pad_codes;
  const long ring_bytes = staging_words_ * 8;
  pack.staging_byte =
      static_cast<std::uint32_t>(modulo(static_cast<long>(pack.iy) * packing_.image_row_bytes(), ring_bytes));
  pack.image_row_bytes = static_cast<std::uint32_t>(packing_.image_row_bytes());
  program.append(pack);
}

}  // namespace bitloop::host
