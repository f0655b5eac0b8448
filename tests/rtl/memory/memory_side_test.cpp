#include <cstdint>
#include <numeric>
#include <set>

#include "Vaccelerator.h"
#include "Vaccelerator___024root.h"
#include "Vaccelerator_timing.h"
#include "tests/rtl/accelerator_bench.h"

namespace bitloop::rtl_test {
namespace {

using Full = Bench<Vaccelerator>;

constexpr std::uint32_t kJob = 0x1000;
constexpr std::uint32_t kRecords = 0x8000;
constexpr std::uint32_t kData = 0x10000;
constexpr std::uint32_t kResult = 0x80000;
constexpr std::uint32_t kDepthwise = 0x12, kAdd = 0x13;

/// A legal DEPTHWISE, or an ADD of two operands, of 32 channels.
Descriptor channelwise(std::uint32_t opcode) {
  Descriptor d = conv();
  d[0] = opcode;
  if (opcode == kAdd) d[3] = 0x11110101;
  d[12] = 3 | 3 << 4 | 32U << 24;
  d[13] = (opcode == kAdd ? 2 : 1) | 31 << 16;
  d[15] = opcode == kAdd ? 64 << 16 : 0;
  return d;
}

std::uint64_t activation(Full& bench, std::uint32_t index) {
  return bench.dut.rootp->accelerator__DOT__u_compute__DOT__act[index];
}

void conflicts(Full& bench, bool on) { bench.dut.rootp->accelerator__DOT__u_compute__DOT__conflicts = on; }

void fill(Full& bench) {
  for (std::size_t i = kData / 8; i < kResult / 8; ++i) {
    bench.memory[i] = std::uint64_t{bench.random()} << 32 | bench.random();
  }
}

void expect_no_error(Full& bench) { EXPECT_EQ(bench.read_register(registers::kError), 0U); }

std::uint64_t states(const std::vector<std::uint64_t>& counters) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < registers::kCounterCount; ++i)
    sum += registers::kCounterIsState[i] ? counters[i] : 0;
  return sum;
}

Rows random_rows(std::mt19937& random) {
  Rows rows;
  rows.rows = 1 + random() % 6;
  rows.width = 1 + random() % (random() % 4 ? 12 : 40);
  rows.words = 1 + random() % 4;
  rows.pitch = rows.width + random() % 3;
  const std::uint32_t ring_rows = 2 + random() % 6;
  rows.pitch = (rows.pitch + kPixels - 1) / kPixels * kPixels;  // rings are multiples of P and of the pitch
  rows.ring = rows.pitch * ring_rows;
  rows.stride = (rows.ring + kPixels - 1) / kPixels + random() % 3;
  rows.base = random() % 64;
  rows.first = rows.pitch * (random() % ring_rows);
  rows.memory_pitch = 8 * (rows.words * rows.width + (random() % 2 ? 0 : random() % 9));
  rows.spread = random() % 2 != 0;
  return rows;
}

TEST(MemorySide, rows_travel_to_activation_sram_and_back) {
  for (unsigned seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(seed);
    Full bench(seed, seed % 3 == 0 ? 0 : 10 + static_cast<int>(seed % 5) * 15);
    conflicts(bench, seed % 2);
    fill(bench);
    std::vector<Descriptor> segment;
    std::vector<std::uint64_t> sram(kPixels * kActivationRows), expected(bench.memory);
    std::uint32_t out = kResult;
    int loads = 0, stores = 0;
    for (int i = 0; i < 6; ++i) {
      Rows rows = random_rows(bench.random);
      rows.offset = kData + 8 * (bench.random() % 4000);
      // Loads wait for the stores before them, stores for their loads.
      segment.push_back(rows.descriptor(kLoadAct, 0, 0, stores));
      ++loads;
      rows.each([&](std::uint32_t at, std::uint32_t index) { sram[index] = expected[at / 8]; });
      Rows back = rows;
      back.offset = out;
      back.memory_pitch = 8 * (back.words * back.width + bench.random() % 2);
      out += back.rows * back.memory_pitch + 8 * (bench.random() % 5);
      segment.push_back(back.descriptor(kStore, loads));
      ++stores;
      back.each([&](std::uint32_t at, std::uint32_t index) { expected[at / 8] = sram[index]; });
    }
    bench.place_job(kJob, {segment}, kRecords);
    ASSERT_TRUE(bench.run(kJob));
    expect_no_error(bench);
    for (std::size_t i = kData / 8; i < out / 8; ++i) ASSERT_EQ(bench.memory[i], expected[i]) << i;
    const auto total = bench.counters();
    EXPECT_EQ(states(total), total[registers::kCounterCycles]);
    EXPECT_EQ(total[registers::kCounterDescriptors], segment.size());
    EXPECT_EQ(total[registers::kCounterReadBeats], bench.read_beats);
    EXPECT_EQ(total[registers::kCounterWriteBeats], bench.write_beats);
  }
}

TEST(MemorySide, stores_repeat_positions) {
  for (unsigned seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE(seed);
    Full bench(seed, seed % 3 == 0 ? 0 : 30);
    conflicts(bench, seed % 2);
    fill(bench);
    std::vector<std::uint64_t> sram(kPixels * kActivationRows), expected(bench.memory);
    Rows rows = random_rows(bench.random);
    rows.offset = kData;
    rows.each([&](std::uint32_t at, std::uint32_t index) { sram[index] = expected[at / 8]; });
    // LOAD_ACT ignores the field.
    std::vector<Descriptor> segment{rows.descriptor(kLoadAct)};
    segment[0][8] = 3;
    std::uint32_t out = kResult;
    std::uint64_t words = 0;
    for (std::uint32_t field : {0U, 1U, 2U, std::uint32_t(1 + bench.random() % 15), 15U}) {
      const std::uint32_t times = field == 0 ? 1 : field;
      Rows back = rows;
      back.memory_pitch = 8 * (rows.words * rows.width * times + bench.random() % 2);
      back.offset = out;
      segment.push_back(back.descriptor(kStore, 1));
      segment.back()[8] = field;
      std::uint32_t at = 0;
      std::uint32_t row = 0, in_row = 0;
      rows.each([&](std::uint32_t, std::uint32_t index) {
        for (std::uint32_t i = 0; i < times; ++i) {
          at = out + row * back.memory_pitch + 8 * in_row++;
          expected[at / 8] = sram[index];
          ++words;
        }
        if (in_row == rows.words * rows.width * times) {
          in_row = 0;
          ++row;
        }
      });
      out += rows.rows * back.memory_pitch + 8 * (bench.random() % 5);
    }
    bench.place_job(kJob, {segment}, kRecords);
    ASSERT_TRUE(bench.run(kJob));
    expect_no_error(bench);
    for (std::size_t i = kData / 8; i < out / 8; ++i) ASSERT_EQ(bench.memory[i], expected[i]) << i;
    EXPECT_EQ(bench.counters()[registers::kCounterActivationReads], words);
  }
}

TEST(MemorySide, weights_parameters_and_tables_reach_their_banks) {
  Full bench(7, 30);
  fill(bench);
  bench.place_job(
      kJob,
      {{load_words(kLoadWeight, kData, 37, 5), load_words(kLoadParam, kData + 0x4008, 3, 2),
        load_words(kLoadWeight, kData + 0x8000, 1, 100), load_words(kLoadTable, kData + 0x5010, 32, 0)}},
      kRecords);
  ASSERT_TRUE(bench.run(kJob));
  expect_no_error(bench);
  const auto& wgt = bench.dut.rootp->accelerator__DOT__u_compute__DOT__wgt;
  const auto& par = bench.dut.rootp->accelerator__DOT__u_compute__DOT__par;
  for (std::uint32_t k = 0; k < 37; ++k) {
    for (std::uint32_t f = 0; f < kFilters; ++f) {
      ASSERT_EQ(wgt[(5 + k) * kFilters + f], bench.memory[kData / 8 + k * kFilters + f]);
    }
  }
  for (std::uint32_t f = 0; f < kFilters; ++f)
    EXPECT_EQ(wgt[100 * kFilters + f], bench.memory[(kData + 0x8000) / 8 + f]);
  constexpr std::uint32_t kSlot = 2 * kFilters + 2;
  for (std::uint32_t i = 0; i < 3 * kSlot; ++i) {
    ASSERT_EQ(par[(2 + i / kSlot) * 256 + i % kSlot], bench.memory[(kData + 0x4008) / 8 + i]);
  }
  const auto& tab = bench.dut.rootp->accelerator__DOT__u_compute__DOT__tab;
  for (std::uint32_t i = 0; i < 32; ++i) ASSERT_EQ(tab[i], bench.memory[(kData + 0x5010) / 8 + i]);
  EXPECT_EQ(bench.counters()[registers::kCounterWeightWrites], 38U * kFilters);
}

/// One PACK with random shape, checked word by word against its definition.
void pack_test(unsigned seed) {
  SCOPED_TRACE(seed);
  Full bench(seed, seed % 2 ? 25 : 0);
  conflicts(bench, seed % 3 == 0);
  fill(bench);
  std::mt19937& random = bench.random;
  const std::uint32_t channels = 1 + random() % 4;
  std::uint32_t columns, kernel_rows;
  do {
    columns = 1 + random() % 11;
    kernel_rows = 1 + random() % 11;
  } while (columns * channels > 24 || columns * channels * kernel_rows > 32);
  const std::uint32_t height = 4 + random() % 8, width = 3 + random() % 14;
  const std::uint32_t stride_x = 1 + random() % 3, stride_y = 1 + random() % 3;
  const int iy = static_cast<int>(random() % 5) - 3, ix = static_cast<int>(random() % 6) - 4;
  const std::uint32_t line = width * channels + random() % 5;  // bytes per image row
  const std::uint32_t image = kData + 8 * (random() % 100);
  const std::uint32_t packed_rows = 1 + random() % 3, packed_width = 1 + random() % 10;
  const std::uint32_t first_word = random() % kStagingWords;
  const std::uint32_t words = (height * line + 7) / 8;
  ASSERT_LE(words, static_cast<std::uint32_t>(kStagingWords));
  std::uint32_t pads = random();

  Rows out;  // where the packed positions go
  out.rows = packed_rows;
  out.width = packed_width;
  out.words = 4;
  out.pitch = (packed_width + kPixels - 1) / kPixels * kPixels;
  out.ring = out.pitch * 3;  // holds all packed rows
  out.stride = out.ring / kPixels + 1;
  out.base = random() % 32;
  out.first = out.pitch * (random() % 3);

  Descriptor pack = instruction(kPack);
  pack[2] = height | width << 16;
  pack[3] = channels | columns << 8 | kernel_rows << 16 | stride_x << 24;
  pack[4] = packed_rows | packed_width << 16;
  pack[5] = stride_y | out.pitch << 16;
  pack[6] = out.base | out.stride << 16;
  pack[7] = out.first | out.ring << 16;
  pack[8] = static_cast<std::uint16_t>(iy) | static_cast<std::uint32_t>(static_cast<std::uint16_t>(ix)) << 16;
  pack[9] = pads;
  pack[10] = static_cast<std::uint32_t>(static_cast<int>(first_word * 8) + iy * static_cast<int>(line)) %
             (kStagingWords * 8);
  pack[11] = line;
  // Words that PACK does not read come beside it; their end must not be told before PACK's, which a STORE
  // waits for.
  std::vector<Descriptor> job = {load_words(kLoadImage, image, words, first_word), pack};
  const std::uint32_t more = std::min<std::uint32_t>(kStagingWords - words, 1 + random() % 20);
  if (more > 0) {
    job.push_back(load_words(kLoadImage, kData, more, (first_word + words) % kStagingWords | kBeside));
  }
  constexpr std::uint32_t kStored = kData - 0x100;
  const std::uint32_t last_row = (out.first + (packed_rows - 1) * out.pitch) % out.ring;
  Descriptor store = instruction(kStore, 2);
  store[2] = kStored;
  store[3] = 8;
  store[4] = 1 | 1 << 16;
  store[5] = 4 | out.pitch << 16;
  store[6] = pack[6];
  store[7] = (last_row + packed_width - 1) | out.ring << 16;
  job.push_back(store);
  bench.place_job(kJob, {job}, kRecords);
  ASSERT_TRUE(bench.run(kJob));
  expect_no_error(bench);
  const std::uint32_t last = last_row + packed_width - 1;
  for (std::uint32_t k = 0; k < 4; ++k) {
    const std::uint32_t row = out.base + k * out.stride + last / kPixels;
    ASSERT_EQ(bench.memory[kStored / 8 + k], activation(bench, row * kPixels + last % kPixels));
  }

  const auto byte = [&](std::uint32_t offset) {
    return static_cast<std::uint32_t>(bench.memory[(image + offset) / 8] >> (8 * ((image + offset) % 8)) &
                                      255);
  };
  std::uint32_t start = out.first;
  for (std::uint32_t n = 0; n < packed_rows; ++n) {
    for (std::uint32_t m = 0; m < packed_width; ++m) {
      std::array<std::uint64_t, 4> expected{};
      for (std::uint32_t r = 0; r < kernel_rows; ++r) {
        for (std::uint32_t k = 0; k < columns; ++k) {
          for (std::uint32_t c = 0; c < channels; ++c) {
            const int y = iy + static_cast<int>(n * stride_y + r),
                      x = ix + static_cast<int>(m * stride_x + k);
            const bool inside =
                y >= 0 && x >= 0 && y < static_cast<int>(height) && x < static_cast<int>(width);
            const std::uint64_t value = inside ? byte(static_cast<std::uint32_t>(y) * line +
                                                      static_cast<std::uint32_t>(x) * channels + c)
                                               : pads >> (8 * c) & 255;
            const std::uint32_t lane = (r * columns + k) * channels + c;
            for (std::uint32_t bit = 0; bit < 8; ++bit) {
              expected[bit / 2] |= (value >> bit & 1) << (lane + 32 * (bit % 2));
            }
          }
        }
      }
      const std::uint32_t q = start + m;
      for (std::uint32_t k = 0; k < 4; ++k) {
        const std::uint32_t row = out.base + k * out.stride + q / kPixels;
        ASSERT_EQ(activation(bench, row * kPixels + q % kPixels), expected[k])
            << "position " << n << "," << m << " word " << k << ": C=" << channels << " columns=" << columns
            << " rows=" << kernel_rows << " image=" << height << "x" << width << " stride=" << stride_y << ","
            << stride_x << " first=" << iy << "," << ix << " line=" << line << " staged at " << first_word;
      }
    }
    start = (start + out.pitch) % out.ring;
  }
}

TEST(MemorySide, packed_images_match_their_definition) {
  for (unsigned seed = 1; seed <= 100; ++seed) {
    pack_test(seed);
    if (testing::Test::HasFailure()) break;
  }
}

TEST(MemorySide, an_image_load_beside_a_pack_takes_no_time_of_its_own) {
  const auto busy = [](std::uint32_t flag) {
    Full bench(1, 0);
    fill(bench);
    Descriptor pack = instruction(kPack);
    pack[2] = 32 | 32 << 16;
    pack[3] = 3 | 3 << 8 | 3 << 16 | 1 << 24;
    pack[4] = 4 | 32 << 16;
    pack[5] = 1 | 32 << 16;
    pack[6] = 0 | 64 << 16;
    pack[7] = 0 | 256 << 16;
    pack[11] = 96;
    bench.place_job(kJob, {{pack, load_words(kLoadImage, kData, 120, 72 | flag), pack}}, kRecords);
    EXPECT_TRUE(bench.run(kJob));
    expect_no_error(bench);
    return bench.counters()[registers::kCounterLoadBusy];
  };
  EXPECT_GE(busy(0), busy(kBeside) + 110);  // of 120 words
}

/// Loads, computations and a store that wait for each other.
std::vector<Descriptor> layer() {
  Rows rows;
  rows.rows = 4;
  rows.width = 8;
  rows.words = 4;
  rows.pitch = 8;
  rows.ring = 32;
  rows.stride = 8;
  rows.offset = kData;
  rows.memory_pitch = 8 * 32;
  Rows out = rows;
  out.offset = kResult;
  return {load_words(kLoadWeight, kData + 0x1000, 20, 0),
          rows.descriptor(kLoadAct),
          conv(2),
          load_words(kLoadParam, kData + 0x3000, 1, 0),
          conv(3),
          out.descriptor(kStore, 2, 2)};
}

TEST(MemorySide, instructions_wait_for_the_counts_they_name) {
  Full bench(1, 0);
  fill(bench);
  bench.place_job(kJob, {layer()}, kRecords);
  ASSERT_TRUE(bench.run(kJob));
  expect_no_error(bench);
  const auto total = bench.counters();
  EXPECT_EQ(total[registers::kCounterArrayActive], 60U);  // 2 * 30 in the stub
  EXPECT_GT(total[registers::kCounterStallLoad], 200U);   // 288 words behind 60 cycles
  EXPECT_GT(total[registers::kCounterStoreOnly], 100U);   // the store starts after both
  EXPECT_EQ(total[registers::kCounterBinaryMacs], 60U * 64 * kPixels * kFilters);
}

TEST(MemorySide, equal_segments_give_equal_records_and_sum_to_the_job) {
  Full bench(1, 0);
  fill(bench);
  bench.place_job(kJob, {layer(), {}, layer(), layer(), {}, {}, layer()}, kRecords);
  ASSERT_TRUE(bench.run(kJob));
  expect_no_error(bench);
  std::vector<std::vector<std::uint64_t>> records;
  for (std::uint32_t i = 0; i < 7; ++i) {
    records.push_back(bench.record(kRecords + 256 * i));
    EXPECT_EQ(states(records[i]), records[i][0]) << i;
  }
  // Descriptors of segments 2 and 3 start at other addresses in their 4 KB, but cross no boundary.
  EXPECT_EQ(records[2], records[3]);
  EXPECT_EQ(records[2], records[6]);
  EXPECT_EQ(records[1], records[4]);
  EXPECT_EQ(records[1], records[5]);
  // What a record's writing costs is in the next record: the first has none, the last one's is the job's end.
  const std::uint64_t start = records[6][0] - records[0][0];
  const auto total = bench.counters();
  std::uint64_t sum = 0;
  for (const auto& record : records) sum += record[0];
  EXPECT_EQ(total[0], sum + start);
  EXPECT_EQ(states(total), total[0]);
  std::printf("record of a layer: %lu cycles; of an empty segment: %lu; a record's writing: %lu\n",
              static_cast<unsigned long>(records[2][0]), static_cast<unsigned long>(records[1][0]),
              static_cast<unsigned long>(start));

  Full alone(2, 0);
  alone.memory = bench.memory;
  alone.place_job(kJob, {layer()}, kRecords);
  ASSERT_TRUE(alone.run(kJob));
  EXPECT_EQ(alone.record(kRecords), records[0]);
}

TEST(MemorySide, where_descriptors_lie_changes_no_cycle) {
  std::vector<std::uint64_t> expected;
  for (std::uint32_t at = kJob; at < kJob + 4096 + 64; at += 64) {
    Full bench(1, 0);
    bench.place_job(at, {layer(), layer()}, kRecords);
    ASSERT_TRUE(bench.run(at));
    if (expected.empty()) expected = bench.counters();
    ASSERT_EQ(bench.counters(), expected) << at;
  }
}

TEST(MemorySide, many_instructions_flow_through_the_queues) {
  for (unsigned seed = 1; seed <= 4; ++seed) {
    Full bench(seed, seed % 2 ? 0 : 40);
    fill(bench);
    std::vector<Descriptor> segment;
    for (int i = 0; i < 300; ++i) {
      segment.push_back(load_words(kLoadWeight, kData + 8U * static_cast<std::uint32_t>(i), 1, 0));
      segment.push_back(conv(i + 1, 0, 0));
    }
    bench.place_job(kJob, {segment}, 0x60000);
    ASSERT_TRUE(bench.run(kJob));
    expect_no_error(bench);
    EXPECT_EQ(bench.counters()[registers::kCounterDescriptors], 600U);
  }
}

TEST(MemorySide, consecutive_loads_hide_the_latency) {
  Full bench(1, 0);
  std::vector<Descriptor> segment;
  for (std::uint32_t i = 0; i < 16; ++i) segment.push_back(load_words(kLoadWeight, kData + 0x800 * i, 8, 0));
  bench.place_job(kJob, {segment}, kRecords);
  ASSERT_TRUE(bench.run(kJob));
  const auto busy = bench.counters()[registers::kCounterLoadBusy];
  std::printf("16 loads of 64 words: load_busy %lu\n", static_cast<unsigned long>(busy));
  // 1024 words, 60 cycles of latency, and the 128 words of descriptors.
  EXPECT_LE(busy, 1024U + 60 + 128 + 20);
}

TEST(MemorySide, stores_give_one_word_per_cycle) {
  Full bench(1, 0);
  Rows rows;
  rows.rows = 8;
  rows.width = 32;
  rows.words = 2;
  rows.pitch = 32;
  rows.ring = 256;
  rows.stride = 64;
  rows.offset = kResult;
  rows.memory_pitch = 8 * 64 + 8;  // rows of their own
  std::vector<Descriptor> segment(4, rows.descriptor(kStore));
  bench.place_job(kJob, {segment}, kRecords);
  ASSERT_TRUE(bench.run(kJob));
  const auto busy = bench.counters()[registers::kCounterStoreBusy];
  std::printf("4 stores of 512 words: store_busy %lu\n", static_cast<unsigned long>(busy));
  EXPECT_LE(busy, 2048U + 40);
}

void expect_usable_after_reset(Full& bench) {
  ASSERT_TRUE(bench.soft_reset());
  expect_no_error(bench);
  EXPECT_EQ(bench.read_register(registers::kErrorInfo), 0U);
  bench.place_job(kJob, {layer(), layer()}, kRecords);
  ASSERT_TRUE(bench.run(kJob));
  expect_no_error(bench);
  Full fresh(1, 0);
  fresh.memory = bench.memory;
  fresh.place_job(kJob, {layer(), layer()}, kRecords);
  ASSERT_TRUE(fresh.run(kJob));
  if (bench.stalls == 0) EXPECT_EQ(bench.counters(), fresh.counters());
  for (std::uint32_t i = 0; i < 128; ++i) {
    ASSERT_EQ(bench.memory[kResult / 8 + i], fresh.memory[kResult / 8 + i]) << i;
  }
}

TEST(MemorySide, illegal_descriptors_end_the_job_and_name_themselves) {
  std::vector<std::pair<std::string, Descriptor>> cases;
  const auto mutate = [&](const char* name, Descriptor d, int index, std::uint32_t value) {
    d[static_cast<std::size_t>(index)] = value;
    cases.emplace_back(name, d);
  };
  const Descriptor rows = layer()[1];
  mutate("opcode 0", Descriptor{}, 0, 0);
  mutate("opcode 7", conv(), 0, 7);
  mutate("opcode 0x14", conv(), 0, 0x14);
  mutate("a segment", conv(), 0, 0x30);
  mutate("no rows", rows, 4, 8 << 16);
  mutate("no width", rows, 4, 8);
  mutate("no words", rows, 5, 8 << 16);
  mutate("too many words", rows, 5, 8 << 16 | 4096);
  mutate("zero code of 1 bit", conv(), 12, 0 | 3 << 2 | 3 << 4 | 3 << 8 | 1 << 16 | 32 << 24);
  mutate("offset", rows, 2, 4);
  mutate("no weights", load_words(kLoadWeight, kData, 0, 0), 4, 0);
  mutate("too many weights", load_words(kLoadWeight, kData, 0, 0), 4, 1 << 16);
  mutate("no kernel", conv(), 3, 0x11110003);
  mutate("no positions", conv(), 6, 0);
  mutate("output width", conv(), 12, 3 | 3 << 2 | 4 << 4 | 3 << 8 | 32 << 24);
  mutate("a table of 32-bit results", conv(), 12, 3 | 3 << 2 | 5 << 4 | 11 << 8 | 32 << 24);
  mutate("no table", load_words(kLoadTable, kData, 0, 0), 4, 0);
  mutate("channels", conv(), 12, 3 | 3 << 2 | 3 << 4 | 3 << 8 | 33 << 24);
  mutate("kept accumulators of many tiles", conv(), 12, 3 | 3 << 2 | 3 << 4 | 1 << 8 | 32 << 24);
  mutate("no blocks", conv(), 13, 7 << 16);
  mutate("filters", conv(), 13, 1 | 8 << 16);
  mutate("slot", conv(), 14, 16 << 16);
  Descriptor leaky = conv();
  leaky[12] |= 1 << 7;
  mutate("leaky: second slot", leaky, 14, 15 << 16);
  // 32 channels are 4 groups of filters
  Descriptor depthwise = channelwise(kDepthwise);
  mutate("depthwise: no blocks", depthwise, 13, 31 << 16);
  mutate("depthwise: blocks", depthwise, 13, 2 | 31 << 16);
  mutate("depthwise: channels", depthwise, 13, 1 | 30 << 16);
  mutate("depthwise: many channels", depthwise, 13, 1 | 32 << 16);
  mutate("depthwise: no channels", depthwise, 12, 3 | 3 << 4);
  mutate("depthwise: output width", depthwise, 12, 3 | 5 << 4 | 32 << 24);
  mutate("depthwise: slots", depthwise, 14, 13 << 16);
  mutate(
      "depthwise: slots of leaky",
      [&] {
        auto d = depthwise;
        d[12] |= 1 << 7;
        return d;
      }(),
      14, 9 << 16);
  mutate("depthwise: no kernel", depthwise, 3, 0x11110300);
  const Descriptor add = channelwise(kAdd);
  mutate("add: no operands", add, 13, 31 << 16);
  mutate("add: operands", add, 13, 3 | 31 << 16);
  mutate("add: leaky", add, 12, add[12] | 1 << 7);
  mutate("add: slots", add, 14, 9 << 16);
  mutate("add: no positions", add, 6, 0);
  Descriptor pack = instruction(kPack);
  pack[2] = 32 | 32 << 16;
  pack[4] = 1 | 1 << 16;
  mutate("pack: lanes", pack, 3, 3 | 3 << 8 | 4 << 16 | 1 << 24);
  mutate("pack: segment", pack, 3, 4 | 7 << 8 | 1 << 16 | 1 << 24);
  mutate("pack: channels", pack, 3, 5 | 1 << 8 | 1 << 16 | 1 << 24);
  for (int stalls : {0, 40}) {
    for (const auto& [name, descriptor] : cases) {
      SCOPED_TRACE(name);
      Full bench(1, stalls);
      fill(bench);
      std::vector<Descriptor> segment = layer();
      segment.insert(segment.begin() + 4, descriptor);
      bench.place_job(kJob, {layer(), segment, layer()}, kRecords);
      ASSERT_TRUE(bench.run(kJob));
      EXPECT_EQ(bench.read_register(registers::kError), 1U);
      EXPECT_EQ(bench.read_register(registers::kErrorInfo), kJob + 64 * (7 + 1 + 4));
      EXPECT_EQ(bench.read_register(registers::kStatus), 0U);
      expect_usable_after_reset(bench);
    }
  }
}

TEST(MemorySide, the_last_legal_slots_are_taken) {
  Full bench(1, 0);
  fill(bench);
  Descriptor leaky = conv(), depthwise = channelwise(kDepthwise), add = channelwise(kAdd), one = add;
  leaky[12] |= 1 << 7;
  leaky[14] = 14 << 16;
  depthwise[14] = 12 << 16;
  add[14] = 8 << 16;
  one[13] = 1 | 31 << 16;
  one[14] = 12 << 16;
  bench.place_job(kJob, {{leaky, depthwise, add, one}}, kRecords);
  ASSERT_TRUE(bench.run(kJob));
  expect_no_error(bench);
  EXPECT_GT(bench.counters()[registers::kCounterChannelActive], 0U);
}

TEST(MemorySide, an_illegal_header_ends_the_job) {
  Full bench(1, 0);
  fill(bench);
  ASSERT_TRUE(bench.run(kData));
  EXPECT_EQ(bench.read_register(registers::kError), 1U);
  EXPECT_EQ(bench.read_register(registers::kErrorInfo), kData);
  // A START before the soft reset ends at once, with the error.
  ASSERT_TRUE(bench.run(kJob));
  EXPECT_EQ(bench.read_register(registers::kError), 1U);
  expect_usable_after_reset(bench);
}

TEST(MemorySide, bus_errors_end_the_job) {
  struct Case {
    std::uint32_t read, write, error;
  };
  // Weights, header, instructions; stored rows, the first record.
  for (const Case& c : {Case{kData + 0x1000, 0, 2}, Case{kJob, 0, 2}, Case{kJob + 64, 0, 2},
                        Case{0, kResult, 4}, Case{0, kRecords, 4}}) {
    for (int stalls : {0, 40}) {
      Full bench(1, stalls);
      fill(bench);
      if (c.read) bench.read_error_at = kBase + c.read;
      if (c.write) bench.write_error_at = kBase + c.write;
      bench.place_job(kJob, {layer(), layer(), layer()}, kRecords);
      ASSERT_TRUE(bench.run(kJob));
      EXPECT_EQ(bench.read_register(registers::kError), c.error);
      bench.read_error_at = bench.write_error_at = 0;
      expect_usable_after_reset(bench);
    }
  }
}

TEST(MemorySide, soft_reset_works_at_any_time) {
  for (unsigned seed = 1; seed <= 80; ++seed) {
    SCOPED_TRACE(seed);
    Full bench(seed, seed % 2 ? 0 : 30);
    fill(bench);
    bench.place_job(kJob, {layer(), layer(), layer()}, kRecords);
    bench.write_register(registers::kBase, kBase);
    bench.write_register(registers::kJob, kJob);
    ++bench.sequence;
    bench.write_register(registers::kStart, bench.sequence);
    for (unsigned i = bench.random() % 1500; i > 0; --i) bench.tick();
    expect_usable_after_reset(bench);
    if (testing::Test::HasFailure()) break;
  }
}

TEST(MemorySide, a_snapshot_reads_running_counters_and_changes_no_cycle) {
  Full plain(1, 0);
  fill(plain);
  Full watched(1, 0);
  watched.memory = plain.memory;
  std::vector<std::vector<Descriptor>> job(6, layer());
  plain.place_job(kJob, job, kRecords);
  watched.place_job(kJob, job, kRecords);
  ASSERT_TRUE(plain.run(kJob));
  watched.write_register(registers::kBase, kBase);
  watched.write_register(registers::kJob, kJob);
  ++watched.sequence;
  watched.write_register(registers::kStart, watched.sequence);
  std::uint64_t before = 0;
  int snapshots = 0;
  while (watched.read_register(registers::kLastDone) != watched.sequence) {
    watched.write_register(registers::kControl, 2);
    const auto counters = watched.counters();
    if (watched.read_register(registers::kLastDone) == watched.sequence) break;
    EXPECT_EQ(states(counters), counters[0]);
    EXPECT_GT(counters[0], before);
    before = counters[0];
    ASSERT_LT(++snapshots, 1000);
  }
  EXPECT_GT(snapshots, 3);
  EXPECT_EQ(watched.counters(), plain.counters());
  for (std::uint32_t i = 0; i < 6; ++i)
    EXPECT_EQ(watched.record(kRecords + 256 * i), plain.record(kRecords + 256 * i));
}

TEST(MemorySide, start_is_refused_while_a_job_runs) {
  Full bench(1, 0);
  fill(bench);
  bench.place_job(kJob, {layer()}, kRecords);
  bench.write_register(registers::kBase, kBase);
  bench.write_register(registers::kJob, kJob);
  bench.sequence = 5;
  EXPECT_EQ(bench.write_register(registers::kStart, 5), 0);
  EXPECT_EQ(bench.write_register(registers::kStart, 6), 2);
  EXPECT_TRUE(bench.wait(10000));
}

TEST(MemorySide, elided_data_changes_no_counter_and_no_address) {
  Full full(1, 0);
  Bench<Vaccelerator_timing> timing(2, 0);
  fill(full);
  timing.memory = full.memory;
  std::vector<Descriptor> image = {load_words(kLoadImage, kData, 200, 3)};
  Descriptor pack = instruction(kPack, 1);
  pack[2] = 8 | 9 << 16;
  pack[3] = 3 | 3 << 8 | 3 << 16 | 2 << 24;
  pack[4] = 4 | 5 << 16;
  pack[5] = 2 | 8 << 16;
  pack[6] = 0 | 64 << 16;
  pack[7] = 0 | 32 << 16;
  pack[11] = 27;
  image.push_back(pack);
  full.place_job(kJob, {image, layer(), layer()}, kRecords);
  timing.place_job(kJob, {image, layer(), layer()}, kRecords);
  ASSERT_TRUE(full.run(kJob));
  ASSERT_TRUE(timing.run(kJob));
  EXPECT_EQ(full.counters(), timing.counters());
  EXPECT_EQ(full.trace, timing.trace);
}

}  // namespace
}  // namespace bitloop::rtl_test
