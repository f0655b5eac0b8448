#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "host/device/device.h"
#include "host/driver/driver.h"
#include "host/driver/pool.h"
#include "host/network/quantized_network.h"
#include "host/program/job.h"

namespace bitloop::host {

/// How fast words and bytes cross between this program and a device.
struct LinkSpeed {
  double round_trip_us = 0;   ///< of a register, median
  double write_mb_per_s = 0;  ///< 1e6 bytes
  double read_mb_per_s = 0;
  Address bytes = 0;  ///< that were written and read for it
};

/// Takes a second or two and overwrites the device's memory. Throws DeviceError where what is read is not
/// what was written.
LinkSpeed measure_link(Device& device);

/// Networks that are small, use every unit of the hardware at several widths, and whose results are known.
struct TestCase {
  std::string name;
  QuantizedNetwork network;
  std::vector<std::uint8_t> input;
  TensorCodes expected;  ///< by the golden functions
};
std::vector<TestCase> test_cases();

/// What a device made of one test case: every tensor of the network, and the counters.
struct TestRun {
  std::string name;
  Job job{};  ///< keeps every tensor
  Measurement measurement{};
  std::vector<CodeTensor> tensors{};  ///< as Job::tensors
};

/// Compiled for `hardware`, which is the device's own or has the same parameters (`same_parameters`). Throws
/// DeviceError where the device fails.
TestRun run_case(Driver& driver, const TestCase& test, const HardwareInfo& hardware);

/// What is wrong with a run, in one line; empty where nothing is. `computes` false: results are not looked
/// at.
std::string fault_of(const TestRun& run, const TestCase& test, const HardwareInfo& hardware);

/// What came of all test cases.
struct SelfTestResult {
  std::size_t passed = 0;
  std::size_t too_small = 0;  ///< cases that the hardware has too little memory on chip for
  std::string fault;          ///< of the first case that failed, with its name; empty where none did
};

/// On all devices of the pool side by side, up to the first case that fails. Throws DeviceError where the way
/// to the devices fails. `progress`: one call at a time, from any thread.
SelfTestResult run_self_test(DevicePool& devices, const Driver::Progress& progress = {});

/// Whether a job that is compiled for one runs on the other.
bool same_parameters(const HardwareInfo& a, const HardwareInfo& b);

/// Names of counters that differ though no memory's speed explains it: work done, words and beats moved.
std::vector<std::string> different_counters(const Counters& a, const Counters& b);

}  // namespace bitloop::host
