#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

struct gzFile_s;

namespace bitloop::quant {

/// Above any file that the loaders are meant for: one that holds more is damaged.
constexpr std::uint64_t kMaxFileBytes = std::uint64_t{2} << 30;

/// Reads a plain or gzip file alike, whatever its name says. Every error is an InputError that names the file
/// and what to do.
class PackedFile {
 public:
  explicit PackedFile(const std::filesystem::path& path);

  /// Fills `bytes`; fails where the file ends before.
  void read(std::span<std::uint8_t> bytes);
  std::uint32_t read_u32();  ///< big-endian
  /// All that is left; memory grows with what is there, and kMaxFileBytes is the most.
  std::vector<std::uint8_t> read_rest();
  /// Also compares the gzip trailer's checksum.
  void expect_end();

  [[noreturn]] void fail(const std::string& what) const;

 private:
  /// As many as there are, at most bytes.size().
  std::size_t read_some(std::span<std::uint8_t> bytes);
  void check_zlib() const;

  std::filesystem::path path_;
  std::unique_ptr<gzFile_s, int (*)(gzFile_s*)> file_;
};

/// `directory/name`, else `directory/name.gz`, else an empty path.
std::filesystem::path find_packed(const std::filesystem::path& directory, const std::string& name);

}  // namespace bitloop::quant
