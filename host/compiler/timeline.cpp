#include "host/compiler/timeline.h"

#include <algorithm>

#include "host/program/plane_words.h"

namespace bitloop::host {
namespace {

constexpr double kStartUp = 15;    // cycles between instructions of an engine
constexpr double kPackCycles = 5;  // per packed position

/// The instruction that a 16-bit wait names, counted from 1, where `issued` have been issued.
std::size_t named(std::uint16_t wait, std::size_t issued) {
  const auto behind = static_cast<std::uint16_t>(issued - wait);
  return issued - behind;
}

double words(const RowTransfer& i) { return static_cast<double>(i.rows) * i.width * i.words; }

}  // namespace

double Timeline::transfer_cycles(const Operation& operation) const {
  if (const auto* i = std::get_if<LoadAct>(&operation)) return words(*i);
  if (const auto* i = std::get_if<Store>(&operation)) return words(*i);
  if (const auto* i = std::get_if<LoadWeight>(&operation))
    return static_cast<double>(i->words) * hardware_.filters;
  if (const auto* i = std::get_if<LoadParam>(&operation))
    return i->slots * parameter_words(hardware_.filters);
  if (std::holds_alternative<LoadTable>(operation)) return LoadTable::kWords;
  if (const auto* i = std::get_if<LoadImage>(&operation)) return i->beside ? 0 : i->words;
  if (const auto* i = std::get_if<Pack>(&operation)) return kPackCycles * i->packed_rows * i->packed_width;
  return 0;
}

void Timeline::update(const Program& program, double cycles) {
  const std::vector<Instruction>& instructions = program.instructions();
  for (; seen_ < instructions.size(); ++seen_) {
    const Instruction& instruction = instructions[seen_];
    const auto engine = static_cast<std::size_t>(engine_of(instruction.operation));
    double start = ends_[engine].empty() ? 0 : ends_[engine].back();
    for (std::size_t e = 0; e < kEngines; ++e) {
      const std::size_t last = e == engine ? 0 : named(instruction.waits[e], ends_[e].size());
      if (last > 0) start = std::max(start, ends_[e][last - 1]);
    }
    const bool compute = engine == static_cast<std::size_t>(Engine::compute);
    if (compute) compute_start_ = start;
    ends_[engine].push_back(start + kStartUp + (compute ? cycles : transfer_cycles(instruction.operation)));
  }
}

int Timeline::loads_after(double time) const {
  const std::vector<double>& ends = ends_[static_cast<std::size_t>(Engine::load)];
  return static_cast<int>(ends.end() - std::upper_bound(ends.begin(), ends.end(), time));
}

}  // namespace bitloop::host
