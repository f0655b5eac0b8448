#pragma once

#include "agent/console/options.h"

namespace bitloop::learning {

// Each runs one verb on the arguments after its name and returns the exit status. Bad use throws InputError.

int search(const console::Arguments& arguments);
int compare(const console::Arguments& arguments);
int tabulate(const console::Arguments& arguments);
int infer(const console::Arguments& arguments);
int train(const console::Arguments& arguments);
int eval(const console::Arguments& arguments);
int export_network(const console::Arguments& arguments);

}  // namespace bitloop::learning
