#include "agent/console/options.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/program_options/parsers.hpp>
#include <boost/program_options/positional_options.hpp>
#include <charconv>
#include <cmath>
#include <sstream>

#include "agent/console/table.h"
#include "host/error.h"

namespace bitloop::console {

namespace po = boost::program_options;

Options::Options(std::string verb, std::string about)
    : verb_(std::move(verb)), about_(std::move(about)), description_("Options", 110, 70) {}

void Options::flag(const char* name, const char* help) {
  description_.add_options()(name, po::bool_switch(), help);
}
void Options::text(const char* name, const char* help) {
  description_.add_options()(name, po::value<std::string>()->value_name("TEXT"), help);
}
void Options::text(const char* name, const std::string& fallback, const char* help) {
  description_.add_options()(name, po::value<std::string>()->default_value(fallback)->value_name("TEXT"),
                             help);
}
void Options::integer(const char* name, long fallback, const char* help) {
  description_.add_options()(name, po::value<long>()->default_value(fallback)->value_name("N"), help);
}
void Options::number(const char* name, double fallback, const char* help) {
  description_.add_options()(
      name, po::value<double>()->default_value(fallback, fmt::format("{}", fallback))->value_name("X"), help);
}
void Options::number(const char* name, const char* help) {
  description_.add_options()(name, po::value<double>()->value_name("X"), help);
}

void Options::device_options() {
  text("device", "sim", "what runs the jobs: sim");
  text("hardware", "default", "configuration of the simulated accelerator (bitloop info lists them)");
  text("memory", "ddr8",
       "memory behind it: a name, or latency=60,write_latency=20,outstanding=8,beats_per_cycle=1 (2: reads "
       "and writes at once)");
}

void Options::store_option() {
  flag("fresh", "run everything on the device: neither read nor write the store of measured cycles");
}

void Options::format_option() { text("format", "table", "table, json or csv"); }

bool Options::parse(const Arguments& arguments) {
  description_.add_options()("help", po::bool_switch(), "print this text");
  // Without this, a word too many would be reported as a value of the option before it.
  po::positional_options_description none;
  try {
    po::store(po::command_line_parser(arguments)
                  .options(description_)
                  .positional(none)
                  .style(po::command_line_style::unix_style & ~po::command_line_style::allow_guessing)
                  .run(),
              values_);
    po::notify(values_);
  } catch (const po::error& e) {
    throw InputError(fmt::format("{}: see bitloop {} --help", e.what(), verb_));
  }
  if (!is_set("help")) return true;
  std::ostringstream list;
  list << description_;
  print(about_ + "\n" + list.str());
  return false;
}

bool Options::given(const std::string& name) const {
  return values_.count(name) > 0 && !values_[name].defaulted();
}

long Options::integer_of(const std::string& name, long low, long high) const {
  const long value = values_[name].as<long>();
  if (value < low || value > high) {
    throw InputError(
        fmt::format("--{} {} is out of range: give an integer from {} to {}", name, value, low, high));
  }
  return value;
}

double Options::number_of(const std::string& name, double low, double high) const {
  const double value = values_[name].as<double>();
  if (!std::isfinite(value) || value < low || value > high) {
    throw InputError(
        fmt::format("--{} {} is out of range: give a number from {} to {}", name, value, low, high));
  }
  return value;
}

host::Shape Options::shape_of(const std::string& name) const {
  const std::string text = text_of(name);
  host::Shape shape;
  const char* at = text.data();
  const char* const end = at + text.size();
  for (int* side : {&shape.channels, &shape.height, &shape.width}) {
    const auto [next, error] = std::from_chars(at, end, *side);
    const bool last = side == &shape.width;
    if (error != std::errc{} || *side < 1 || (last ? next != end : next == end || *next != 'x')) {
      throw InputError(fmt::format(
          "--{} '{}' is no image size: give CHANNELSxHEIGHTxWIDTH, such as 3x224x224", name, text));
    }
    at = last ? next : next + 1;
  }
  return shape;
}

std::vector<float> Options::numbers_of(const std::string& name) const {
  std::vector<float> numbers;
  for (const std::string& word : words(name, {})) {
    float number = 0;
    const char* const end = word.data() + word.size();
    const auto [next, error] = std::from_chars(word.data(), end, number);
    if (error != std::errc{} || next != end || !std::isfinite(number)) {
      throw InputError(fmt::format(
          "--{} '{}' is no list of numbers: give one per channel, such as 0.5,0.5,0.5", name, text_of(name)));
    }
    numbers.push_back(number);
  }
  return numbers;
}

std::string Options::required(const std::string& name, std::string_view hint) const {
  if (!has(name)) throw InputError(fmt::format("bitloop {} needs --{}: for example {}", verb_, name, hint));
  return text_of(name);
}

std::vector<std::string> Options::words(const std::string& name,
                                        const std::vector<std::string>& allowed) const {
  std::vector<std::string> words;
  std::istringstream list(text_of(name));
  for (std::string word; std::getline(list, word, ',');) {
    if (!allowed.empty()) require_name("word in --" + name, word, allowed);
    words.push_back(word);
  }
  return words;
}

std::string one_of(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i) {
    text += (i == 0 ? "" : i + 1 == names.size() ? " or " : ", ") + names[i];
  }
  return text;
}

void require_name(std::string_view what, std::string_view name, const std::vector<std::string>& names) {
  if (std::find(names.begin(), names.end(), name) == names.end()) {
    throw InputError(fmt::format("unknown {} '{}': choose {}", what, name, one_of(names)));
  }
}

std::unique_ptr<host::Device> open_device(std::string_view device, std::string_view hardware,
                                          std::string_view memory,
                                          const std::optional<sim::WaveWindow>& wave) {
  require_name("device", device, {"sim"});
  return sim::make_sim_device(hardware, sim::parse_memory(memory), wave);
}

host::SegmentMeter::OpenDevice timing_devices(const std::string& device, const std::string& hardware,
                                              const std::string& memory) {
  require_name("device", device, {"sim"});
  return [hardware, memory] {
    return sim::make_sim_device(hardware, sim::parse_memory(memory), {}, sim::Detail::timing);
  };
}

std::unique_ptr<host::MeasurementStore> open_store(const Options& options) {
  if (options.is_set("fresh")) return nullptr;
  return std::make_unique<host::MeasurementStore>(
      host::MeasurementStore::default_path(),
      [](const std::string& line) { fmt::print(stderr, "bitloop: warning: {}\n", line); });
}

}  // namespace bitloop::console
