#include "host/compiler/form_uses.h"

#include <algorithm>

namespace bitloop::host {

void FormUses::add(const Segment& segment, const Operands& operands) {
  use(operands.input);
  if (operands.second) use(*operands.second);
  if (operands.vector) {
    use(*operands.vector);
    bound_to_memory_.insert(operands.vector->root);
  }
  for (const auto& result : operands.results)
    if (result) use(*result);
  read(operands.input, segment.op);
  const auto result = [&](std::size_t i) {
    return i < operands.results.size() ? operands.results[i] : std::nullopt;
  };
  if (segment.pool && result(0)) read(*result(0), *segment.pool);
  const std::size_t pooled = segment.pool ? 1 : 0;
  if ((segment.pool || segment.op.kind == OpKind::max_pool) && result(pooled))
    neighbours_.insert(result(pooled)->root);
  if (segment.op.kind == OpKind::copy) bound_to_memory_.insert(operands.results.front()->root);
  ++segments_;
}

void FormUses::use(const Part& part) {
  uses_[part.root].push_back(segments_);
  if (part.grid) bound_to_memory_.insert(part.root);
}

void FormUses::read(const Part& part, const WindowOp& op) {
  if (op.reads_apart()) apart_.insert(part.root);
  if (op.reads_neighbours()) neighbours_.insert(part.root);
}

std::vector<Life> FormUses::lives(const Network& network, const std::vector<int>& words,
                                  const HardwareInfo& hardware) const {
  std::vector<Life> lives;
  for (std::size_t i = 0; i < uses_.size(); ++i) {
    const int tensor = static_cast<int>(i / 2), root = static_cast<int>(i);
    if (!any(i) || tensor == network.input || network.is_output(tensor)) continue;
    if (bound_to_memory_.contains(root)) continue;
    const Shape& shape = network.tensors[tensor].shape;
    if (static_cast<long>(shape.height) * shape.width > kLargestRing) continue;
    Ring ring = make_ring(shape.width, shape.height, words[i], hardware.pixels);
    ring.spread = apart_.contains(root) && !neighbours_.contains(root);
    if (ring.positions() > kLargestRing || ring.bank_rows() > hardware.activation_rows) continue;
    const auto [first, last] = std::minmax_element(uses_[i].begin(), uses_[i].end());
    lives.push_back({root, ring, *first, *last, static_cast<int>(uses_[i].size())});
  }
  return lives;
}

}  // namespace bitloop::host
