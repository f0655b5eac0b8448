#include <gtest/gtest.h>
#include <verilated.h>

// Test names before a Verilator message: seeds are part of the test's own output.
int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  Verilated::commandArgs(argc, argv);
  return RUN_ALL_TESTS();
}
