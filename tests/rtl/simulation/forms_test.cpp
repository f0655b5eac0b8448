// The forms of rtl/simulation against the modules that are built: the same random inputs, legal or not, give
// the same outputs in every cycle. Registers that nothing has set are zero in both.
#include <gtest/gtest.h>

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <random>
#include <vector>

#include "Vbuilt_activation_bank.h"
#include "Vbuilt_banked_memory.h"
#include "Vbuilt_channelwise_array_16.h"
#include "Vbuilt_channelwise_array_32.h"
#include "Vbuilt_counters.h"
#include "Vbuilt_dot_product_array.h"
#include "Vsimulated_activation_bank.h"
#include "Vsimulated_banked_memory.h"
#include "Vsimulated_channelwise_array_16.h"
#include "Vsimulated_channelwise_array_32.h"
#include "Vsimulated_counters.h"
#include "Vsimulated_dot_product_array.h"
#include "verilated.h"

namespace {

using Random = std::mt19937;
constexpr int kCycles = 50'000;

bool chance(Random& random, unsigned percent) { return random() % 100 < percent; }

void fill(Random& random, std::integral auto& port, unsigned bits) {
  port = static_cast<std::remove_reference_t<decltype(port)>>(random() & ((1u << bits) - 1));
}
void fill(Random& random, QData& port) { port = QData{random()} << 32 | random(); }
/// Words of plane bits; all ones and all zeros are as likely as what counts of ones need.
template <std::size_t words>
void fill(Random& random, VlWide<words>& port) {
  const unsigned kind = random() % 4;
  for (std::size_t i = 0; i < words; ++i) {
    const std::uint32_t word = random();
    port[i] = kind == 0 ? word | random() | random() : kind == 1 ? ~0u : word;
  }
}

void append(std::vector<std::uint32_t>& words, std::integral auto port) {
  words.push_back(static_cast<std::uint32_t>(port));
  if (sizeof port == 8) words.push_back(static_cast<std::uint32_t>(QData{port} >> 32));
}
template <std::size_t count>
void append(std::vector<std::uint32_t>& words, const VlWide<count>& port) {
  for (std::size_t i = 0; i < count; ++i) words.push_back(port[i]);
}

/// A clock cycle with the inputs that `drive` sets; the outputs after it.
template <class Model, class Drive>
std::vector<std::uint32_t> step(Model& model, Drive drive, Random random) {
  drive(model, random);
  model.clk_i = 0;
  model.eval();
  model.clk_i = 1;
  model.eval();
  return model.outputs();
}

template <class Built, class Simulated, class Drive>
void expect_the_same(Drive drive) {
  VerilatedContext context;
  Built built(&context);
  Simulated simulated(&context);
  Random random(1);
  for (int cycle = 0; cycle < kCycles; ++cycle) {
    const Random inputs(random());
    const auto want = step(built, drive, inputs);
    const auto got = step(simulated, drive, inputs);
    ASSERT_EQ(got, want) << "cycle " << cycle;
  }
}

template <class Model>
struct ActivationBank : Model {
  using Model::Model;
  [[nodiscard]] std::vector<std::uint32_t> outputs() const {
    std::vector<std::uint32_t> words;
    append(words, this->rdata_o);
    return words;
  }
};

TEST(FormsForSpeed, activation_bank_is_what_is_built) {
  expect_the_same<ActivationBank<Vbuilt_activation_bank>, ActivationBank<Vsimulated_activation_bank>>(
      [](auto& m, Random& random) {
        m.re_i = chance(random, 80);
        m.we_i = chance(random, 30);
        m.load_i = chance(random, 30);
        fill(random, m.raddr_i, 3);
        fill(random, m.waddr_i, 3);
        fill(random, m.load_addr_i, 3);
        fill(random, m.wmask_i, 8);
        if (chance(random, 30)) m.wmask_i = 0xff;
        fill(random, m.wdata_i);
        fill(random, m.load_data_i);
      });
}

template <class Model>
struct DotProductArray : Model {
  using Model::Model;
  [[nodiscard]] std::vector<std::uint32_t> outputs() const {
    std::vector<std::uint32_t> words;
    append(words, this->row_acc_o);
    append(words, this->row_rowsum_o);
    return words;
  }
};

TEST(FormsForSpeed, dot_product_array_is_what_is_built) {
  expect_the_same<DotProductArray<Vbuilt_dot_product_array>, DotProductArray<Vsimulated_dot_product_array>>(
      [](auto& m, Random& random) {
        m.rst_i = chance(random, 1);
        m.valid_i = chance(random, 90);
        m.first_i = chance(random, 5);
        m.rowsum_i = chance(random, 50);
        m.capture_i = chance(random, 10);
        m.row_valid_i = chance(random, 90);
        fill(random, m.one_half_i, 1);
        fill(random, m.upper_half_i, 1);
        fill(random, m.double_upper_i, 1);
        fill(random, m.shift_i, 4);
        fill(random, m.rowsum_shift_i, 3);
        fill(random, m.rowsum_full_i, 1);
        fill(random, m.row_lane_i, 1);
        fill(random, m.activations_i);
        fill(random, m.weights_i);
      });
}

template <class Model>
struct BankedMemory : Model {
  using Model::Model;
  [[nodiscard]] std::vector<std::uint32_t> outputs() const {
    std::vector<std::uint32_t> words;
    append(words, this->words_o);
    return words;
  }
};

TEST(FormsForSpeed, banked_memory_is_what_is_built) {
  expect_the_same<BankedMemory<Vbuilt_banked_memory>, BankedMemory<Vsimulated_banked_memory>>(
      [](auto& m, Random& random) {
        m.re_i = chance(random, 50);
        m.we_i = chance(random, 50);
        fill(random, m.rrow_i, 3);
        fill(random, m.wrow_i, 3);
        fill(random, m.wbank_i, 2);
        fill(random, m.wdata_i);
      });
}

/// Of takes, those are legal that are more than 32 cycles apart.
template <class Model>
struct Counters : Model {
  using Model::Model;
  int since_take = 0;
  [[nodiscard]] std::vector<std::uint32_t> outputs() const {
    std::vector<std::uint32_t> words;
    append(words, this->word_o);
    append(words, this->latched_o);
    append(words, this->snapshot_busy_o);
    return words;
  }
};

TEST(FormsForSpeed, counters_are_what_is_built) {
  expect_the_same<Counters<Vbuilt_counters>, Counters<Vsimulated_counters>>([](auto& m, Random& random) {
    m.rst_i = random() % 2000 == 0;
    m.clear_i = random() % 500 == 0;
    m.run_i = chance(random, 90);
    m.take_i = ++m.since_take > 32 && chance(random, 5);
    if (m.take_i) m.since_take = 0;
    m.latch_i = m.take_i && chance(random, 30);
    m.step_i = chance(random, 50);
    m.snapshot_i = chance(random, 1);
    fill(random, m.index_i, 5);
    m.array_active_i = chance(random, 20);
    m.pool_active_i = chance(random, 20);
    m.channel_active_i = chance(random, 20);
    m.stall_drain_i = chance(random, 20);
    m.stall_fetch_i = chance(random, 20);
    m.stall_load_i = chance(random, 20);
    m.stall_store_i = chance(random, 20);
    m.drain_busy_i = chance(random, 30);
    m.load_busy_i = chance(random, 50);
    m.store_busy_i = chance(random, 50);
    m.requantize_i = chance(random, 50);
    m.activation_reads_i = random() % 4;  // P + 1 at most
    m.activation_writes_i = random() % 4;
    m.weight_read_i = chance(random, 50);
    m.weight_write_i = chance(random, 50);
    m.read_beat_i = chance(random, 50);
    m.write_beat_i = chance(random, 50);
    m.read_burst_i = chance(random, 50);
    m.write_burst_i = chance(random, 50);
    m.descriptor_i = chance(random, 50);
  });
}

/// Of each sum 22 bits count.
template <class Model>
struct ChannelwiseArray : Model {
  using Model::Model;
  [[nodiscard]] std::vector<std::uint32_t> outputs() const {
    std::vector<std::uint32_t> words;
    append(words, this->row_o);
    for (std::uint32_t& word : words) word &= (1u << 22) - 1;
    return words;
  }
};

const auto drive_channelwise_array = [](auto& m, Random& random) {
  m.rst_i = chance(random, 1);
  m.valid_i = chance(random, 90);
  m.first_i = chance(random, 5);
  m.shift_i = chance(random, 10);
  m.start_i = chance(random, 5);
  m.unit_i = chance(random, 10);
  m.half_i = chance(random, 10);
  m.one_bit_i = chance(random, 10);
  m.capture_i = chance(random, 10);
  m.row_valid_i = chance(random, 90);
  fill(random, m.upper_i, 1);
  fill(random, m.product_i, 1);
  fill(random, m.unsigned_i, 1);
  fill(random, m.row_lane_i, 1);
  fill(random, m.row_group_i, 3);
  fill(random, m.activations_i);
  fill(random, m.weights_i);
};

TEST(FormsForSpeed, channelwise_array_is_what_is_built) {
  expect_the_same<ChannelwiseArray<Vbuilt_channelwise_array_32>,
                  ChannelwiseArray<Vsimulated_channelwise_array_32>>(drive_channelwise_array);
}

TEST(FormsForSpeed, channelwise_array_of_two_passes_is_what_is_built) {
  expect_the_same<ChannelwiseArray<Vbuilt_channelwise_array_16>,
                  ChannelwiseArray<Vsimulated_channelwise_array_16>>(drive_channelwise_array);
}

}  // namespace
