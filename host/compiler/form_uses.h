#pragma once

#include <optional>
#include <span>
#include <vector>

#include "host/compiler/channel_runs.h"
#include "host/compiler/residency.h"

namespace bitloop::host {

/// How a segment uses the memory of a form.
struct FormUse {
  int root = 0;  ///< Form::index() of the form whose memory it is
  int count = 0;
  bool in_memory = false;   ///< it is copied to (a copy goes through activation SRAM, not within it), loaded
                            ///< as weights, or used by rows and columns
  bool apart = false;       ///< its words are read so
  bool neighbours = false;  ///< its words are read so, or a pool writes it
};
/// Each root once.
std::vector<FormUse> uses_of(const Segment& segment, const Operands& operands);

/// The ring that all of a form takes; none where it cannot stay in activation SRAM whoever uses it: the
/// network's ends, and what is too large. `words`: per position.
std::optional<Ring> whole_ring(const Network& network, int form, int words, const HardwareInfo& hardware);

/// Which segments use the memory of which forms.
class FormUses {
 public:
  explicit FormUses(std::size_t forms) : uses_(forms) {}

  void clear();
  /// Those of the plan's next segment.
  void add(std::span<const FormUse> uses);
  void bind_to_memory(int root) { uses_[root].in_memory = true; }
  [[nodiscard]] bool any(std::size_t root) const { return uses_[root].count > 0; }
  /// Of a form that `ring` is all of; none where nothing uses it or something binds it to memory.
  [[nodiscard]] std::optional<Life> life(int root, const Ring& ring) const;

 private:
  struct Uses {
    int first = 0, last = 0;  ///< segments
    int count = 0;
    bool in_memory = false;
    bool apart = false;
    bool neighbours = false;
  };

  int segments_ = 0;
  std::vector<Uses> uses_;  ///< by root
};

}  // namespace bitloop::host
