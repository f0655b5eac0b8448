#include "agent/codesign/spaces.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "host/base/error.h"

namespace bitloop::codesign {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

std::vector<std::string> points(const char* text, const PointLimit& limit = {}) {
  return points_of("--hardware", text, {"default", "tiny"}, limit);
}

std::vector<std::string> hardware(const char* text, const std::vector<std::string>& rtl = {}) {
  return hardware_space("--hardware", text, rtl, {});
}

TEST(Spaces, multiply_their_parameters_the_first_one_slowest) {
  EXPECT_THAT(points("p=2,4 f=8,16"), ElementsAre("p=2,f=8", "p=2,f=16", "p=4,f=8", "p=4,f=16"));
  EXPECT_THAT(points("p=4,f=8"), ElementsAre("p=4,f=8"));
  EXPECT_THAT(points("p=2,4,f=8"), ElementsAre("p=2,f=8", "p=4,f=8"));
}

TEST(Spaces, follow_each_other_with_points_that_have_a_name) {
  EXPECT_THAT(points("default"), ElementsAre("default"));
  EXPECT_THAT(points("default,tiny"), ElementsAre("default", "tiny"));
  EXPECT_THAT(points("p=2,4;tiny"), ElementsAre("p=2", "p=4", "tiny"));
  EXPECT_THAT(points("p=2,4,tiny"), ElementsAre("tiny", "p=2", "p=4"));
}

TEST(Spaces, refuse_what_says_nothing_or_too_much) {
  const auto refusal = [](const char* text) {
    return [text] { (void)points(text, {.most = 20, .advice = ", or --all"}); };
  };
  EXPECT_THAT(refusal("p=2,"), ThrowsMessage<InputError>(HasSubstr("without a value")));
  EXPECT_THAT(refusal("p="), ThrowsMessage<InputError>(HasSubstr("without a value")));
  EXPECT_THAT(refusal("p=2 p=4"), ThrowsMessage<InputError>(HasSubstr("p twice")));
  EXPECT_THAT(refusal("p=2;"), ThrowsMessage<InputError>(HasSubstr("empty space")));
  EXPECT_THAT(refusal("p=1,2,3,4,5 f=1,2,3,4,5"),
              ThrowsMessage<InputError>(
                  AllOf(HasSubstr("25 points, more than 20"), HasSubstr("fewer values, or --all"))));
}

TEST(Spaces, of_hardware_tell_each_configuration_once_by_its_name) {
  EXPECT_THAT(hardware("f=16 p=4,8;default"), ElementsAre("p=4", "default"));
  const std::string rtl = BITLOOP_ROOT "/rtl";
  EXPECT_THAT(hardware("default", {rtl}), ElementsAre("default", "default@" + rtl));
  EXPECT_THAT([] { (void)hardware("default", {"nowhere"}); },
              ThrowsMessage<InputError>(HasSubstr("there is no RTL in nowhere")));
  EXPECT_THAT([] { (void)hardware("p=3"); }, ThrowsMessage<InputError>(HasSubstr("nearest is 4")));
  EXPECT_THAT([] { (void)hardware("big"); }, ThrowsMessage<InputError>(HasSubstr("'big' is unknown")));
}

TEST(Spaces, of_memories) {
  EXPECT_THAT(memory_space("--memory", "ddr8;latency=30,120", {}),
              ElementsAre("ddr8", "latency=30", "latency=120"));
  EXPECT_THAT([] { (void)memory_space("--memory", "latency=0", {}); },
              ThrowsMessage<InputError>(HasSubstr("latency")));
}

}  // namespace
}  // namespace bitloop::codesign
