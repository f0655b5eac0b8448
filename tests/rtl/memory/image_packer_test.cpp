// The image packer alone, its ports refused at random, against the definition of PACK (docs/accelerator.md).
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <random>
#include <type_traits>
#include <utility>
#include <vector>

#include "Vimage_packer.h"
#include "host/program/instruction_fields.h"
#include "tests/rtl/clock.h"

namespace bitloop::rtl_test {
namespace {

constexpr int kBanks = 4;  // as in CMakeLists.txt
constexpr int kRingBytes = 64 * 8;

using Words = std::map<std::pair<int, int>, std::uint64_t>;  // of bank and row
using Ring = std::array<std::uint8_t, kRingBytes>;

/// Any shape that fits the ring, of at least `positions` positions.
host::Pack random_pack(std::mt19937& random, int positions) {
  const auto up_to = [&](int most) { return 1 + static_cast<int>(random() % static_cast<unsigned>(most)); };
  host::Pack pack;
  pack.channels = up_to(4);
  do {
    pack.columns = up_to(11);
    pack.rows = up_to(11);
  } while (pack.columns * pack.channels > 24 || pack.columns * pack.channels * pack.rows > 32);
  do {
    pack.image_height = up_to(12);
    pack.image_width = up_to(20);
    pack.image_row_bytes = static_cast<std::uint32_t>(pack.image_width * pack.channels + up_to(5) - 1);
  } while (pack.image_height * pack.image_row_bytes > kRingBytes);
  pack.stride_x = up_to(3);
  pack.stride_y = up_to(3);
  pack.iy = up_to(5) - 4;
  pack.ix = up_to(6) - 5;
  for (auto& code : pack.pad_codes) code = static_cast<std::uint8_t>(random());
  pack.staging_byte = random() % kRingBytes;
  pack.packed_width = up_to(10);
  pack.packed_rows = std::max(up_to(3), (positions + pack.packed_width - 1) / pack.packed_width);
  const int pitch = (pack.packed_width + kBanks - 1) / kBanks * kBanks;
  pack.chip = {.base = up_to(32),
               .stride = pitch * pack.packed_rows / kBanks + up_to(3) - 1,
               .first = pitch * (up_to(pack.packed_rows) - 1),
               .pitch = pitch,
               .ring = pitch * pack.packed_rows};
  return pack;
}

/// What must be written where.
Words packed(const host::Pack& pack, const Ring& ring) {
  Words words;
  for (int n = 0; n < pack.packed_rows; ++n) {
    for (int m = 0; m < pack.packed_width; ++m) {
      std::array<std::uint64_t, 4> planes{};
      for (int lane = 0; lane < pack.rows * pack.columns * pack.channels; ++lane) {
        const int c = lane % pack.channels, k = lane / pack.channels % pack.columns;
        const int r = lane / pack.channels / pack.columns;
        const int y = pack.iy + n * pack.stride_y + r, x = pack.ix + m * pack.stride_x + k;
        const bool inside = y >= 0 && x >= 0 && y < pack.image_height && x < pack.image_width;
        const int at = static_cast<int>(pack.staging_byte) +
                       (y - pack.iy) * static_cast<int>(pack.image_row_bytes) + x * pack.channels + c;
        const int code = inside ? ring[static_cast<unsigned>(at) % kRingBytes] : pack.pad_codes[c];
        for (int bit = 0; bit < 8; ++bit) {
          planes[bit / 2] |= std::uint64_t(code >> bit & 1) << (lane + 32 * (bit % 2));
        }
      }
      const int position = (pack.chip.first + n * pack.chip.pitch) % pack.chip.ring + m;
      for (int k = 0; k < 4; ++k) {
        words[{position % kBanks, pack.chip.base + k * pack.chip.stride + position / kBanks}] = planes[k];
      }
    }
  }
  return words;
}

struct Run {
  Words words;
  int cycles = 0;  // from the start to the end
};

class Packer {
 public:
  Packer() {
    dut_.start_i = dut_.write_i = dut_.act_ready_i = 0;
    reset(dut_);
  }

  void stage(const Ring& ring) {
    for (int word = 0; word < kRingBytes / 8; ++word) {
      dut_.write_i = 1;
      dut_.write_address_i = static_cast<std::uint8_t>(word);
      dut_.write_data_i = 0;
      for (int i = 0; i < 8; ++i) dut_.write_data_i |= std::uint64_t(ring[8 * word + i]) << (8 * i);
      clock(dut_);
    }
    dut_.write_i = 0;
  }

  /// Each port refuses its word in so many percent of the cycles.
  Run run(host::Pack pack, std::mt19937& random, unsigned refused) {
    for (int i = 0; i < 10; ++i) dut_.instr_i[i] = random();  // d2 to d11
    host::Pack::each_field(pack,
                           [&](const auto& value, const host::FieldPlace& place) { set(value, place); });
    dut_.start_i = 1;
    clock(dut_);
    dut_.start_i = 0;
    for (int i = 0; i < 10; ++i) dut_.instr_i[i] = random();
    Run run;
    std::array<bool, 2> waits{};
    std::array<std::array<std::uint64_t, 3>, 2> offers{};
    for (bool done = false; !done; ++run.cycles) {
      dut_.act_ready_i =
          static_cast<std::uint8_t>((random() % 100 >= refused) | (random() % 100 >= refused) << 1);
      dut_.eval();
      for (int i = 0; i < 2; ++i) {
        const auto offer = this->offer(i);
        if (waits[i]) {
          EXPECT_TRUE(dut_.act_valid_o >> i & 1) << "a refused word is gone";
          EXPECT_EQ(offer, offers[i]) << "a refused word has changed";
        }
        offers[i] = offer;
        const bool valid = dut_.act_valid_o >> i & 1, ready = dut_.act_ready_i >> i & 1;
        waits[i] = valid && !ready;
        if (!valid || !ready) continue;
        EXPECT_EQ(offer[0] % 2, static_cast<unsigned>(i)) << "the port of the other banks";
        EXPECT_TRUE(run.words.emplace(std::pair(offer[0], offer[1]), offer[2]).second)
            << "a word is written twice";
      }
      done = dut_.done_o;
      clock(dut_);
      if (run.cycles > 100'000) ADD_FAILURE() << "no end";
      if (testing::Test::HasFailure()) break;
    }
    dut_.eval();
    EXPECT_EQ(dut_.act_valid_o, 0) << "words after the end";
    return run;
  }

 private:
  template <class T>
  void set(const T& value, const host::FieldPlace& place) {
    if constexpr (std::is_integral_v<T>) {
      const std::uint32_t mask = (place.bits == 32 ? 0 : 1U << place.bits) - 1;
      auto& word = dut_.instr_i[place.word - 2];
      word = (word & ~(mask << place.low)) | (static_cast<std::uint32_t>(value) & mask) << place.low;
    } else {
      for (int i = 0; i < 4; ++i) set(value[i], {.name = "", .word = place.word, .low = 8 * i, .bits = 8});
    }
  }

  /// Bank, row and word of a port.
  std::array<std::uint64_t, 3> offer(int i) {
    return {dut_.act_bank_o / (i == 0 ? 1U : kBanks) % kBanks, dut_.act_row_o >> (16 * i) & 0xffff,
            dut_.act_data_o[2 * i] | std::uint64_t(dut_.act_data_o[2 * i + 1]) << 32};
  }

  Vimage_packer dut_;
};

Ring random_ring(std::mt19937& random) {
  Ring ring;
  for (auto& byte : ring) byte = static_cast<std::uint8_t>(random());
  return ring;
}

TEST(ImagePacker, writes_each_word_of_the_definition_once_whatever_is_refused) {
  std::mt19937 random(1);
  Packer packer;
  for (int n = 0; n < 1000 && !HasFailure(); ++n) {
    SCOPED_TRACE(n);
    const Ring ring = random_ring(random);
    const host::Pack pack = random_pack(random, 1);
    packer.stage(ring);
    EXPECT_EQ(packer.run(pack, random, n % 4 * 30).words, packed(pack, ring));
  }
}

// Two cycles a position where both ports are kept busy, else one a chunk of nine bytes.
TEST(ImagePacker, takes_no_more_cycles_a_position_than_its_words_or_chunks) {
  std::mt19937 random(2);
  Packer packer;
  for (int n = 0; n < 300 && !HasFailure(); ++n) {
    SCOPED_TRACE(n);
    const host::Pack pack = random_pack(random, 40);
    const int chunks = pack.rows * ((pack.columns * pack.channels + 8) / 9);
    // Rows of an odd number of positions have neighbours in banks of one parity.
    const bool alternate = pack.packed_width % 2 == 0;
    const int positions = pack.packed_rows * pack.packed_width;
    const int least = positions * std::max(2, chunks), turns = alternate ? 0 : 2 * pack.packed_rows;
    const int cycles = packer.run(pack, random, 0).cycles;
    EXPECT_GE(cycles, least);
    EXPECT_LE(cycles, least + turns + chunks + 6);
  }
}

}  // namespace
}  // namespace bitloop::rtl_test
