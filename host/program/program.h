#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "host/device/device.h"
#include "host/program/instruction.h"

namespace bitloop::host {

/// The instructions of one segment. Appending an instruction finds, from the SRAM words that it reads and
/// writes, what it must wait for: no schedule can forget a wait. Instructions of one engine run in order, but
/// the compute engine fetches for one while it drains the one before: there, reading waits for writing too.
/// Every wait names an instruction appended earlier, so that a chain dispatched in order never deadlocks.
class Program {
 public:
  explicit Program(const HardwareInfo& hardware);

  void append(const Operation& operation);
  [[nodiscard]] const std::vector<Instruction>& instructions() const { return instructions_; }

 private:
  /// Per engine, the number (from 1) of its last instruction that touched a word.
  struct Touch {
    std::array<std::uint32_t, kEngines> write{};
    std::array<std::uint32_t, kEngines> access{};
  };
  using Memory = std::vector<Touch>;
  using Numbers = std::array<std::uint32_t, kEngines>;

  void touch(Memory& memory, std::int64_t first, std::int64_t count, bool write);
  void touch_rows(const RowTransfer& rows, bool write);
  void touch_packed(const Pack& pack);
  /// Of an input row, from first (inclusive) to end (exclusive).
  struct Columns {
    int first = 0;
    int end = 0;
  };

  void touch_windows(const WindowWalk& walk, int words);
  static Columns read_columns(const WindowWalk& walk, bool first, bool last);
  void touch_row(const WindowWalk& walk, std::int64_t position, const Columns& columns, int words);
  void touch_output(const WindowWalk& walk, int words);
  void touch_table(bool used);
  void visit(const LoadAct& i);
  void visit(const LoadWeight& i);
  void visit(const LoadParam& i);
  void visit(const LoadTable& i);
  void visit(const LoadImage& i);
  void visit(const Pack& i);
  void visit(const Conv& i);
  void visit(const MaxPool& i);
  void visit(const Depthwise& i);
  void visit(const Add& i);
  void visit(const Store& i);
  void settle_waits();

  int pixels_;
  int filters_;
  Memory activations_;  ///< word of bank b, row r at r * P + b
  Memory weights_;      ///< a row of all banks
  Memory parameters_;   ///< a slot
  Memory table_;        ///< as a whole
  std::vector<Instruction> instructions_;
  Numbers issued_{};                        ///< instructions per engine
  std::array<Numbers, kEngines> waited_{};  ///< per engine, what its instructions already wait for
  int engine_ = 0;                          ///< of the instruction being appended
  Numbers needs_{};
};

/// Words of a part of the reduction in the weight SRAM, per filter.
int weight_rows(const Conv& conv);
/// Parameter slots that an instruction reads, from its first, with F = `lanes`.
int parameter_slots(const Conv& conv);
int parameter_slots(const Depthwise& depthwise, int lanes);
int parameter_slots(const Add& add, int lanes);

}  // namespace bitloop::host
