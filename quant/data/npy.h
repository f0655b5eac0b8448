#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "quant/data/dataset.h"
#include "quant/data/splits.h"

namespace bitloop::quant {

/// A NumPy array file (`.npy`, version 1 to 3, plain or gzip) of integers, floats or float16, in row-major
/// order.
class NpyArray {
 public:
  /// Throws InputError naming the file where it is none such, or holds other than what its header states.
  explicit NpyArray(const std::filesystem::path& path);

  [[nodiscard]] const std::vector<std::int64_t>& shape() const { return shape_; }
  [[nodiscard]] std::int64_t count() const { return count_; }
  /// Elements are unsigned bytes: pixels.
  [[nodiscard]] bool holds_bytes() const { return kind_ == 'u' && size_ == 1; }
  [[nodiscard]] bool holds_floats() const { return kind_ == 'f'; }
  [[nodiscard]] double operator[](std::int64_t index) const;
  [[noreturn]] void fail(const std::string& what) const;

 private:
  void read_header(const std::string& header);

  std::filesystem::path path_;
  std::vector<std::int64_t> shape_;
  std::int64_t count_ = 0;
  char kind_ = 'u';  ///< u, i, f or b, as NumPy writes them
  std::int64_t size_ = 1;
  bool big_endian_ = false;
  std::vector<std::uint8_t> bytes_;
};

/// `train_x.npy`, `train_y.npy`, `test_x.npy` and `test_y.npy` in `folder`: inputs [n, ...] and integer
/// labels [n].
///
/// An input is seen as `image`, the network's own: as it is, or with rows and columns before the channels, or
/// without dimensions of one. Without a network's: [n, f] as f channels of one number, [n, h, w] as one
/// channel, [n, c, h, w] as it is, or with channels last where only those are 1 or 3.
///
/// Unsigned bytes are pixels, as in every data set. Other numbers become the 256 codes that the hardware
/// reads: each channel's range in the training file, in equal steps of which one is 0; the set's mean and
/// deviation say how they go back, so that the network reads the numbers as they are. What in the test file
/// is beyond the training file's range is clipped. Throws InputError naming file and fault.
SourceSet read_npy_set(const std::filesystem::path& folder, const std::optional<host::Shape>& image);

}  // namespace bitloop::quant
