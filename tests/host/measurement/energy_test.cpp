// Energies against numbers worked out by hand, and profiles that must be refused.
#include "host/measurement/energy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>

#include "host/device/registers.h"

namespace bitloop::host::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;
using Json = nlohmann::json;

/// Each number a different power of two, or small prime: no two terms can stand for each other.
const char* const kText = R"({
  "name": "mine", "source": "the wattmeter on my desk", "calibrated": true,
  "binary_mac_pj": 0.5, "accumulation_pj": 3, "channel_lane_pj": 5, "pool_word_pj": 7, "requantization_pj": 11,
  "sram": [ { "bytes": 1024, "read_pj": 2, "write_pj": 4 }, { "bytes": 4096, "read_pj": 4, "write_pj": 8 } ],
  "dram_read_pj": 1300, "dram_write_pj": 1700, "static_watts": 0.25 })";

/// P = 2, F = 4, 16 channelwise lanes, activation banks of 1 KB, weight banks of 4 KB, 50 MHz.
HardwareInfo hardware() {
  HardwareInfo info;
  info.pixels = 2;
  info.filters = 4;
  info.activation_rows = 128;
  info.weight_rows = 512;
  info.channel_lanes = 16;
  info.clock_hz = 50e6;
  return info;
}

EnergyProfile profile() { return parse_energy_profile(kText, "mine.json"); }

Energy of(std::size_t counter, std::uint64_t value) {
  Counters counters{};
  counters[counter] = value;
  return energy(counters, profile(), hardware());
}

Json edited(const std::function<void(Json&)>& edit) {
  Json json = Json::parse(kText);
  edit(json);
  return json;
}

void expect_refused(const std::string& text, const char* reason) {
  EXPECT_THAT([&] { parse_energy_profile(text, "mine.json"); },
              ThrowsMessage<InputError>(AllOf(HasSubstr("mine.json"), HasSubstr(reason))))
      << text;
}

TEST(Energy, array_costs_products_and_the_accumulation_of_every_unit) {
  EXPECT_DOUBLE_EQ(of(registers::kCounterBinaryMacs, 1000).compute, 500);
  EXPECT_DOUBLE_EQ(of(registers::kCounterArrayActive, 10).compute, 10 * 2 * 4 * 3);
}

TEST(Energy, channelwise_units_cost_by_position_and_channel) {
  EXPECT_DOUBLE_EQ(of(registers::kCounterChannelActive, 10).compute, 10 * 2 * 16 * 5);
}

TEST(Energy, pool_costs_a_word_per_position) {
  EXPECT_DOUBLE_EQ(of(registers::kCounterPoolActive, 10).compute, 10 * 2 * 7);
}

TEST(Energy, requantization_costs_per_lane_operation) {
  EXPECT_DOUBLE_EQ(of(registers::kCounterRequantizeOps, 12).requantization, 132);
}

TEST(Energy, sram_costs_by_the_size_of_its_bank) {
  EXPECT_DOUBLE_EQ(of(registers::kCounterActivationReads, 10).activation_sram, 20);
  EXPECT_DOUBLE_EQ(of(registers::kCounterActivationWrites, 10).activation_sram, 40);
  EXPECT_DOUBLE_EQ(of(registers::kCounterWeightReads, 10).weight_sram, 40);
  EXPECT_DOUBLE_EQ(of(registers::kCounterWeightWrites, 10).weight_sram, 80);
}

TEST(Energy, sram_is_interpolated_between_sizes_and_beyond) {
  HardwareInfo info = hardware();
  Counters counters{};
  counters[registers::kCounterActivationReads] = 1;
  info.activation_rows = 256;  // 2 KB: the geometric middle
  EXPECT_NEAR(energy(counters, profile(), info).activation_sram, 2 * 1.4142135623730951, 1e-9);
  info.activation_rows = 2048;  // 16 KB
  EXPECT_NEAR(energy(counters, profile(), info).activation_sram, 8, 1e-9);
  info.activation_rows = 32;  // 256 bytes
  EXPECT_NEAR(energy(counters, profile(), info).activation_sram, 1, 1e-9);
}

TEST(Energy, one_size_of_sram_holds_for_all) {
  const EnergyProfile one =
      parse_energy_profile(edited([](Json& json) { json["sram"].erase(1); }).dump(), "mine.json");
  Counters counters{};
  counters[registers::kCounterWeightReads] = 10;
  EXPECT_DOUBLE_EQ(energy(counters, one, hardware()).weight_sram, 20);
}

TEST(Energy, memory_costs_per_beat_in_each_direction) {
  EXPECT_DOUBLE_EQ(of(registers::kCounterReadBeats, 10).dram, 13000);
  EXPECT_DOUBLE_EQ(of(registers::kCounterWriteBeats, 10).dram, 17000);
}

TEST(Energy, static_power_costs_by_time) {
  EXPECT_DOUBLE_EQ(of(registers::kCounterCycles, 100).idle, 500'000);  // 2 us at 0.25 W
}

TEST(Energy, segments_add_up_to_their_sum) {
  Counters first{}, second{}, sum{};
  for (std::size_t i = 0; i < registers::kCounterCount; ++i) {
    first[i] = 3 * i + 1;
    second[i] = 1000 - 7 * i;
    sum[i] = first[i] + second[i];
  }
  const auto total = [](const Counters& counters) { return energy(counters, profile(), hardware()).total(); };
  EXPECT_NEAR(total(first) + total(second), total(sum), 1e-6);
}

TEST(Energy, other_counters_cost_nothing) {
  for (const std::size_t counter : {registers::kCounterStallDrain, registers::kCounterLoadBusy,
                                    registers::kCounterReadBursts, registers::kCounterDescriptors}) {
    EXPECT_EQ(of(counter, 1000).total(), 0) << counter_names()[counter];
  }
}

// A layer of the default hardware: 1000 array cycles, as published numbers give it.
TEST(EnergyProfile, horowitz_numbers_give_what_they_give_by_hand) {
  Counters counters{};
  counters[registers::kCounterCycles] = 2000;
  counters[registers::kCounterArrayActive] = 1000;
  counters[registers::kCounterBinaryMacs] = 8'192'000;
  counters[registers::kCounterActivationReads] = 4000;
  counters[registers::kCounterWeightReads] = 16'000;
  counters[registers::kCounterReadBeats] = 500;
  const Energy result = energy(counters, load_energy_profile("asic45_horowitz"), HardwareInfo{});
  EXPECT_NEAR(result.compute, 25'600 + 12'800,
              1e-6);  // 8-bit multiplications of 0.2 pJ; 32-bit additions of 0.1
  EXPECT_NEAR(result.activation_sram, 80'000, 1e-6);  // 32 KB: 20 pJ
  EXPECT_NEAR(result.weight_sram, 160'000, 1e-6);     // 8 KB: 10 pJ
  EXPECT_NEAR(result.dram, 650'000, 1e-6);
  EXPECT_NEAR(result.total(), 928'400, 1e-6);
}

TEST(EnergyProfile, those_of_bitloop_say_that_they_are_not_calibrated) {
  EXPECT_THAT(energy_profile_names(), ElementsAre("asic45_horowitz", "fpga_zynq_estimate"));
  for (const std::string& name : energy_profile_names()) {
    EXPECT_FALSE(load_energy_profile(name).calibrated);
    EXPECT_FALSE(load_energy_profile(name).source.empty());
  }
}

// The board's whole power over its binary multiplications per second (BISMO: 15.4 TOPS below 8 W) bounds the
// array's.
TEST(EnergyProfile, fpga_array_stays_below_what_a_whole_board_draws) {
  Counters counters{};
  counters[registers::kCounterArrayActive] = 1000;
  counters[registers::kCounterBinaryMacs] = 8'192'000;
  const Energy result = energy(counters, load_energy_profile("fpga_zynq_estimate"), HardwareInfo{});
  EXPECT_LT(result.total() / 8'192'000, 1.04);
}

TEST(EnergyProfile, is_read_from_a_file) {
  const auto path =
      std::filesystem::temp_directory_path() / ("bitloop_energy_" + std::to_string(getpid()) + ".json");
  std::ofstream(path) << kText;
  const EnergyProfile read = load_energy_profile(path.string());
  std::filesystem::remove(path);
  EXPECT_EQ(read.name, "mine");
  EXPECT_TRUE(read.calibrated);
  EXPECT_EQ(read.static_watts, 0.25);
}

TEST(EnergyProfile, a_name_that_nobody_knows_is_refused_with_those_that_exist) {
  EXPECT_THAT([] { load_energy_profile("asic46"); },
              ThrowsMessage<InputError>(
                  AllOf(HasSubstr("'asic46'"), HasSubstr("asic45_horowitz, fpga_zynq_estimate"))));
}

TEST(EnergyProfile, what_is_no_profile_is_refused) {
  expect_refused("", "not a JSON object");
  expect_refused("[1]", "not a JSON object");
  expect_refused("{\"name\": \"x\"", "not a JSON object");
}

TEST(EnergyProfile, every_key_must_be_there) {
  const Json whole = Json::parse(kText);
  for (const auto& [key, value] : whole.items()) {
    expect_refused(edited([&](Json& json) { json.erase(key); }).dump(), ("'" + key + "' is missing").c_str());
  }
}

TEST(EnergyProfile, an_unknown_key_is_refused) {
  expect_refused(edited([](Json& json) { json["binary_mac"] = 1; }).dump(), "'binary_mac' is not known");
  expect_refused(edited([](Json& json) { json["sram"][0]["size"] = 1; }).dump(), "'size' is not known");
}

TEST(EnergyProfile, numbers_must_be_numbers_of_at_least_0) {
  expect_refused(edited([](Json& json) { json["dram_read_pj"] = -1; }).dump(), "'dram_read_pj' is -1");
  expect_refused(edited([](Json& json) { json["dram_read_pj"] = "12"; }).dump(), "'dram_read_pj' is \"12\"");
  expect_refused(edited([](Json& json) { json["static_watts"] = nullptr; }).dump(), "'static_watts' is null");
  expect_refused(edited([](Json& json) { json["calibrated"] = "no"; }).dump(), "'calibrated'");
  expect_refused(edited([](Json& json) { json["source"] = ""; }).dump(), "'source'");
}

TEST(EnergyProfile, sizes_of_sram_must_ascend_and_cost_something) {
  expect_refused(edited([](Json& json) { json["sram"] = Json::array(); }).dump(), "'sram'");
  expect_refused(edited([](Json& json) { json["sram"] = 5; }).dump(), "'sram'");
  expect_refused(edited([](Json& json) { json["sram"] = {5}; }).dump(), "not an object");
  expect_refused(edited([](Json& json) { json["sram"][1]["bytes"] = 1024; }).dump(), "ascend");
  expect_refused(edited([](Json& json) { json["sram"][0]["bytes"] = 0; }).dump(), "ascend");
  expect_refused(edited([](Json& json) { json["sram"][0]["read_pj"] = 0; }).dump(), "is 0");
}

}  // namespace
}  // namespace bitloop::host::test
