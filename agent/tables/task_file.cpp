#include "agent/tables/task_file.h"

#include <fmt/format.h>

#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <variant>

#include "agent/tables/foreign_table.h"
#include "agent/tables/surrogate.h"
#include "agent/tables/table_task.h"
#include "host/base/error.h"

namespace bitloop::search {
namespace {

using nlohmann::json;

constexpr std::uintmax_t kLargestFile = 64u << 20;

std::string read_bounded(const std::filesystem::path& path) {
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(path, error);
  std::ifstream file(path, std::ios::binary);
  if (error || !file) throw InputError(fmt::format("table {} cannot be read", path.string()));
  if (size > kLargestFile)
    throw InputError(
        fmt::format("table {} has {} bytes: at most {} are read", path.string(), size, kLargestFile));
  return {std::istreambuf_iterator<char>(file), {}};
}

std::variant<Table, Surrogate> load(const std::filesystem::path& path) {
  const std::string text = read_bounded(path);
  try {
    if (path.extension() == ".csv") return foreign_table(text, path.stem().string());
    const json file = json::parse(text);
    const std::string format = file.at("format");
    if (format == kTableFormat) return table_from(file);
    if (format == kSurrogateFormat) return surrogate_from(file);
    throw InputError(
        fmt::format("its format is '{}', not '{}' or '{}'", format, kTableFormat, kSurrogateFormat));
  } catch (const InputError& error) {
    throw InputError(fmt::format("table {}: {}", path.string(), error.what()));
  } catch (const json::exception& error) {
    throw InputError(
        fmt::format("table {}: {}; docs/tables.md defines the format", path.string(), error.what()));
  }
}

}  // namespace

Table load_table(const std::filesystem::path& path) {
  auto loaded = load(path);
  if (auto* table = std::get_if<Table>(&loaded)) return std::move(*table);
  throw InputError(fmt::format("table {}: it is a surrogate, which has no rows", path.string()));
}

std::unique_ptr<Task> load_task(const std::filesystem::path& path,
                                const std::function<void(const std::string&)>& note) {
  auto loaded = load(path);
  if (auto* surrogate = std::get_if<Surrogate>(&loaded)) return surrogate_task(std::move(*surrogate));
  auto& table = std::get<Table>(loaded);
  if (const auto missing = table.missing()) {
    note(fmt::format("{} lacks {:.0f} of {:.0f} policies, '{}' first: they count as ones that cost too much",
                     path.string(), missing->count, table.space.assignments(), missing->first));
  }
  return table_task(std::move(table));
}

}  // namespace bitloop::search
