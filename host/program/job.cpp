#include "host/program/job.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "host/base/atomic_file.h"
#include "host/base/error.h"
#include "host/base/sha256.h"
#include "host/program/instruction.h"
#include "host/program/plane_words.h"

namespace bitloop::host {
namespace {

// File: magic (8 bytes), length of the header (8 bytes, little endian), header, blocks, SHA-256 of all before
// it.
constexpr std::string_view kMagic = "BLJOB003";
constexpr std::size_t kPrefixBytes = 16;
constexpr std::size_t kLargestHeader = 64u << 20;
constexpr std::int64_t kLargestDimension = 1 << 20;
constexpr std::int64_t kLargestSram = 1 << 20;   // rows, slots or words
constexpr std::int64_t kLargestWords = 1 << 16;  // per position
constexpr std::uint64_t kLargestLane = std::uint64_t{64} << 16;

using Bytes = std::vector<std::byte>;

[[noreturn]] void refuse(const std::string& what) { throw InputError(fmt::format("job: {}", what)); }

void check_range(std::string_view what, Address offset, Address bytes, const Job& job) {
  if (offset > job.bytes || bytes > job.bytes - offset) {
    refuse(
        fmt::format("{} at {} of {} bytes lies outside the job's {} bytes", what, offset, bytes, job.bytes));
  }
}

void check_shape(std::string_view what, const Shape& shape) {
  const auto sane = [](int size) { return size >= 1 && size <= kLargestDimension; };
  if (!sane(shape.channels) || !sane(shape.height) || !sane(shape.width) ||
      static_cast<double>(shape.channels) * shape.height * shape.width > 4e9) {
    refuse(
        fmt::format("{} has an impossible shape {}x{}x{}", what, shape.channels, shape.height, shape.width));
  }
}

bool is_code_width(int bits) { return bits == 1 || bits == 2 || bits == 4 || bits == 8 || bits == 32; }

nlohmann::json shape_json(const Shape& shape) { return {shape.channels, shape.height, shape.width}; }

nlohmann::json header_json(const Job& job) {
  nlohmann::json blocks = nlohmann::json::array();
  for (const Block& block : job.blocks)
    blocks.push_back({{"offset", block.offset}, {"bytes", block.bytes.size()}});
  nlohmann::json tensors = nlohmann::json::array();
  for (const TensorPlace& t : job.tensors) {
    tensors.push_back({{"name", t.name},
                       {"shape", shape_json(t.shape)},
                       {"bits", t.bits},
                       {"offset", t.offset},
                       {"narrow", t.narrow ? 1 : 0},
                       {"words", t.words},
                       {"first_word", t.first_word}});
    if (!t.lanes.empty()) tensors.back()["lanes"] = t.lanes;
    if (t.image != 0) tensors.back()["image"] = t.image;
  }
  nlohmann::json header{{"network", job.network},
                        {"policy", job.policy},
                        {"bytes", job.bytes},
                        {"descriptors", job.descriptors},
                        {"records", job.records},
                        {"image", job.image},
                        {"input_bits", job.input_bits},
                        {"image_shape", shape_json(job.image_shape)},
                        {"filters", job.filters},
                        {"pixels", job.pixels},
                        {"activation_rows", job.activation_rows},
                        {"weight_rows", job.weight_rows},
                        {"parameter_slots", job.parameter_slots},
                        {"staging_words", job.staging_words},
                        {"segments", job.segments},
                        {"tensors", tensors},
                        {"blocks", blocks}};
  if (job.images == 1) return header;
  header["images"] = job.images;
  header["image_bytes"] = job.image_bytes;
  return header;
}

/// A member that is an integer in [0, most].
std::int64_t number(const nlohmann::json& object, const char* key, std::int64_t most) {
  const nlohmann::json& value = object.at(key);
  if (!value.is_number_integer()) refuse(fmt::format("{} is no integer", key));
  if (value.is_number_unsigned() && value.get<std::uint64_t>() > static_cast<std::uint64_t>(most)) {
    refuse(fmt::format("{} is too large", key));
  }
  const auto result = value.get<std::int64_t>();
  if (result < 0 || result > most) refuse(fmt::format("{} is out of range", key));
  return result;
}

Shape shape_from(const nlohmann::json& object, const char* key) {
  const nlohmann::json& sizes = object.at(key);
  if (!sizes.is_array() || sizes.size() != 3) refuse(fmt::format("{} is no shape", key));
  std::array<int, 3> values{};
  for (std::size_t i = 0; i < 3; ++i) {
    if (!sizes[i].is_number_integer()) refuse(fmt::format("{} is no shape", key));
    if (sizes[i].is_number_unsigned() && sizes[i].get<std::uint64_t>() > kLargestDimension) {
      refuse(fmt::format("{} is too large", key));
    }
    const auto size = sizes[i].get<std::int64_t>();
    if (size < 1 || size > kLargestDimension) refuse(fmt::format("{} is out of range", key));
    values[i] = static_cast<int>(size);
  }
  return {values[0], values[1], values[2]};
}

const nlohmann::json& array(const nlohmann::json& object, const char* key) {
  const nlohmann::json& value = object.at(key);
  if (!value.is_array()) refuse(fmt::format("{} is no array", key));
  return value;
}

void read_blocks(Job& job, const nlohmann::json& header, std::span<const std::byte> data) {
  for (const nlohmann::json& item : array(header, "blocks")) {
    const auto bytes =
        static_cast<std::size_t>(number(item, "bytes", static_cast<std::int64_t>(data.size())));
    job.blocks.push_back({static_cast<Address>(number(item, "offset", kLargestJob)),
                          Bytes(data.begin(), data.begin() + static_cast<std::ptrdiff_t>(bytes))});
    data = data.subspan(bytes);
  }
  if (!data.empty()) refuse("bytes are left after the last block");
}

std::vector<int> lanes_from(const nlohmann::json& list) {
  std::vector<int> lanes;
  for (const nlohmann::json& lane : list) {
    if (!lane.is_number_unsigned() || lane.get<std::uint64_t>() >= kLargestLane)
      refuse("a tensor's lanes are no lanes");
    lanes.push_back(lane.get<int>());
  }
  return lanes;
}

Job job_from(const nlohmann::json& header, std::span<const std::byte> data) {
  Job job;
  job.network = header.at("network").get<std::string>();
  job.policy = header.at("policy").get<std::string>();
  job.bytes = static_cast<Address>(number(header, "bytes", kLargestJob));
  job.descriptors = static_cast<Address>(number(header, "descriptors", kLargestJob));
  job.records = static_cast<Address>(number(header, "records", kLargestJob));
  job.image = static_cast<Address>(number(header, "image", kLargestJob));
  job.input_bits = static_cast<int>(number(header, "input_bits", 32));
  job.image_shape = shape_from(header, "image_shape");
  if (header.contains("images")) {
    job.images = static_cast<int>(number(header, "images", kMostImages));
    job.image_bytes = static_cast<Address>(number(header, "image_bytes", kLargestJob));
  }
  job.filters = static_cast<int>(number(header, "filters", 65535));
  job.pixels = static_cast<int>(number(header, "pixels", 65535));
  job.activation_rows = static_cast<int>(number(header, "activation_rows", kLargestSram));
  job.weight_rows = static_cast<int>(number(header, "weight_rows", kLargestSram));
  job.parameter_slots = static_cast<int>(number(header, "parameter_slots", kLargestSram));
  job.staging_words = static_cast<int>(number(header, "staging_words", kLargestSram));
  for (const nlohmann::json& name : array(header, "segments"))
    job.segments.push_back(name.get<std::string>());
  for (const nlohmann::json& t : array(header, "tensors")) {
    job.tensors.push_back({t.at("name").get<std::string>(), shape_from(t, "shape"),
                           static_cast<int>(number(t, "bits", 32)),
                           static_cast<Address>(number(t, "offset", kLargestJob)),
                           number(t, "narrow", 1) != 0, static_cast<int>(number(t, "words", kLargestWords)),
                           static_cast<int>(number(t, "first_word", kLargestWords))});
    if (t.contains("lanes")) job.tensors.back().lanes = lanes_from(t.at("lanes"));
    if (t.contains("image")) job.tensors.back().image = static_cast<int>(number(t, "image", kMostImages));
  }
  read_blocks(job, header, data);
  validate_job(job);
  return job;
}

void append(Bytes& bytes, std::string_view text) {
  const auto* first = reinterpret_cast<const std::byte*>(text.data());
  bytes.insert(bytes.end(), first, first + text.size());
}

Bytes read_file(const std::filesystem::path& path) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  if (error) throw InputError(fmt::format("job {} cannot be read: {}", path.string(), error.message()));
  if (size > kLargestHeader + kLargestJob)
    throw InputError(fmt::format("job {} is larger than any job", path.string()));
  Bytes bytes(static_cast<std::size_t>(size));
  std::ifstream file(path, std::ios::binary);
  file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(size));
  if (!file) throw InputError(fmt::format("job {} cannot be read", path.string()));
  return bytes;
}

}  // namespace

int tensor_words(const TensorPlace& tensor) {
  const int lanes = tensor.lanes.empty() ? tensor.shape.channels
                                         : *std::max_element(tensor.lanes.begin(), tensor.lanes.end()) + 1;
  return words_per_position(lanes, tensor.bits);
}

Address memory_bytes(const TensorPlace& tensor) {
  if (tensor.words == 0) return tensor_bytes(tensor.shape, tensor.bits);
  return kWordBytes * static_cast<Address>(tensor.shape.height) * static_cast<Address>(tensor.shape.width) *
         static_cast<Address>(tensor.words);
}

Address one_image_bytes(const Job& job) {
  if (job.input_bits == 0) return static_cast<Address>(job.image_shape.elements() + 7) / 8 * 8;
  return tensor_bytes(job.image_shape, job.input_bits);
}

Address input_bytes(const Job& job) {
  return static_cast<Address>(job.images - 1) * job.image_bytes + one_image_bytes(job);
}

namespace {

/// For parts that lie within the job's memory.
void check_overlaps(const Job& job) {
  std::vector<std::pair<Address, Address>> parts{{job.image, input_bytes(job)},
                                                 {job.records, kRecordBytes * job.segments.size()}};
  for (const Block& block : job.blocks) parts.emplace_back(block.offset, block.bytes.size());
  std::sort(parts.begin(), parts.end());
  for (std::size_t i = 1; i < parts.size(); ++i) {
    const auto [offset, bytes] = parts[i - 1];
    if (offset + bytes > parts[i].first) {
      refuse(fmt::format("its parts at {} and {} overlap", offset, parts[i].first));
    }
  }
}

}  // namespace

void validate_job(const Job& job) {
  if (job.bytes > kLargestJob) refuse("it needs more memory than can be addressed");
  check_shape("the image", job.image_shape);
  if (job.input_bits != 0 && (!is_code_width(job.input_bits) || job.input_bits == 32)) {
    refuse("its input width is none");
  }
  if (job.images < 1 || job.images > kMostImages) refuse("its number of images is none");
  if (job.images > 1 && (job.image_bytes % 8 != 0 || job.image_bytes < one_image_bytes(job)))
    refuse("its images overlap");
  if (job.segments.empty()) refuse("it has no segment");
  check_range("the input", job.image, input_bytes(job), job);
  check_range("the records", job.records, kRecordBytes * job.segments.size(), job);
  check_range("the first descriptor", job.descriptors, kDescriptorBytes, job);
  if (job.filters < 1 || job.pixels < 1) refuse("its hardware has no array");
  if (job.image % 8 != 0 || job.records % kRecordBytes != 0 || job.descriptors % kDescriptorBytes != 0) {
    refuse("an offset is not aligned");
  }
  for (const Block& block : job.blocks) {
    check_range("a block", block.offset, block.bytes.size(), job);
    const bool has_descriptors =
        job.descriptors >= block.offset && job.descriptors - block.offset < block.bytes.size();
    if (has_descriptors && block.offset % kDescriptorBytes != 0) refuse("its descriptors are not aligned");
  }
  check_overlaps(job);
  for (const TensorPlace& tensor : job.tensors) {
    check_shape(tensor.name, tensor.shape);
    if (tensor.image < 0 || tensor.image >= job.images)
      refuse(fmt::format("tensor {} is of no image", tensor.name));
    if (!is_code_width(tensor.bits)) refuse(fmt::format("tensor {} has an impossible width", tensor.name));
    const auto lanes = tensor.lanes.size();
    const bool known =
        lanes == 0 || (tensor.words != 0 && lanes == static_cast<std::size_t>(tensor.shape.channels));
    if (!known)
      refuse(
          fmt::format("tensor {} has {} lanes for {} channels", tensor.name, lanes, tensor.shape.channels));
    const int words = tensor_words(tensor);
    if (tensor.words != 0 && (tensor.first_word < 0 || tensor.first_word > tensor.words - words)) {
      refuse(fmt::format("tensor {} is no part of what it lies in", tensor.name));
    }
    check_range(tensor.name, tensor.offset, memory_bytes(tensor), job);
  }
}

std::vector<std::byte> job_bytes(const Job& job) {
  validate_job(job);
  std::string header;
  try {
    header = header_json(job).dump();
  } catch (const nlohmann::json::exception& error) {
    refuse(fmt::format("a name cannot be written: {}", error.what()));
  }
  Bytes bytes;
  append(bytes, kMagic);
  for (int i = 0; i < 8; ++i) bytes.push_back(static_cast<std::byte>(header.size() >> (8 * i)));
  append(bytes, header);
  for (const Block& block : job.blocks) bytes.insert(bytes.end(), block.bytes.begin(), block.bytes.end());
  const auto digest = sha256(bytes);
  bytes.insert(bytes.end(), digest.begin(), digest.end());
  return bytes;
}

Job parse_job(std::span<const std::byte> bytes) {
  constexpr std::size_t kDigest = sizeof(Sha256);
  if (bytes.size() < kPrefixBytes + kDigest || std::memcmp(bytes.data(), kMagic.data(), kMagic.size()) != 0) {
    refuse("this is no job file");
  }
  const auto content = bytes.first(bytes.size() - kDigest);
  const auto digest = sha256(content);
  if (!std::equal(digest.begin(), digest.end(), bytes.end() - kDigest))
    refuse("its SHA-256 is wrong: it is damaged");
  std::uint64_t header_bytes = 0;
  for (int i = 7; i >= 0; --i)
    header_bytes = header_bytes << 8 | std::to_integer<std::uint64_t>(content[8 + i]);
  if (header_bytes > kLargestHeader || header_bytes > content.size() - kPrefixBytes)
    refuse("its header is too long");
  const auto* text = reinterpret_cast<const char*>(content.data() + kPrefixBytes);
  try {
    return job_from(nlohmann::json::parse(text, text + header_bytes),
                    content.subspan(kPrefixBytes + header_bytes));
  } catch (const nlohmann::json::exception& error) {
    refuse(fmt::format("its header is malformed: {}", error.what()));
  }
}

void write_job(const Job& job, const std::filesystem::path& path) {
  write_file_atomically(path, job_bytes(job));
}

Job read_job(const std::filesystem::path& path) {
  const Bytes bytes = read_file(path);
  try {
    return parse_job(bytes);
  } catch (const InputError& error) {
    throw InputError(fmt::format("{}: {}", path.string(), error.what()));
  }
}

}  // namespace bitloop::host
