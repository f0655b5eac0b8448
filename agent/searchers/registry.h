#pragma once

#include <span>
#include <string_view>

#include "agent/space/searcher.h"

namespace bitloop::search {

/// Every searcher that there is. To add one: a file in this room that defines `const Method NAME_method`, its
/// name in the list of registry.cpp (of a variant, `name:variant`, with underscores), and a paragraph in
/// docs/search.md.
std::span<const Method* const> methods();

/// Adds one that another library makes (with LibTorch), behind the others; it lives for good. Not while
/// others look.
void add_method(const Method& method);

/// Throws InputError, with all names, for one that there is not.
const Method& method(std::string_view name);

}  // namespace bitloop::search
