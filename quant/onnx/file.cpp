#include "quant/onnx/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl.h>
#include <google/protobuf/wire_format_lite.h>
#include <unistd.h>
#include <algorithm>

#include <cstdint>
#include <functional>

#include "host/base/error.h"
#include "host/base/utf8.h"

namespace bitloop::quant::importer {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;
using google::protobuf::io::FileInputStream;

constexpr std::uintmax_t kLargestFile = std::uintmax_t{1} << 30;  // bytes; protobuf itself ends at 2 GiB
/// Bytes that are not weights. Real networks have well below 1 MiB; parsed, a hostile file takes a
/// hundredfold.
constexpr std::int64_t kLargestStructure = std::int64_t{8} << 20;
constexpr int kDeepestMessage = 24;  // model, graph, node, attribute, tensor and some room

[[noreturn]] void refuse(const std::filesystem::path& path, std::string_view what) {
  throw InputError(fmt::format("{}: {}", path.string(), what));
}

/// An open file as protobuf reads it, from its start.
class File {
 public:
  explicit File(const std::filesystem::path& path)
      : descriptor_(open(path.c_str(), O_RDONLY | O_CLOEXEC)), stream_(descriptor_) {
    if (descriptor_ < 0) refuse(path, "cannot be opened: check the path and its permissions");
  }
  ~File() { close(descriptor_); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  FileInputStream& stream() { return stream_; }

 private:
  int descriptor_;
  FileInputStream stream_;
};

/// Sums the bytes of weights (raw and float data of tensors), without storing anything: walks the messages
/// that lead to tensors and skips all others.
class WeightBytes {
 public:
  explicit WeightBytes(CodedInputStream& input) : input_(input) {}

  /// False where the file is damaged.
  bool model() {
    return fields([this](int field) { return field == onnx::ModelProto::kGraphFieldNumber && graph(); });
  }
  [[nodiscard]] std::int64_t sum() const { return sum_; }

 private:
  /// Calls `enter(number)` for each length-delimited field, its limit pushed; skips it where that is false.
  template <typename Enter>
  bool fields(const Enter& enter) {
    while (const std::uint32_t tag = input_.ReadTag()) {
      if (WireFormatLite::GetTagWireType(tag) != WireFormatLite::WIRETYPE_LENGTH_DELIMITED) {
        if (!WireFormatLite::SkipField(&input_, tag)) return false;
        continue;
      }
      int length = 0;
      if (!input_.ReadVarintSizeAsInt(&length)) return false;
      const auto limit = input_.PushLimit(length);
      enter(WireFormatLite::GetTagFieldNumber(tag));
      const int rest = input_.BytesUntilLimit();
      if (rest > 0 && !input_.Skip(rest)) return false;
      input_.PopLimit(limit);
    }
    return input_.ConsumedEntireMessage();
  }
  bool graph() {
    return fields([this](int field) {
      if (field == onnx::GraphProto::kInitializerFieldNumber) return tensor();
      return field == onnx::GraphProto::kNodeFieldNumber && node();
    });
  }
  bool node() {
    return fields(
        [this](int field) { return field == onnx::NodeProto::kAttributeFieldNumber && attribute(); });
  }
  bool attribute() {
    return fields([this](int field) { return field == onnx::AttributeProto::kTFieldNumber && tensor(); });
  }
  bool tensor() {
    return fields([this](int field) {
      const bool data = field == onnx::TensorProto::kRawDataFieldNumber ||
                        field == onnx::TensorProto::kFloatDataFieldNumber;
      if (data) sum_ += input_.BytesUntilLimit();
      return data;
    });
  }

  CodedInputStream& input_;
  std::int64_t sum_ = 0;
};

void check_structure(const std::filesystem::path& path, std::int64_t file_bytes) {
  File file(path);
  CodedInputStream input(&file.stream());
  WeightBytes weights(input);
  if (!weights.model()) refuse(path, "is no ONNX file, or cut off: export or copy it again");
  if (file_bytes - weights.sum() > kLargestStructure) {
    refuse(path, fmt::format("holds {} bytes besides the weights of its layers; at most {} are supported",
                             file_bytes - weights.sum(), kLargestStructure));
  }
}

}  // namespace

onnx::ModelProto read_model(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error))
    refuse(path, "is no file that can be read: check the path and its permissions");
  const std::uintmax_t bytes = std::filesystem::file_size(path, error);
  if (error || bytes > kLargestFile)
    refuse(path, fmt::format("has {} bytes; at most {} are supported", bytes, kLargestFile));
  check_structure(path, static_cast<std::int64_t>(bytes));
  File file(path);
  CodedInputStream input(&file.stream());
  input.SetTotalBytesLimit(static_cast<int>(kLargestFile));
  input.SetRecursionLimit(kDeepestMessage);
  onnx::ModelProto model;
  if (!model.ParseFromCodedStream(&input) || !input.ConsumedEntireMessage() || !model.has_graph())
    refuse(path, "is no ONNX file, or cut off: export or copy it again");
  return model;
}

std::string printable(std::string_view text) {
  constexpr std::size_t kLongest = 120;
  std::string result;
  while (!text.empty()) {
    const std::size_t bytes = host::utf8_bytes(text);
    if (result.size() + std::max<std::size_t>(bytes, 1) > kLongest) return result + "...";
    result += bytes > 0 ? text.substr(0, bytes) : "?";
    text.remove_prefix(std::max<std::size_t>(bytes, 1));
  }
  return result;
}

}  // namespace bitloop::quant::importer
