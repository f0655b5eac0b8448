#include "agent/codesign/area_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "host/base/error.h"
#include "sim/sim_device.h"

namespace bitloop::codesign {
namespace {

constexpr double kLargeBlock = 500;  // LUTs
constexpr double kBlockTarget = 0.06;
constexpr double kTotalTarget = 0.04;

const BlockArea& block_named(const std::vector<BlockArea>& blocks, std::string_view name) {
  for (const BlockArea& block : blocks) {
    if (block.block == name) return block;
  }
  throw Error(std::string("no block ") + std::string(name));
}

constexpr const char* kSmall = R"json({
  "rtl": "0", "tool": "Yosys", "fitted": ["p=2,f=4", "p=8,f=16"],
  "error": {"total_lut": 0.01, "block_lut": 0.02, "configurations": [{}]},
  "blocks": {
    "array": {"levels": [3, 5], "terms": [
      {"of": "1", "instances": 1, "lut": 10}, {"of": "p*f", "lut": 2, "dsp": 1},
      {"of": "log2(p)", "lut": 100}, {"of": "p*max(f,8)", "ff": 1}, {"of": "p=2", "bram": 0.5},
      {"of": "mux(32p/f)", "ff": 100}]},
    "lanes": {"absent": "f=2", "levels": [1, 1], "terms": [{"of": "1", "instances": 1, "lut": 7}]}
  }
})json";

TEST(AreaModel, a_blocks_area_is_the_sum_of_its_terms) {
  const AreaModel model(kSmall);
  const auto blocks = model.blocks(sim::hardware_info("p=2,f=4"));
  ASSERT_EQ(blocks.size(), 2U);
  EXPECT_EQ(blocks[0].instances, 1);
  EXPECT_EQ(blocks[0].area, (Area{.lut = 10 + 2 * 2 * 4 + 100, .ff = 2 * 8 + 500, .dsp = 8, .bram = 0.5}));
  EXPECT_EQ(model.total(sim::hardware_info("p=4,f=16")).lut, 10 + 2 * 4 * 16 + 2 * 100 + 7);
}

TEST(AreaModel, a_block_that_a_configuration_lacks_takes_nothing) {
  EXPECT_EQ(AreaModel(kSmall).blocks(sim::hardware_info("p=2,f=2")).size(), 1U);
}

TEST(AreaModel, levels_are_those_of_the_nearest_configuration_that_was_synthesized) {
  const AreaModel model(kSmall);
  EXPECT_EQ(block_named(model.blocks(sim::hardware_info("p=2,f=8")), "array").levels, 3);
  EXPECT_EQ(block_named(model.blocks(sim::hardware_info("p=8,f=32")), "array").levels, 5);
  EXPECT_EQ(block_named(model.blocks(sim::hardware_info("p=4,f=8")), "array").levels, 5)
      << "both are as near";
}

TEST(AreaModel, parameters_beyond_those_that_it_was_fitted_to_are_named) {
  const AreaModel model(kSmall);
  EXPECT_EQ(model.beyond(sim::hardware_info("p=4,f=8")), "");
  EXPECT_EQ(model.beyond(sim::hardware_info("p=16,f=2")), "p=16,f=2");
  EXPECT_EQ(model.beyond(sim::hardware_info("p=8,f=8,channel_lanes=16")), "channel_lanes=16");
}

TEST(AreaModel, what_is_no_model_is_refused) {
  EXPECT_THROW(AreaModel(""), Error);
  EXPECT_THROW(AreaModel("{}"), Error);
  std::string unknown = kSmall;
  unknown.replace(unknown.find("log2(p)"), 7, "log2(q)");
  EXPECT_THROW(AreaModel{unknown}, Error);
}

// The budgets are what Yosys counts for these two, within 3 %, which scripts/check_area holds.
TEST(AreaModel, the_committed_model_agrees_with_the_budgets) {
  std::ifstream file(BITLOOP_ROOT "/rtl/area_budget.json");
  const auto budgets = nlohmann::json::parse(file).at("configurations");
  for (const auto& [name, budget] : budgets.items()) {
    const auto blocks = AreaModel::committed().blocks(sim::hardware_info(name));
    Area all;
    for (const auto& [block, counted] : budget.at("area").items()) {
      Area area;
      for (const Resource& resource : kResources) area.*resource.amount = counted.at(resource.name);
      all += area;
      if (area.lut > kLargeBlock) {
        EXPECT_NEAR(block_named(blocks, block).area.lut / area.lut, 1, kBlockTarget) << name << " " << block;
      }
    }
    const Area modeled = total(blocks);
    EXPECT_NEAR(modeled.lut / all.lut, 1, kTotalTarget) << name;
    EXPECT_NEAR(modeled.ff / all.ff, 1, kTotalTarget) << name;
    EXPECT_EQ(modeled.dsp, all.dsp) << name;
    EXPECT_EQ(modeled.bram, all.bram) << name;
  }
}

TEST(AreaModel, the_committed_model_keeps_its_targets_where_it_was_not_fitted) {
  const auto& off = AreaModel::committed().deviation();
  EXPECT_GE(off.configurations, 8);
  EXPECT_LE(off.total_lut, kTotalTarget);
  EXPECT_LE(off.block_lut, kBlockTarget);
}

// The script that fitted the model evaluates it by itself.
TEST(AreaModel, the_committed_model_says_what_its_errors_were_computed_from) {
  const auto json = nlohmann::json::parse(area_model_json());
  for (const auto& recorded : json.at("error").at("configurations")) {
    const std::string hardware = recorded.at("hardware");
    const Area all = AreaModel::committed().total(sim::hardware_info(hardware));
    for (const Resource& resource : kResources) {
      EXPECT_EQ(all.*resource.amount, recorded.at(resource.name).at("model"))
          << hardware << " " << resource.name;
    }
  }
}

TEST(Chips, are_found_by_name_and_others_are_refused_with_the_list) {
  EXPECT_EQ(chip_named("zynq7020").capacity, (Area{.lut = 53'200, .ff = 106'400, .dsp = 220, .bram = 140}));
  try {
    chip_named("zynq9000");
    FAIL() << "accepted";
  } catch (const InputError& e) {
    EXPECT_THAT(e.what(), testing::AllOf(testing::HasSubstr("zynq9000"), testing::HasSubstr("artix35t")));
  }
}

TEST(Chips, hold_what_takes_no_more_of_any_resource) {
  const Chip chip{"small", "Small", {.lut = 100, .ff = 200, .dsp = 4, .bram = 2}};
  EXPECT_TRUE(fits({.lut = 100, .ff = 10, .dsp = 4, .bram = 2}, chip));
  EXPECT_FALSE(fits({.lut = 10, .ff = 10, .dsp = 1, .bram = 2.5}, chip));
  const LargestShare most = largest_share({.lut = 50, .ff = 10, .dsp = 3, .bram = 1}, chip);
  EXPECT_STREQ(most.resource->name, "dsp");
  EXPECT_EQ(most.share, 0.75);
}

}  // namespace
}  // namespace bitloop::codesign
