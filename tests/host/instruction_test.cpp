#include "host/instruction.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "host/error.h"

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
  conv.clear = false;
  conv.filters = 16;
  conv.bit_offset = 16;
  conv.weight_base = 999;
  conv.parameter_slot = 63;
  return conv;
}

TEST(Instruction, every_kind_decodes_to_what_was_encoded) {
  const ChipRows chip{1, 2, 3, 4, 5};
  const RowTransfer rows{8, 16, 3, 4, 5, chip};
  Pack pack{28, 27, 3, 5, 2, 1, 2, 10, 11, chip, -2, -3, {1, 2, 3, 4}, 4096, 84};
  MaxPool pool{static_cast<WindowWalk>(example_conv())};
  const Operation operations[] = {
      LoadAct{rows},           Store{rows}, LoadWeight{64, 9, 10}, LoadParam{128, 3, 4},
      LoadImage{8, 100, 4095}, pack,        example_conv(),        pool};
  for (const Operation& operation : operations) {
    const Instruction instruction{operation, {1, 2, 65535}};
    EXPECT_EQ(decode_instruction(encode(instruction)), instruction) << to_string(instruction);
  }
  const SegmentHeader header{true, 12, 640, 256};
  EXPECT_EQ(decode_segment(encode(header)), header);
}

/// Field by field as docs/accelerator.md lists them.
TEST(Instruction, conv_lies_in_the_documented_bits) {
  const Descriptor d = encode({example_conv(), {0x1111, 0x2222, 0x3333}});
  EXPECT_EQ(d[0], 0x1111'0010u);
  EXPECT_EQ(d[1], 0x3333'2222u);
  EXPECT_EQ(d[2], 31u << 16 | 32u);
  EXPECT_EQ(d[3], 0x1112'0503u);
  EXPECT_EQ(d[4], 0xfffe'ffffu);
  EXPECT_EQ(d[5], 30u << 16 | 6u);
  EXPECT_EQ(d[6], 0xfe10'0000u);
  EXPECT_EQ(d[12], 32u << 24 | 128u << 16 | 1u << 10 | 1u << 9 | 5u << 4 | 2u << 2);
  EXPECT_EQ(d[13], 16u << 24 | 15u << 16 | 7u);
  EXPECT_EQ(d[14], 63u << 16 | 999u);
}

TEST(Instruction, a_value_that_does_not_fit_its_field_is_refused_by_name) {
  Conv conv = example_conv();
  conv.stride_y = 16;
  try {
    encode({conv, {}});
    FAIL();
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), testing::AllOf(testing::HasSubstr("stride 16"), testing::HasSubstr("0..15")));
  }
}

TEST(Instruction, unknown_opcodes_are_refused) {
  EXPECT_THROW(decode_instruction(Descriptor{0x77}), InputError);
  EXPECT_THROW(decode_segment(Descriptor{0x10}), InputError);
}

}  // namespace
}  // namespace bitloop::host::test
