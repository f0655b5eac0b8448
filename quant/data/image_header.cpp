#include "quant/data/image_header.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>

#include "host/base/error.h"

namespace bitloop::quant {
namespace {

using Bytes = std::span<const std::uint8_t>;

/// Reads numbers at any place of a file; a place beyond its end is the file's fault.
class Cursor {
 public:
  Cursor(Bytes bytes, const std::filesystem::path& path) : bytes_(bytes), path_(path) {}

  [[noreturn]] void fail(const char* what) const {
    throw InputError(fmt::format("{} {}: replace or remove the file", path_.string(), what));
  }
  [[nodiscard]] Bytes slice(std::uint64_t at, std::uint64_t count) const {
    if (at > bytes_.size() || count > bytes_.size() - at) fail("is a truncated image");
    return bytes_.subspan(at, count);
  }
  void expect(std::uint64_t at, std::uint64_t count) const { static_cast<void>(slice(at, count)); }
  [[nodiscard]] std::uint64_t number(std::uint64_t at, int count, bool little = false) const {
    const Bytes digits = slice(at, static_cast<std::uint64_t>(count));
    std::uint64_t value = 0;
    for (int i = 0; i < count; ++i) value = value << 8 | digits[little ? count - 1 - i : i];
    return value;
  }
  [[nodiscard]] std::uint8_t byte(std::uint64_t at) const { return slice(at, 1)[0]; }
  /// Place of the first such byte from `at` on.
  [[nodiscard]] std::uint64_t find(std::uint64_t at, std::uint8_t value) const {
    const Bytes rest = slice(at, bytes_.size() - std::min<std::uint64_t>(at, bytes_.size()));
    const void* found = std::memchr(rest.data(), value, rest.size());
    if (found == nullptr) fail("is a truncated image");
    return at + static_cast<std::uint64_t>(static_cast<const std::uint8_t*>(found) - rest.data());
  }

 private:
  Bytes bytes_;
  const std::filesystem::path& path_;
};

bool starts_with(Bytes file, Bytes magic) {
  return file.size() >= magic.size() && std::ranges::equal(file.first(magic.size()), magic);
}

/// PNG 1.2, sections 3 and 4: chunks of length, type, data, CRC of type and data.
ImageSize png_size(const Cursor& file) {
  constexpr std::uint64_t kHeader = 0x49484452, kEnd = 0x49454e44;  // IHDR, IEND
  ImageSize size;
  for (std::uint64_t at = 8;;) {
    const std::uint64_t length = file.number(at, 4);
    const std::uint64_t type = file.number(at + 4, 4);
    const Bytes checked = file.slice(at + 4, length + 4);
    if (crc32_z(0, checked.data(), checked.size()) != file.number(at + 8 + length, 4))
      file.fail("is a damaged PNG image (a checksum differs)");
    if (at == 8) {
      if (type != kHeader || length != 13) file.fail("is a damaged PNG image (no header)");
      size = {file.number(at + 12, 4), file.number(at + 8, 4)};
    }
    if (type == kEnd) return size;
    at += 12 + length;
  }
}

/// Place of the next marker (its byte after 0xff) from `at` on; inside of a scan, 0xff00 and restart markers
/// are data.
std::uint64_t next_marker(const Cursor& file, std::uint64_t at, bool in_scan) {
  for (;; ++at) {
    at = file.find(at, 0xff);
    const std::uint8_t code = file.byte(at + 1);
    if (code == 0xff || code == 0) continue;
    if (in_scan && code >= 0xd0 && code <= 0xd7) continue;
    return at + 1;
  }
}

/// ITU-T T.81, annex B: segments of marker, length, data; after a start of scan, entropy-coded data.
ImageSize jpeg_size(const Cursor& file) {
  constexpr std::uint8_t kEnd = 0xd9, kScan = 0xda;
  ImageSize size;
  bool in_scan = false;
  for (std::uint64_t at = 2;;) {
    at = next_marker(file, at, in_scan);
    const std::uint8_t marker = file.byte(at++);
    if (marker == kEnd) break;
    if (marker == 0x01 || (marker >= 0xd0 && marker <= 0xd8)) continue;  // these stand alone
    const bool frame = marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
    if (frame) size = {file.number(at + 3, 2), file.number(at + 5, 2)};
    at += std::max<std::uint64_t>(2, file.number(at, 2));
    in_scan = marker == kScan;
  }
  if (size.height == 0) file.fail("is a damaged JPEG image (no frame)");
  return size;
}

/// TIFF 6.0, section 2; BigTIFF (version 43) has wider counts and offsets.
ImageSize tiff_size(const Cursor& file) {
  constexpr std::uint64_t kWidth = 256, kHeight = 257;
  const bool little = file.byte(0) == 'I';
  const bool big = file.number(2, 2, little) == 43;
  const int wide = big ? 8 : 4;
  const std::uint64_t directory = file.number(big ? 8 : 4, wide, little);
  const int count_bytes = big ? 8 : 2;
  const std::uint64_t entry_bytes = big ? 20 : 12;
  const std::uint64_t entries = file.number(directory, count_bytes, little);
  ImageSize size;
  // Entries beyond the end of the file end the loop, whatever their stated number.
  for (std::uint64_t i = 0; i < entries && (size.height == 0 || size.width == 0); ++i) {
    const std::uint64_t at = directory + static_cast<std::uint64_t>(count_bytes) + i * entry_bytes;
    const std::uint64_t tag = file.number(at, 2, little);
    const std::uint64_t type = file.number(at + 2, 2, little);
    const int bytes = type == 3 ? 2 : type == 16 ? 8 : 4;
    if (tag != kWidth && tag != kHeight) continue;
    (tag == kWidth ? size.width : size.height) = file.number(at + (big ? 12 : 8), bytes, little);
  }
  return size;
}

/// RFC 9649: a RIFF container of chunks; the first says which of the three bit streams it is. Numbers are
/// little-endian, and sizes are stored less one where a field cannot be 0.
ImageSize webp_size(const Cursor& file) {
  constexpr std::uint64_t kLossy = 0x56503820, kLossless = 0x5650384c, kExtended = 0x56503858;  // VP8_, L, X
  constexpr std::uint64_t kAnimation = 2;
  file.expect(8, file.number(4, 4, true));
  const std::uint64_t chunk = file.number(12, 4);
  if (chunk == kLossy) return {file.number(28, 2, true) & 0x3fff, file.number(26, 2, true) & 0x3fff};
  if (chunk == kLossless) {
    const std::uint64_t fields = file.number(21, 4, true);
    return {(fields >> 14 & 0x3fff) + 1, (fields & 0x3fff) + 1};
  }
  if (chunk != kExtended) file.fail("is a damaged WebP image (no bit stream)");
  if ((file.byte(20) & kAnimation) != 0) file.fail("is an animated WebP image, and has many pictures");
  return {file.number(27, 3, true) + 1, file.number(24, 3, true) + 1};
}

/// BITMAPINFOHEADER and its successors; the older core header has 16-bit sides. A negative height stands for
/// rows from the top.
ImageSize bmp_size(const Cursor& file) {
  constexpr std::uint64_t kCoreHeader = 12, kUncompressed = 0, kMasks = 3;
  const bool core = file.number(14, 4, true) == kCoreHeader;
  const auto side = [&](std::uint64_t at) {
    if (core) return file.number(at, 2, true);
    const auto value = static_cast<std::int32_t>(file.number(at, 4, true));
    return static_cast<std::uint64_t>(std::abs(static_cast<std::int64_t>(value)));
  };
  const ImageSize size{side(core ? 20 : 22), side(18)};
  const std::uint64_t bits = file.number(core ? 24 : 28, 2, true);
  const std::uint64_t compression = core ? kUncompressed : file.number(30, 4, true);
  const std::uint64_t row_bytes = (size.width * bits + 31) / 32 * 4;
  if (compression == kUncompressed || compression == kMasks)
    file.expect(file.number(10, 4, true), row_bytes * size.height);
  return size;
}

using SizeReader = ImageSize (*)(const Cursor&);

SizeReader reader_for(Bytes file) {
  constexpr std::array<std::uint8_t, 8> kPng{0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
  constexpr std::array<std::uint8_t, 3> kJpeg{0xff, 0xd8, 0xff};
  constexpr std::array<std::uint8_t, 4> kRiff{'R', 'I', 'F', 'F'}, kWebp{'W', 'E', 'B', 'P'};
  constexpr std::array<std::uint8_t, 2> kBmp{'B', 'M'};
  constexpr std::array<std::array<std::uint8_t, 4>, 4> kTiff{
      {{'I', 'I', 42, 0}, {'M', 'M', 0, 42}, {'I', 'I', 43, 0}, {'M', 'M', 0, 43}}};
  if (starts_with(file, kPng)) return png_size;
  if (starts_with(file, kJpeg)) return jpeg_size;
  if (std::ranges::any_of(kTiff, [&](const auto& magic) { return starts_with(file, magic); }))
    return tiff_size;
  if (starts_with(file, kRiff) && file.size() > 8 && starts_with(file.subspan(8), kWebp)) return webp_size;
  if (starts_with(file, kBmp)) return bmp_size;
  return nullptr;
}

}  // namespace

ImageSize image_size(Bytes file, const std::filesystem::path& path) {
  const Cursor cursor(file, path);
  const SizeReader reader = reader_for(file);
  if (reader == nullptr) cursor.fail("is no PNG, JPEG, TIFF, WebP or BMP image");
  return reader(cursor);
}

}  // namespace bitloop::quant
