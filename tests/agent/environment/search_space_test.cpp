#include "agent/environment/search_space.h"

#include <gmock/gmock.h>

#include <random>

#include "host/base/error.h"
#include "host/compiler/compiler.h"
#include "tests/agent/fakes.h"

namespace bitloop::agent {
namespace {

using ::testing::ElementsAre;

std::vector<std::pair<int, bool>> shape_of(const SearchSpace& space) {
  std::vector<std::pair<int, bool>> shape;
  for (const auto& d : space.decisions()) shape.emplace_back(d.row, d.kind == Decision::Kind::activation);
  return shape;
}

TEST(SearchSpace, has_weights_then_produced_tensors_of_each_layer) {
  const SearchSpace space(test::small_network());
  EXPECT_THAT(shape_of(space),
              ElementsAre(std::pair{0, false}, std::pair{0, true}, std::pair{1, false}, std::pair{1, true},
                          std::pair{2, false}, std::pair{2, true}, std::pair{3, false}));
}

TEST(SearchSpace, keeps_the_image_at_8_bits) {
  const SearchSpace space(test::small_network());
  EXPECT_EQ(space.input_decision(0), -1);
  EXPECT_EQ(space.policy(space.lowest()).key(), "1:8 1:1 1:1 1:1");
}

TEST(SearchSpace, joins_the_tensors_of_a_max_pool) {
  const SearchSpace space(test::small_network());
  EXPECT_EQ(space.input_decision(1), 1);
  const auto policy = space.policy(std::vector<int>{8, 2, 8, 4, 8, 8, 8});
  EXPECT_EQ(host::tensor_bits(space.network(), policy).written, (std::vector<int>{8, 2, 2, 4, 8, 32}));
}

TEST(SearchSpace, gives_signed_groups_at_least_two_bits) {
  auto network = test::small_network();
  network.tensors[3].is_signed = true;
  const SearchSpace space(network);
  EXPECT_THAT(space.decisions()[3].widths, ElementsAre(2, 4, 8));
  EXPECT_THAT(space.decisions()[1].widths, ElementsAre(1, 2, 4, 8));
}

TEST(SearchSpace, has_no_widths_that_the_hardware_cannot_run) {
  auto network = test::small_network();
  network.layers[2].kind = host::LayerKind::depthwise;  // of 22-bit sums
  network.layers[2].kernel_height = network.layers[2].kernel_width = 9;
  network.layers[2].pad = 4;
  network.tensors[3].shape.channels = 4;
  const host::HardwareInfo hardware;
  const SearchSpace all(network), space(network, {.pinned = {}, .hardware = {hardware}});
  ASSERT_EQ(space.decisions().size(), all.decisions().size());
  EXPECT_TRUE(host::reason_against(network, all.policy(all.highest()), hardware));
  EXPECT_THAT(space.decisions()[space.weight_decision(1)].widths, ElementsAre(1, 2, 4));
  EXPECT_THAT(space.decisions()[space.input_decision(1)].widths, ElementsAre(1, 2, 4, 8));
  EXPECT_FALSE(host::reason_against(network, space.policy(space.highest()), hardware));
  // Of several it is enough that one can.
  host::HardwareInfo none = hardware;
  none.activation_rows = 64;
  none.weight_rows = 64;
  const SearchSpace either(network, {.pinned = {}, .hardware = {none, hardware}});
  EXPECT_EQ(either.decisions()[space.weight_decision(1)].widths,
            space.decisions()[space.weight_decision(1)].widths);
}

TEST(SearchSpace, readers_of_one_tensor_share_a_decision) {
  auto network = test::small_network();
  network.layers[4].inputs = {3};  // fc2 reads what fc1 reads
  const SearchSpace space(network);
  EXPECT_EQ(space.input_decision(2), space.input_decision(3));
  for (int bits : host::kWidths) {
    auto assignment = space.highest();
    assignment[space.input_decision(2)] = bits;
    EXPECT_NO_THROW(host::validate_policy(network, space.policy(assignment)));
  }
}

TEST(SearchSpace, pinned_layers_keep_8_bits) {
  const SearchSpace space(test::small_network(), {.pinned = {"conv1", "fc2"}});
  EXPECT_EQ(space.policy(space.lowest()).key(), "8:8 1:1 1:1 8:8");
  EXPECT_THROW(SearchSpace(test::small_network(), {.pinned = {"conv9"}}), InputError);
}

TEST(SearchSpace, assignment_is_the_inverse_of_policy) {
  const SearchSpace space(test::small_network());
  const Assignment assignment{1, 2, 4, 8, 2, 1, 4};
  EXPECT_EQ(space.assignment(space.policy(assignment)), assignment);
  auto outside = space.policy(assignment);
  outside.layers[0].input_bits = 4;
  EXPECT_EQ(space.assignment(outside), std::nullopt);
}

TEST(SearchSpace, every_assignment_is_a_legal_policy) {
  std::mt19937 random(3);
  const SearchSpace space(test::small_network());
  for (int i = 0; i < 200; ++i) {
    Assignment assignment;
    for (const auto& d : space.decisions()) assignment.push_back(d.widths[random() % d.widths.size()]);
    EXPECT_NO_THROW(host::validate_policy(space.network(), space.policy(assignment)));
  }
}

}  // namespace
}  // namespace bitloop::agent
