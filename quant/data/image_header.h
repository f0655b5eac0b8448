#pragma once

#include <cstdint>
#include <filesystem>
#include <span>

namespace bitloop::quant {

struct ImageSize {
  std::uint64_t height = 0;
  std::uint64_t width = 0;
  bool operator==(const ImageSize&) const = default;
};

/// Size of a PNG, JPEG, TIFF, WebP or BMP image (known by its content), from its header: before a decoder
/// takes memory for it. Also follows a PNG's chunks (with their checksums) and a JPEG's segments to the end,
/// and checks that the bytes which a WebP or BMP header states are there, because decoders pad what is
/// missing. Throws InputError naming `path`.
ImageSize image_size(std::span<const std::uint8_t> file, const std::filesystem::path& path);

}  // namespace bitloop::quant
