#include "quant/data/image_file.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>
#include <iostream>
#include <opencv2/core.hpp>
#include <opencv2/core/utils/logger.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "host/base/error.h"
#include "quant/data/image_header.h"

namespace bitloop::quant {
namespace {

constexpr std::uint64_t kMaxImageFileBytes = std::uint64_t{256} << 20;
constexpr std::uint64_t kMaxImagePixels = std::uint64_t{1} << 28;

[[noreturn]] void fail(const std::filesystem::path& path, const std::string& what) {
  throw InputError(fmt::format("{} {}: replace or remove the file", path.string(), what));
}

std::vector<std::uint8_t> read_bytes(const std::filesystem::path& path) {
  std::error_code error;
  const std::uint64_t size = std::filesystem::file_size(path, error);
  std::ifstream stream(path, std::ios::binary);
  if (error || !stream)
    throw InputError(fmt::format("cannot open {}: check the path and its permissions", path.string()));
  if (size > kMaxImageFileBytes) fail(path, fmt::format("has {} bytes, above {}", size, kMaxImageFileBytes));
  std::vector<std::uint8_t> bytes(size);
  stream.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(size));
  if (stream.gcount() != static_cast<std::streamsize>(size)) fail(path, "cannot be read to its end");
  return bytes;
}

/// Of the image that this thread decodes: OpenCV 4.6 returns black pixels where libtiff fails, and no error.
thread_local int tiff_errors = 0;

void count_tiff_error(const char* /*module*/, const char* /*format*/, std::va_list /*arguments*/) {
  ++tiff_errors;
}

/// libtiff is loaded with OpenCV, but its header comes with neither. Returns the handler before.
TiffErrorHandler set_tiff_error_handler(TiffErrorHandler handler) {
  using Set = TiffErrorHandler (*)(TiffErrorHandler);
  const auto set = reinterpret_cast<Set>(dlsym(RTLD_DEFAULT, "TIFFSetErrorHandler"));
  return set != nullptr ? set(handler) : nullptr;
}

/// [row, column, channel] with blue first, as OpenCV has it.
cv::Mat decode(std::vector<std::uint8_t>& bytes, const std::filesystem::path& path, int channels) {
  const ImageSize stated = image_size(bytes, path);
  if (stated.height == 0 || stated.width == 0 || stated.height > kMaxImagePixels ||
      stated.width > kMaxImagePixels / stated.height)
    fail(path, fmt::format("states an impossible size of {} x {} pixels", stated.height, stated.width));
  tiff_errors = 0;
  try {
    const cv::Mat file(1, static_cast<int>(bytes.size()), CV_8U, bytes.data());
    const int colour = channels == 1 ? cv::IMREAD_GRAYSCALE : cv::IMREAD_COLOR;
    cv::Mat image = cv::imdecode(file, colour | cv::IMREAD_IGNORE_ORIENTATION);
    if (tiff_errors == 0 && !image.empty() && image.depth() == CV_8U && image.channels() == channels)
      return image;
  } catch (const cv::Exception&) {  // its message is several lines of OpenCV's inner life
  }
  fail(path, "does not decode as an image");
}

/// The largest middle part of `image` that has the aspect of height x width.
cv::Mat middle(const cv::Mat& image, int height, int width) {
  const auto covered = [](int side, int other, int of_other) {
    return std::max(1, static_cast<int>(std::lround(static_cast<double>(side) * other / of_other)));
  };
  const int columns = std::min(image.cols, covered(image.rows, width, height));
  const int rows = std::min(image.rows, covered(image.cols, height, width));
  return image(cv::Rect((image.cols - columns) / 2, (image.rows - rows) / 2, columns, rows));
}

cv::Mat scale(const cv::Mat& image, int height, int width) {
  const cv::Mat part = middle(image, height, width);
  if (part.rows == height && part.cols == width) return part;
  const bool down = part.rows >= height && part.cols >= width;
  cv::Mat scaled;
  cv::resize(part, scaled, {width, height}, 0, 0, down ? cv::INTER_AREA : cv::INTER_LINEAR_EXACT);
  return scaled;
}

std::mutex& reader_mutex() {
  static std::mutex mutex;
  return mutex;
}

}  // namespace

Image ImageReader::read(const std::filesystem::path& path, const std::optional<host::Shape>& size) const {
  std::vector<std::uint8_t> bytes = read_bytes(path);
  const int channels = size ? size->channels : 3;
  cv::Mat image = decode(bytes, path, channels);
  if (size) image = scale(image, size->height, size->width);
  Image result{{channels, image.rows, image.cols}, {}};
  result.pixels.resize(image.total() * static_cast<std::size_t>(channels));
  cv::Mat out(image.rows, image.cols, image.type(), result.pixels.data());
  if (channels == 3)
    cv::cvtColor(image, out, cv::COLOR_BGR2RGB);
  else
    image.copyTo(out);
  return result;
}

ImageReader::ImageReader()
    : alone_(reader_mutex()),
      level_(cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT)),
      // Its decoders write here, whatever the level.
      stream_(std::cerr.rdbuf(nullptr)) {
  // OpenCV installs its own handler, which does nothing, when it decodes its first TIFF file: any will do.
  const std::array<std::uint8_t, 8> no_image{'I', 'I', 42, 0, 0, 0, 0, 0};
  cv::imdecode(
      cv::Mat(1, static_cast<int>(no_image.size()), CV_8U, const_cast<std::uint8_t*>(no_image.data())),
      cv::IMREAD_COLOR);
  tiff_handler_ = set_tiff_error_handler(count_tiff_error);
}

ImageReader::~ImageReader() {
  set_tiff_error_handler(tiff_handler_);
  std::cerr.rdbuf(stream_);
  cv::utils::logging::setLogLevel(static_cast<cv::utils::logging::LogLevel>(level_));
}

}  // namespace bitloop::quant
