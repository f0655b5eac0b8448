#include "host/compiler/form_uses.h"

#include <algorithm>

namespace bitloop::host {
namespace {

class Collector {
 public:
  FormUse& of(const Part& part) {
    const auto known =
        std::find_if(uses_.begin(), uses_.end(), [&](const FormUse& use) { return use.root == part.root; });
    return known != uses_.end() ? *known : uses_.emplace_back(FormUse{.root = part.root});
  }
  void use(const Part& part) {
    FormUse& use = of(part);
    ++use.count;
    use.in_memory = use.in_memory || part.grid;
  }
  void read(const Part& part, const WindowOp& op) {
    FormUse& use = of(part);
    use.apart = use.apart || op.reads_apart();
    use.neighbours = use.neighbours || op.reads_neighbours();
  }
  std::vector<FormUse> finish() { return std::move(uses_); }

 private:
  std::vector<FormUse> uses_;
};

}  // namespace

std::vector<FormUse> uses_of(const Segment& segment, const Operands& operands) {
  Collector uses;
  uses.use(operands.input);
  if (operands.second) uses.use(*operands.second);
  if (operands.vector) {
    uses.use(*operands.vector);
    uses.of(*operands.vector).in_memory = true;
  }
  for (const auto& result : operands.results)
    if (result) uses.use(*result);
  uses.read(operands.input, segment.op);
  const auto result = [&](std::size_t i) {
    return i < operands.results.size() ? operands.results[i] : std::nullopt;
  };
  if (segment.pool && result(0)) uses.read(*result(0), *segment.pool);
  const std::size_t pooled = segment.pool ? 1 : 0;
  if ((segment.pool || segment.op.kind == OpKind::max_pool) && result(pooled))
    uses.of(*result(pooled)).neighbours = true;
  if (segment.op.kind == OpKind::copy) uses.of(*operands.results.front()).in_memory = true;
  return uses.finish();
}

std::optional<Ring> whole_ring(const Network& network, int form, int words, const HardwareInfo& hardware) {
  const int tensor = form / 2;
  if (tensor == network.input || network.is_output(tensor)) return {};
  const Shape& shape = network.tensors[static_cast<std::size_t>(tensor)].shape;
  if (static_cast<long>(shape.height) * shape.width > kLargestRing) return {};
  const Ring ring = make_ring(shape.width, shape.height, words, hardware.pixels);
  if (ring.positions() > kLargestRing || ring.bank_rows() > hardware.activation_rows) return {};
  return ring;
}

void FormUses::clear() {
  segments_ = 0;
  std::fill(uses_.begin(), uses_.end(), Uses{});
}

void FormUses::add(std::span<const FormUse> uses) {
  for (const FormUse& use : uses) {
    Uses& all = uses_[use.root];
    if (all.count == 0) all.first = segments_;
    all.last = segments_;
    all.count += use.count;
    all.in_memory = all.in_memory || use.in_memory;
    all.apart = all.apart || use.apart;
    all.neighbours = all.neighbours || use.neighbours;
  }
  ++segments_;
}

std::optional<Life> FormUses::life(int root, const Ring& ring) const {
  const Uses& uses = uses_[root];
  if (uses.count == 0 || uses.in_memory) return {};
  Life life{root, ring, uses.first, uses.last, uses.count};
  life.ring.spread = uses.apart && !uses.neighbours;
  return life;
}

}  // namespace bitloop::host
