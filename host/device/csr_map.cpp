#include "host/device/csr_map.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>
#include <map>
#include <string>
#include <string_view>

#include "host/base/error.h"

namespace bitloop::host {
namespace {

/// kind, name, and up to two numbers.
using Fields = std::array<std::string, 4>;

Fields split(const std::string& line) {
  Fields fields;
  std::size_t begin = 0;
  for (std::string& field : fields) {
    const std::size_t end = std::min(line.find(',', begin), line.size());
    field = line.substr(begin, end - begin);
    begin = std::min(end + 1, line.size());
  }
  return fields;
}

std::uint64_t number(const std::string& text, const std::filesystem::path& file, std::size_t line) {
  char* end = nullptr;
  const std::uint64_t value = std::strtoull(text.c_str(), &end, 0);
  if (text.empty() || text[0] == '-' || *end != '\0') {
    throw InputError(fmt::format("{}, line {}: '{}' is no number; is it the csr.csv of a LiteX build?",
                                 file.string(), line, text));
  }
  return value;
}

}  // namespace

CsrMap read_csr_map(const std::filesystem::path& file) {
  std::ifstream stream(file);
  if (!stream) throw InputError(fmt::format("csr.csv {}: cannot read the file", file.string()));
  struct Range {
    std::uint64_t begin = 0;
    std::uint64_t size = 0;
  };
  std::map<std::string, Range, std::less<>> found;
  std::string line;
  for (std::size_t count = 1; std::getline(stream, line); ++count) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    const Fields fields = split(line);
    const std::string key = fields[0] + "," + fields[1];
    const bool region = fields[0] == "memory_region";
    constexpr std::string_view kWanted[] = {"memory_region,bitloop",   "csr_base,bitloop",
                                            "csr_register,bitloop_id", "memory_region,bitloop_memory",
                                            "memory_region,main_ram",  "constant,config_clock_frequency"};
    if (std::find(std::begin(kWanted), std::end(kWanted), key) == std::end(kWanted)) continue;
    found[key] = {number(fields[2], file, count), region ? number(fields[3], file, count) : 0};
  }
  const auto first = [&](std::initializer_list<std::string_view> keys) -> std::optional<Range> {
    for (const std::string_view key : keys) {
      if (const auto at = found.find(key); at != found.end()) return at->second;
    }
    return std::nullopt;
  };
  CsrMap map;
  if (const auto range = first({"memory_region,bitloop", "csr_base,bitloop", "csr_register,bitloop_id"})) {
    map.registers = range->begin;
  }
  if (const auto range = first({"memory_region,bitloop_memory", "memory_region,main_ram"})) {
    map.memory = range->begin;
    map.memory_size = range->size;
  }
  if (const auto range = first({"constant,config_clock_frequency"}))
    map.clock_hz = static_cast<double>(range->begin);
  return map;
}

}  // namespace bitloop::host
