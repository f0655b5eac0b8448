#pragma once

namespace bitloop::host {

struct CompileOptions {
  /// Name every tensor in Job::tensors and keep it in memory, so that each can be compared: nothing stays on
  /// chip from layer to layer, and what is fused is stored as well.
  bool spill_all = false;
  /// One operation per segment, and nothing stays on chip: for SRAMs that are too small for more.
  bool separate = false;
  /// Images that one job takes. The linear layers at the network's end take them all at once, so that their
  /// weights are loaded once; what comes before runs image by image.
  int images = 1;
};

}  // namespace bitloop::host
