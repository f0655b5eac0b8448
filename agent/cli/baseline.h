#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "host/device/device.h"
#include "host/measurement/measure.h"

namespace bitloop::cli {

/// What one entry of a baseline measures, in the words of `bitloop measure`.
struct Workload {
  std::string model;  ///< or `layer`; the other one is empty
  std::string layer;
  std::string input;  ///< of a model; empty: its own size
  std::string policy;
  std::string pin;  ///< empty: none
  std::string hardware;
  std::string memory;
  bool operator==(const Workload&) const = default;

  /// "lenet w4a4 on default, ddr8".
  [[nodiscard]] std::string title() const;
};

/// Cycles of a workload as they were measured once.
struct BaselineEntry {
  struct Layer {
    std::string name;
    host::Cycles cycles = 0;
  };
  Workload workload;
  std::string fingerprint;
  host::Cycles total = 0;
  std::vector<Layer> layers;  ///< segments, in their order; each name stands once
};

BaselineEntry make_entry(const Workload& workload, const host::HardwareInfo& hardware,
                         const host::Network& network, const host::MeasuredNetwork& measured);

/// Throws InputError, naming the file and the entry, for what is no baseline.
std::vector<BaselineEntry> load_baseline(const std::filesystem::path& path);
/// Whole or not at all.
void save_baseline(const std::vector<BaselineEntry>& entries, const std::filesystem::path& path);

/// A figure that is not what it was.
struct Difference {
  std::string workload;
  std::string layer;                     ///< or "total"
  std::optional<host::Cycles> before{};  ///< none: the layer is new
  std::optional<host::Cycles> now{};     ///< none: the layer is missing

  /// "slower", "faster", "new" or "missing".
  [[nodiscard]] const char* kind() const;
  /// Percent of `before`; none where one of both is missing.
  [[nodiscard]] std::optional<double> change() const;
};

/// Figures that differ by more than `tolerance` percent of what they were, and layers that come or go.
std::vector<Difference> differences(const BaselineEntry& before, const BaselineEntry& now, double tolerance);

}  // namespace bitloop::cli
