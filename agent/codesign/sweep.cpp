#include "agent/codesign/sweep.h"

#include <fmt/format.h>

#include <algorithm>
#include <mutex>

#include "agent/codesign/area_model.h"
#include "agent/codesign/fit.h"
#include "host/base/parallel.h"
#include "host/measurement/measure.h"
#include "host/measurement/roofline.h"
#include "sim/sim_device.h"

namespace bitloop::codesign {
namespace {

/// Progress of points that run side by side.
class Progress {
 public:
  Progress(const SweepTools& tools, std::size_t points) : tools_(tools), parts_(points) {}

  void update(std::size_t point, double part, const std::string& note) {
    const std::lock_guard lock(mutex_);
    parts_[point] = part;
    double done = 0;
    std::size_t ended = 0;
    for (const double each : parts_) {
      done += each;
      ended += each == 1 ? 1 : 0;
    }
    tools_.progress(done / static_cast<double>(parts_.size()),
                    fmt::format("{} of {} points; {}", ended, parts_.size(), note));
  }

 private:
  const SweepTools& tools_;
  std::mutex mutex_;
  std::vector<double> parts_;
};

void measure(SweepRow& row, const SweepPlan& plan, host::SegmentMeter& meter, const host::Policy& policy,
             const std::function<void(double)>& progress) {
  host::MeasuredNetwork measured;
  try {
    measured = host::measure_network(meter, plan.network, policy, [&](double done, std::size_t all) {
      progress(all == 0 ? 1 : done / static_cast<double>(all));
    });
  } catch (const InputError& error) {  // the policy is legal: the hardware is too small
    row.refusal = error.what();
    return;
  }
  const host::HardwareInfo& hardware = meter.hardware();
  row.fingerprint = hardware.fingerprint;
  row.clock_hz = hardware.clock_hz;
  row.cycles = measured.cycles();
  if (plan.profile) row.energy = host::energy(measured.total, *plan.profile, hardware).total();
  const auto names = host::segment_names(plan.network, measured.segments);
  for (std::size_t i = 0; i < measured.segments.size(); ++i) {
    row.achieved += host::roofline(measured.segments[i], hardware).times(measured.runs[i]).cycles();
    row.layers.emplace_back(names[i], measured.counters[i][0]);
  }
  row.achieved /= static_cast<double>(row.cycles);
}

/// Less is better in all of them.
std::vector<double> values_of(const SweepRow& row, const std::vector<std::string>& measures, bool has_chip) {
  std::vector<double> values;
  for (const std::string& measure : measures) {
    if (measure == "time") values.push_back(row.milliseconds());
    if (measure == "energy") values.push_back(row.energy);
    if (measure != "area") continue;
    if (has_chip)
      values.push_back(row.share);
    else
      values.insert(values.end(), {row.area.lut, row.area.dsp, row.area.bram});
  }
  return values;
}

bool beats(const std::vector<double>& one, const std::vector<double>& other) {
  return one != other && std::ranges::equal(one, other, [](double a, double b) { return a <= b; });
}

}  // namespace

std::vector<SweepRow> sweep(const SweepPlan& plan, const SweepTools& tools) {
  if (plan.chip) (void)fitting(plan.hardware, *plan.chip);
  std::vector<SweepRow> rows;
  for (const std::string& hardware : plan.hardware) {
    const host::HardwareInfo info = sim::hardware_info(hardware);
    const bool known = model_is_of_rtl(info);
    const Area area = AreaModel::committed().total(info);
    for (const std::string& memory : plan.memories) {
      for (const auto& [name, policy] : plan.policies) {
        SweepRow row{
            .hardware = hardware, .memory = memory, .policy = name, .area = area, .area_known = known};
        if (plan.chip) {
          row.share = largest_share(area, *plan.chip).share;
          row.refusal = refusal_by(area, *plan.chip);
        }
        rows.push_back(std::move(row));
      }
    }
  }
  const std::size_t policies = plan.policies.size();
  std::vector<std::size_t> points;  // first rows of those that fit
  for (std::size_t i = 0; i < rows.size(); i += policies)
    if (rows[i].refusal.empty()) points.push_back(i);
  Progress progress(tools, points.size());
  host::parallel_for(static_cast<int>(points.size()), tools.workers, [&](int point, int) {
    const auto at = static_cast<std::size_t>(point);
    SweepRow* const first = &rows[points[at]];
    progress.update(at, 0, first->hardware);
    const auto pool = tools.open(first->hardware, first->memory);
    pool->admit();  // what is wrong with the hardware itself is no row
    host::SegmentMeter meter(pool, tools.store);
    for (std::size_t i = 0; i < policies; ++i) {
      measure(first[i], plan, meter, plan.policies[i].second, [&](double done) {
        progress.update(at, (static_cast<double>(i) + 0.999 * done) / static_cast<double>(policies),
                        first->hardware);
      });
    }
    progress.update(at, 1, first->hardware);
  });
  return rows;
}

void mark_best(std::vector<SweepRow>& rows, const std::vector<std::string>& measures, bool has_chip) {
  const bool by_area = std::ranges::find(measures, "area") != measures.end();
  for (SweepRow& row : rows) {
    if (!row.refusal.empty() || (by_area && !row.area_known)) continue;
    const auto own = values_of(row, measures, has_chip);
    row.best = std::ranges::none_of(rows, [&](const SweepRow& other) {
      return other.refusal.empty() && other.policy == row.policy && (other.area_known || !by_area) &&
             beats(values_of(other, measures, has_chip), own);
    });
  }
}

std::vector<LayerChange> rtl_changes(const std::vector<SweepRow>& rows) {
  std::vector<LayerChange> changes;
  for (const SweepRow& row : rows) {
    if (sim::rtl_of(row.hardware).empty() || !row.refusal.empty()) continue;
    const auto before = std::ranges::find_if(rows, [&](const SweepRow& other) {
      return other.hardware == sim::with_rtl(row.hardware, "") && other.memory == row.memory &&
             other.policy == row.policy && other.refusal.empty();
    });
    if (before == rows.end()) continue;
    const auto add = [&](const std::string& layer, host::Cycles from, host::Cycles to) {
      changes.push_back({row.hardware, row.memory, row.policy, layer, from, to});
    };
    add("total", before->cycles, row.cycles);
    for (const auto& [layer, cycles] : row.layers) {
      const auto same =
          std::ranges::find(before->layers, layer, &std::pair<std::string, host::Cycles>::first);
      if (same != before->layers.end() && same->second != cycles) add(layer, same->second, cycles);
    }
  }
  return changes;
}

}  // namespace bitloop::codesign
