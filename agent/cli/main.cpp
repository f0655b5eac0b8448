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
  sweep     one network on many hardware configurations bitloop sweep --model lenet --hardware 'p=4,8 f=8,16'
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

struct Verb {
  const char* name;
  int (*run)(const Arguments&);  ///< null: the learning module has it
};
constexpr Verb kVerbs[] = {{"search", nullptr},
                           {"compare", nullptr},
                           {"tabulate", nullptr},
                           {"infer", nullptr},
                           {"measure", bitloop::cli::measure},
                           {"sweep", bitloop::cli::sweep},
                           {"area", bitloop::cli::area},
                           {"train", nullptr},
                           {"eval", nullptr},
                           {"export", nullptr},
                           {"replay", bitloop::cli::replay},
                           {"serve", bitloop::cli::serve},
                           {"devices", bitloop::cli::devices},
                           {"check", bitloop::cli::check},
                           {"info", bitloop::cli::info}};

std::string known_verbs() {
  std::vector<std::string> names;
  for (const Verb& verb : kVerbs) names.emplace_back(verb.name);
  return bitloop::console::one_of(names);
}

int run(const Arguments& arguments) {
  if (arguments.empty())
    throw bitloop::InputError(fmt::format("no verb given: name one of {}; or --help", known_verbs()));
  const std::string& name = arguments.front();
  const Arguments rest(arguments.begin() + 1, arguments.end());
  if (name == "--help" || name == "-h" || name == "help") {
    bitloop::console::print(kHelp);
    return 0;
  }
  if (name == "--version") {
    bitloop::console::print("bitloop " BITLOOP_VERSION "\n");
    return 0;
  }
  for (const Verb& verb : kVerbs) {
    if (name != verb.name) continue;
    return verb.run != nullptr ? verb.run(rest) : bitloop::cli::learning_verb(name, rest);
  }
  throw bitloop::InputError(
      fmt::format("unknown verb '{}': choose {} (bitloop --help)", name, known_verbs()));
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
