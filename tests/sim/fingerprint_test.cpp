// A board is built with the fingerprint that scripts/fingerprint prints: the simulated accelerator's.
#include <gtest/gtest.h>

#include <cstdio>
#include <memory>
#include <string>

#include "sim/sim_device.h"

namespace bitloop::sim {
namespace {

std::string printed(const std::string& configuration) {
  const std::unique_ptr<FILE, int (*)(FILE*)> script(
      popen((BITLOOP_ROOT "/scripts/fingerprint " + configuration).c_str(), "r"), pclose);
  std::string text(64, ' ');
  text.resize(std::fread(text.data(), 1, text.size(), script.get()));
  return text.substr(0, text.find('\n'));
}

TEST(Fingerprint, boards_get_the_simulated_accelerators) {
  for (const char* name : {"tiny", "default"}) {
    EXPECT_EQ(printed(name), make_sim_device(name)->info().fingerprint.substr(0, 16)) << name;
  }
}

}  // namespace
}  // namespace bitloop::sim
