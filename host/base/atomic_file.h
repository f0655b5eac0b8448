#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>

namespace bitloop::host {

/// Writes a whole file as `NAME.PID.tmp` beside it, syncs it, then renames it: readers see the old file or
/// the new one. Throws Error, naming the file, where the disk does not take it; then the old file stays and
/// nothing else is left.
void write_file_atomically(const std::filesystem::path& path, std::span<const std::byte> content);
void write_file_atomically(const std::filesystem::path& path, std::string_view content);

/// Whether a file is what a process that is gone left behind: named NAME.PID.tmp. This process's own names
/// count too: ask before it writes any.
bool is_stale_temporary(const std::filesystem::path& file);

}  // namespace bitloop::host
