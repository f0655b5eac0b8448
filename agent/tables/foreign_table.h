#pragma once

#include <string>

#include "agent/tables/table.h"

namespace bitloop::search {

/// A table that others made, as CSV: a header; a column per decision, with labels of any kind; then
/// `accuracy` (0..1) and, in any order, at least one of `cycles`, `energy`, `bytes`, and `loss`,
/// `test_accuracy`. Where labels are numbers they are the bits, else the order of their first appearance
/// counts. Without `loss` the error rate stands for it, without `test_accuracy` the accuracy; the reference
/// is the costliest policy. Throws InputError with the row.
Table foreign_table(const std::string& text, const std::string& name);

}  // namespace bitloop::search
