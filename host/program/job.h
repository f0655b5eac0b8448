#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "host/device/device.h"
#include "host/network/network.h"

namespace bitloop::host {

/// Where a tensor lies in the job's memory, in plane words (docs/accelerator.md), and how to read it.
struct TensorPlace {
  std::string name;
  Shape shape;
  int bits = 8;
  Address offset = 0;           ///< bytes from the job's base
  bool narrow = false;          ///< the tensor's narrow form (host/network/policy.h)
  int words = 0;                ///< per position, of the tensor in memory that this is a part of; 0: its own
  int first_word = 0;           ///< of the part
  std::vector<int> lanes = {};  ///< of each channel, within the part; empty: channel c is in lane c
  int image = 0;                ///< of the job's images, the one that it belongs to
  bool operator==(const TensorPlace&) const = default;
};

/// Words per position from the tensor's first to its last.
int tensor_words(const TensorPlace& tensor);
/// Bytes of a tensor in memory, with all that it is a part of.
Address memory_bytes(const TensorPlace& tensor);

/// Bytes to place at an offset before the job starts: descriptors, weights, parameters.
struct Block {
  Address offset = 0;
  std::vector<std::byte> bytes;
  bool operator==(const Block&) const = default;
};

inline constexpr Address kLargestJob = Address{1} << 32;  ///< bytes: offsets have 32 bits

/// One image, or several, through one network: everything that a device needs, in one replayable file.
/// Offsets count from a 4 KB-aligned base address that the driver chooses.
struct Job {
  std::string network;
  std::string policy;       ///< Policy::key()
  Address bytes = 0;        ///< memory that the job needs, from its base
  Address descriptors = 0;  ///< offset of the first segment header
  Address records = 0;      ///< offset of the counter records, kRecordBytes each
  Address image = 0;        ///< offset of the input: HWC bytes, or plane words where input_bits is not 0
  int images = 1;
  Address image_bytes = 0;  ///< from image to image, where there are several
  Shape image_shape;
  int input_bits = 0;       ///< 0: an image; otherwise the input is a tensor of codes of this width
  int filters = 0;          ///< F that the job was compiled for
  int pixels = 0;           ///< P that the job was compiled for
  int activation_rows = 0;  ///< SRAM sizes that the job was compiled for; it runs on larger ones as well
  int weight_rows = 0;
  int parameter_slots = 0;
  int staging_words = 0;  ///< of the ring, whose size must be equal; 0 where the job stages no image
  std::vector<Block> blocks;
  std::vector<std::string> segments;  ///< names of layers, one record each
  std::vector<TensorPlace> tensors;   ///< tensors that can be read back; the network's results are last
  bool operator==(const Job&) const = default;
};

inline constexpr Address kRecordBytes = 256;
inline constexpr int kMostImages = 4096;  ///< of a job

/// Throws InputError unless all offsets and sizes of a job lie within its memory and make sense together: its
/// input, records and blocks apart from each other, its descriptors at multiples of kDescriptorBytes.
void validate_job(const Job& job);
/// Bytes of one of the job's images in memory, and of all with what lies between them.
Address one_image_bytes(const Job& job);
Address input_bytes(const Job& job);

/// A job as a file holds it: a JSON header, the blocks, and a SHA-256 over both. `parse_job` checks bounds
/// and the hash before use and throws InputError.
std::vector<std::byte> job_bytes(const Job& job);
Job parse_job(std::span<const std::byte> bytes);

/// The same with a file, which is named where something is wrong.
void write_job(const Job& job, const std::filesystem::path& path);
Job read_job(const std::filesystem::path& path);

}  // namespace bitloop::host
