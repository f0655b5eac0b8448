#include "agent/console/options.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/algorithm/string/split.hpp>
#include <boost/program_options/parsers.hpp>
#include <boost/program_options/positional_options.hpp>
#include <charconv>
#include <cmath>
#include <sstream>
#include <thread>
#include <utility>

#include "agent/console/progress.h"
#include "agent/console/table.h"
#include "host/base/error.h"
#include "host/board/memory_mapped_device.h"
#include "host/driver/address.h"
#include "host/etherbone/remote_device.h"
#include "host/measurement/soundness.h"

namespace bitloop::console {

namespace po = boost::program_options;

namespace {

constexpr const char* kUnnamed = " words without a name";  // that nobody can type

}  // namespace

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
void Options::positional(const char* name, const char* help) {
  positional_ = name;
  description_.add_options()(name, po::value<std::vector<std::string>>()->value_name("TEXT"), help);
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
  text("device", "sim",
       "what runs the jobs: sim, tcp://HOST:PORT, tcp+tls://HOST:PORT, udp://HOST:PORT or uio:NAME; several, "
       "separated by commas, share them (docs/boards.md)");
  flag("insecure",
       "allow plain connections that leave this machine: anyone on the way can read and change them");
  text("hardware", "default", "configuration of the simulated accelerator (bitloop info lists them)");
  text("rtl",
       "folder of the RTL that it is made from (default: the one that bitloop was built from; "
       "docs/changing_rtl.md)");
  text("memory", "ddr8",
       "memory behind it: a name, or latency=60,write_latency=20,outstanding=8,beats_per_cycle=1 (2: reads "
       "and writes at once)");
}

void Options::store_option() {
  flag("fresh", "run everything on the device: neither read nor write the store of measured cycles");
  flag("unchecked",
       "measure also what does not pass its self-test, as hardware that is new on this machine must; "
       "remember nothing");
}

void Options::format_option() { text("format", "table", "table, json or csv"); }

bool Options::parse(const Arguments& arguments) {
  description_.add_options()("help,h", po::bool_switch(), "print this text");
  // What stands without an option's name, also where the verb takes no such words.
  po::options_description all(description_);
  if (positional_.empty()) all.add_options()(kUnnamed, po::value<std::vector<std::string>>());
  po::positional_options_description positional;
  positional.add(positional_.empty() ? kUnnamed : positional_.c_str(), -1);
  try {
    po::store(po::command_line_parser(arguments)
                  .options(all)
                  .positional(positional)
                  .style(po::command_line_style::unix_style & ~po::command_line_style::allow_guessing)
                  .run(),
              values_);
    po::notify(values_);
  } catch (const po::error& e) {
    throw InputError(fmt::format("{}: see bitloop {} --help", e.what(), verb_));
  }
  if (!is_set("help")) {
    if (has(kUnnamed)) refuse_unnamed(values_[kUnnamed].as<std::vector<std::string>>().front());
    return true;
  }
  std::ostringstream list;
  list << description_;
  print(about_ + "\n" + list.str());
  return false;
}

void Options::refuse_unnamed(const std::string& word) const {
  const auto open = [&](const char* name) {
    return description_.find_nothrow(name, false) != nullptr && !given(name);
  };
  const bool folder = std::filesystem::is_directory(word);
  const char* option = open("run") && (folder || !open("model")) ? "run" : open("model") ? "model" : nullptr;
  throw InputError(fmt::format("'{}' stands without an option's name{} (bitloop {} --help)", word,
                               option != nullptr ? fmt::format(": did you mean --{} {}?", option, word) : "",
                               verb_));
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

std::vector<std::string> Options::positional_words() const {
  return has(positional_) ? values_[positional_].as<std::vector<std::string>>() : std::vector<std::string>{};
}

double Options::number_of(const std::string& name, double low, double high) const {
  const double value = values_[name].as<double>();
  if (!std::isfinite(value) || value < low || value > high) {
    throw InputError(
        fmt::format("--{} {} is out of range: give a number from {} to {}", name, value, low, high));
  }
  return value;
}

host::Shape Options::shape_of(const std::string& name) const { return parse_shape(name, text_of(name)); }

host::Shape parse_shape(const std::string& name, const std::string& text) {
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
  if (!has(name) || text_of(name).empty())
    throw InputError(fmt::format("bitloop {} needs --{}: for example {}", verb_, name, hint));
  return text_of(name);
}

void Options::require_writable(const std::filesystem::path& path,
                               std::initializer_list<const char*> inputs) const {
  namespace fs = std::filesystem;
  const fs::path folder = path.has_parent_path() ? path.parent_path() : ".";
  if (!fs::is_directory(folder)) {
    throw InputError(
        fmt::format("folder {} does not exist: make it or choose another --out", folder.string()));
  }
  const fs::file_status status = fs::symlink_status(path);
  if (path.empty() || (fs::exists(status) && !fs::is_regular_file(status))) {
    throw InputError(fmt::format("--out '{}' is no regular file: choose another one", path.string()));
  }
  for (const char* input : inputs) {
    std::error_code ignored;
    if (has(input) && fs::equivalent(path, text_of(input), ignored)) {
      throw InputError(
          fmt::format("--out {} would overwrite --{}: choose another file", path.string(), input));
    }
  }
}

std::vector<std::string> Options::words(const std::string& name,
                                        const std::vector<std::string>& allowed) const {
  const std::string text = text_of(name);
  if (text.empty()) return {};
  std::vector<std::string> words;
  boost::split(words, text, [](char c) { return c == ','; });
  for (const std::string& word : words) {
    if (word.empty()) {
      throw InputError(
          fmt::format("--{} '{}' has a comma too many: give words with one between two", name, text));
    }
    if (!allowed.empty()) require_name("word in --" + name, word, allowed);
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

namespace {

/// Whether some device of the choice is simulated.
bool simulates(const std::vector<host::DeviceAddress>& addresses) {
  return std::any_of(addresses.begin(), addresses.end(),
                     [](const host::DeviceAddress& a) { return a.scheme == host::Scheme::sim; });
}

std::vector<host::DeviceAddress> addresses_of(const DeviceChoice& choice) {
  std::vector<host::DeviceAddress> addresses;
  for (const std::string& text : host::split_devices(choice.device)) {
    for (const host::DeviceAddress& other : addresses) {
      if (other.text == text) throw InputError(fmt::format("device {} is named twice: leave one out", text));
    }
    addresses.push_back(host::parse_device(text, choice.insecure));
  }
  if (addresses.empty()) throw InputError("--device names no device: give sim or tcp://HOST:PORT");
  return addresses;
}

/// Another one than the user asked for is refused. (Remote ones have been asked already.)
void require_fingerprint(const host::DeviceAddress& address, const host::HardwareInfo& info) {
  if (!address.fingerprint || info.fingerprint.starts_with(*address.fingerprint)) return;
  throw DeviceError(
      fmt::format("{} has fingerprint {} and fingerprint={} was asked for: use that device, or "
                  "leave the option out",
                  address.text, info.fingerprint, *address.fingerprint));
}

std::unique_ptr<host::Device> open_address(const host::DeviceAddress& address, const DeviceChoice& choice,
                                           sim::Detail detail) {
  std::unique_ptr<host::Device> device;
  switch (address.scheme) {
    case host::Scheme::sim:
      device = sim::make_sim_device(choice.hardware, sim::parse_memory(choice.memory), {}, detail);
      break;
    case host::Scheme::uio: {
      const host::BareBoard board = address.bare.value_or(host::BareBoard{});
      device = host::board::open_uio_device(address.host, address.buffer, board.clock_hz, board.name);
      break;
    }
    default:
      device = host::etherbone::open_remote_device(address);
  }
  require_fingerprint(address, device->info());
  return device;
}

/// The full model behind the default memory, whose speed no result depends on.
std::shared_ptr<host::DevicePool> full_models(const std::string& hardware) {
  return std::make_shared<host::DevicePool>("sim", [hardware] { return sim::make_sim_device(hardware); });
}

/// Simulated hardware is sound with the small one that is simulated as it is built: forms for speed leave out
/// what stands in their place on a board.
host::SoundnessCheck soundness_check(const std::shared_ptr<host::DevicePool>& pool,
                                     const DeviceChoice& choice, sim::Detail detail) {
  host::SoundnessCheck check{.name = pool->hardware().name, .key = pool->hardware().fingerprint, .open = [=] {
                               return std::vector{pool};
                             }};
  if (simulates(addresses_of(choice))) {
    check.key = sim::make_sim_device(choice.hardware, {}, {}, detail)->info().fingerprint + " " +
                sim::simulated_sources(sim::rtl_of(choice.hardware));
    check.open = [name = check.name, hardware = choice.hardware] {
      std::vector<std::shared_ptr<host::DevicePool>> pools;
      for (const sim::NamedHardware& named : sim::named_hardware()) {
        const std::string other = sim::with_rtl(named.info.name, sim::rtl_of(hardware));
        if (named.as_built && other != name) pools.push_back(full_models(other));
      }
      pools.push_back(full_models(hardware));
      return pools;
    };
  }
  check.folder = host::MeasurementStore::default_path();
  if (!check.folder.empty()) check.folder.replace_filename("sound");
  check.note = [](const std::string& line) { fmt::print(stderr, "bitloop: note: {}\n", line); };
  return check;
}

void guard(const std::shared_ptr<host::DevicePool>& pool, const DeviceChoice& choice, sim::Detail detail) {
  if (choice.unchecked) return;
  pool->guard([owner = std::weak_ptr(pool), choice, detail] {
    host::SoundnessCheck check = soundness_check(owner.lock(), choice, detail);
    LateProgressBar bar("self-test");
    check.progress = [&](double done) { bar.update(done, check.name); };
    host::require_sound(check);
  });
}

}  // namespace

DeviceChoice device_choice(const Options& options, const DeviceChoice& stored) {
  DeviceChoice choice = stored;
  if (options.given("device")) choice.device = options.text_of("device");
  choice.insecure = choice.insecure || options.is_set("insecure");
  choice.unchecked = options.has("unchecked") && options.is_set("unchecked");
  const bool simulated = simulates(addresses_of(choice));
  for (const auto& [name, value] : {std::pair{"hardware", &choice.hardware}, {"memory", &choice.memory}}) {
    if (!options.given(name)) continue;
    if (!simulated) {
      throw InputError(fmt::format("--{} says what is simulated, and device {} tells its own: leave it out",
                                   name, choice.device));
    }
    *value = options.text_of(name);
  }
  if (options.given("rtl")) {
    if (!simulated)
      throw InputError(fmt::format("--rtl says what is simulated, and device {} tells its own: leave it out",
                                   choice.device));
    choice.hardware = sim::with_rtl(choice.hardware, options.required("rtl", "--rtl trial"));
  }
  return choice;
}

std::shared_ptr<host::DevicePool> open_pool(const DeviceChoice& choice, Purpose purpose) {
  const sim::Detail detail = purpose == Purpose::cycles ? sim::Detail::timing : sim::Detail::full;
  (void)sim::parse_memory(choice.memory);
  std::vector<host::DevicePool::Member> members;
  for (const host::DeviceAddress& address : addresses_of(choice)) {
    const auto open = [address, choice, detail, purpose] {
      auto device = open_address(address, choice, detail);
      if (purpose == Purpose::results && !device->info().computes) {
        throw InputError(fmt::format(
            "{} only counts cycles (timing-only): results need a device that computes", address.text));
      }
      return device;
    };
    const bool simulated = address.scheme == host::Scheme::sim;
    const unsigned count = simulated ? std::max(1u, std::thread::hardware_concurrency()) : 1;
    for (unsigned i = 0; i < count; ++i) members.push_back({address.text, open});
  }
  auto pool = std::make_shared<host::DevicePool>(std::move(members));
  pool->tell([](const std::string& line) { fmt::print(stderr, "bitloop: note: {}\n", line); });
  guard(pool, choice, detail);
  return pool;
}

std::shared_ptr<host::DevicePool> open_traced(const DeviceChoice& choice, const sim::WaveWindow& wave) {
  const auto addresses = addresses_of(choice);
  if (addresses.size() != 1 || !simulates(addresses)) {
    throw InputError(fmt::format("--wave needs --device sim: device {} writes no waveform", choice.device));
  }
  const auto open = [=] {
    return sim::make_sim_device(choice.hardware, sim::parse_memory(choice.memory), wave);
  };
  const auto pool = std::make_shared<host::DevicePool>("sim", open, 1);
  guard(pool, choice, sim::Detail::full);
  return pool;
}

std::unique_ptr<host::Device> open_device(const std::string& text, const DeviceChoice& choice) {
  return open_address(host::parse_device(text, choice.insecure), choice, sim::Detail::full);
}

std::unique_ptr<host::MeasurementStore> open_store(const Options& options) {
  if (options.is_set("fresh") || options.is_set("unchecked")) return nullptr;
  return std::make_unique<host::MeasurementStore>(
      host::MeasurementStore::default_path(),
      [](const std::string& line) { fmt::print(stderr, "bitloop: warning: {}\n", line); });
}

}  // namespace bitloop::console
