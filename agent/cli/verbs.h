#pragma once

#include "agent/console/options.h"

namespace bitloop::cli {

// Each runs one verb on the arguments after its name and returns the exit status. Bad use throws InputError.

int measure(const console::Arguments& arguments);
int sweep(const console::Arguments& arguments);
int area(const console::Arguments& arguments);
int info(const console::Arguments& arguments);
int serve(const console::Arguments& arguments);
int check(const console::Arguments& arguments);
int devices(const console::Arguments& arguments);
int replay(const console::Arguments& arguments);

/// Runs a verb of the learning module (search, infer, train, eval, export), which is opened for it.
int learning_verb(const std::string& verb, const console::Arguments& arguments);

}  // namespace bitloop::cli
