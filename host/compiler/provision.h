#pragma once

namespace bitloop::host {

/// What became of a wish to have something on chip.
enum class Provision { ready, loaded, blocked };

}  // namespace bitloop::host
