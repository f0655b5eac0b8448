// The `bitloop` command: finds the verb, and turns every error into one line and an exit status:
// 0 done, 1 failed, 2 bad usage or bad input.

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <string>

#include "agent/cli/verbs.h"
#include "agent/console/table.h"
#include "host/base/error.h"

namespace {

using bitloop::console::Arguments;

constexpr const char* kHelp =
    R"(bitloop searches, layer by layer, the bit-widths of a neural network; every candidate's cost is measured
on the accelerator's own RTL (1, 2, 4 and 8-bit MAC array).

usage: bitloop VERB [options]        bitloop VERB --help explains a verb with examples

  search    search a policy under a cycle budget        bitloop search --budget 0.6 --episodes 60 --out runs/demo
  compare   search methods side by side                 bitloop compare --methods ours,random --seeds 5
  tabulate  evaluate every policy of a small space     bitloop tabulate --model lenet --group layer --out lenet.json
  infer     run images on the device, byte for byte     bitloop infer --run runs/demo --images 100
  measure   count the cycles of a network or a layer    bitloop measure --model lenet --policy w4a8
  area      LUTs, DSPs, block RAMs; share of a chip     bitloop area --hardware p=4,f=16 --chip zynq7020
  train     train a float checkpoint                    bitloop train --model lenet --epochs 5 --out lenet.pt
  eval      accuracy of a policy on the test split      bitloop eval --model lenet --policy w4a4
  export    write a quantized network for others        bitloop export --run runs/demo --format onnx
  replay    run an exported job on any device           bitloop replay demo.job --image shirt.bin
  serve     put a device behind a socket                bitloop serve --listen 127.0.0.1:1234
  devices   is a device alive, how fast, and right?     bitloop devices tcp://127.0.0.1:1234
  check     fail where measured cycles changed (CI)     bitloop check --baseline cycles.json
  info      versions, hardware, models, data, methods   bitloop info

Errors are one line on standard error. Exit status: 0 done, 1 failed, 2 bad usage or bad input.
)";

int run(const Arguments& arguments) {
  if (arguments.empty()) {
    throw bitloop::InputError(
        "no verb given: name one of search, infer, measure, area, train, eval, export, replay, serve, "
        "devices, "
        "check, info, or --help");
  }
  const std::string& verb = arguments.front();
  const Arguments rest(arguments.begin() + 1, arguments.end());
  if (verb == "--help" || verb == "-h" || verb == "help") {
    bitloop::console::print(kHelp);
    return 0;
  }
  if (verb == "--version") {
    bitloop::console::print("bitloop " BITLOOP_VERSION "\n");
    return 0;
  }
  if (verb == "measure") return bitloop::cli::measure(rest);
  if (verb == "area") return bitloop::cli::area(rest);
  if (verb == "info") return bitloop::cli::info(rest);
  if (verb == "serve") return bitloop::cli::serve(rest);
  if (verb == "check") return bitloop::cli::check(rest);
  if (verb == "replay") return bitloop::cli::replay(rest);
  if (verb == "devices") return bitloop::cli::devices(rest);
  if (verb == "search" || verb == "compare" || verb == "tabulate" || verb == "infer" || verb == "train" ||
      verb == "eval" || verb == "export") {
    return bitloop::cli::learning_verb(verb, rest);
  }
  throw bitloop::InputError(fmt::format(
      "unknown verb '{}': choose search, infer, measure, area, train, eval, export, replay, serve, "
      "devices, check or info (bitloop --help)",
      verb));
}

int report(std::string message, int status) {
  std::replace(message.begin(), message.end(), '\n', ' ');
  fmt::print(stderr, "bitloop: error: {}\n", message);
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(Arguments(argv + 1, argv + argc));
  } catch (const bitloop::InputError& e) {
    return report(e.what(), 2);
  } catch (const bitloop::Error& e) {
    return report(e.what(), 1);
  } catch (const std::bad_alloc&) {
    return report("out of memory: close other programs or use fewer --workers", 1);
  } catch (const std::exception& e) {
    return report(fmt::format("unexpected failure: {}: please report it with the command line", e.what()), 1);
  }
}
