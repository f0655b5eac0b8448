#pragma once

#include <optional>
#include <vector>

namespace bitloop::host {

/// Which of a few equal SRAM buffers holds which item, where the order of all uses is known (Belady's rule:
/// the item that is needed last makes room).
class BufferCache {
 public:
  /// `uses[step]` is the item that step needs; negative: none.
  BufferCache(int buffers, const std::vector<int>& uses);

  /// The buffer that holds an item, if any does.
  [[nodiscard]] std::optional<int> find(int item) const;
  /// Notes that `step` uses the item; steps come in order.
  void use(int item, int step);
  /// A buffer to load `item` into for `step`, or nothing where each holds something that is needed no later,
  /// or that `busy`, the step that runs, uses (-1: none).
  std::optional<int> place(int item, int step, int busy);

 private:
  struct Buffer {
    int item = -1;
    int last_use = -1;
  };

  [[nodiscard]] int next_use(const Buffer& buffer) const;

  std::vector<Buffer> buffers_;
  std::vector<std::vector<int>> steps_of_;  ///< per item, ascending
  std::vector<std::size_t> next_of_;        ///< per item, index of the first use after the current step
};

}  // namespace bitloop::host
