#include "host/program/instruction.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "host/base/error.h"

namespace bitloop::host::test {
namespace {

Conv example_conv() {
  Conv conv;
  conv.input_height = 32;
  conv.input_width = 31;
  conv.kernel_height = 3;
  conv.kernel_width = 5;
  conv.stride_y = 2;
  conv.iy = -1;
  conv.ix = -2;
  conv.ox = 6;
  conv.output_width = 30;
  conv.positions = 1 << 20;
  conv.ix_start = -2;
  conv.input_base = 100;
  conv.input_ring = 64;
  conv.output_ring = 8;
  conv.output_bits_log2 = 5;
  conv.zero_code = 128;
  conv.last_block_channels = 32;
  conv.blocks = 7;
  conv.weight_bits_log2 = 2;
  conv.zero_extend = true;
  conv.leaky = true;
  conv.clear = false;
  conv.filters = 16;
  conv.bit_offset = 16;
  conv.weight_base = 999;
  conv.parameter_slot = 63;
  return conv;
}

Depthwise example_depthwise() {
  Depthwise depthwise{static_cast<WindowWalk>(example_conv())};
  depthwise.input_bits_log2 = 0;
  depthwise.output_bits_log2 = 0;
  depthwise.blocks = 1;
  depthwise.last_block_channels = 30;
  depthwise.unit = true;
  depthwise.upper_half = true;
  depthwise.leaky = true;
  depthwise.channels = 30;
  depthwise.bit_offset = 32;
  depthwise.product = true;
  depthwise.signed_input = true;
  depthwise.weight_base = 77;
  depthwise.parameter_slot = 5;
  return depthwise;
}

Add example_add() {
  Add add{static_cast<WindowWalk>(example_conv())};
  add.kernel_height = add.kernel_width = add.stride_y = 1;
  add.input_bits_log2 = 3;
  add.output_bits_log2 = 1;
  add.blocks = 1;
  add.last_block_channels = 32;
  add.operands = 2;
  add.zero_extend = true;
  add.table = true;
  add.channels = 32;
  add.parameter_slot = 8;
  add.second_base = 300;
  add.second_stride = 301;
  add.second_first = 24;
  add.second_ring = 48;
  add.second_spread = true;
  add.input_spread = true;
  return add;
}

TEST(Instruction, every_kind_decodes_to_what_was_encoded) {
  const ChipRows chip{1, 2, 3, 4, 5};
  RowTransfer rows{8, 16, 3, 4, 5, chip};
  rows.chip.spread = true;
  Pack pack{28, 27, 3, 5, 2, 1, 2, 10, 11, chip, -2, -3, {1, 2, 3, 4}, 4096, 84};
  MaxPool pool{static_cast<WindowWalk>(example_conv())};
  const Operation operations[] = {LoadAct{rows},
                                  Store{rows},
                                  Store{rows, 15},
                                  LoadWeight{64, 9, 10},
                                  LoadParam{128, 3, 4},
                                  LoadTable{256},
                                  LoadImage{8, 100, 4095, true},
                                  pack,
                                  example_conv(),
                                  pool,
                                  example_depthwise(),
                                  example_add()};
  for (const Operation& operation : operations) {
    const Instruction instruction{operation, {1, 2, 65535}};
    EXPECT_EQ(decode_instruction(encode(instruction)), instruction) << to_string(instruction);
  }
  const SegmentHeader header{true, 12, 640, 256};
  EXPECT_EQ(decode_segment(encode(header)), header);
}

/// Field by field as docs/descriptors.md lists them.
TEST(Instruction, conv_lies_in_the_documented_bits) {
  const Descriptor d = encode({example_conv(), {0x1111, 0x2222, 0x3333}});
  EXPECT_EQ(d[0], 0x1111'0010u);
  EXPECT_EQ(d[1], 0x3333'2222u);
  EXPECT_EQ(d[2], 31u << 16 | 32u);
  EXPECT_EQ(d[3], 0x1112'0503u);
  EXPECT_EQ(d[4], 0xfffe'ffffu);
  EXPECT_EQ(d[5], 30u << 16 | 6u);
  EXPECT_EQ(d[6], 0xfe10'0000u);
  EXPECT_EQ(d[12], 32u << 24 | 128u << 16 | 1u << 10 | 1u << 9 | 1u << 7 | 5u << 4 | 2u << 2);
  EXPECT_EQ(d[13], 16u << 24 | 15u << 16 | 7u);
  EXPECT_EQ(d[14], 63u << 16 | 999u);
}

TEST(Instruction, depthwise_lies_in_the_documented_bits) {
  const Descriptor d = encode({example_depthwise(), {}});
  EXPECT_EQ(d[0], 0x12u);
  EXPECT_EQ(d[12], 30u << 24 | 128u << 16 | 1u << 13 | 1u << 12 | 1u << 9 | 1u << 8 | 1u << 7);
  EXPECT_EQ(d[13], 32u << 24 | 29u << 16 | 1u);
  EXPECT_EQ(d[14], 5u << 16 | 77u);
  EXPECT_EQ(d[15], 0u);
}

TEST(Instruction, add_lies_in_the_documented_bits) {
  Add add = example_add();
  add.step_output_row = 31;
  add.step_kernel_row = 99;  // there is no second kernel row
  const Descriptor d = encode({add, {}});
  EXPECT_EQ(d[0], 0x13u);
  EXPECT_EQ(d[9], 301u << 16 | 31u);
  EXPECT_EQ(d[12], 32u << 24 | 128u << 16 | 1u << 14 | 1u << 11 | 1u << 10 | 1u << 4 | 3u);
  EXPECT_EQ(d[13], 1u << 22 | 31u << 16 | 2u);
  EXPECT_EQ(d[14], 8u << 16 | 300u);
  EXPECT_EQ(d[15], 48u << 16 | 24u);
}

TEST(Instruction, no_repeat_means_one) {
  Descriptor d = encode({Store{{8, 16, 3, 4, 5, {}}, 3}, {}});
  EXPECT_EQ(d[8], 3u);
  d[8] = 0;
  EXPECT_EQ(std::get<Store>(decode_instruction(d).operation).repeat, 1);
}

TEST(Instruction, the_compute_engine_runs_whatever_walks_windows) {
  for (const Operation& operation :
       {Operation(Conv{}), Operation(MaxPool{}), Operation(Depthwise{}), Operation(Add{})})
    EXPECT_EQ(engine_of(operation), Engine::compute);
  EXPECT_EQ(engine_of(Store{}), Engine::store);
  EXPECT_EQ(engine_of(Pack{}), Engine::load);
  EXPECT_EQ(engine_of(LoadAct{}), Engine::load);
}

TEST(Instruction, a_value_that_does_not_fit_its_field_is_refused_by_name) {
  Conv conv = example_conv();
  conv.stride_y = 16;
  try {
    encode({conv, {}});
    FAIL();
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), testing::AllOf(testing::HasSubstr("stride y 16"), testing::HasSubstr("0..15")));
  }
  EXPECT_THROW(encode({Store{{}, 16}, {}}), InputError);
}

TEST(Instruction, unknown_opcodes_are_refused) {
  EXPECT_THROW(decode_instruction(Descriptor{0x77}), InputError);
  EXPECT_THROW(decode_segment(Descriptor{0x10}), InputError);
}

}  // namespace
}  // namespace bitloop::host::test
