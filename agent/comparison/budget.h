#pragma once

#include <string>

#include "agent/space/costs.h"

namespace bitloop::search {

/// The most that a policy may cost.
struct Budget {
  std::string text{};  ///< as the user gave it
  Measure measure = Measure::cycles;
  double limit = 0;  ///< in the measure's unit

  /// Of the reference's cost.
  [[nodiscard]] double share(const Costs& reference) const { return limit / reference[measure]; }
};

/// "0.4" (a share of the reference's cost, above 0 to 1, in the measure `of`), "0.4energy", "0.4bytes", or
/// with a unit: "900000cycles", "5ms", "2mJ", "40kB", "1.5MB". `clock_hz`: 0 where there is no clock. Throws
/// InputError for any other text.
Budget budget_of(const std::string& text, const Costs& reference, double clock_hz,
                 Measure of = Measure::cycles);
/// The text is a number without a unit.
bool is_plain_ratio(const std::string& text);

}  // namespace bitloop::search
