#pragma once

#include <cstdarg>
#include <cstdint>
#include <filesystem>
#include <mutex>
#include <optional>
#include <streambuf>
#include <vector>

#include "host/network/network.h"

namespace bitloop::quant {

using TiffErrorHandler = void (*)(const char* module, const char* format, std::va_list arguments);

struct Image {
  host::Shape shape;
  std::vector<std::uint8_t> pixels;  ///< [row, column, channel]
};

/// Reads image files with OpenCV, which writes no messages of its own while a reader lives (nor does anything
/// else reach std::cerr): what fails is reported by exceptions. A second reader waits for the end of the
/// first.
class ImageReader {
 public:
  ImageReader();
  ~ImageReader();
  ImageReader(const ImageReader&) = delete;
  ImageReader& operator=(const ImageReader&) = delete;

  /// A PNG, JPEG, TIFF, WebP or BMP file as bytes per channel: 3 channels (red, green, blue) or 1 (grey) as
  /// `size` has it, 3 without. Rows are those of the file, whatever EXIF says of the camera's position: so
  /// Pillow opens images, hence what networks were trained on. With a `size`, the middle of the image in that
  /// size's aspect, scaled to it: by area downwards, linearly upwards. Throws InputError naming the file
  /// where it does not decode or is above the limits (256 MiB, 2^28 pixels). Threads may call it at the same
  /// time.
  [[nodiscard]] Image read(const std::filesystem::path& path, const std::optional<host::Shape>& size) const;

 private:
  std::unique_lock<std::mutex> alone_;
  int level_;
  std::streambuf* stream_;
  TiffErrorHandler tiff_handler_ = nullptr;
};

}  // namespace bitloop::quant
