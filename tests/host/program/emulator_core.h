#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "host/device/device.h"
#include "host/network/quantized_network.h"
#include "host/program/instruction.h"

namespace bitloop::host::test {

/// SRAMs, accumulators and engines of the emulated accelerator: what each instruction does.
class EmulatorCore {
 public:
  /// Memory words by byte offset from the job's base.
  struct Bus {
    std::function<std::uint64_t(Address)> read;
    std::function<void(Address, std::uint64_t)> write;
  };

  EmulatorCore(const HardwareInfo& info, Bus bus);

  /// Fills all SRAMs with garbage.
  void start_job();
  /// Fills all SRAMs but that of activations with garbage.
  void start_segment();
  /// Throws DeviceError where an instruction reaches outside an SRAM or breaks a rule of the document.
  void execute(const Operation& operation);

 private:
  /// What one slot says of one filter or channel.
  struct Parameters {
    Requantization requantization;
    OutputRange range;
  };
  /// One position of a walk, in order.
  struct Position {
    int iy = 0;
    int ix = 0;
    std::int64_t ring_row = 0;  ///< ring position of row iy, column 0
    int output = 0;             ///< position in the output ring
  };

  void run(const LoadAct& i);
  void run(const LoadWeight& i);
  void run(const LoadParam& i);
  void run(const LoadTable& i);
  void run(const LoadImage& i);
  void run(const Pack& i);
  void run(const Conv& i);
  void run(const MaxPool& i);
  void run(const Depthwise& i);
  void run(const Add& i);
  void run(const Store& i);

  template <typename Visit>
  void for_each_row_word(const RowTransfer& rows, int repeat, const Visit& visit);
  template <typename Visit>
  void for_each_position(const WindowWalk& walk, const Visit& visit);
  std::uint64_t& activation(std::int64_t bank_row, std::int64_t position, bool spread);
  std::uint64_t input_word(const WindowWalk& walk, const Position& position, int row, int column, int word);
  std::uint8_t packed_byte(const Pack& i, int lane, int packed_row, int packed_column);
  void accumulate(const Conv& i, const Position& position, int lane);
  void accumulate_tap(const Conv& i, const Position& position, int lane, int block, int row, int column);
  std::uint64_t activation_plane(const Conv& i, const Position& position, int block, int row, int column,
                                 int plane);
  std::uint64_t weight_plane(const Conv& i, int filter, int block, int row, int column, int plane) const;
  std::uint32_t channel_code(const WindowWalk& walk, bool upper_half, const Position& position, int row,
                             int column, int channel);
  std::int64_t channel_weight(const Depthwise& i, int tap, int channel) const;
  std::int64_t vector_code(const Depthwise& i, int channel) const;
  std::int64_t channel_sum(const Depthwise& i, const Position& position, int channel);
  std::uint32_t second_code(const Add& i, int number, int channel);
  std::int32_t add_result(const Add& i, const Position& position, int number, int channel);
  [[nodiscard]] Parameters parameters(int slot, int lane) const;
  [[nodiscard]] std::int32_t requantized(std::int64_t d, int slot, int lane, bool leaky) const;
  /// What a result's code becomes where it goes through the table.
  [[nodiscard]] std::int32_t looked_up(bool table, std::int32_t code) const;
  void check_channels(const WindowWalk& walk, int channels, int bit_offset, int slot, int sets) const;
  /// Writes the codes of `channels` filters or channels from bit `first_bit` of their words on.
  template <typename CodeOf>
  void drain(const WindowWalk& walk, int position, int first_bit, int channels, bool zero_extend,
             const CodeOf& code_of);
  void write_bit(const WindowWalk& walk, int word, int bit, int position, bool value);

  HardwareInfo info_;
  Bus bus_;
  std::vector<std::uint64_t> activations_;  ///< bank b, row r at r * P + b
  std::vector<std::uint64_t> weights_;      ///< bank f, row r at r * F + f
  std::vector<std::uint64_t> parameters_;   ///< slot after slot
  std::vector<std::uint64_t> table_;        ///< eight codes to a word
  std::vector<std::uint64_t> staging_;
  std::vector<bool> packed_;                ///< words of it that the last PACK read
  std::vector<std::int64_t> accumulators_;  ///< position lane p, filter f at p * F + f
  std::vector<std::int64_t> row_sums_;      ///< per position lane
};

}  // namespace bitloop::host::test
