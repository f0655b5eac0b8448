#include "quant/onnx/external.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <fstream>

#include "host/base/error.h"
#include "quant/onnx/constant.h"
#include "quant/onnx/file.h"

namespace bitloop::quant::importer {
namespace {

constexpr std::int64_t kMostBytes = std::int64_t{1} << 30;  // of all tensors

[[noreturn]] void refuse_external(const onnx::TensorProto& tensor, std::string_view what) {
  throw InputError(fmt::format("tensor {} {}", printable(tensor.name()), what));
}

/// Where a tensor lies: a file beside the model and a part of it.
struct Place {
  std::string file;
  std::int64_t offset = 0, length = -1;  ///< bytes; -1: to the end
};

std::int64_t bytes_of(const onnx::TensorProto& tensor, const onnx::StringStringEntryProto& entry) {
  std::int64_t value = 0;
  const char* end = entry.value().data() + entry.value().size();
  const auto [rest, error] = std::from_chars(entry.value().data(), end, value);
  if (error != std::errc() || rest != end || value < 0)
    refuse_external(tensor, fmt::format("states the {} '{}' in another file; it must be a number of bytes",
                                        printable(entry.key()), printable(entry.value())));
  return value;
}

Place place_of(const onnx::TensorProto& tensor) {
  Place place;
  for (const onnx::StringStringEntryProto& entry : tensor.external_data()) {
    if (entry.key() == "location") place.file = entry.value();
    if (entry.key() == "offset") place.offset = bytes_of(tensor, entry);
    if (entry.key() == "length") place.length = bytes_of(tensor, entry);
  }
  if (place.file.empty()) refuse_external(tensor, "lies in another file, which the model does not name");
  return place;
}

/// The file, wherever links lead, if that is in the folder.
std::filesystem::path inside(const onnx::TensorProto& tensor, const std::filesystem::path& folder,
                             const std::string& name) {
  std::error_code error;
  const auto root = std::filesystem::canonical(folder.empty() ? "." : folder, error);
  const auto path = std::filesystem::path(name);
  const bool relative = path.is_relative() && std::ranges::find(path, "..") == path.end() &&
                        name.find('\0') == std::string::npos;
  const auto file = relative ? std::filesystem::canonical(root / path, error) : std::filesystem::path();
  if (relative && (error || !std::filesystem::is_regular_file(file, error)))
    refuse_external(tensor,
                    fmt::format("lies in {}, which is not beside the model: copy it there", printable(name)));
  if (!relative || std::mismatch(root.begin(), root.end(), file.begin(), file.end()).first != root.end())
    refuse_external(tensor, fmt::format("lies in {}, outside of the model's folder: such files are not read",
                                        printable(name)));
  return file;
}

}  // namespace

void ExternalData::load(onnx::TensorProto& tensor) {
  if (tensor.data_location() != onnx::TensorProto::EXTERNAL) return;
  const Place place = place_of(tensor);
  const std::filesystem::path file = inside(tensor, folder_, place.file);
  std::error_code error;
  const auto size = static_cast<std::int64_t>(std::filesystem::file_size(file, error));
  const std::int64_t length = place.length < 0 ? size - place.offset : place.length;
  if (error || length < 0 || place.offset > size || length > size - place.offset)
    refuse_external(
        tensor,
        fmt::format("is bytes {} to {} of {}, which has {}: the file is cut off or another one", place.offset,
                    place.offset + std::max<std::int64_t>(length, 0), printable(place.file), size));
  if (length > kMostBytes - loaded_)
    refuse_external(tensor, "makes the weights larger than the 1 GiB that is supported");
  const Dims dims(tensor.dims().begin(), tensor.dims().end());
  const std::int64_t count = element_count(dims);
  constexpr std::int64_t kWidest = 8;  // bytes of an element
  if (count < 0 || length / kWidest > count)
    refuse_external(tensor, fmt::format("has {} bytes in {}, more than its shape can need", length,
                                        printable(place.file)));
  loaded_ += length;
  std::string bytes(static_cast<std::size_t>(length), '\0');
  std::ifstream stream(file, std::ios::binary);
  stream.seekg(place.offset);
  if (!stream.read(bytes.data(), length))
    refuse_external(tensor, fmt::format("cannot be read from {}", printable(place.file)));
  tensor.set_raw_data(std::move(bytes));
  tensor.clear_external_data();
  tensor.clear_data_location();
}

}  // namespace bitloop::quant::importer
