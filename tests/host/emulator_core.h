#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "host/device.h"
#include "host/instruction.h"

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
  void poison();
  /// Throws DeviceError where an instruction reaches outside an SRAM or breaks a rule of the document.
  void execute(const Operation& operation);

 private:
  struct Parameters {
    std::vector<std::uint64_t> words;
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
  void run(const LoadImage& i);
  void run(const Pack& i);
  void run(const Conv& i);
  void run(const MaxPool& i);
  void run(const Store& i);

  template <typename Visit>
  void for_each_row_word(const RowTransfer& rows, const Visit& visit);
  template <typename Visit>
  void for_each_position(const WindowWalk& walk, const Visit& visit);
  std::uint64_t& activation(std::int64_t bank_row, std::int64_t position);
  std::uint64_t input_word(const WindowWalk& walk, const Position& position, int row, int column, int word);
  std::uint8_t packed_byte(const Pack& i, int lane, int packed_row, int packed_column) const;
  void accumulate(const Conv& i, const Position& position, int lane);
  void accumulate_tap(const Conv& i, const Position& position, int lane, int block, int row, int column);
  std::uint64_t activation_plane(const Conv& i, const Position& position, int block, int row, int column,
                                 int plane);
  std::uint64_t weight_plane(const Conv& i, int filter, int block, int row, int column, int plane) const;
  void drain(const Conv& i, const Position& position, int lane);
  std::int32_t requantized(const Conv& i, int lane, int filter) const;
  void write_bit(const WindowWalk& walk, int word, int bit, int position, bool value);

  HardwareInfo info_;
  Bus bus_;
  std::vector<std::uint64_t> activations_;  ///< bank b, row r at r * P + b
  std::vector<std::uint64_t> weights_;      ///< bank f, row r at r * F + f
  std::vector<std::uint64_t> parameters_;   ///< slot after slot
  std::vector<std::uint64_t> staging_;
  std::vector<std::int64_t> accumulators_;  ///< position lane p, filter f at p * F + f
  std::vector<std::int64_t> row_sums_;      ///< per position lane
};

}  // namespace bitloop::host::test
