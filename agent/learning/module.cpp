// The learning module's one entry: `bitloop` opens the module with dlopen when one of these verbs is named,
// so that the others start without LibTorch.

#include <fmt/format.h>

#include "agent/agents/registry.h"
#include "agent/learning/verbs.h"
#include "host/base/error.h"

extern "C" int bitloop_learning_verb(const std::string& verb, const bitloop::console::Arguments& arguments) {
  bitloop::agents::register_agents();
  if (verb == "search") return bitloop::learning::search(arguments);
  if (verb == "compare") return bitloop::learning::compare(arguments);
  if (verb == "tabulate") return bitloop::learning::tabulate(arguments);
  if (verb == "infer") return bitloop::learning::infer(arguments);
  if (verb == "train") return bitloop::learning::train(arguments);
  if (verb == "eval") return bitloop::learning::eval(arguments);
  if (verb == "export") return bitloop::learning::export_network(arguments);
  throw bitloop::Error(fmt::format("the learning module has no verb '{}': build again", verb));
}
