#pragma once

namespace bitloop::agents {

/// Adds the methods of this room, which learn by LibTorch's gradients, to those of the laboratory
/// (search::methods), once however often it is called. To add one: a file in this room that defines `const
/// search::Method NAME_method`, its line in registry.cpp and in names.h, and a paragraph in docs/search.md.
void register_agents();

}  // namespace bitloop::agents
