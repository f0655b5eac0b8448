#include "host/measurement/energy.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <cmath>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "host/base/error.h"
#include "host/device/registers.h"
#include "host/measurement/energy_profiles.h"

namespace bitloop::host {
namespace {

using Json = nlohmann::json;

struct Field {
  const char* key;
  double EnergyProfile::*value;
};
constexpr std::array kFields = {
    Field{"binary_mac_pj", &EnergyProfile::binary_mac},
    Field{"accumulation_pj", &EnergyProfile::accumulation},
    Field{"channel_lane_pj", &EnergyProfile::channel_lane},
    Field{"pool_word_pj", &EnergyProfile::pool_word},
    Field{"requantization_pj", &EnergyProfile::requantization},
    Field{"dram_read_pj", &EnergyProfile::dram_read},
    Field{"dram_write_pj", &EnergyProfile::dram_write},
    Field{"static_watts", &EnergyProfile::static_watts},
};
struct SramField {
  const char* key;
  double EnergyProfile::Sram::*value;
};
constexpr std::array kSramFields = {
    SramField{"bytes", &EnergyProfile::Sram::bytes},
    SramField{"read_pj", &EnergyProfile::Sram::read},
    SramField{"write_pj", &EnergyProfile::Sram::write},
};

[[noreturn]] void refuse(const std::string& where, const std::string& what) {
  throw InputError(fmt::format("energy profile {}: {}; docs/energy.md has the format", where, what));
}

const Json& member(const Json& object, const char* key, const std::string& where) {
  const auto found = object.find(key);
  if (found == object.end()) refuse(where, fmt::format("'{}' is missing", key));
  return *found;
}

double number(const Json& object, const char* key, const std::string& where) {
  const Json& value = member(object, key, where);
  if (!value.is_number() || !std::isfinite(value.get<double>()) || value.get<double>() < 0) {
    refuse(where, fmt::format("'{}' is {}, not a number of at least 0", key, value.dump()));
  }
  return value.get<double>();
}

std::string string(const Json& object, const char* key, const std::string& where) {
  const Json& value = member(object, key, where);
  if (!value.is_string() || value.get<std::string>().empty()) {
    refuse(where, fmt::format("'{}' is {}, not a text", key, value.dump()));
  }
  return value.get<std::string>();
}

/// Every key of `object` must be one of `fields` or of `others`.
template <typename Fields>
void refuse_unknown(const Json& object, const Fields& fields, std::initializer_list<std::string_view> others,
                    const std::string& where) {
  for (const auto& [key, value] : object.items()) {
    bool known = false;
    for (const auto& field : fields) known = known || key == field.key;
    for (const std::string_view other : others) known = known || key == other;
    if (!known) refuse(where, fmt::format("'{}' is not known", key));
  }
}

std::vector<EnergyProfile::Sram> parse_sram(const Json& json, const std::string& where) {
  if (!json.is_array() || json.empty()) refuse(where, "'sram' is not a list of at least one size");
  std::vector<EnergyProfile::Sram> sram;
  for (const Json& item : json) {
    if (!item.is_object()) refuse(where, fmt::format("{} in 'sram' is not an object", item.dump()));
    refuse_unknown(item, kSramFields, {}, where);
    EnergyProfile::Sram point;
    for (const SramField& field : kSramFields) point.*field.value = number(item, field.key, where);
    if (point.bytes <= (sram.empty() ? 0 : sram.back().bytes)) {
      refuse(where, "the 'bytes' in 'sram' do not ascend from above 0");
    }
    if (point.read <= 0 || point.write <= 0) refuse(where, "an energy in 'sram' is 0");
    sram.push_back(point);
  }
  return sram;
}

/// Of a bank of `bytes`.
double sram_word(const std::vector<EnergyProfile::Sram>& sram, double bytes,
                 double EnergyProfile::Sram::*value) {
  std::size_t upper = 1;
  while (upper + 1 < sram.size() && sram[upper].bytes < bytes) ++upper;
  const EnergyProfile::Sram& low = sram[upper - 1];
  if (upper == sram.size()) return low.*value;
  const EnergyProfile::Sram& high = sram[upper];
  const double slope = std::log(high.*value / (low.*value)) / std::log(high.bytes / low.bytes);
  return low.*value * std::pow(bytes / low.bytes, slope);
}

}  // namespace

Energy energy(const Counters& counters, const EnergyProfile& profile, const HardwareInfo& hardware) {
  const auto count = [&](std::size_t counter) { return static_cast<double>(counters[counter]); };
  const auto bank = [](int rows) { return 8.0 * rows; };
  const auto sram = [&](std::size_t reads, std::size_t writes, double bytes) {
    return count(reads) * sram_word(profile.sram, bytes, &EnergyProfile::Sram::read) +
           count(writes) * sram_word(profile.sram, bytes, &EnergyProfile::Sram::write);
  };
  const double pixels = hardware.pixels;
  Energy result;
  result.compute =
      count(registers::kCounterBinaryMacs) * profile.binary_mac +
      count(registers::kCounterArrayActive) * pixels * hardware.filters * profile.accumulation +
      count(registers::kCounterChannelActive) * pixels * hardware.channel_lanes * profile.channel_lane +
      count(registers::kCounterPoolActive) * pixels * profile.pool_word;
  result.requantization = count(registers::kCounterRequantizeOps) * profile.requantization;
  result.activation_sram = sram(registers::kCounterActivationReads, registers::kCounterActivationWrites,
                                bank(hardware.activation_rows));
  result.weight_sram =
      sram(registers::kCounterWeightReads, registers::kCounterWeightWrites, bank(hardware.weight_rows));
  result.dram = count(registers::kCounterReadBeats) * profile.dram_read +
                count(registers::kCounterWriteBeats) * profile.dram_write;
  result.idle = count(registers::kCounterCycles) / hardware.clock_hz * profile.static_watts * 1e12;
  return result;
}

std::vector<std::string> energy_profile_names() {
  std::vector<std::string> names;
  for (const std::string_view text : kEnergyProfiles) {
    names.push_back(parse_energy_profile(text, "of Bitloop").name);
  }
  return names;
}

EnergyProfile load_energy_profile(const std::string& text) {
  for (const std::string_view built_in : kEnergyProfiles) {
    EnergyProfile profile = parse_energy_profile(built_in, "of Bitloop");
    if (profile.name == text) return profile;
  }
  std::ifstream file(text, std::ios::binary);
  if (!file) {
    throw InputError(fmt::format("energy profile '{}' is neither a file that can be read nor one of: {}",
                                 text, fmt::join(energy_profile_names(), ", ")));
  }
  const std::string json{std::istreambuf_iterator<char>(file), {}};
  return parse_energy_profile(json, text);
}

EnergyProfile parse_energy_profile(std::string_view text, const std::string& where) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) refuse(where, "not a JSON object");
  refuse_unknown(json, kFields, {"name", "source", "calibrated", "sram"}, where);
  EnergyProfile profile;
  profile.name = string(json, "name", where);
  profile.source = string(json, "source", where);
  const Json& calibrated = member(json, "calibrated", where);
  if (!calibrated.is_boolean()) refuse(where, "'calibrated' is neither true nor false");
  profile.calibrated = calibrated.get<bool>();
  for (const Field& field : kFields) profile.*field.value = number(json, field.key, where);
  profile.sram = parse_sram(member(json, "sram", where), where);
  return profile;
}

}  // namespace bitloop::host
