#pragma once

#include <vector>

#include "host/compiler/segment.h"
#include "host/network/policy.h"

namespace bitloop::host {

struct CompileOptions {
  /// Name every tensor in Job::tensors and keep it in memory, so that each can be compared: nothing stays on
  /// chip from layer to layer, and what is fused is stored as well.
  bool spill_all = false;
  /// One operation per segment, and nothing stays on chip: for SRAMs that are too small for more.
  bool separate = false;
};

/// A tensor in one width: `written` by its layer, or requantized from that.
struct Form {
  int tensor = 0;
  bool narrow = false;
  [[nodiscard]] int index() const { return 2 * tensor + (narrow ? 1 : 0); }
  bool operator==(const Form&) const = default;
};

/// A network under a policy as segments in execution order, every operand and result in its place. Needs no
/// weights: what cycles depend on is all here.
///
/// Concat and upsample are done by addressing where that is possible: the inputs of a concat are written
/// where its output lies, and so are those of an interleave. An add is fused behind the layer that writes its
/// later operand, a requantization behind whatever writes the 8-bit codes. A tensor stays in activation SRAM
/// from the segment that writes it to the last that reads it where it fits beside all others
/// (`place_on_chip`).
struct NetworkPlan {
  TensorBits bits;
  std::vector<Segment> segments;
  std::vector<Place> forms;  ///< by Form::index(); neither on chip nor in memory: it does not exist
  Address tensor_bytes = 0;  ///< memory for tensors, from offset 0

  [[nodiscard]] const Place& place(const Form& form) const { return forms[form.index()]; }
};

/// Throws InputError, naming the layer, the limit and the nearest thing that works, where the hardware cannot
/// run a layer.
NetworkPlan plan_network(const Network& network, const Policy& policy, const HardwareInfo& hardware,
                         const CompileOptions& options = {});

}  // namespace bitloop::host
