#pragma once

#include <boost/program_options/options_description.hpp>
#include <boost/program_options/variables_map.hpp>
#include <filesystem>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "host/driver/pool.h"
#include "host/measurement/measurement_store.h"
#include "host/network/network.h"
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
  /// The words that stand without an option's name. At most one such.
  void positional(const char* name, const char* help);
  void integer(const char* name, long fallback, const char* help);
  void number(const char* name, double fallback, const char* help);
  void number(const char* name, const char* help);
  /// --device, --insecure, --hardware, --rtl, --memory.
  void device_options();
  /// --fresh, --unchecked.
  void store_option();
  void format_option();

  /// False where --help was asked for: it has been printed and the verb is done.
  bool parse(const Arguments& arguments);

  /// The option stood on the command line (a default does not count).
  [[nodiscard]] bool given(const std::string& name) const;
  [[nodiscard]] bool has(const std::string& name) const { return values_.count(name) > 0; }
  [[nodiscard]] bool is_set(const std::string& name) const { return values_[name].as<bool>(); }
  [[nodiscard]] std::string text_of(const std::string& name) const { return values_[name].as<std::string>(); }
  /// Of `positional`; may be empty.
  [[nodiscard]] std::vector<std::string> positional_words() const;
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
  /// Asked before the work whose result --out gets: `path` must be a file in a folder that is there, and none
  /// that an option of `inputs` reads.
  void require_writable(const std::filesystem::path& path, std::initializer_list<const char*> inputs) const;
  /// Comma-separated words, each of which must be one of `allowed` (where that is not empty); none of them is
  /// empty.
  [[nodiscard]] std::vector<std::string> words(const std::string& name,
                                               const std::vector<std::string>& allowed) const;

 private:
  [[noreturn]] void refuse_unnamed(const std::string& word) const;

  std::string verb_;
  std::string about_;
  boost::program_options::options_description description_;
  std::string positional_;
  boost::program_options::variables_map values_;
};

/// Which devices run the jobs, as the user says it.
struct DeviceChoice {
  std::string device = "sim";  ///< separated by commas
  bool insecure = false;
  std::string hardware = "default";  ///< of simulated ones, with their RTL (sim::with_rtl)
  std::string memory = "ddr8";
  bool unchecked = false;  ///< measured without its self-test
};

/// What the options say, and `stored` where they say nothing. Throws InputError where --hardware, --rtl or
/// --memory is given and nothing is simulated.
DeviceChoice device_choice(const Options& options, const DeviceChoice& stored = {});

/// What jobs are run for.
enum class Purpose {
  cycles,       ///< counters only: simulated devices are timing-only, what they store is rubbish
  full_cycles,  ///< counters only, but of simulated devices with all details
  results,      ///< the bytes that jobs store: devices that only count are refused (InputError)
};

/// The devices, of which none is open yet; `sim` stands for as many simulated ones as there are processors.
/// One that fails while others go on is told on standard error. Before they are measured the first time on
/// this machine, their hardware must pass its self-test (host/measurement/soundness.h): simulated ones in
/// full detail. Throws InputError for texts that name none.
std::shared_ptr<host::DevicePool> open_pool(const DeviceChoice& choice, Purpose purpose);

/// One simulated device that writes a waveform. Throws InputError where `choice` is another device.
std::shared_ptr<host::DevicePool> open_traced(const DeviceChoice& choice, const sim::WaveWindow& wave);

/// Opens one device that a text (no list) names, simulated ones with all details. Errors name the device.
std::unique_ptr<host::Device> open_device(const std::string& text, const DeviceChoice& choice);

/// The store of measured cycles, whose warnings go to standard error; none with --fresh, or with --unchecked,
/// whose cycles must not meet checked ones.
std::unique_ptr<host::MeasurementStore> open_store(const Options& options);

/// "CxHxW", which option `name` gives.
host::Shape parse_shape(const std::string& name, const std::string& text);

/// "a, b or c".
std::string one_of(const std::vector<std::string>& names);

/// Throws InputError, listing `names`, unless `name` is one of them. `what`: "method", "model", ...
void require_name(std::string_view what, std::string_view name, const std::vector<std::string>& names);

}  // namespace bitloop::console
