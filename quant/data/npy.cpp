#include "quant/data/npy.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <ranges>
#include <span>
#include <string_view>

#include "host/base/error.h"
#include "quant/data/packed_file.h"

namespace bitloop::quant {
namespace {

constexpr std::size_t kMaxHeader = 4096;
constexpr std::size_t kMaxRank = 8;
constexpr int kMaxClasses = 65'535;
constexpr int kCodes = 256;

bool holds(std::string_view characters, char wanted) {
  return characters.find(wanted) != std::string_view::npos;
}

/// Bytes that an element may have, as digits; empty for kinds that are no numbers.
std::string_view sizes_of_kind(char kind) {
  switch (kind) {
    case 'u':
    case 'i':
      return "1248";
    case 'f':
      return "248";
    case 'b':
      return "1";
    default:
      return "";
  }
}

/// What follows `'key':` in the header, which is a Python dictionary; empty where it is not there.
std::string_view value_of(std::string_view header, std::string_view key) {
  const auto at = header.find(fmt::format("'{}':", key));
  if (at == std::string_view::npos) return {};
  header.remove_prefix(at + key.size() + 3);
  header.remove_prefix(std::min(header.find_first_not_of(' '), header.size()));
  return header;
}

/// How the inputs of an array lie: places of channel, row and column of one input's numbers.
struct Layout {
  host::Shape shape;
  bool channels_last = false;
  [[nodiscard]] std::int64_t place(int channel, int row, int column) const {
    if (channels_last) return (std::int64_t{row} * shape.width + column) * shape.channels + channel;
    return (std::int64_t{channel} * shape.height + row) * shape.width + column;
  }
};

std::vector<std::int64_t> without_ones(std::vector<std::int64_t> dims) {
  std::erase(dims, 1);
  return dims;
}

/// Without a network that says how.
Layout usual_layout(const NpyArray& array, const std::vector<std::int64_t>& dims) {
  const auto side = [&](std::size_t i) { return static_cast<int>(dims[i]); };
  const auto is_colour = [](std::int64_t channels) { return channels == 1 || channels == 3; };
  if (dims.size() == 1) return {{side(0), 1, 1}};
  if (dims.size() == 2) return {{1, side(0), side(1)}};
  if (dims.size() != 3) array.fail("holds inputs of neither 1, 2 nor 3 dimensions: reshape it");
  if (is_colour(dims[2]) && !is_colour(dims[0])) return {{side(2), side(0), side(1)}, true};
  return {{side(0), side(1), side(2)}};
}

Layout layout_of(const NpyArray& array, const std::optional<host::Shape>& image) {
  constexpr std::int64_t kMaxSide = 1 << 20;
  if (array.shape().size() < 2 || array.shape()[0] < 1) array.fail("holds no inputs: save them as [n, ...]");
  const std::vector<std::int64_t> dims(array.shape().begin() + 1, array.shape().end());
  if (std::ranges::any_of(dims, [](std::int64_t side) { return side < 1 || side > kMaxSide; }))
    array.fail(fmt::format("holds inputs of {} numbers: no dimension may be 0 or above {}",
                           fmt::join(dims, "x"), kMaxSide));
  if (!image) return usual_layout(array, dims);
  const auto [channels, height, width] = *image;
  if (without_ones(dims) == without_ones({channels, height, width})) return {*image};
  if (without_ones(dims) == without_ones({height, width, channels})) return {*image, true};
  array.fail(
      fmt::format("holds inputs of {} numbers, but the network reads {}x{}x{}: reshape it, or give another "
                  "network",
                  fmt::join(dims, "x"), channels, height, width));
}

/// Numbers of one channel as codes: number = step * (code - zero).
struct Scale {
  double step = 1;
  double zero = 0;
  [[nodiscard]] std::uint8_t code(double number) const {
    return static_cast<std::uint8_t>(std::clamp(std::round(number / step + zero), 0.0, kCodes - 1.0));
  }
};

/// So that all of low..high (low <= 0 <= high) has a code, and 0 one of its own.
Scale scale_of(double low, double high) {
  if (low == high) return {};
  const double zero = std::round(-low / (high - low) * (kCodes - 1));
  const double below = zero > 0 ? -low / zero : 0;
  const double above = zero < kCodes - 1 ? high / (kCodes - 1 - zero) : 0;
  return {std::max(below, above), zero};
}

/// Calls `visit(image, channel, number)` in the order of a split's pixels: image, row, column, channel.
template <typename Visit>
void for_each_number(const NpyArray& array, const Layout& layout, const Visit& visit) {
  const host::Shape& shape = layout.shape;
  for (std::int64_t image = 0; image < array.shape()[0]; ++image)
    for (int row = 0; row < shape.height; ++row)
      for (int column = 0; column < shape.width; ++column)
        for (int channel = 0; channel < shape.channels; ++channel)
          visit(channel, array[image * shape.elements() + layout.place(channel, row, column)]);
}

std::vector<Scale> scales_of(const NpyArray& training, const Layout& layout) {
  std::vector<double> low(static_cast<std::size_t>(layout.shape.channels)), high = low;
  for_each_number(training, layout, [&](int channel, double number) {
    if (!std::isfinite(number)) training.fail("holds a number that is not finite: mend it");
    low[channel] = std::min(low[channel], number);
    high[channel] = std::max(high[channel], number);
  });
  std::vector<Scale> scales;
  for (std::size_t channel = 0; channel < low.size(); ++channel)
    scales.push_back(scale_of(low[channel], high[channel]));
  return scales;
}

std::vector<std::uint8_t> codes_of(const NpyArray& array, const Layout& layout,
                                   const std::vector<Scale>& scales) {
  std::vector<std::uint8_t> codes;
  codes.reserve(static_cast<std::size_t>(array.count()));
  for_each_number(array, layout, [&](int channel, double number) {
    if (!std::isfinite(number)) array.fail("holds a number that is not finite: mend it");
    codes.push_back(scales[channel].code(number));
  });
  return codes;
}

std::vector<std::uint16_t> labels_of(const NpyArray& array, std::int64_t inputs) {
  const bool row = array.shape().size() == 1 || (array.shape().size() == 2 && array.shape()[1] == 1);
  if (!row || array.holds_floats()) array.fail("holds no labels: save integers, one per input");
  if (array.count() != inputs)
    array.fail(fmt::format("holds {} labels for {} inputs: save one per input", array.count(), inputs));
  std::vector<std::uint16_t> labels;
  for (std::int64_t i = 0; i < array.count(); ++i) {
    const double label = array[i];
    if (!(label >= 0 && label < kMaxClasses))
      array.fail(fmt::format("has label {} at input {}: labels are 0 to {}", label, i, kMaxClasses - 1));
    labels.push_back(static_cast<std::uint16_t>(label));
  }
  return labels;
}

NpyArray open_array(const std::filesystem::path& folder, const std::string& name) {
  const auto path = find_packed(folder, name);
  if (path.empty())
    throw InputError(
        fmt::format("no {} is in {}: put train_x.npy, train_y.npy, test_x.npy and test_y.npy there", name,
                    folder.string()));
  return NpyArray(path);
}

}  // namespace

NpyArray::NpyArray(const std::filesystem::path& path) : path_(path) {
  PackedFile file(path);
  std::array<std::uint8_t, 8> start{};
  file.read(start);
  if (std::memcmp(start.data(), "\x93NUMPY", 6) != 0 || start[6] < 1 || start[6] > 3)
    fail("is no NumPy array file");
  std::array<std::uint8_t, 4> length{};
  file.read(std::span(length).first(start[6] == 1 ? 2 : 4));
  std::size_t header_bytes = 0;
  for (std::size_t i = 0; i < length.size(); ++i) header_bytes |= std::size_t{length[i]} << (8 * i);
  if (header_bytes > kMaxHeader)
    fail(fmt::format("has a header of {} bytes, above {}", header_bytes, kMaxHeader));
  std::string header(header_bytes, ' ');
  file.read({reinterpret_cast<std::uint8_t*>(header.data()), header.size()});
  read_header(header);
  bytes_ = file.read_rest();
  if (static_cast<std::int64_t>(bytes_.size()) != count_ * size_)
    fail(fmt::format("holds {} bytes, but its header states {}", bytes_.size(), count_ * size_));
}

void NpyArray::read_header(const std::string& header) {
  const std::string_view type = value_of(header, "descr"), order = value_of(header, "fortran_order");
  std::string_view dims = value_of(header, "shape");
  const bool known = type.size() > 5 && type[0] == '\'' && type[4] == '\'' && holds("<>|=", type[1]) &&
                     holds(sizes_of_kind(type[2]), type[3]);
  if (!known) fail("does not hold integers or floats: save it with another dtype");
  if (!order.starts_with("False")) fail("is in column-major order: save numpy.ascontiguousarray of it");
  if (!dims.starts_with('(') || dims.find(')') == std::string_view::npos) fail("has no shape in its header");
  kind_ = type[2];
  size_ = type[3] - '0';
  big_endian_ = type[1] == '>';
  count_ = 1;
  for (dims = dims.substr(1, dims.find(')') - 1); !dims.empty();) {
    std::int64_t side = 0;
    const auto [end, error] = std::from_chars(dims.data(), dims.data() + dims.size(), side);
    const bool sane = error == std::errc{} && side >= 0 && side <= static_cast<std::int64_t>(kMaxFileBytes) &&
                      count_ * side <= static_cast<std::int64_t>(kMaxFileBytes) && shape_.size() < kMaxRank;
    if (!sane) fail("has an impossible shape in its header");
    shape_.push_back(side);
    count_ *= side;
    dims.remove_prefix(static_cast<std::size_t>(end - dims.data()));
    dims.remove_prefix(std::min(dims.find_first_not_of(", "), dims.size()));
  }
}

void NpyArray::fail(const std::string& what) const {
  throw InputError(fmt::format("{} {}", path_.string(), what));
}

double NpyArray::operator[](std::int64_t index) const {
  const std::uint8_t* from = bytes_.data() + index * size_;
  std::uint64_t bits = 0;
  for (std::int64_t i = 0; i < size_; ++i) bits = bits << 8 | from[big_endian_ ? i : size_ - 1 - i];
  if (kind_ == 'f' && size_ == 2)
    return static_cast<float>(at::Half(static_cast<std::uint16_t>(bits), at::Half::from_bits()));
  if (kind_ == 'f')
    return size_ == 4 ? std::bit_cast<float>(static_cast<std::uint32_t>(bits)) : std::bit_cast<double>(bits);
  if (kind_ != 'i') return static_cast<double>(bits);
  const auto unused = static_cast<int>(64 - 8 * size_);
  return static_cast<double>(static_cast<std::int64_t>(bits << unused) >> unused);
}

SourceSet read_npy_set(const std::filesystem::path& folder, const std::optional<host::Shape>& image) {
  const NpyArray training = open_array(folder, "train_x.npy"), test = open_array(folder, "test_x.npy");
  const Layout layout = layout_of(training, image);
  if (!std::ranges::equal(training.shape() | std::views::drop(1), test.shape() | std::views::drop(1)))
    test.fail(fmt::format("holds inputs of {} numbers, the training file of {}: save both alike",
                          fmt::join(test.shape() | std::views::drop(1), "x"),
                          fmt::join(training.shape() | std::views::drop(1), "x")));
  if (training.holds_bytes() != test.holds_bytes())
    test.fail("has another dtype than train_x.npy: save both alike");
  SourceSet source;
  source.shape = layout.shape;
  const bool pixels = training.holds_bytes();
  const std::vector<Scale> scales = pixels
                                        ? std::vector<Scale>(static_cast<std::size_t>(layout.shape.channels))
                                        : scales_of(training, layout);
  for (const Scale& scale : scales) {
    if (pixels) break;
    source.mean.push_back(static_cast<float>(scale.zero / (kCodes - 1)));
    source.deviation.push_back(static_cast<float>(1 / (scale.step * (kCodes - 1))));
  }
  source.training = {codes_of(training, layout, scales),
                     labels_of(open_array(folder, "train_y.npy"), training.shape()[0])};
  source.test = {codes_of(test, layout, scales),
                 labels_of(open_array(folder, "test_y.npy"), test.shape()[0])};
  const auto highest = [](const Split& split) {
    return split.labels.empty() ? 0 : *std::ranges::max_element(split.labels);
  };
  source.classes = std::max({2, highest(source.training) + 1, highest(source.test) + 1});
  source.name = folder.filename().string();
  return source;
}

}  // namespace bitloop::quant
