#pragma once

#include <string_view>

namespace bitloop::agents {

/// What a method of this room calls itself, for programs that start without LibTorch.
struct About {
  std::string_view name;
  std::string_view about;  ///< as search::Method::about
};

inline constexpr About kDdpg{"ddpg", "deep deterministic policy gradient (HAQ 2019; the CMC 2024 paper)"};

/// All of them, in the order in which `register_agents` adds them.
inline constexpr About kAgents[] = {kDdpg};

}  // namespace bitloop::agents
