#pragma once

#include <vector>

#include "host/compiler/channel_layout.h"
#include "host/compiler/compile_options.h"
#include "host/compiler/segment.h"
#include "host/network/policy.h"

namespace bitloop::host {

/// A network under a policy as segments in execution order, every operand and result in its place. Needs no
/// weights: what cycles depend on is all here.
///
/// Concat, select and upsample are done by addressing where that is possible: channels stay where they are
/// written (`ChannelLayout`). So are the inputs of an interleave. A layer whose channels lie in several
/// places is several segments. An add is fused behind the layer that writes its later operand, a
/// requantization behind whatever writes the 8-bit codes. A tensor stays in activation SRAM from the segment
/// that writes it to the last that reads it where it fits beside all others (`ResidentChooser`).
struct NetworkPlan {
  TensorBits bits;  ///< in which forms are stored (`stored_bits`)
  std::vector<Segment> segments;
  std::vector<Place> forms;  ///< by Form::index(); neither on chip nor in memory: it does not exist
  /// By Form::index(): the lane of each channel, 64 (at 1 bit) or 32 lanes a word's planes, counted from the
  /// form's first word; empty: channel c is in lane c.
  std::vector<std::vector<int>> lanes;
  Address tensor_bytes = 0;  ///< memory for tensors, from offset 0
  /// By Form::index(): bytes from image to image; 0 where the images take turns in the same memory.
  std::vector<Address> image_bytes;

  [[nodiscard]] const Place& place(const Form& form) const { return forms[form.index()]; }
};

/// Throws InputError, naming the layer, the limit and the nearest thing that works, where the hardware cannot
/// run a layer.
NetworkPlan plan_network(const Network& network, const Policy& policy, const HardwareInfo& hardware,
                         const CompileOptions& options = {});

}  // namespace bitloop::host
