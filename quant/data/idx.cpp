#include "quant/data/idx.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <memory>
#include <span>

#include "host/error.h"

namespace bitloop::quant {
namespace {

constexpr std::uint32_t kImageMagic = 0x803;  // unsigned bytes, three dimensions
constexpr std::uint32_t kLabelMagic = 0x801;  // unsigned bytes, one dimension
// Above any set that the loader is meant for; a header that asks for more is damaged.
constexpr std::uint64_t kMaxBytes = std::uint64_t{2} << 30;
constexpr std::uint32_t kMaxSide = 4096;

constexpr const char* kRemedy = "fetch the file again";

/// Reads plain and gzip files alike (zlib passes plain bytes through).
class Reader {
 public:
  explicit Reader(const std::filesystem::path& path)
      : path_(path), file_(gzopen(path.c_str(), "rb"), gzclose) {
    if (!file_)
      throw InputError(fmt::format("cannot open {}: check the path and its permissions", path.string()));
    gzbuffer(file_.get(), 1 << 17);
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw InputError(fmt::format("{} {}: {}", path_.string(), what, kRemedy));
  }

  void read(std::span<std::uint8_t> bytes) {
    while (!bytes.empty()) {
      const auto chunk = static_cast<unsigned>(std::min<std::size_t>(bytes.size(), 1U << 26));
      const int got = gzread(file_.get(), bytes.data(), chunk);
      check_zlib();
      if (got <= 0) fail("is truncated");
      bytes = bytes.subspan(static_cast<std::size_t>(got));
    }
  }

  std::uint32_t read_u32() {
    std::array<std::uint8_t, 4> b{};
    read(b);
    return std::uint32_t{b[0]} << 24 | std::uint32_t{b[1]} << 16 | std::uint32_t{b[2]} << 8 | b[3];
  }

  /// Also makes zlib compare the gzip trailer's checksum.
  void expect_end() {
    std::uint8_t extra = 0;
    const int got = gzread(file_.get(), &extra, 1);
    check_zlib();
    if (got != 0) fail("holds more bytes than its header states");
  }

 private:
  void check_zlib() const {
    int code = Z_OK;
    const char* message = gzerror(file_.get(), &code);
    if (code == Z_BUF_ERROR) fail("is truncated");
    if (code != Z_OK && code != Z_STREAM_END) fail(fmt::format("is damaged ({})", message));
  }

  std::filesystem::path path_;
  std::unique_ptr<gzFile_s, int (*)(gzFile)> file_;
};

void expect_magic(Reader& reader, std::uint32_t expected, const char* kind) {
  const std::uint32_t magic = reader.read_u32();
  if (magic != expected)
    reader.fail(
        fmt::format("is no IDX file of {} (magic {:#010x} instead of {:#010x})", kind, magic, expected));
}

}  // namespace

IdxImages read_idx_images(const std::filesystem::path& path) {
  Reader reader(path);
  expect_magic(reader, kImageMagic, "images");
  const std::uint32_t count = reader.read_u32();
  const std::uint32_t height = reader.read_u32();
  const std::uint32_t width = reader.read_u32();
  const bool sane = count > 0 && height > 0 && width > 0 && height <= kMaxSide && width <= kMaxSide;
  if (!sane || std::uint64_t{count} * height * width > kMaxBytes)
    reader.fail(fmt::format("states impossible dimensions {} x {} x {}", count, height, width));
  IdxImages images{count, static_cast<int>(height), static_cast<int>(width), {}};
  images.pixels.resize(std::size_t{count} * height * width);
  reader.read(images.pixels);
  reader.expect_end();
  return images;
}

std::vector<std::uint8_t> read_idx_labels(const std::filesystem::path& path, int classes) {
  Reader reader(path);
  expect_magic(reader, kLabelMagic, "labels");
  const std::uint32_t count = reader.read_u32();
  if (count == 0 || count > kMaxBytes)
    reader.fail(fmt::format("states an impossible number of labels, {}", count));
  std::vector<std::uint8_t> labels(count);
  reader.read(labels);
  reader.expect_end();
  const auto wrong = std::ranges::find_if(labels, [&](std::uint8_t label) { return label >= classes; });
  if (wrong != labels.end())
    reader.fail(fmt::format("has label {} at image {}, but the set has classes 0..{}", *wrong,
                            wrong - labels.begin(), classes - 1));
  return labels;
}

std::filesystem::path find_idx(const std::filesystem::path& directory, const std::string& name) {
  for (const std::string& candidate : {name, name + ".gz"})
    if (std::filesystem::is_regular_file(directory / candidate)) return directory / candidate;
  throw InputError(fmt::format("neither {0} nor {0}.gz is in {1}: put the data set's four IDX files there",
                               name, directory.string()));
}

}  // namespace bitloop::quant
