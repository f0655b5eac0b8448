#pragma once

#include <memory>

#include "agent/tables/task_file.h"

namespace bitloop::search::test {

/// The 41 decisions of ResNet-20 as tables/ has them.
inline std::unique_ptr<Task> resnet20_surrogate() {
  return load_task(BITLOOP_ROOT "/tables/resnet20_surrogate.json", [](const std::string&) {});
}

}  // namespace bitloop::search::test
