#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/codesign/chips.h"
#include "host/device/device.h"

namespace bitloop::codesign {

/// All instances of a module together, without the modules below it.
struct BlockArea {
  std::string block;
  int instances = 0;
  Area area;
  int levels = 0;  ///< of logic, of the deepest path that ends in it (scripts/logic_depth.py)
};

Area total(const std::vector<BlockArea>& blocks);

/// What hardware takes in an FPGA, without synthesizing it: for each block a sum of terms, fitted to Yosys by
/// scripts/fit_area. A term is a number times factors of the hardware's parameters.
///
/// Immutable, so that threads may share it.
class AreaModel {
 public:
  /// From the text of a file that scripts/fit_area wrote. Throws Error where it is none.
  explicit AreaModel(std::string_view json);

  /// The one in agent/codesign/area_model.json, which is compiled in.
  static const AreaModel& committed();

  /// In alphabetical order. `levels` are those of the nearest configuration that was synthesized; of several
  /// the deepest.
  [[nodiscard]] std::vector<BlockArea> blocks(const host::HardwareInfo& hardware) const;
  [[nodiscard]] Area total(const host::HardwareInfo& hardware) const;

  /// The parameters that lie beyond those of the configurations that it was fitted to, as text: "p=32",
  /// or the larger array, "p*f=512"; empty where there are none.
  [[nodiscard]] std::string beyond(const host::HardwareInfo& hardware) const;

  /// The hash of the RTL that it was fitted to (sim::synthesized_sources), and the tool that counted.
  [[nodiscard]] const std::string& rtl() const { return rtl_; }
  [[nodiscard]] const std::string& tool() const { return tool_; }

  /// How far it was off for configurations that it was not fitted to, at most.
  struct Deviation {
    int configurations = 0;
    double total_lut = 0;  ///< of the sum of all LUTs: 0.01 is one percent
    double block_lut = 0;  ///< of blocks of more than 500 LUTs
  };
  [[nodiscard]] const Deviation& deviation() const { return deviation_; }

 private:
  /// Of an operand, a parameter "p" or a ratio "32p/f": itself; "log2(p)"; "max(p,4)"; "p=2": 1 where that is
  /// so, else 0; "mux(p)": LUTs of a multiplexer of so many inputs, of which one LUT takes four.
  struct Factor {
    enum class Kind { value, log2, at_least, equals, multiplexer };
    Kind kind = Kind::value;
    int times = 1;
    std::size_t parameter = 0;  ///< of sim::kHardwareParameters
    std::optional<std::size_t> over{};
    int number = 0;  ///< at least, or equal to this

    static Factor parse(std::string_view text);
    [[nodiscard]] double value(const std::vector<int>& values) const;
  };
  using Factors = std::vector<Factor>;
  struct Term {
    Factors factors;
    Area area;
    double instances = 0;
  };
  struct Block {
    std::string name;
    Factors absent;  ///< where their product is not 0; with none, nowhere
    std::vector<Term> terms;
    std::vector<int> levels;  ///< in each of `fitted_`
  };
  using Values = std::vector<int>;  ///< in the order of sim::kHardwareParameters

  static Factors factors_of(std::string_view product);
  static double value_of(const Factors& factors, const Values& values);
  [[nodiscard]] std::vector<std::size_t> nearest(const Values& values) const;

  std::string rtl_;
  std::string tool_;
  Deviation deviation_;
  std::vector<Values> fitted_;
  std::vector<Block> blocks_;
};

/// The committed model was fitted to the RTL of this hardware (sim::rtl_of) as it is now, or that is gone.
bool model_is_of_rtl(const host::HardwareInfo& hardware);

/// Says on standard error for which of these the committed model does not hold, and why.
void note_limits(const std::vector<host::HardwareInfo>& hardware);

/// The text of area_model.json.
std::string_view area_model_json();

}  // namespace bitloop::codesign
