// Mixed random jobs on devices behind sockets, each compared with the same job run in this process: every
// counter and every byte of its result. For lossy links, pools whose members die, and soaks; exit 1 where a
// job is lost or differs. Targets: 0 lost, 0 wrong; memory and open files of this process, and of those to
// watch, stay flat. usage: bench_remote_jobs DEVICE[,DEVICE...] [jobs=N] [minutes=M] [rate=N] [hardware=tiny]
// [watch=PID,PID]
//   The devices must be the same simulated hardware: bitloop serve --hardware tiny
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <random>
#include <sstream>
#include <thread>

#include "host/driver/address.h"
#include "host/driver/pool.h"
#include "host/etherbone/remote_device.h"
#include "sim/sim_device.h"
#include "tests/host/driver/job_case.h"

using namespace bitloop;
using Clock = std::chrono::steady_clock;

namespace {

struct Footprint {
  std::size_t kilobytes = 0;
  std::size_t files = 0;
};

Footprint footprint(const std::string& process) {
  Footprint found;
  std::ifstream status("/proc/" + process + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS:")) found.kilobytes = std::strtoull(line.c_str() + 6, nullptr, 10);
  }
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/" + process + "/fd", error)) {
    (void)entry;
    ++found.files;
  }
  return found;
}

std::map<std::string, std::string> options_of(int argc, char** argv) {
  std::map<std::string, std::string> options;
  for (int i = 2; i < argc; ++i) {
    const std::string text = argv[i];
    const std::size_t equals = text.find('=');
    options[text.substr(0, equals)] = equals == std::string::npos ? "" : text.substr(equals + 1);
  }
  return options;
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc < 2) {
    fmt::print(stderr,
               "usage: bench_remote_jobs DEVICE[,DEVICE...] [jobs=N] [minutes=M] [rate=N] [hardware=tiny] "
               "[watch=PID,PID]\n");
    return 2;
  }
  auto options = options_of(argc, argv);
  const double minutes = std::strtod(options["minutes"].c_str(), nullptr);
  const std::size_t jobs = options.count("jobs") > 0 ? std::strtoull(options["jobs"].c_str(), nullptr, 10)
                           : minutes > 0             ? ~std::size_t{0}
                                                     : 1000;
  const double rate = std::strtod(options["rate"].c_str(), nullptr);  // jobs per second at most; 0: any
  const std::string hardware = options.count("hardware") > 0 ? options["hardware"] : "tiny";
  std::vector<std::string> processes{std::to_string(getpid())};
  std::istringstream watched(options["watch"]);
  for (std::string process; std::getline(watched, process, ',');) processes.push_back(process);

  const auto own = sim::make_sim_device(hardware);
  std::vector<host::test::JobCase> cases = host::test::make_job_cases(*own);
  const host::Network lenet = host::zoo_network("lenet");
  std::mt19937_64 random{2};
  for (const int bits : {1, 2, 4, 8})
    cases.push_back(host::test::make_job_case(*own, lenet, host::uniform_policy(lenet, bits, bits), random));
  std::vector<host::DevicePool::Member> members;
  for (const std::string& text : host::split_devices(argv[1])) {
    members.push_back({text, [address = host::parse_device(text)] {
                         return host::etherbone::open_remote_device(address);
                       }});
  }
  host::DevicePool pool(members);
  if (pool.hardware().fingerprint != own->info().fingerprint) {
    fmt::print(stderr, "the devices have fingerprint {} and {} hardware here has {}\n",
               pool.hardware().fingerprint, hardware, own->info().fingerprint);
    return 2;
  }

  const auto begin = Clock::now();
  const auto elapsed = [&] { return std::chrono::duration<double>(Clock::now() - begin).count(); };
  std::size_t done = 0, wrong = 0;
  double next_line = 0;
  std::vector<Footprint> early;
  std::vector<Footprint> now(processes.size());
  const auto tell = [&] {
    std::string line = fmt::format("{:7.0f} s  {:8} jobs  {} wrong", elapsed(), done, wrong);
    for (std::size_t i = 0; i < processes.size(); ++i) {
      now[i] = footprint(processes[i]);
      line += fmt::format("   {}: {} KB, {} files", i == 0 ? "self" : processes[i], now[i].kilobytes,
                          now[i].files);
    }
    fmt::print("{}\n", line);
    std::fflush(stdout);
    if (early.empty() && (minutes == 0 || elapsed() > 6 * minutes)) early = now;  // a tenth of the time
  };
  std::mutex mutex;
  constexpr std::size_t kBatch = 256;
  for (std::size_t start = 0; start < jobs && (minutes == 0 || elapsed() < 60 * minutes); start += kBatch) {
    pool.for_each(std::min(kBatch, jobs - start), [&](host::Driver& driver, std::size_t i) {
      const host::test::JobCase& one = cases[(start + i) * 5 % cases.size()];
      const bool same = one.run(driver) == one.expected;
      if (rate > 0) {
        const double due = static_cast<double>(start + i) / rate;
        std::this_thread::sleep_for(std::chrono::duration<double>(due - elapsed()));
      }
      const std::lock_guard lock(mutex);
      ++done;
      if (!same) ++wrong;
      if (elapsed() < next_line) return;
      tell();
      next_line = elapsed() + (minutes > 0 ? 60 : 10);
    });
  }
  tell();
  const double seconds = elapsed();
  for (const auto& state : pool.states()) {
    fmt::print("{}: {} jobs, set aside {} times{}{}\n", state.name, state.works, state.failures,
               state.reason.empty() ? "" : ", last: ", state.reason);
  }
  const std::size_t expected = minutes > 0 ? done : jobs;
  fmt::print("{} jobs of {} in {:.1f} s ({:.0f} per second): {} lost, {} wrong\n", done, expected, seconds,
             static_cast<double>(done) / seconds, expected - done, wrong);
  if (minutes > 0 && !early.empty()) {
    for (std::size_t i = 0; i < processes.size(); ++i) {
      fmt::print("{}: {} KB and {} files after a tenth of the time, {} KB and {} files at the end\n",
                 i == 0 ? "self" : processes[i], early[i].kilobytes, early[i].files, now[i].kilobytes,
                 now[i].files);
    }
  }
  return wrong == 0 && done >= expected ? 0 : 1;
} catch (const std::exception& error) {
  fmt::print(stderr, "bench_remote_jobs: {}\n", error.what());
  return 1;
}
