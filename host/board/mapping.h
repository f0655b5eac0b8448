#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

namespace bitloop::host::board {

/// An open file; closed with it. Errors are DeviceErrors that name the file and what to do.
class File {
 public:
  /// `flags` as open(2) takes them; `hint` says what to do where there is no such file.
  File(const std::filesystem::path& path, int flags, const std::string& hint);
  /// Takes over an open descriptor.
  File(int descriptor, std::filesystem::path path);
  ~File();
  File(File&& other) noexcept;
  File& operator=(File&&) = delete;

  [[nodiscard]] int descriptor() const { return descriptor_; }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  /// Throws with what errno says.
  [[noreturn]] void fail(const std::string& what, const std::string& hint) const;

 private:
  int descriptor_;
  std::filesystem::path path_;
};

/// Bytes of a file from its beginning, shared with whoever else maps them; unmapped with it.
class Mapping {
 public:
  Mapping(const File& file, std::size_t bytes);
  ~Mapping();
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  [[nodiscard]] std::span<std::byte> bytes() const { return bytes_; }

 private:
  std::span<std::byte> bytes_;
};

/// First line of a small file of /sys. `hint` says what to do where there is none.
std::string read_attribute(const std::filesystem::path& path, const std::string& hint);
/// The same as a number, decimal or 0x....
std::uint64_t read_number(const std::filesystem::path& path, const std::string& hint);

}  // namespace bitloop::host::board
