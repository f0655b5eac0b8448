#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace bitloop::host {

/// What stands between separators: one part more than there are separators.
std::vector<std::string_view> split(std::string_view text, char separator);

/// A text that is a whole number from 0 on, decimal or 0x..., and nothing else.
std::optional<std::uint64_t> parse_integer(std::string_view text);

/// Options as users write them into one text, "name=value,name=value": each to be taken by name; whatever
/// nobody took is refused with the names that are known. Everything wrong throws InputError.
class OptionText {
 public:
  /// `subject` begins every error: what the options belong to. `hint` ends it.
  OptionText(std::string subject, const std::vector<std::string_view>& items, std::string hint = "");
  virtual ~OptionText() = default;

  [[noreturn]] void fail(std::string_view what) const;

  /// What all others are made of.
  virtual std::optional<std::string> text(const char* name);
  /// From `low` to `high`; `unit`: "seconds".
  std::optional<double> number(const char* name, double low, double high, std::string_view unit = "");
  std::optional<std::uint64_t> integer(const char* name, std::uint64_t low, std::uint64_t high);

  /// To be called when all that is known has been asked for.
  void refuse_rest() const;

 private:
  std::string subject_;
  std::string hint_;
  std::map<std::string, std::string, std::less<>> values_;
  std::set<std::string, std::less<>> known_;
};

}  // namespace bitloop::host
