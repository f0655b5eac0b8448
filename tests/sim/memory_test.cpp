#include "sim/memory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <deque>
#include <random>
#include <vector>

#include "host/base/error.h"

namespace bitloop::sim {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// A master that keeps both directions as busy as the memory allows, and notes the cycle of every handshake.
class Master {
 public:
  explicit Master(const MemoryModel& model) : memory(model) {}

  void queue_read(std::uint32_t address, unsigned beats) {
    reads_.push_back({.valid = true, .address = address, .length = static_cast<std::uint8_t>(beats - 1)});
  }
  void queue_write(std::uint32_t address, const std::vector<std::uint64_t>& words,
                   std::uint8_t strobe = 0xff) {
    writes_.push_back(
        {.valid = true, .address = address, .length = static_cast<std::uint8_t>(words.size() - 1)});
    for (std::size_t i = 0; i < words.size(); ++i) {
      beats_.push_back({words[i], strobe, i + 1 == words.size()});
    }
  }

  void cycle() {
    AxiMasterPins pins;
    pins.r_ready = r_ready;
    pins.b_ready = true;
    if (!reads_.empty()) {
      pins.ar = reads_.front();
    }
    if (!writes_.empty()) {
      pins.aw = writes_.front();
    }
    if (!beats_.empty()) {
      pins.w_valid = true;
      pins.w_data = beats_.front().data;
      pins.w_strobe = beats_.front().strobe;
      pins.w_last = beats_.front().last;
    }
    const AxiSlavePins slave = memory.pins();
    note(pins, slave);
    // The device leaves idle cycles out, so the tests do too.
    if (!memory.idle() || pins.ar.valid || pins.aw.valid || pins.w_valid) {
      memory.step(pins);
    }
    ++now;
  }
  void run(int cycles) {
    for (int i = 0; i < cycles; ++i) {
      cycle();
    }
  }

  Memory memory;
  bool r_ready = true;
  int now = 0;
  std::vector<int> ar, r, aw, w, b;
  std::vector<std::uint64_t> data;
  std::vector<int> responses;

 private:
  struct Beat {
    std::uint64_t data;
    std::uint8_t strobe;
    bool last;
  };

  void note(const AxiMasterPins& pins, const AxiSlavePins& slave) {
    if (pins.ar.valid && slave.ar_ready) {
      ar.push_back(now);
      reads_.pop_front();
    }
    if (pins.aw.valid && slave.aw_ready) {
      aw.push_back(now);
      writes_.pop_front();
    }
    if (pins.w_valid && slave.w_ready) {
      w.push_back(now);
      beats_.pop_front();
    }
    if (slave.r_valid && pins.r_ready) {
      r.push_back(now);
      data.push_back(slave.r_data);
      responses.push_back(slave.r_response);
    }
    if (slave.b_valid) {
      b.push_back(now);
      responses.push_back(slave.b_response);
    }
  }

  std::deque<AxiAddress> reads_;
  std::deque<AxiAddress> writes_;
  std::deque<Beat> beats_;
};

MemoryModel small() {
  MemoryModel model;
  model.bytes = 1 << 16;
  return model;
}

std::uint64_t word_at(const Memory& memory, std::uint64_t address) {
  std::uint64_t word = 0;
  memory.read(address, std::as_writable_bytes(std::span(&word, 1)));
  return word;
}

TEST(Memory, first_beat_comes_60_cycles_after_the_read_address_and_the_others_follow_without_gaps) {
  Master master(small());
  master.queue_read(0, 4);
  master.run(100);
  EXPECT_THAT(master.ar, ElementsAre(0));
  EXPECT_THAT(master.r, ElementsAre(60, 61, 62, 63));
}

TEST(Memory, write_response_comes_20_cycles_after_the_last_beat) {
  Master master(small());
  master.queue_write(64, {1, 2, 3});
  master.run(100);
  EXPECT_THAT(master.w, ElementsAre(0, 1, 2));
  EXPECT_THAT(master.b, ElementsAre(22));
}

TEST(Memory, reads_of_many_bursts_run_at_one_beat_per_cycle) {
  Master master(small());
  for (int i = 0; i < 16; ++i) {
    master.queue_read(static_cast<std::uint32_t>(i * 128), 16);
  }
  master.run(600);
  ASSERT_EQ(master.r.size(), 256u);
  // 8 bursts of 16 beats cover the latency of 60.
  EXPECT_EQ(master.r.back() - master.r.front(), 255);
}

TEST(Memory, ninth_read_waits_for_the_first_ones_last_beat) {
  Master master(small());
  for (int i = 0; i < 9; ++i) {
    master.queue_read(static_cast<std::uint32_t>(i * 8), 1);
  }
  master.run(200);
  EXPECT_THAT(master.ar, ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 61));
}

TEST(Memory, ninth_write_waits_for_the_first_ones_response) {
  Master master(small());
  for (int i = 0; i < 9; ++i) {
    master.queue_write(static_cast<std::uint32_t>(i * 8), {7});
  }
  master.run(200);
  EXPECT_THAT(master.aw, ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 21));
}

TEST(Memory, reads_and_writes_share_one_beat_per_cycle_fairly) {
  Master master(small());
  for (int i = 0; i < 8; ++i) {
    master.queue_read(static_cast<std::uint32_t>(i * 128), 16);
  }
  master.run(60);
  for (int i = 0; i < 8; ++i) {
    master.queue_write(static_cast<std::uint32_t>(0x8000 + i * 128), std::vector<std::uint64_t>(16, 1));
  }
  const int start = master.now;
  while (master.r.size() < 128 || master.w.size() < 128) {
    master.cycle();
    ASSERT_LE(static_cast<int>(master.r.size() + master.w.size()), master.now - start + 1);
    ASSERT_LT(master.now, start + 300);
  }
  EXPECT_NEAR(master.now - start, 256, 2);
  EXPECT_NEAR(master.r.back(), master.w.back(), 2);
}

TEST(Memory, two_beats_per_cycle_let_reads_and_writes_run_side_by_side) {
  MemoryModel model = small();
  model.beats_per_cycle = 2;
  model.read_latency = 1;
  Master master(model);
  for (int i = 0; i < 4; ++i) {
    master.queue_read(static_cast<std::uint32_t>(i * 128), 16);
    master.queue_write(static_cast<std::uint32_t>(0x8000 + i * 128), std::vector<std::uint64_t>(16, 1));
  }
  master.run(120);
  ASSERT_EQ(master.r.size(), 64u);
  EXPECT_EQ(master.r.back(), 64);
  EXPECT_EQ(master.w.back(), 63);
}

TEST(Memory, read_beat_stays_until_it_is_taken_and_then_the_next_follows) {
  Master master(small());
  master.r_ready = false;
  master.queue_read(0, 2);
  master.run(100);
  master.r_ready = true;
  master.run(10);
  EXPECT_THAT(master.r, ElementsAre(100, 101));
}

TEST(Memory, strobes_select_bytes) {
  Master master(small());
  master.queue_write(8, {0xffffffffffffffff});
  master.queue_write(8, {0}, 0x0f);
  master.run(60);
  EXPECT_EQ(word_at(master.memory, 8), 0xffffffff00000000u);
}

TEST(Memory, a_read_after_a_writes_response_returns_what_was_written) {
  Master master(small());
  master.queue_write(0xff80, {11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26});
  master.run(60);
  master.queue_read(0xff80, 16);
  master.run(100);
  EXPECT_THAT(master.data, ElementsAre(11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26));
}

TEST(Memory, a_burst_outside_the_window_answers_decode_errors_on_every_beat_and_writes_nothing) {
  Master master(small());
  master.queue_read(0x10000, 2);
  master.run(100);
  EXPECT_THAT(master.responses, ElementsAre(kAxiDecodeError, kAxiDecodeError));
  master.queue_write(0x10000, {1});
  master.run(60);
  EXPECT_EQ(master.responses.back(), kAxiDecodeError);
}

TEST(Memory, a_burst_over_a_4_kb_border_is_reported) {
  Master master(small());
  master.queue_read(0xff8, 2);
  master.run(2);
  EXPECT_THAT(master.memory.violation(), HasSubstr("AR address 0xff8"));
}

TEST(Memory, an_address_that_changes_before_it_is_taken_is_reported) {
  MemoryModel model = small();
  model.outstanding = 1;
  Memory memory(model);
  AxiMasterPins pins;
  pins.ar = {.valid = true, .address = 0};
  memory.step(pins);
  pins.ar.address = 64;
  memory.step(pins);
  EXPECT_EQ(memory.violation(), "");
  pins.ar.address = 128;
  memory.step(pins);
  EXPECT_THAT(memory.violation(), HasSubstr("AR 0x40 changed"));
}

TEST(Memory, timing_when_idle_is_that_of_reset) {
  // Read and write at once: who goes first must not depend on what happened before.
  const auto first_shared_beats = [](Master& master) {
    const int start = master.now;
    master.queue_read(0, 8);
    master.run(55);
    master.queue_write(0x8000, std::vector<std::uint64_t>(16, 1));
    master.run(100);
    std::vector<int> cycles;
    for (const int cycle : master.r) {
      cycles.push_back(cycle - start);
    }
    master.r.clear();
    return cycles;
  };
  Master master(small());
  const std::vector<int> fresh = first_shared_beats(master);
  for (int i = 1; i < 8; ++i) {
    master.queue_read(0, static_cast<unsigned>(i));
    master.run(58 + i);
    master.queue_write(0x8000, std::vector<std::uint64_t>(static_cast<std::size_t>(i), 1));
    master.run(120);
    ASSERT_TRUE(master.memory.idle());
    master.r.clear();
    EXPECT_EQ(first_shared_beats(master), fresh) << "after " << i << " beats";
  }
}

TEST(Memory, random_stalls_change_times_but_neither_data_nor_order) {
  MemoryModel model = small();
  model.random_stall = 0.5;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    model.stall_seed = seed;
    Master master(model);
    std::mt19937_64 random(seed);
    std::vector<std::uint64_t> expected;
    for (std::uint32_t i = 0; i < 16; ++i) {
      std::vector<std::uint64_t> words(1 + random() % 16);
      for (auto& word : words) {
        word = random();
      }
      expected.insert(expected.end(), words.begin(), words.end());
      master.queue_write(i * 128, words);
      master.run(200);
      master.queue_read(i * 128, static_cast<unsigned>(words.size()));
    }
    master.run(2000);
    EXPECT_EQ(master.data, expected) << "seed " << seed;
    EXPECT_EQ(master.memory.violation(), "") << "seed " << seed;
  }
}

TEST(MemoryModel, parameters_are_read_from_text) {
  const MemoryModel model = parse_memory("latency=30,write_latency=5,outstanding=4,beats_per_cycle=2");
  EXPECT_EQ(model.read_latency, 30);
  EXPECT_EQ(model.write_latency, 5);
  EXPECT_EQ(model.outstanding, 4);
  EXPECT_EQ(model.beats_per_cycle, 2);
  EXPECT_NE(timing_key(model), timing_key(MemoryModel{}));
}

TEST(MemoryModel, unknown_names_and_bad_numbers_are_refused) {
  EXPECT_THROW(parse_memory("hbm"), InputError);
  EXPECT_THROW(parse_memory("latency=0"), InputError);
  EXPECT_THROW(parse_memory("latency=6x"), InputError);
  EXPECT_THROW(parse_memory("speed=3"), InputError);
  EXPECT_THROW(parse_memory(""), InputError);
}

}  // namespace
}  // namespace bitloop::sim
