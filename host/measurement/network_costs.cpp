#include "host/measurement/network_costs.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <numeric>
#include <string>
#include <unordered_map>
#include <utility>

#include "host/compiler/network_draft.h"
#include "host/measurement/plan_tables.h"
#include "host/measurement/segment_key.h"

namespace bitloop::host {
namespace {

constexpr std::uint64_t kCheckEvery = 4096;  // queries: the first, too

std::size_t text_hash(const Segment& segment, bool first) {
  return std::hash<std::string>()(key_text(segment, first));
}

}  // namespace

/// The two ways of compiling, and the records of all segments that ran in one.
struct NetworkCosts::Mode {
  struct Record {
    Counters counters{};
    std::size_t text = 0;   ///< hash of the key text
    std::string too_small;  ///< why, where the hardware has too little memory for it
  };
  CompileOptions options;
  std::unique_ptr<NetworkPlans> plans;
  std::unordered_map<NetworkPlans::Placed, Record, NetworkPlans::PlacedHash> records;
};

/// Segments without a record.
struct NetworkCosts::Unknown {
  struct One {
    Segment segment;
    bool first = false;  ///< of the job
  };
  std::unordered_map<NetworkPlans::Placed, One, NetworkPlans::PlacedHash> segments;
};

NetworkCosts::NetworkCosts(SegmentMeter& meter, Network network)
    : meter_(meter), network_(std::move(network)) {
  for (const bool separate : {false, true}) {
    Mode mode{{.separate = separate}, make_network_plans(network_, hardware(), separate), {}};
    modes_[separate ? 1 : 0] = std::make_unique<Mode>(std::move(mode));
  }
}

NetworkCosts::~NetworkCosts() = default;

Counters NetworkCosts::end() {
  if (!end_) end_ = meter_.measure({}).end;
  return *end_;
}

const Counters& NetworkCosts::counters(const Policy& policy) {
  if (!hardware().repeatable) {  // a count of another time says nothing
    const MeasuredNetwork measured = measure_network(meter_, network_, policy);
    measured_ += measured.measured;
    return total_ = measured.total;
  }
  const bool checks = queries_++ % kCheckEvery == 0;
  for (const auto& mode : modes_) {
    Unknown unknown;
    bool fits = true;
    do {
      measure(*mode, unknown);
      unknown.segments.clear();
      total_ = end();
      fits = add(*mode, policy, {}, total_, unknown);
    } while (fits && !unknown.segments.empty());
    if (!fits) continue;  // as compile_network does
    if (checks) check(*mode, policy);
    return total_;
  }
  throw InputError(too_small_);
}

std::vector<Counters> NetworkCosts::layers(std::span<const LayerQuery> queries,
                                           const SegmentMeter::Progress& progress) {
  std::vector<Counters> sums(queries.size());
  std::vector<std::size_t> open(queries.size());
  std::iota(open.begin(), open.end(), std::size_t{0});
  for (const auto& mode : modes_) {
    std::vector<std::size_t> refused;
    Unknown unknown;
    do {
      measure(*mode, unknown, progress);
      unknown.segments.clear();
      refused.clear();
      for (const std::size_t i : open) {
        sums[i] = {};
        if (!add(*mode, queries[i].policy, queries[i].layer, sums[i], unknown)) refused.push_back(i);
      }
    } while (!unknown.segments.empty());
    open = std::move(refused);
  }
  if (!open.empty()) throw InputError(too_small_);
  return sums;
}

/// Adds the records of a plan's segments, or of those of one layer; notes those that have none. False where
/// one is too large for the hardware.
bool NetworkCosts::add(Mode& mode, const Policy& policy, std::optional<int> layer, Counters& sum,
                       Unknown& unknown) {
  const std::span<const NetworkPlans::Placed> placed = mode.plans->plan(policy);
  const std::span<const int> layers = mode.plans->layers();
  for (std::size_t i = 0; i < placed.size(); ++i) {
    if (layer && layers[i] != *layer) continue;
    const auto known = mode.records.find(placed[i]);
    if (known == mode.records.end()) {
      unknown.segments.try_emplace(placed[i], Unknown::One{mode.plans->segment(i), i == 0});
      continue;
    }
    if (!known->second.too_small.empty()) {
      too_small_ = known->second.too_small;
      return false;
    }
    add_to(sum, known->second.counters);
  }
  return true;
}

/// Those that are new get records; where one is too large for the hardware, it alone.
void NetworkCosts::measure(Mode& mode, const Unknown& unknown, const SegmentMeter::Progress& progress) {
  if (unknown.segments.empty()) return;
  std::vector<SegmentMeter::Request> requests;
  std::vector<std::pair<NetworkPlans::Placed, Mode::Record>> records;
  for (const auto& [placed, one] : unknown.segments) {
    requests.push_back({&one.segment, one.first});
    records.emplace_back(placed, Mode::Record{{}, text_hash(one.segment, one.first), {}});
  }
  try {
    const SegmentMeter::Result result = meter_.measure(requests, progress);
    measured_ += result.measured;
    for (std::size_t i = 0; i < records.size(); ++i) records[i].second.counters = result.counters[i];
    mode.records.insert(records.begin(), records.end());
  } catch (const SegmentMeter::TooSmall& error) {
    records[error.request].second.too_small = error.what();
    mode.records.insert(records[error.request]);
  }
}

/// That the plan's own segments have these records.
void NetworkCosts::check(Mode& mode, const Policy& policy) {
  const NetworkPlan plan = plan_network(network_, policy, hardware(), mode.options);
  const std::span<const NetworkPlans::Placed> placed = mode.plans->plan(policy);
  bool same = placed.size() == plan.segments.size();
  for (std::size_t i = 0; same && i < placed.size(); ++i)
    same = mode.records.at(placed[i]).text == text_hash(plan.segments[i], i == 0);
  if (same) return;
  throw Error(
      fmt::format("network {}: its cost by tables is not that of its plan under policy {}; this is a "
                  "fault of Bitloop: report it with the network",
                  network_.name, policy.key()));
}

NetworkCosts::Rows NetworkCosts::rows_of(int layer) const {
  const std::vector<int> classes = width_classes(network_);
  const std::vector<int> tensors =
      layer < 0 ? std::vector{network_.input} : Drafter::tensors_of(network_, layer);
  const auto touches = [&](int tensor) {
    return std::any_of(tensors.begin(), tensors.end(), [&](int t) { return classes[t] == classes[tensor]; });
  };
  Rows rows;
  int row = 0;
  for (std::size_t i = 0; i < network_.layers.size(); ++i) {
    if (!network_.layers[i].has_weights()) continue;
    if (static_cast<int>(i) == layer) rows.weights.push_back(row);
    if (touches(network_.layers[i].input())) rows.inputs.push_back(row);
    ++row;
  }
  return rows;
}

}  // namespace bitloop::host
