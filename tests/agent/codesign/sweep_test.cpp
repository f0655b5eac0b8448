#include "agent/codesign/sweep.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "host/base/error.h"
#include "host/measurement/measure.h"
#include "sim/sim_device.h"

namespace bitloop::codesign {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

SweepPlan plan(std::vector<std::string> hardware) {
  SweepPlan plan{.network = host::zoo_network("lenet", {}),
                 .policies = {},
                 .hardware = std::move(hardware),
                 .memories = {"ddr8", "latency=200"},
                 .chip = {},
                 .profile = {}};
  for (const int bits : {8, 2})
    plan.policies.emplace_back(fmt::format("w{0}a{0}", bits), host::uniform_policy(plan.network, bits, bits));
  return plan;
}

std::shared_ptr<host::DevicePool> open(const std::string& hardware, const std::string& memory) {
  return std::make_shared<host::DevicePool>("sim", [=] {
    return sim::make_sim_device(hardware, sim::parse_memory(memory), {}, sim::Detail::timing);
  });
}

SweepTools tools() {
  return {.open = open, .store = nullptr, .progress = [](double, const std::string&) {}, .workers = 2};
}

TEST(Sweep, measures_each_point_as_the_device_itself_does) {
  const SweepPlan plan = codesign::plan({"default", "tiny"});
  const auto rows = sweep(plan, tools());
  ASSERT_EQ(rows.size(), 8u);
  std::size_t at = 0;
  for (const char* hardware : {"default", "tiny"}) {
    for (const char* memory : {"ddr8", "latency=200"}) {
      for (const auto& [name, policy] : plan.policies) {
        SCOPED_TRACE(fmt::format("{} {} {}", hardware, memory, name));
        const SweepRow& row = rows[at++];
        EXPECT_EQ(row.hardware, hardware);
        EXPECT_EQ(row.memory, memory);
        EXPECT_EQ(row.policy, name);
        EXPECT_EQ(row.cycles, host::run_network(*open(hardware, memory), plan.network, policy).cycles());
        host::Cycles sum = 0;
        for (const auto& [layer, cycles] : row.layers) sum += cycles;
        EXPECT_LE(sum, row.cycles);
        EXPECT_GT(row.achieved, 0);
        EXPECT_LE(row.achieved, 1);
      }
    }
  }
}

TEST(Sweep, does_not_measure_what_does_not_fit_the_chip) {
  SweepPlan plan = codesign::plan({"default", "tiny"});
  plan.chip = Chip{"small", "a chip", {.lut = 30'000, .ff = 100'000, .dsp = 100, .bram = 100}};
  const auto rows = sweep(plan, tools());
  EXPECT_THAT(rows.front().refusal, HasSubstr("of small"));
  EXPECT_EQ(rows.front().cycles, 0);
  EXPECT_GT(rows.back().cycles, 0);
  plan.chip->capacity.lut = 100;
  EXPECT_THAT(
      [&] { (void)sweep(plan, tools()); },
      ThrowsMessage<InputError>(testing::AllOf(HasSubstr("the smallest is tiny"), HasSubstr("small"))));
}

SweepRow row(const std::string& hardware, const std::string& policy, host::Cycles cycles, double share) {
  return {.hardware = hardware,
          .memory = "ddr8",
          .policy = policy,
          .share = share,
          .clock_hz = 1e8,
          .cycles = cycles};
}

TEST(Sweep, marks_what_no_other_point_of_the_policy_beats) {
  std::vector<SweepRow> rows{row("a", "w8a8", 100, 0.5), row("b", "w8a8", 90, 0.6),
                             row("c", "w8a8", 100, 0.6), row("d", "w8a8", 100, 0.5),
                             row("a", "w4a4", 50, 0.9)};
  rows.push_back(row("e", "w4a4", 10, 0.1));
  rows.back().refusal = "too small";
  mark_best(rows, {"time", "area"}, true);
  std::string best;
  for (const SweepRow& each : rows) best += each.best ? '*' : '-';
  EXPECT_EQ(best, "**-**-");
}

TEST(Sweep, tells_what_other_rtl_changes_in_which_layer) {
  std::vector<SweepRow> rows{row("default", "w8a8", 100, 0), row("default@slow", "w8a8", 110, 0)};
  rows[0].layers = {{"conv1", 60}, {"fc1", 40}};
  rows[1].layers = {{"conv1", 60}, {"fc1", 50}};
  const auto changes = rtl_changes(rows);
  ASSERT_EQ(changes.size(), 2u);
  EXPECT_EQ(changes[0].layer, "total");
  EXPECT_EQ(changes[1].layer, "fc1");
  EXPECT_EQ(changes[1].before, 40u);
  EXPECT_EQ(changes[1].after, 50u);
}

}  // namespace
}  // namespace bitloop::codesign
