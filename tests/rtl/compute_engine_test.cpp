// The compute engine alone: random CONV and MAX_POOL instructions whose operands this test places in the
// SRAMs word by word, against the plain definition of docs/accelerator.md. Instructions follow each other
// without a pause, with different widths, so that what one leaves behind would show in the next.
#include <gtest/gtest.h>
#include <verilated.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <random>
#include <vector>

#include "Vcompute_engine.h"

namespace {

constexpr int kP = 8;
constexpr int kF = 16;
constexpr int kRows = 4096;
constexpr int kWeightRows = 1024;

using Rng = std::mt19937_64;
int pick(Rng& rng, int low, int high) { return std::uniform_int_distribution<int>(low, high)(rng); }

int log2_of(int bits) { return bits == 1 ? 0 : bits == 2 ? 1 : bits == 4 ? 2 : 3; }

class Bench {
 public:
  Bench()
      : context_(std::make_unique<VerilatedContext>()),
        top_(std::make_unique<Vcompute_engine>(context_.get())) {
    top_->rst_i = 1;
    for (int i = 0; i < 4; ++i) tick();
    top_->rst_i = 0;
    tick();
  }
  ~Bench() { top_->final(); }

  void tick() {
    top_->clk_i = 1;
    top_->eval();
    top_->clk_i = 0;
    top_->eval();
    done_ += top_->done_o;
    active_ += top_->array_active_o;
    ++cycles_;
  }

  void load(int bank, int row, std::uint64_t word) {
    top_->ld_valid_i = 1;
    top_->ld_bank_i = bank;
    top_->ld_row_i = row;
    top_->ld_data_i = word;
    top_->eval();
    while (!top_->ld_ready_o) tick();
    tick();
    top_->ld_valid_i = 0;
  }
  std::uint64_t read(int bank, int row) {
    top_->st_valid_i = 1;
    top_->st_bank_i = bank;
    top_->st_row_i = row;
    top_->eval();
    while (!top_->st_ready_o) tick();
    tick();
    top_->st_valid_i = 0;
    return top_->st_data_o;
  }
  void weight(int bank, int row, std::uint64_t word) {
    top_->wgt_we_i = 1;
    top_->wgt_bank_i = bank;
    top_->wgt_row_i = row;
    top_->wgt_data_i = word;
    tick();
    top_->wgt_we_i = 0;
  }
  void parameter(int slot, int index, std::uint64_t word) {
    top_->par_we_i = 1;
    top_->par_slot_i = slot;
    top_->par_word_i = index;
    top_->par_data_i = word;
    tick();
    top_->par_we_i = 0;
  }
  void issue(const std::array<std::uint32_t, 16>& d) {
    for (int i = 0; i < 16; ++i) top_->instr_i[i] = d[i];
    top_->instr_valid_i = 1;
    top_->eval();
    while (!top_->instr_ready_o) tick();
    tick();
    top_->instr_valid_i = 0;
  }
  int done() const { return done_; }
  long active() const { return active_; }

 private:
  std::unique_ptr<VerilatedContext> context_;
  std::unique_ptr<Vcompute_engine> top_;
  int done_ = 0;
  long active_ = 0;
  long cycles_ = 0;
};

/// A tensor in the activation SRAM as docs/accelerator.md places it: planes of codes[channel][position].
struct Placed {
  int base, stride, ring;
};

int words_per_position(int channels, int bits) {
  return bits == 1 ? (channels + 63) / 64 : (channels + 31) / 32 * bits / 2;
}

struct Case {
  int a, w, out, channels, height, width, kernel_h, kernel_w, stride, pad, dilation, filters, zero;
  bool pool;
  int out_h() const { return (height + 2 * pad - dilation * (kernel_h - 1) - 1) / stride + 1; }
  int out_w() const { return (width + 2 * pad - dilation * (kernel_w - 1) - 1) / stride + 1; }
};

Case random_case(Rng& rng) {
  constexpr int kWidths[] = {1, 2, 4, 8};
  Case c{};
  do {
    c.pool = pick(rng, 0, 4) == 0;
    c.a = kWidths[pick(rng, 0, 3)];
    c.w = kWidths[pick(rng, 0, 3)];
    constexpr int kOut[] = {1, 2, 4, 8, 32};
    c.out = c.pool ? c.a : kOut[pick(rng, 0, 4)];
    c.channels = pick(rng, 1, 100);
    c.height = pick(rng, 1, 9);
    c.width = pick(rng, 1, 12);
    c.kernel_h = pick(rng, 1, 4);
    c.kernel_w = pick(rng, 1, 4);
    c.stride = pick(rng, 1, 3);
    c.pad = pick(rng, 0, 2);
    c.dilation = pick(rng, 1, 2);
    c.filters = pick(rng, 1, kF);
    c.zero = (c.a > 1 && !c.pool && pick(rng, 0, 1)) ? 1 << (c.a - 1) : 0;
  } while (c.height + 2 * c.pad < c.dilation * (c.kernel_h - 1) + 1 ||
           c.width + 2 * c.pad < c.dilation * (c.kernel_w - 1) + 1);
  return c;
}

class Trial {
 public:
  Trial(Bench& bench, const Case& c, Rng& rng) : bench_(bench), c_(c), rng_(rng) {}

  /// Places operands, issues the instruction, compares every written word.
  void run() {
    place_input();
    if (!c_.pool) {
      place_weights();
      place_parameters();
    }
    bench_.issue(instruction());
    const int before = done_before_;
    for (int i = 0; i < 200000 && bench_.done() == before; ++i) bench_.tick();
    ASSERT_EQ(bench_.done(), before + 1) << "the instruction did not end";
    compare();
  }

 private:
  int position_row(int base, int stride, int ring_position, int word) const {
    return base + word * stride + ring_position / kP;
  }

  void place_input() {
    done_before_ = bench_.done();
    codes_.assign(c_.channels, std::vector<int>(c_.height * c_.width));
    for (auto& channel : codes_)
      for (int& code : channel) code = pick(rng_, 0, (1 << c_.a) - 1);
    pitch_ = c_.width + pick(rng_, 0, 3);
    int rows = c_.height + pick(rng_, 0, 3);
    while (rows * pitch_ % kP != 0) ++rows;
    input_ = {pick(rng_, 0, 100), rows * pitch_ / kP + pick(rng_, 0, 2), rows * pitch_};
    first_row_ = pick(rng_, 0, rows - 1);
    const int words = words_per_position(c_.channels, c_.a);
    for (int y = 0; y < c_.height; ++y) {
      for (int x = 0; x < c_.width; ++x) {
        const int q = (first_row_ + y) % rows * pitch_ + x;
        for (int k = 0; k < words; ++k)
          bench_.load(q % kP, position_row(input_.base, input_.stride, q, k),
                      input_word(y * c_.width + x, k));
      }
    }
    output_ = {2000 + pick(rng_, 0, 50), (c_.out_h() * c_.out_w() + kP - 1) / kP + pick(rng_, 0, 2), 0};
    output_.ring = (c_.out_h() * c_.out_w() + kP - 1) / kP * kP;
  }

  std::uint64_t input_word(int position, int k) const {
    std::uint64_t word = 0;
    for (int bit = 0; bit < 64; ++bit) {
      const int channel = c_.a == 1 ? 64 * k + bit : k / (c_.a / 2) * 32 + bit % 32;
      const int plane = c_.a == 1 ? 0 : k % (c_.a / 2) * 2 + bit / 32;
      if (channel < c_.channels && (codes_[channel][position] >> plane & 1)) word |= std::uint64_t{1} << bit;
    }
    return word;
  }

  int block_channels() const { return c_.a == 1 && (c_.pool || c_.w == 1) ? 64 : 32; }
  int blocks() const { return (c_.channels + block_channels() - 1) / block_channels(); }

  void place_weights() {
    const int taps = c_.kernel_h * c_.kernel_w;
    weights_.assign(c_.filters, std::vector<int>(c_.channels * taps));
    for (auto& filter : weights_)
      for (int& code : filter) code = pick(rng_, 0, (1 << c_.w) - 1);
    weight_base_ = pick(rng_, 0, 50);
    for (int f = 0; f < kF; ++f) {
      std::vector<std::uint32_t> halves;
      for (int b = 0; b < blocks(); ++b) {
        for (int t = 0; t < taps; ++t) {
          for (int j = 0; j < c_.w; ++j) {
            std::uint64_t plane = 0;
            for (int i = 0; i < block_channels(); ++i) {
              const int channel = b * block_channels() + i;
              // channels beyond the tensor carry noise: the activations' zeros must hide it
              const int code =
                  f < c_.filters && channel < c_.channels ? weights_[f][channel * taps + t] : 255;
              plane |= std::uint64_t(code >> j & 1) << i;
            }
            halves.push_back(static_cast<std::uint32_t>(plane));
            if (block_channels() == 64) halves.push_back(static_cast<std::uint32_t>(plane >> 32));
          }
        }
      }
      if (halves.size() % 2) halves.push_back(0);
      ASSERT_LT(weight_base_ + halves.size() / 2, kWeightRows);
      for (std::size_t k = 0; k < halves.size() / 2; ++k)
        bench_.weight(f, weight_base_ + static_cast<int>(k),
                      halves[2 * k] | std::uint64_t{halves[2 * k + 1]} << 32);
    }
  }

  void place_parameters() {
    slot_ = pick(rng_, 0, 63);
    for (int f = 0; f < kF; ++f) {
      multiplier_[f] = pick(rng_, 1, 65535);
      shift_[f] = pick(rng_, 10, c_.out == 32 ? 20 : 30);
      bias_[f] = std::uniform_int_distribution<std::int64_t>(-(1LL << 36), 1LL << 36)(rng_);
      bench_.parameter(slot_, 2 * f, static_cast<std::uint64_t>(bias_[f]));
      bench_.parameter(slot_, 2 * f + 1, std::uint64_t(multiplier_[f]) | std::uint64_t(shift_[f]) << 16);
    }
    zero_ = c_.out == 32 ? pick(rng_, -1000, 1000) : 1 << c_.out >> 1;
    low_ = c_.out == 32 ? INT32_MIN : 0;
    high_ = c_.out == 32 ? INT32_MAX : (1 << c_.out) - 1;
    bench_.parameter(slot_, 2 * kF, std::uint32_t(low_) | std::uint64_t{std::uint32_t(high_)} << 32);
    bench_.parameter(slot_, 2 * kF + 1, std::uint32_t(zero_));
  }

  std::array<std::uint32_t, 16> instruction() {
    const auto pack = [](int low, int high) {
      return (std::uint32_t(low) & 0xffff) | std::uint32_t(high) << 16;
    };
    const int rows = input_.ring / pitch_;
    std::array<std::uint32_t, 16> d{};
    d[0] = c_.pool ? 0x11 : 0x10;
    d[2] = pack(c_.height, c_.width);
    d[3] = c_.kernel_h | c_.kernel_w << 8 | c_.stride << 16 | c_.stride << 20 | c_.dilation << 24 |
           c_.dilation << 28;
    d[4] = pack(-c_.pad, -c_.pad);
    d[5] = pack(0, c_.out_w());
    d[6] = std::uint32_t(c_.out_h() * c_.out_w()) | std::uint32_t(-c_.pad & 0xff) << 24;
    d[7] = pack(input_.base, input_.stride);
    d[8] = pack((first_row_ - c_.pad % rows + rows) % rows * pitch_, input_.ring);
    d[9] = pack(c_.stride % rows * pitch_, c_.dilation % rows * pitch_);
    d[10] = pack(0, output_.ring);
    group_offset_ = c_.out == 1 ? pick(rng_, 0, 3) * kF : pick(rng_, 0, 1) * kF;
    zero_extend_ = pick(rng_, 0, 1);
    d[11] = pack(output_.base, output_.stride);
    const int tail = c_.channels - (blocks() - 1) * block_channels();
    d[12] = log2_of(c_.a) | log2_of(c_.w) << 2 | (c_.out == 32 ? 5 : log2_of(c_.out)) << 4 | 3 << 8 |
            std::uint32_t(zero_extend_) << 10 | c_.zero << 16 | std::uint32_t(tail) << 24;
    d[13] = std::uint32_t(blocks()) | (c_.filters - 1) << 16 | group_offset_ << 24;
    d[14] = std::uint32_t(weight_base_) | slot_ << 16;
    return d;
  }

  std::int64_t expected_conv(int f, int oy, int ox) const {
    static constexpr int kAlpha[] = {2, 2, 1, 1};
    static constexpr int kBeta[] = {1, 3, 8, 128};
    std::int64_t acc = 0, rowsum = 0;
    for (int channel = 0; channel < c_.channels; ++channel) {
      for (int ky = 0; ky < c_.kernel_h; ++ky) {
        for (int kx = 0; kx < c_.kernel_w; ++kx) {
          const int y = oy * c_.stride - c_.pad + ky * c_.dilation,
                    x = ox * c_.stride - c_.pad + kx * c_.dilation;
          const bool inside = y >= 0 && y < c_.height && x >= 0 && x < c_.width;
          const int code = inside ? codes_[channel][y * c_.width + x] : c_.zero;
          acc += code * weights_[f][channel * c_.kernel_h * c_.kernel_w + ky * c_.kernel_w + kx];
          rowsum += code;
        }
      }
    }
    const std::int64_t d = kAlpha[log2_of(c_.w)] * acc - kBeta[log2_of(c_.w)] * rowsum;
    const std::int64_t y = ((d * multiplier_[f] + bias_[f]) >> shift_[f]) + zero_;
    return std::clamp<std::int64_t>(y, low_, high_);
  }

  std::int64_t expected_pool(int channel, int oy, int ox) const {
    int best = 0;
    for (int ky = 0; ky < c_.kernel_h; ++ky) {
      for (int kx = 0; kx < c_.kernel_w; ++kx) {
        const int y = oy * c_.stride - c_.pad + ky * c_.dilation,
                  x = ox * c_.stride - c_.pad + kx * c_.dilation;
        if (y >= 0 && y < c_.height && x >= 0 && x < c_.width)
          best = std::max(best, codes_[channel][y * c_.width + x]);
      }
    }
    return best;
  }

  void compare() {
    const int outputs = c_.pool ? c_.channels : c_.filters;
    const int offset = c_.pool ? 0 : group_offset_;
    for (int n = 0; n < c_.out_h() * c_.out_w(); ++n) {
      const int oy = n / c_.out_w(), ox = n % c_.out_w();
      std::vector<std::uint64_t> words;
      for (int k = 0; k < words_per_position(outputs + offset, c_.out); ++k)
        words.push_back(bench_.read(n % kP, output_.base + k * output_.stride + n / kP));
      const int end = c_.pool ? outputs : zero_extend_ ? (c_.out == 1 ? 64 : 32) - offset : kF;
      for (int f = 0; f < end; ++f) {
        const int channel = f + offset;
        std::uint32_t code = 0;
        for (int j = 0; j < c_.out; ++j) {
          const std::size_t k = c_.out == 1 ? channel / 64 : channel / 32 * c_.out / 2 + j / 2;
          const int bit = c_.out == 1 ? channel % 64 : channel % 32 + j % 2 * 32;
          code |= std::uint32_t(words[k] >> bit & 1) << j;
        }
        const std::int64_t expected = f >= outputs ? 0
                                      : c_.pool    ? expected_pool(f, oy, ox)
                                                   : expected_conv(f, oy, ox);
        ASSERT_EQ(code, static_cast<std::uint32_t>(expected))
            << (c_.pool ? "pool" : "conv") << " w" << c_.w << "a" << c_.a << " out " << c_.out << " position "
            << n << " filter " << f << " channels " << c_.channels << " kernel " << c_.kernel_h << 'x'
            << c_.kernel_w;
      }
    }
  }

  Bench& bench_;
  const Case& c_;
  Rng& rng_;
  int done_before_ = 0;
  std::vector<std::vector<int>> codes_, weights_;
  Placed input_{}, output_{};
  int pitch_ = 0, first_row_ = 0, weight_base_ = 0, slot_ = 0, group_offset_ = 0, zero_extend_ = 0;
  std::int64_t multiplier_[kF]{}, bias_[kF]{}, zero_ = 0, low_ = 0, high_ = 0;
  int shift_[kF]{};
};

TEST(compute_engine, random_instructions_equal_the_definition) {
  Bench bench;
  for (std::uint64_t seed = 1; seed <= 2000; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Rng rng(seed);
    const Case c = random_case(rng);
    Trial(bench, c, rng).run();
    if (testing::Test::HasFatalFailure()) return;
  }
}

}  // namespace
