#pragma once

#include <memory>
#include <span>
#include <vector>

#include "host/compiler/channel_runs.h"
#include "host/compiler/compile_options.h"
#include "host/compiler/segment.h"
#include "host/network/policy.h"

namespace bitloop::host {

/// A segment before it is known what stays on chip: without places.
struct DraftSegment {
  Segment segment;
  Operands operands;
};

/// Of a whole form, in memory.
Place memory_place(int words);
/// Keeps a whole form in activation SRAM.
void keep_on_chip(Place& whole, const Ring& ring);
/// Where a part of a form lies that lies at `whole`.
Place place_of(const Part& part, const Place& whole);
/// Gives a segment's operands and results their places; `wholes`: of the forms that they are parts of, by
/// Form::index().
void give_places(Segment& segment, const Operands& operands, std::span<const Place> wholes);

/// What runs when it is a layer's turn.
struct LayerDraft {
  std::vector<DraftSegment> segments;
  std::vector<int> fused;  ///< layers that they compute as well, and whose turn therefore comes to nothing
};

/// Says which segments run under a policy, what each computes, and which words it reads and writes. Network,
/// hardware and options outlive it.
class Drafter {
 public:
  Drafter(const Network& network, const Policy& policy, const HardwareInfo& hardware,
          const CompileOptions& options);
  ~Drafter();

  /// In which forms are stored.
  [[nodiscard]] const TensorBits& bits() const;
  [[nodiscard]] const ChannelRuns& channels() const;
  /// What comes before the first layer.
  LayerDraft input();
  /// Of a layer that none before it has fused. Throws InputError, naming the layer, the limit and the nearest
  /// thing that works, where the hardware cannot run it.
  LayerDraft layer(int index);

  /// Whether a layer's draft depends on nothing but its own weights' bits and those of `tensors_of`: no
  /// tensor's place says anything about another's.
  static bool is_local(const Network& network);
  /// Those that the layer, and what may be fused behind it, reads and writes.
  static std::vector<int> tensors_of(const Network& network, int layer);

 private:
  class Builder;
  std::unique_ptr<Builder> builder_;
};

}  // namespace bitloop::host
