#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "quant/model/container.h"

namespace bitloop::quant {

/// `$XDG_CACHE_HOME/bitloop`, or in `~/.cache`; empty where neither is known.
std::filesystem::path cache_folder();

/// What took long to compute and is computed alike again: a file per result in the `start` folder of the
/// cache, named after the hash of all that it depends on. At most 256 MiB of all kinds; beyond, those that
/// were not read for longest go. Several processes may share it. It never fails: a file that is damaged is
/// none, and what cannot be kept is not.
class ResultCache {
 public:
  /// `kind`: a word; another one where the same inputs give other results since.
  explicit ResultCache(std::string_view kind) : kind_(kind) {}
  [[nodiscard]] std::optional<Container> find(const std::string& key) const;
  void keep(const std::string& key, const Container& result) const;

 private:
  std::string kind_;
};

}  // namespace bitloop::quant
