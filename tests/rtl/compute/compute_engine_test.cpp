// The compute engine alone: random instructions whose operands this test places in the SRAMs word by word,
// against the plain definitions of docs/accelerator.md. Instructions follow each other without a pause, of
// different kinds and widths, so that what one leaves behind would show in the next.
#include <gtest/gtest.h>
#include <verilated.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <memory>
#include <random>
#include <vector>

#include "Vcompute_engine.h"

namespace {

// The build names the configuration.
#ifndef BITLOOP_P
#define BITLOOP_P 8
#define BITLOOP_F 16
#define BITLOOP_LANES 32
#endif
constexpr int kP = BITLOOP_P;
constexpr int kF = BITLOOP_F;
constexpr int kPasses = 32 / BITLOOP_LANES;  // of an entry through the channelwise units
// SRAMs hold the operands of several instructions: a region each.
constexpr int kRegions = 4;
constexpr int kRows = 16384 / kRegions;
constexpr int kWeightRows = 2048 / kRegions;
constexpr int kSlots = 64 / kRegions;

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
    const int states = top_->array_active_o + top_->pool_active_o + top_->channel_active_o +
                       top_->stall_drain_o + top_->stall_fetch_o;
    EXPECT_EQ(states, static_cast<int>(top_->busy_o)) << "a busy cycle counts in one state";
    ++cycles_;
  }

  void load(int bank, int row, std::uint64_t word) {
    const int odd = bank % 2;
    const std::uint32_t halves[] = {static_cast<std::uint32_t>(word), static_cast<std::uint32_t>(word >> 32)};
    top_->ld_valid_i = 1 << odd;
    top_->ld_bank_i = bank << (odd ? std::countr_zero(static_cast<unsigned>(kP)) : 0);
    top_->ld_row_i = static_cast<std::uint32_t>(row) << (16 * odd);
    std::copy_n(halves, 2, &top_->ld_data_i[2 * odd]);
    top_->eval();
    while (!(top_->ld_ready_o >> odd & 1)) tick();
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
  void table(int index, std::uint64_t word) {
    top_->tab_we_i = 1;
    top_->tab_word_i = index;
    top_->tab_data_i = word;
    tick();
    top_->tab_we_i = 0;
  }
  void issue(const std::array<std::uint32_t, 16>& d) {
    for (int i = 0; i < 16; ++i) top_->instr_i[i] = d[i];
    top_->instr_valid_i = 1;
    top_->eval();
    while (!top_->instr_ready_o) tick();
    tick();
    top_->instr_valid_i = 0;
    issued_ = cycles_;
  }
  /// Cycles since the last instruction was taken.
  long since_issue() const { return cycles_ - issued_; }
  int done() const { return done_; }
  long active() const { return active_; }

 private:
  std::unique_ptr<VerilatedContext> context_;
  std::unique_ptr<Vcompute_engine> top_;
  int done_ = 0;
  long active_ = 0;
  long cycles_ = 0;
  long issued_ = 0;
};

/// A tensor in the activation SRAM as docs/accelerator.md places it: planes of codes[channel][position].
struct Placed {
  int base, stride, ring;
  bool spread = false;
  [[nodiscard]] int bank(int position) const {
    return spread ? position % kP / 2 + (position + position / kP) % 2 * (kP / 2) : position % kP;
  }
};

int words_per_position(int channels, int bits) {
  return bits == 1 ? (channels + 63) / 64 : (channels + 31) / 32 * bits / 2;
}

enum class Op { conv, pool, depthwise, add };
constexpr const char* kNames[] = {"conv", "pool", "depthwise", "add"};
/// Weights of DEPTHWISE that are a tensor's codes.
struct Product {
  bool on, signed_input, signed_vector;
};

struct Case {
  Op op;
  int a, w, out, channels, height, width, kernel_h, kernel_w, stride, pad, dilation, filters, zero;
  bool leaky;    // CONV, DEPTHWISE
  bool unit;     // DEPTHWISE: all weights are one
  bool upper;    // DEPTHWISE at 1 bit: the upper half of the words
  int operands;  // ADD
  bool table;    // codes go through the table
  Product product;
  bool tight;   // no gap between the input's rows, and the output's ring is not spread
  bool spread;  // where tight: the input's ring is
  bool channelwise() const { return op == Op::depthwise || op == Op::add; }
  int out_h() const { return (height + 2 * pad - dilation * (kernel_h - 1) - 1) / stride + 1; }
  int out_w() const { return (width + 2 * pad - dilation * (kernel_w - 1) - 1) / stride + 1; }
};

Case random_case(Rng& rng, Op op) {
  constexpr int kWidths[] = {1, 2, 4, 8};
  Case c{};
  c.op = op;
  do {
    const bool channelwise = c.channelwise(), pool = op == Op::pool;
    c.a = op == Op::add ? 8 : kWidths[pick(rng, 0, 3)];
    c.w = kWidths[pick(rng, 0, 3)];
    constexpr int kOut[] = {1, 2, 4, 8, 32};
    c.out = pool ? c.a : kOut[pick(rng, 0, channelwise ? 3 : 4)];
    c.channels = channelwise ? pick(rng, 0, 2) ? pick(rng, 1, 32) : 32 : pick(rng, 1, 100);
    c.height = pick(rng, 1, 9);
    c.width = pick(rng, 1, 12);
    c.kernel_h = op == Op::add ? 1 : pick(rng, 1, op == Op::depthwise ? 5 : 4);
    c.kernel_w = op == Op::add ? 1 : pick(rng, 1, op == Op::depthwise ? 5 : 4);
    c.stride = op == Op::add ? 1 : pick(rng, 1, 3);
    c.pad = op == Op::add ? 0 : pick(rng, 0, 2);
    c.dilation = op == Op::add ? 1 : pick(rng, 1, 2);
    c.filters = channelwise ? c.channels : pick(rng, 1, kF);
    c.zero = c.a > 1 && (op == Op::conv || op == Op::depthwise) && pick(rng, 0, 1) ? 1 << (c.a - 1) : 0;
    c.leaky = (op == Op::conv || op == Op::depthwise) && pick(rng, 0, 2) == 0;
    c.unit = op == Op::depthwise && pick(rng, 0, 4) == 0;
    c.upper = op == Op::depthwise && c.a == 1 && pick(rng, 0, 1);
    c.operands = op == Op::add ? pick(rng, 1, 2) : 1;
    c.product = {};
    if (op == Op::depthwise && pick(rng, 0, 2) == 0) {
      c.a = 8;
      c.kernel_h = c.kernel_w = c.stride = c.dilation = 1;
      c.pad = 0;
      c.unit = c.upper = false;
      c.product = {true, pick(rng, 0, 1) != 0, pick(rng, 0, 1) != 0};
    }
    c.table = op != Op::pool && c.out <= 8 && pick(rng, 0, 2) == 0;
  } while (c.height + 2 * c.pad < c.dilation * (c.kernel_h - 1) + 1 ||
           c.width + 2 * c.pad < c.dilation * (c.kernel_w - 1) + 1);
  return c;
}

/// One set of requantization parameters of one group: a slot.
struct Parameters {
  std::array<std::int64_t, kF> bias;
  std::array<int, kF> multiplier, shift;
  std::int64_t zero, low, high;

  std::int64_t sum(int f, std::int64_t d) const { return d * multiplier[f] + bias[f]; }
  std::int64_t limited(std::int64_t shifted) const { return std::clamp(shifted + zero, low, high); }
  std::int64_t result(int f, std::int64_t total) const { return limited(total >> shift[f]); }
};

using Table = std::array<int, 256>;

/// One instruction with its operands in a region of the SRAMs.
class Trial {
 public:
  Trial(Bench& bench, const Case& c, const Table& table, Rng& rng, int region)
      : bench_(bench),
        c_(c),
        table_(table),
        rng_(rng),
        rows_from_(region * kRows),
        weights_from_(region * kWeightRows),
        slots_from_(region * kSlots) {}

  void place() {
    place_input();
    if (c_.op == Op::conv) place_weights();
    if (c_.op == Op::depthwise) place_depthwise_weights();
    if (c_.op == Op::add) place_second();
    if (c_.op != Op::pool) place_parameters();
    choose_output();
  }

  std::array<std::uint32_t, 16> instruction() const {
    const auto pack = [](int low, int high) {
      return (std::uint32_t(low) & 0xffff) | std::uint32_t(high) << 16;
    };
    const int rows = input_.ring / pitch_;
    std::array<std::uint32_t, 16> d{};
    d[0] = 0x10 + static_cast<std::uint32_t>(c_.op);
    d[2] = pack(c_.height, c_.width);
    d[3] = c_.kernel_h | c_.kernel_w << 8 | c_.stride << 16 | c_.stride << 20 | c_.dilation << 24 |
           c_.dilation << 28;
    d[4] = pack(-c_.pad, -c_.pad);
    d[5] = pack(0, c_.out_w());
    d[6] = std::uint32_t(c_.out_h() * c_.out_w()) | std::uint32_t(-c_.pad & 0xff) << 24;
    d[7] = pack(input_.base, input_.stride);
    d[8] = pack((first_row_ - c_.pad % rows + rows) % rows * pitch_, input_.ring);
    d[9] = pack(c_.stride % rows * pitch_, c_.op == Op::add ? second_.stride : c_.dilation % rows * pitch_);
    d[10] = pack(output_first_, output_.ring);
    d[11] = pack(output_.base, output_.stride);
    const int tail = c_.channelwise() ? c_.channels : c_.channels - (blocks() - 1) * block_channels();
    d[12] = log2_of(c_.a) | (c_.out == 32 ? 5 : log2_of(c_.out)) << 4 | c_.leaky << 7 |
            std::uint32_t(zero_extend_) << 10 | c_.zero << 16 | std::uint32_t(tail) << 24;
    d[13] = std::uint32_t(blocks()) | (c_.filters - 1) << 16 | group_offset_ << 24;
    d[14] = std::uint32_t(weight_base_) | slot_ << 16;
    if (c_.op == Op::conv || c_.op == Op::pool) d[12] |= log2_of(c_.w) << 2 | 3 << 8;
    if (c_.op == Op::depthwise) {
      d[12] |= c_.unit << 8 | c_.upper << 9 | c_.product.on << 12 | c_.product.signed_input << 13;
      // an unsigned vector's codes: less 128, and 64 twice at the same position
      if (c_.product.on && !c_.product.signed_vector) d[3] = (d[3] & 0x0fff00ff) | 3 << 8;
    }
    d[12] |= std::uint32_t(c_.table) << 11 | std::uint32_t(input_.spread) << 14 |
             std::uint32_t(output_.spread) << 15;
    if (c_.op == Op::add) {
      d[13] =
          (d[13] & ~0xffffU) | static_cast<std::uint32_t>(c_.operands) | std::uint32_t(second_.spread) << 22;
      d[14] = std::uint32_t(second_.base) | slot_ << 16;
      d[15] = pack(second_first_, second_.ring);
    }
    return d;
  }

  void compare() {
    const int outputs = c_.op == Op::pool ? c_.channels : c_.filters;
    for (int n = 0; n < c_.out_h() * c_.out_w(); ++n) {
      const int oy = n / c_.out_w(), ox = n % c_.out_w();
      const int q = (output_first_ + n) % output_.ring;
      std::vector<std::uint64_t> words;
      for (int k = 0; k < output_words(); ++k)
        words.push_back(bench_.read(output_.bank(q), output_.base + k * output_.stride + q / kP));
      for (int channel = 0; channel < output_words() * (c_.out == 1 ? 64 : 64 / c_.out); ++channel) {
        const int f = channel - group_offset_;
        std::uint32_t code = 0, before = 0;
        for (int j = 0; j < c_.out; ++j) {
          const std::size_t k = c_.out == 1 ? channel / 64 : channel / 32 * c_.out / 2 + j / 2;
          const int bit = c_.out == 1 ? channel % 64 : channel % 32 + j % 2 * 32;
          code |= std::uint32_t(words[k] >> bit & 1) << j;
          before |= std::uint32_t(noise_[n * output_words() + k] >> bit & 1) << j;
        }
        const bool written = f >= 0 && (f < written_end() || c_.op == Op::pool);
        const std::uint32_t expected = !written       ? before
                                       : f >= outputs ? 0
                                                      : static_cast<std::uint32_t>(this->expected(f, oy, ox));
        ASSERT_EQ(code, expected) << kNames[static_cast<int>(c_.op)] << " w" << c_.w << "a" << c_.a << " out "
                                  << c_.out << " position " << n << " filter " << f << " channels "
                                  << c_.channels << " kernel " << c_.kernel_h << 'x' << c_.kernel_w
                                  << " leaky " << c_.leaky << " unit " << c_.unit << " upper " << c_.upper
                                  << " operands " << c_.operands << " table " << c_.table << " product "
                                  << c_.product.on << c_.product.signed_input << c_.product.signed_vector
                                  << " offset " << group_offset_;
      }
    }
  }

 private:
  int position_row(int base, int stride, int ring_position, int word) const {
    return base + word * stride + ring_position / kP;
  }

  // Channels of the input tensor; a channelwise instruction sees one block of them.
  int tensor_channels() const { return c_.channels + (c_.upper ? 32 : 0); }

  void place_input() {
    codes_.assign(tensor_channels(), std::vector<int>(c_.height * c_.width));
    for (auto& channel : codes_)
      for (int& code : channel) code = pick(rng_, 0, (1 << c_.a) - 1);
    pitch_ = c_.width + (c_.tight ? 0 : pick(rng_, 0, 3));
    int rows = c_.height + pick(rng_, 0, 3);
    while (rows * pitch_ % kP != 0) ++rows;
    input_ = {rows_from_ + pick(rng_, 0, 100), rows * pitch_ / kP + pick(rng_, 0, 2), rows * pitch_,
              c_.tight ? c_.spread : pick(rng_, 0, 1) != 0};
    first_row_ = pick(rng_, 0, rows - 1);
    const int words = words_per_position(tensor_channels(), c_.a);
    for (int y = 0; y < c_.height; ++y) {
      for (int x = 0; x < c_.width; ++x) {
        const int q = (first_row_ + y) % rows * pitch_ + x;
        for (int k = 0; k < words; ++k)
          bench_.load(input_.bank(q), position_row(input_.base, input_.stride, q, k),
                      plane_word(codes_, y * c_.width + x, k));
      }
    }
  }

  std::uint64_t plane_word(const std::vector<std::vector<int>>& codes, int position, int k) const {
    std::uint64_t word = 0;
    for (int bit = 0; bit < 64; ++bit) {
      const int channel = c_.a == 1 ? 64 * k + bit : k / (c_.a / 2) * 32 + bit % 32;
      const int plane = c_.a == 1 ? 0 : k % (c_.a / 2) * 2 + bit / 32;
      if (channel < std::ssize(codes) && (codes[channel][position] >> plane & 1))
        word |= std::uint64_t{1} << bit;
    }
    return word;
  }

  // ADD: the second operand, somewhere in a ring that wraps
  void place_second() {
    const int positions = c_.height * c_.width;
    const int rows = (positions + kP - 1) / kP + pick(rng_, 0, 2);
    second_ = {rows_from_ + 1000 + pick(rng_, 0, 50), rows + pick(rng_, 0, 2), rows * kP,
               pick(rng_, 0, 1) != 0};
    second_first_ = pick(rng_, 0, rows - 1) * kP;
    codes2_.assign(c_.channels, std::vector<int>(positions));
    for (auto& channel : codes2_)
      for (int& code : channel) code = pick(rng_, 0, 255);
    for (int n = 0; n < positions; ++n) {
      const int q = (second_first_ + n) % second_.ring;
      for (int k = 0; k < 4; ++k)
        bench_.load(second_.bank(q), position_row(second_.base, second_.stride, q, k),
                    plane_word(codes2_, n, k));
    }
  }

  int block_channels() const {
    return c_.a == 1 && (c_.op == Op::pool || (c_.op == Op::conv && c_.w == 1)) ? 64 : 32;
  }
  int blocks() const { return (c_.channels + block_channels() - 1) / block_channels(); }

  void place_weights() {
    const int taps = c_.kernel_h * c_.kernel_w;
    weights_.assign(c_.filters, std::vector<int>(c_.channels * taps));
    for (auto& filter : weights_)
      for (int& code : filter) code = pick(rng_, 0, (1 << c_.w) - 1);
    weight_base_ = weights_from_ + pick(rng_, 0, 50);
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
      ASSERT_LT(weight_base_ - weights_from_ + halves.size() / 2, kWeightRows);
      for (std::size_t k = 0; k < halves.size() / 2; ++k)
        bench_.weight(f, weight_base_ + static_cast<int>(k),
                      halves[2 * k] | std::uint64_t{halves[2 * k + 1]} << 32);
    }
  }

  // one byte per tap and channel; weights_[channel][tap]
  // a block of a tensor's codes, in the four words of its tap
  void place_vector() {
    weights_.assign(c_.channels, std::vector<int>(1));
    weight_base_ = weights_from_ + pick(rng_, 0, 50);
    std::vector<std::uint64_t> row(kF);
    for (std::uint64_t& word : row) word = rng_();
    for (int channel = 0; channel < c_.channels; ++channel) {
      const int code = pick(rng_, 0, 255);
      weights_[channel][0] = code - (c_.product.signed_vector ? 128 : 0);
      for (int plane = 0; plane < 8; ++plane) {
        std::uint64_t& word = row[plane / 2];
        const std::uint64_t bit = std::uint64_t{1} << (channel + plane % 2 * 32);
        word = (code >> plane & 1) != 0 ? word | bit : word & ~bit;
      }
    }
    for (int bank = 0; bank < kF; ++bank) bench_.weight(bank, weight_base_, row[bank]);
  }

  void place_depthwise_weights() {
    if (c_.product.on) {
      place_vector();
      return;
    }
    const int taps = c_.kernel_h * c_.kernel_w;
    weights_.assign(c_.channels, std::vector<int>(taps));
    for (auto& channel : weights_)
      for (int& weight : channel) weight = c_.unit ? 1 : pick(rng_, -128, 127);
    weight_base_ = weights_from_ + pick(rng_, 0, 50);
    constexpr int kTaps = kF / 4;  // of a row
    for (int row = 0; row <= (taps - 1) / kTaps; ++row) {
      for (int bank = 0; bank < kF; ++bank) {
        std::uint64_t word = rng_();  // missing taps and channels: noise that must not count
        const int tap = row * kTaps + bank / 4;
        for (int i = 0; i < 8; ++i) {
          const int channel = bank % 4 * 8 + i;
          if (tap >= taps || channel >= c_.channels || c_.unit) continue;
          word &= ~(std::uint64_t{255} << 8 * i);
          word |= std::uint64_t(weights_[channel][tap] & 255) << 8 * i;
        }
        bench_.weight(bank, weight_base_ + row, word);
      }
    }
  }

  int sets() const { return c_.leaky || c_.operands == 2 ? 2 : 1; }

  void place_parameters() {
    const int slots = (c_.filters + kF - 1) / kF * sets();
    parameters_.resize(slots);
    slot_ = slots_from_ + pick(rng_, 0, kSlots - slots);
    const int bits = c_.table ? 8 : c_.out;
    // biases as large as the products, so that signs differ
    const std::int64_t largest = c_.op == Op::add         ? std::int64_t{1} << 25
                                 : c_.op == Op::depthwise ? std::int64_t{1} << pick(rng_, 24, 34)
                                                          : std::int64_t{1} << 36;
    for (int slot = 0; slot < slots; ++slot) {
      Parameters& set = parameters_[slot];
      const int number = slot_ + slot;
      for (int f = 0; f < kF; ++f) {
        set.multiplier[f] = pick(rng_, 1, 65535);
        set.shift[f] = c_.op == Op::add ? pick(rng_, 14, 24) : pick(rng_, 10, c_.out == 32 ? 20 : 30);
        set.bias[f] = std::uniform_int_distribution<std::int64_t>(-largest, largest)(rng_);
        bench_.parameter(number, 2 * f, static_cast<std::uint64_t>(set.bias[f]));
        bench_.parameter(number, 2 * f + 1,
                         std::uint64_t(set.multiplier[f]) | std::uint64_t(set.shift[f]) << 16);
      }
      set.zero = c_.out == 32 ? pick(rng_, -1000, 1000) : pick(rng_, 0, 1 << bits >> 1);
      set.low = c_.out == 32 ? INT32_MIN : 0;
      set.high = c_.out == 32 ? INT32_MAX : (1 << bits) - 1 - pick(rng_, 0, 1 << bits >> 2);
      bench_.parameter(number, 2 * kF, std::uint32_t(set.low) | std::uint64_t{std::uint32_t(set.high)} << 32);
      bench_.parameter(number, 2 * kF + 1, std::uint32_t(set.zero));
    }
  }

  int output_words() const {
    return words_per_position((c_.op == Op::pool ? c_.channels : c_.filters) + group_offset_, c_.out);
  }
  /// Bits that the instruction writes: whole groups, or all to the block's end.
  int written_end() const {
    return zero_extend_ ? (c_.out == 1 ? 64 : 32) - group_offset_ : (c_.filters + kF - 1) / kF * kF;
  }

  void choose_output() {
    const int positions = c_.out_h() * c_.out_w();
    const int rows = (positions + kP - 1) / kP + pick(rng_, 0, 2);
    output_ = {rows_from_ + 2000 + pick(rng_, 0, 50), rows + pick(rng_, 0, 2), rows * kP,
               c_.op != Op::pool && !c_.tight && pick(rng_, 0, 1)};
    output_first_ = pick(rng_, 0, rows - 1) * kP;
    group_offset_ = 0;
    if (c_.op == Op::conv) group_offset_ = pick(rng_, 0, (c_.out == 1 ? 64 : 32) / kF - 1) * kF;
    if (c_.channelwise() && c_.out == 1) group_offset_ = pick(rng_, 0, 1) * 32;
    zero_extend_ = c_.op != Op::pool && pick(rng_, 0, 1);
    noise_.clear();
    for (int n = 0; n < positions; ++n) {
      const int q = (output_first_ + n) % output_.ring;
      for (int k = 0; k < output_words(); ++k) {
        noise_.push_back(rng_());
        bench_.load(output_.bank(q), position_row(output_.base, output_.stride, q, k), noise_.back());
      }
    }
  }

  std::int64_t expected(int f, int oy, int ox) const {
    if (c_.op == Op::pool) return expected_pool(f, oy, ox);
    const std::int64_t code = requantized(f, oy, ox);
    return c_.table ? table_[code] & ((1 << c_.out) - 1) : code;
  }

  std::int64_t requantized(int f, int oy, int ox) const {
    const Parameters* set = &parameters_[f / kF * sets()];
    const int lane = f % kF;
    if (c_.op == Op::add) {
      const int n = oy * c_.out_w() + ox;
      std::int64_t total = set[0].sum(lane, codes_[f][n]);
      if (c_.operands == 2) total += std::int64_t{codes2_[f][n]} * set[1].multiplier[lane];
      return set[c_.operands - 1].result(lane, total);
    }
    const std::int64_t d = c_.op == Op::conv ? conv(f, oy, ox) : depthwise(f, oy, ox);
    const bool negative = set[0].sum(lane, d) - (std::int64_t{1} << (set[0].shift[lane] - 1)) < 0;
    const Parameters& chosen = c_.leaky && negative ? set[1] : set[0];
    return set[sets() - 1].limited(chosen.sum(lane, d) >> chosen.shift[lane]);
  }

  /// The code at a position of the image, or outside of it.
  int code(int channel, int y, int x) const {
    const bool inside = y >= 0 && y < c_.height && x >= 0 && x < c_.width;
    return inside ? codes_[channel][y * c_.width + x] : c_.zero;
  }
  int input_y(int oy, int ky) const { return oy * c_.stride - c_.pad + ky * c_.dilation; }
  int input_x(int ox, int kx) const { return ox * c_.stride - c_.pad + kx * c_.dilation; }

  std::int64_t conv(int f, int oy, int ox) const {
    static constexpr int kAlpha[] = {2, 2, 1, 1};
    static constexpr int kBeta[] = {1, 3, 8, 128};
    std::int64_t acc = 0, rowsum = 0;
    for (int channel = 0; channel < c_.channels; ++channel) {
      for (int ky = 0; ky < c_.kernel_h; ++ky) {
        for (int kx = 0; kx < c_.kernel_w; ++kx) {
          const int x = code(channel, input_y(oy, ky), input_x(ox, kx));
          acc += x * weights_[f][channel * c_.kernel_h * c_.kernel_w + ky * c_.kernel_w + kx];
          rowsum += x;
        }
      }
    }
    return kAlpha[log2_of(c_.w)] * acc - kBeta[log2_of(c_.w)] * rowsum;
  }

  std::int64_t depthwise(int channel, int oy, int ox) const {
    const int half = c_.product.signed_input ? 1 << (c_.a - 1) : 0;
    std::int64_t sum = 0;
    for (int ky = 0; ky < c_.kernel_h; ++ky)
      for (int kx = 0; kx < c_.kernel_w; ++kx)
        sum += (code(channel + (c_.upper ? 32 : 0), input_y(oy, ky), input_x(ox, kx)) - half) *
               weights_[channel][ky * c_.kernel_w + kx];
    return sum - (c_.product.signed_input ? 128 : 0);
  }

  std::int64_t expected_pool(int channel, int oy, int ox) const {
    int best = 0;
    for (int ky = 0; ky < c_.kernel_h; ++ky)
      for (int kx = 0; kx < c_.kernel_w; ++kx)
        best = std::max(best, code(channel, input_y(oy, ky), input_x(ox, kx)));
    return channel < c_.channels ? best : 0;
  }

  Bench& bench_;
  const Case c_;
  const Table& table_;
  Rng& rng_;
  const int rows_from_, weights_from_, slots_from_;
  std::vector<std::vector<int>> codes_, codes2_, weights_;
  std::vector<Parameters> parameters_;
  std::vector<std::uint64_t> noise_;
  Placed input_{}, second_{}, output_{};
  int pitch_ = 0, first_row_ = 0, second_first_ = 0, output_first_ = 0, weight_base_ = 0, slot_ = 0,
      group_offset_ = 0, zero_extend_ = 0;
};

Table random_table(Bench& bench, Rng& rng) {
  Table table;
  for (int& code : table) code = pick(rng, 0, 255);
  for (int index = 0; index < 32; ++index) {
    std::uint64_t word = 0;
    for (int i = 0; i < 8; ++i) word |= static_cast<std::uint64_t>(table[8 * index + i]) << (8 * i);
    bench.table(index, word);
  }
  return table;
}

/// Issues instructions one behind the other and compares every word they wrote.
void run(Bench& bench, std::vector<Trial>& trials) {
  for (Trial& trial : trials) trial.place();
  const int before = bench.done();
  for (Trial& trial : trials) bench.issue(trial.instruction());
  const int expected = before + static_cast<int>(trials.size());
  for (int i = 0; i < 400000 && bench.done() != expected; ++i) bench.tick();
  ASSERT_EQ(bench.done(), expected) << "an instruction did not end";
  for (Trial& trial : trials) {
    trial.compare();
    if (testing::Test::HasFatalFailure()) return;
  }
}

void random_batches(int batches, const std::vector<Op>& ops) {
  Bench bench;
  for (int seed = 1; seed <= batches; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Rng rng(static_cast<std::uint64_t>(seed));
    const Table table = random_table(bench, rng);
    std::vector<Trial> trials;
    for (int region = 0; region < kRegions; ++region)
      trials.emplace_back(bench, random_case(rng, ops[pick(rng, 0, static_cast<int>(ops.size()) - 1)]), table,
                          rng, region);
    run(bench, trials);
    if (testing::Test::HasFailure()) return;
  }
}

TEST(compute_engine, random_convolutions_equal_the_definition) { random_batches(500, {Op::conv}); }

TEST(compute_engine, random_depthwise_convolutions_equal_the_definition) {
  random_batches(1000, {Op::depthwise});
}

TEST(compute_engine, random_additions_equal_the_definition) { random_batches(500, {Op::add}); }

TEST(compute_engine, random_sequences_equal_the_definitions) {
  random_batches(1500, {Op::conv, Op::conv, Op::pool, Op::depthwise, Op::add});
}

/// Cycles from an instruction's start to its end.
long cycles_of(const Case& c) {
  Bench bench;
  Rng rng(1);
  const Table table = random_table(bench, rng);
  Trial trial(bench, c, table, rng, 0);
  trial.place();
  const int before = bench.done();
  bench.issue(trial.instruction());
  while (bench.done() == before && bench.since_issue() < 100000) bench.tick();
  const long cycles = bench.since_issue();
  trial.compare();
  return cycles;
}

Case channelwise_case(Op op, int a, int kernel, int stride) {
  Case c{};
  c.op = op;
  c.a = c.out = a;
  c.channels = c.filters = 32;
  c.height = kP < 8 ? 14 : 28;  // fits the region
  c.width = 28;
  c.kernel_h = c.kernel_w = kernel;
  c.stride = stride;
  c.pad = kernel / 2;
  c.dilation = 1;
  c.operands = 1;
  c.tight = true;
  return c;
}

// What docs/accelerator.md says of a tile, and of the walker: one position per cycle.
long tile_cycles(const Case& c) {
  const long entries = c.kernel_h * c.kernel_w * std::max(c.a / 2, 1) * c.operands * kPasses;
  const long words = std::max(c.out / 2, 1);  // that a bank takes of a result
  const long drain = 32 / kF * std::max<long>(kP * (c.leaky || c.operands == 2 ? 2 : 1), words);
  return std::max<long>({entries, drain, kP});
}

TEST(compute_engine, channelwise_tiles_follow_each_other_without_a_pause) {
  std::vector<Case> cases;
  for (int a : {1, 2, 4, 8}) cases.push_back(channelwise_case(Op::depthwise, a, 3, 1));
  cases.push_back(channelwise_case(Op::depthwise, 1, 1, 1));
  cases.push_back(channelwise_case(Op::depthwise, 8, 5, 1));
  cases.push_back(channelwise_case(Op::depthwise, 4, 3, 1));
  cases.back().leaky = true;
  cases.push_back(channelwise_case(Op::add, 8, 1, 1));
  cases.push_back(channelwise_case(Op::add, 8, 1, 1));
  cases.back().operands = 2;
  cases.push_back(channelwise_case(Op::depthwise, 8, 3, 1));
  cases.back().table = true;
  for (const Case& c : cases) {
    const long tiles = (c.out_h() * c.out_w() + kP - 1) / kP;
    const long cycles = cycles_of(c), least = tiles * tile_cycles(c);
    std::printf("%s a%d %dx%d operands %d leaky %d: %ld tiles, %ld cycles each, %ld in all\n",
                kNames[static_cast<int>(c.op)], c.a, c.kernel_h, c.kernel_w, c.operands, c.leaky, tiles,
                tile_cycles(c), cycles);
    EXPECT_GE(cycles, least);
    EXPECT_LE(cycles, least + least * 3 / 100 + 60) << kNames[static_cast<int>(c.op)] << " a" << c.a;
  }
}

TEST(compute_engine, strides_make_lanes_meet_in_a_bank) {
  for (int a : {1, 2, 4, 8}) {
    Case c = channelwise_case(Op::depthwise, a, 3, 2);
    c.width = 32;  // tiles do not cross rows
    const long tiles = (c.out_h() * c.out_w() + kP - 1) / kP, cycles = cycles_of(c);
    std::printf("depthwise a%d stride 2: %ld tiles, %.2f cycles each\n", a, tiles,
                static_cast<double>(cycles) / tiles);
    EXPECT_LE(cycles, tiles * std::max<long>(2 * 9 * std::max(a / 2, 1), tile_cycles(c)) * 110 / 100 + 80);
  }
}

TEST(compute_engine, in_a_spread_ring_strides_of_two_never_meet) {
  for (int a : {1, 2, 4, 8}) {
    Case c = channelwise_case(Op::depthwise, a, 3, 2);
    c.width = 32;
    c.spread = true;
    const long tiles = (c.out_h() * c.out_w() + kP - 1) / kP;
    EXPECT_LE(cycles_of(c), tiles * tile_cycles(c) * 103 / 100 + 80);
  }
}

}  // namespace
