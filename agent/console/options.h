#pragma once

#include <boost/program_options/options_description.hpp>
#include <boost/program_options/variables_map.hpp>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "host/device.h"
#include "host/measure.h"
#include "sim/sim_device.h"

namespace bitloop::console {

using Arguments = std::vector<std::string>;

/// The options of one verb and the text that `--help` teaches with. Wrong use throws InputError.
class Options {
 public:
  /// `about`: what the verb does and its examples, printed before the list of options.
  Options(std::string verb, std::string about);

  /// Flag or option with a default (taken from `fallback`) or without one.
  void flag(const char* name, const char* help);
  void text(const char* name, const char* help);
  void text(const char* name, const std::string& fallback, const char* help);
  void integer(const char* name, long fallback, const char* help);
  void number(const char* name, double fallback, const char* help);
  void number(const char* name, const char* help);
  /// --device, --hardware, --memory.
  void device_options();
  /// --fresh.
  void store_option();
  void format_option();

  /// False where --help was asked for: it has been printed and the verb is done.
  bool parse(const Arguments& arguments);

  /// The option stood on the command line (a default does not count).
  [[nodiscard]] bool given(const std::string& name) const;
  [[nodiscard]] bool has(const std::string& name) const { return values_.count(name) > 0; }
  [[nodiscard]] bool is_set(const std::string& name) const { return values_[name].as<bool>(); }
  [[nodiscard]] std::string text_of(const std::string& name) const { return values_[name].as<std::string>(); }
  /// An integer in low..high.
  [[nodiscard]] long integer_of(const std::string& name, long low, long high) const;
  /// A finite number in low..high.
  [[nodiscard]] double number_of(const std::string& name, double low, double high) const;
  /// "CxHxW".
  [[nodiscard]] host::Shape shape_of(const std::string& name) const;
  /// Finite numbers, separated by commas.
  [[nodiscard]] std::vector<float> numbers_of(const std::string& name) const;
  /// An option that the verb cannot do without; `hint` shows one.
  [[nodiscard]] std::string required(const std::string& name, std::string_view hint) const;
  /// Comma-separated words, each of which must be one of `allowed` (where that is not empty).
  [[nodiscard]] std::vector<std::string> words(const std::string& name,
                                               const std::vector<std::string>& allowed) const;

 private:
  std::string verb_;
  std::string about_;
  boost::program_options::options_description description_;
  boost::program_options::variables_map values_;
};

/// Opens the device that --device names (`sim`), with --hardware and --memory.
std::unique_ptr<host::Device> open_device(std::string_view device, std::string_view hardware,
                                          std::string_view memory,
                                          const std::optional<sim::WaveWindow>& wave = {});

/// The same for whoever only wants counters: what such a device computes may be rubbish.
host::SegmentMeter::OpenDevice timing_devices(const std::string& device, const std::string& hardware,
                                              const std::string& memory);

/// The store of measured cycles, whose warnings go to standard error; none with --fresh.
std::unique_ptr<host::MeasurementStore> open_store(const Options& options);

/// "a, b or c".
std::string one_of(const std::vector<std::string>& names);

/// Throws InputError, listing `names`, unless `name` is one of them. `what`: "method", "model", ...
void require_name(std::string_view what, std::string_view name, const std::vector<std::string>& names);

}  // namespace bitloop::console
