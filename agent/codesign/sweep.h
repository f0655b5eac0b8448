#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/codesign/chips.h"
#include "host/driver/pool.h"
#include "host/measurement/energy.h"
#include "host/measurement/measurement_store.h"
#include "host/network/network.h"
#include "host/network/policy.h"

namespace bitloop::codesign {

/// A network under policies, on every hardware behind every memory.
struct SweepPlan {
  host::Network network;
  std::vector<std::pair<std::string, host::Policy>> policies;  ///< with the texts that name them
  std::vector<std::string> hardware;                           ///< spaces.h
  std::vector<std::string> memories;
  std::optional<Chip> chip;                    ///< what does not fit it is not measured
  std::optional<host::EnergyProfile> profile;  ///< none: no energy
};

/// Of one hardware, memory and policy.
struct SweepRow {
  std::string hardware{};
  std::string memory{};
  std::string policy{};
  Area area{};
  bool area_known = true;  ///< false: of other RTL than the area model was fitted to
  double share = 0;        ///< of the chip's scarcest resource; 0: no chip
  std::string refusal{};   ///< why it was not measured; empty: it was
  std::string fingerprint{};
  double clock_hz = 0;
  host::Cycles cycles = 0;
  double energy = 0;    ///< picojoules
  double achieved = 0;  ///< of what bounds each segment (roofline.h)
  /// In order of execution; equal names numbered.
  std::vector<std::pair<std::string, host::Cycles>> layers{};
  bool best = false;  ///< mark_best
  [[nodiscard]] double milliseconds() const { return 1e3 * static_cast<double>(cycles) / clock_hz; }
};

/// Where a sweep's devices and remembered cycles come from.
struct SweepTools {
  /// From any thread.
  std::function<std::shared_ptr<host::DevicePool>(const std::string& hardware, const std::string& memory)>
      open;
  host::MeasurementStore* store = nullptr;  ///< null: nothing is remembered
  /// How far it is, in 0..1, and what matters now; one call at a time.
  std::function<void(double done, const std::string& note)> progress;
  int workers = 1;  ///< points at the same time
};

/// A row for each, in the plan's order: hardware, memory, policy. Each hardware is built, and passes its
/// self-test, when it is first used. Hardware with too little memory for the network, or beyond the chip, is
/// told in its rows; anything else that goes wrong ends the sweep (what was measured is in the store), and so
/// does a chip that nothing fits (InputError).
std::vector<SweepRow> sweep(const SweepPlan& plan, const SweepTools& tools);

/// What a row may be best in.
inline constexpr const char* kSweepMeasures[] = {"time", "area", "energy"};

/// Marks, for each policy by itself, the rows that no other one beats: none is as good in all of `measures`
/// and better in one. Area is the share of the chip or, without one, each of LUT, DSP and block RAM.
void mark_best(std::vector<SweepRow>& rows, const std::vector<std::string>& measures, bool has_chip);

/// A layer that takes other cycles on other RTL, all else being equal.
struct LayerChange {
  std::string hardware;  ///< the other one
  std::string memory;
  std::string policy;
  std::string layer;  ///< "total" for the whole network
  host::Cycles before = 0;
  host::Cycles after = 0;
};

/// Of each row with RTL of a folder against the one without, its total first.
std::vector<LayerChange> rtl_changes(const std::vector<SweepRow>& rows);

}  // namespace bitloop::codesign
