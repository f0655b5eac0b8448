#include "agent/run/sensitivities.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <map>
#include <numbers>
#include <optional>
#include <sstream>

#include "agent/evaluation/choice_effects.h"
#include "agent/run/files.h"
#include "agent/searchers/profile.h"
#include "host/base/atomic_file.h"
#include "quant/sensitivity/sensitivity.h"

namespace bitloop::agent {
namespace {

constexpr const char* kLoss = "loss";
constexpr const char* kColumns = "measure,decision,kind,choice,bits,images,value,clean,price\n";
constexpr double kAnyPrice = 1e9;      ///< in evaluations: so much that all probes fit
constexpr double kLeastShare = 1e-14;  ///< of noise that is told: 140 dB, more than single precision has

/// A measure whose values grow with the bits.
bool falls_with_noise(const std::string& measure) {
  return measure != kLoss && quant::sensitivity_measure(measure).is_noise_share;
}

/// Share of a signal's power to decibels below it, with its variance to first order.
search::MeasuredEffect decibels(const search::MeasuredEffect& share) {
  constexpr double kPerFactor = 10 / std::numbers::ln10;
  const double noise = std::max(kLeastShare, share.value);
  return {-kPerFactor * std::log(noise), share.variance * std::pow(kPerFactor / noise, 2)};
}

/// Fills in `clean`.
void clean_up(const search::Space& space, MeasuredSensitivities& measured) {
  const bool falls = falls_with_noise(measured.measure);
  const double sign = falls ? -1 : 1;  // what is pooled falls with the bits
  const double least = falls ? -std::numeric_limits<double>::infinity() : 0;
  std::vector<search::MeasuredEffect> effects;
  const auto pool_decisions = [&] {
    for (std::size_t first = 0, end = 0; first < measured.rows.size(); first = end) {
      while (end < measured.rows.size() && measured.rows[end].decision == measured.rows[first].decision)
        ++end;
      std::vector<search::MeasuredEffect> decision(effects.begin() + static_cast<std::ptrdiff_t>(first),
                                                   effects.begin() + static_cast<std::ptrdiff_t>(end));
      search::pool_violators(decision);
      std::ranges::copy(decision, effects.begin() + static_cast<std::ptrdiff_t>(first));
    }
  };
  for (const Sensitivity& row : measured.rows)
    effects.push_back({sign * row.effect.value, row.effect.variance});
  pool_decisions();
  std::map<std::pair<std::string, double>, std::vector<std::reference_wrapper<search::MeasuredEffect>>> alike;
  for (std::size_t i = 0; i < effects.size(); ++i) {
    const search::Decision& decision = space.decisions[measured.rows[i].decision];
    alike[{decision.kind, decision.choices[measured.rows[i].choice].bits}].emplace_back(effects[i]);
  }
  for (auto& [key, group] : alike) search::shrink(group);
  pool_decisions();  // widths shrink differently
  for (std::size_t i = 0; i < effects.size(); ++i)
    measured.rows[i].clean = sign * std::max(least, effects[i].value);
}

/// Rows of the folder's file, by measure.
std::map<std::string, std::string> measured_rows(const RunFolder& folder) {
  std::map<std::string, std::string> rows;
  if (!std::filesystem::exists(folder.sensitivities())) return rows;
  std::istringstream lines(read_file(folder.sensitivities()));
  std::string line;
  std::getline(lines, line);  // names of columns
  while (std::getline(lines, line)) rows[line.substr(0, line.find(','))] += line + '\n';
  return rows;
}

/// Losses go last: a line may add them when the search has begun.
void write_rows(const RunFolder& folder, const std::map<std::string, std::string>& rows) {
  std::string text = kColumns;
  for (const auto& [measure, of_measure] : rows)
    if (measure != kLoss) text += of_measure;
  const auto losses = rows.find(kLoss);
  if (losses != rows.end()) text += losses->second;
  host::write_file_atomically(folder.sensitivities(), text);
}

std::string rows_of(const search::Space& space, const MeasuredSensitivities& measured) {
  std::string rows;
  for (const Sensitivity& row : measured.rows) {
    const search::Decision& decision = space.decisions[row.decision];
    const search::Choice& choice = decision.choices[row.choice];
    rows += fmt::format("{},{},{},{},{:g},{},{},{},{}\n", measured.measure, decision.name, decision.kind,
                        choice.label, choice.bits, row.images, row.effect.value, row.clean, row.price);
  }
  return rows;
}

MeasuredSensitivities by_probes(const Stage& stage, const std::string& title) {
  const search::Profile all(stage.problem, kAnyPrice, /*share=*/1);
  return loss_sensitivities(stage.problem.space, evaluated(stage, title, all.queries()));
}

/// Which decisions suffer most by their fewest bits: "most sensitive: conv1 weights, conv2 input".
std::string most_sensitive(const search::Space& space, const MeasuredSensitivities& measured) {
  constexpr std::size_t kShown = 3;
  std::vector<Sensitivity> lowest;
  for (const Sensitivity& row : measured.rows)
    if (row.choice == 0) lowest.push_back(row);
  const double sign = falls_with_noise(measured.measure) ? 1 : -1;
  std::ranges::stable_sort(lowest, {}, [&](const Sensitivity& row) { return sign * row.clean; });
  std::vector<std::string> names;
  for (const Sensitivity& row : lowest)
    if (names.size() < kShown) names.push_back(space.decisions[row.decision].name);
  return names.empty() ? "" : fmt::format("most sensitive: {}", fmt::join(names, ", "));
}

}  // namespace

std::vector<std::string> sensitivity_names() {
  std::vector<std::string> names = quant::sensitivity_measure_names();
  names.emplace_back(kLoss);
  return names;
}

MeasuredSensitivities float_sensitivities(Laboratory& laboratory, const std::string& measure,
                                          std::uint64_t seed, int threads, const quant::Progress& progress) {
  const ChoiceEffects found =
      choice_effects(laboratory.policies(), laboratory.quantizer(), laboratory.task().recipe().retraining,
                     measure, {.seed = seed, .threads = threads}, progress);
  const bool is_noise_share = quant::sensitivity_measure(measure).is_noise_share;
  const search::Space& space = laboratory.policies().space();
  MeasuredSensitivities result{measure};
  for (int d = 0; d < space.size(); ++d) {
    for (int choice = 0; choice < space.decisions[d].size(); ++choice) {
      const auto& [effect, images] = found.choices[d][choice];
      result.rows.push_back({.decision = d,
                             .choice = choice,
                             .images = images,
                             .effect = is_noise_share ? decibels(effect) : effect});
    }
  }
  const auto payers = std::ranges::count_if(result.rows, [](const auto& row) { return row.images > 0; });
  const double price = found.passes * laboratory.task().prices().probe_per_image;
  for (Sensitivity& row : result.rows)
    if (row.images > 0) row.price = price / static_cast<double>(payers);
  clean_up(space, result);
  return result;
}

MeasuredSensitivities loss_sensitivities(const search::Space& space,
                                         std::span<const search::Answer> answers) {
  const search::Assignment highest = space.highest();
  std::map<int, const search::Answer*> bases;  // by images
  std::map<std::pair<int, int>, const search::Answer*> probes;
  for (const search::Answer& answer : answers) {
    if (answer.query.fidelity != search::Fidelity::probe || answer.remembered) continue;
    std::vector<int> changed;
    for (int d = 0; d < space.size(); ++d)
      if (answer.query.assignment[d] != highest[d]) changed.push_back(d);
    if (changed.empty()) bases[answer.images()] = &answer;
    if (changed.size() != 1) continue;
    const search::Answer*& known =
        probes[{changed.front(), answer.query.assignment[static_cast<std::size_t>(changed.front())]}];
    if (known == nullptr || known->images() < answer.images()) known = &answer;
  }
  std::erase_if(probes, [&](const auto& probe) { return !bases.contains(probe.second->images()); });
  MeasuredSensitivities result{kLoss};
  for (const auto& [place, answer] : probes) {
    const search::Answer& base = *bases.at(answer->images());
    const double rise = answer->loss() - base.loss();
    const auto sharers = std::ranges::count_if(
        probes, [&](const auto& probe) { return probe.second->images() == answer->images(); });
    result.rows.push_back({.decision = place.first,
                           .choice = place.second,
                           .images = answer->images(),
                           .effect = {rise, search::rise_variance(rise, answer->images())},
                           .price = answer->price + base.price / static_cast<double>(sharers)});
  }
  clean_up(space, result);
  return result;
}

std::string sensitivities_csv(const search::Space& space, std::span<const MeasuredSensitivities> measured) {
  std::string text = kColumns;
  for (const MeasuredSensitivities& by : measured) text += rows_of(space, by);
  return text;
}

void measure_sensitivities(const Stage& stage) {
  std::map<std::string, std::string> rows = measured_rows(stage.folder);
  for (const std::string& measure : stage.config.sensitivities) {
    if (rows.contains(measure)) continue;
    const std::string title = "sensitivities by " + measure;
    const auto tell = [&](double done, const std::string& note) { stage.observer(title, done, note); };
    tell(0, "");
    const auto progress = [&](double done, const std::string& note) {
      if (done < 1) tell(done, note);  // the end has a note
    };
    const MeasuredSensitivities measured =
        measure == kLoss
            ? by_probes(stage, title)
            : float_sensitivities(stage.laboratory, measure, stage.config.seed, stage.workers, progress);
    rows[measure] = rows_of(stage.problem.space, measured);
    write_rows(stage.folder, rows);
    tell(1, most_sensitive(stage.problem.space, measured));
  }
}

void add_probed_losses(const Stage& stage, const std::vector<search::Step>& steps) {
  const std::vector<std::string>& measures = stage.config.sensitivities;
  if (std::ranges::find(measures, kLoss) != measures.end()) return;
  std::vector<search::Answer> answers;
  for (const search::Step& step : steps) answers.push_back(step.answer);
  std::map<std::string, std::string> rows = measured_rows(stage.folder);
  rows[kLoss] = rows_of(stage.problem.space, loss_sensitivities(stage.problem.space, answers));
  write_rows(stage.folder, rows);
}

}  // namespace bitloop::agent
