// A board is built with the fingerprint that scripts/fingerprint prints: the simulated accelerator's.
#include <gtest/gtest.h>

#include <cstdio>
#include <memory>
#include <string>
#include <utility>

#include "host/base/error.h"
#include "sim/sim_device.h"

namespace bitloop::sim {
namespace {

std::string printed(const std::string& configuration) {
  const std::unique_ptr<FILE, int (*)(FILE*)> script(
      popen((BITLOOP_ROOT "/scripts/fingerprint " + configuration + " 2>&1").c_str(), "r"), pclose);
  std::string text(200, ' ');
  text.resize(std::fread(text.data(), 1, text.size(), script.get()));
  return text.substr(0, text.find('\n'));
}

TEST(Fingerprint, boards_get_the_simulated_accelerators) {
  for (const char* name : {"tiny", "default"}) {
    EXPECT_EQ(printed(name), make_sim_device(name)->info().fingerprint.substr(0, 16)) << name;
  }
}

TEST(Fingerprint, of_what_does_not_elaborate_is_refused_with_the_nearest_that_does) {
  for (const auto& [parameter, text] :
       {std::pair{"P=3", "p=3"}, {"F=64", "f=64"}, {"WeightRows=0", "weight_rows=0"}}) {
    const std::string board = printed(parameter);
    try {
      make_sim_device(text);
      ADD_FAILURE() << text;
    } catch (const InputError& error) {  // the same limit and the same nearest one
      const std::string simulated = error.what();
      EXPECT_EQ(board.substr(board.find(" is not")), simulated.substr(simulated.find(" is not"))) << board;
    }
  }
}

}  // namespace
}  // namespace bitloop::sim
