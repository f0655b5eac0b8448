#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "host/compiler/form_uses.h"
#include "host/compiler/network_draft.h"
#include "host/compiler/residency.h"
#include "host/compiler/stored_bits.h"

namespace bitloop::host {

/// The widths in which a policy stores the tensors of a network, class by class.
///
/// A *class* is a set of tensors that share one choice of input_bits (width_classes), its *state* how they
/// are stored: its width, and of 1 bit which forms take 2 (stored_bits). Only classes that layers with
/// weights read have more than one.
class StoredWidths {
 public:
  /// A form that can stay in activation SRAM.
  struct Whole {
    int form = 0;
    Ring ring;
  };

  StoredWidths(const Network& network, const HardwareInfo& hardware);

  /// Whether the states say all: no class's tensors depend on another's width.
  [[nodiscard]] bool are_local() const { return are_local_; }
  [[nodiscard]] int classes() const { return static_cast<int>(classes_.size()); }
  /// -1: its state is always the same.
  [[nodiscard]] int class_of(int tensor) const { return class_of_tensor_[static_cast<std::size_t>(tensor)]; }
  [[nodiscard]] int states(int of_class) const {
    return static_cast<int>(classes_[static_cast<std::size_t>(of_class)].states.size());
  }

  /// Takes up a policy; throws InputError where it is not legal for the network. Names are not compared.
  void read(const Policy& policy);
  /// Of the policy that was read: 0 .. states - 1; log2 of a row's weight bits; forms that can stay.
  [[nodiscard]] int state(int of_class) const { return state_[static_cast<std::size_t>(of_class)]; }
  [[nodiscard]] int weight_index(int row) const { return weight_index_[static_cast<std::size_t>(row)]; }
  template <class Visit>
  void for_each_whole(const Visit& visit) const {
    for (const Whole& whole : fixed_) visit(whole);
    for (std::size_t c = 0; c < classes_.size(); ++c)
      for (const Whole& whole : classes_[c].states[static_cast<std::size_t>(state_[c])].wholes) visit(whole);
  }

 private:
  static constexpr int kWidthCount = 4;
  struct State {
    TensorBits bits;  ///< with all other classes at 8
    std::vector<Whole> wholes;
  };
  struct Class {
    std::vector<State> states;
    TensorBits one_bit;             ///< with all other classes at 8
    std::vector<OneBitForms> ones;  ///< at 1 bit
    /// By log2 of the width; at 1 bit by which of `ones` are widened as well, as bits. -1: not legal.
    std::array<int, kWidthCount> state_of_width{};
    std::vector<int> state_of_widened;
  };

  void add_class(int of_class, const TensorBits& base);
  int add_state(int of_class, TensorBits bits);
  [[nodiscard]] std::vector<Whole> wholes(const TensorBits& bits, int of_class) const;
  [[nodiscard]] int one_bit_state(const Class& of);
  [[nodiscard]] const ReadCost& widening(const Class& of, int layer);
  [[noreturn]] void refuse(const Policy& policy) const;

  const Network& network_;
  const HardwareInfo& hardware_;
  bool are_local_ = true;
  std::vector<int> class_of_tensor_;
  std::vector<int> class_of_row_;
  std::vector<int> row_of_layer_;  ///< -1: without weights
  std::vector<Class> classes_;
  std::vector<Whole> fixed_;
  std::vector<std::array<std::optional<ReadCost>, kWidthCount>> widening_;  ///< per row, as needed
  std::vector<int> state_, weight_index_, width_;
};

/// Plans of many policies of one network: what a key is made from, and no more.
///
/// One thread at a time. Network and hardware outlive it.
class NetworkPlans {
 public:
  /// A segment in its place. Equal ones have equal keys (`key_text`).
  struct Placed {
    static constexpr int kSpots = 5;
    std::uint32_t draft = 0;  ///< twice its number, and one for the job's first segment
    std::uint32_t free_first = 0;
    std::uint32_t free_end = 0;
    /// Of input, second operand and results: 0 in memory, else bank row and way of the ring.
    std::array<std::uint32_t, kSpots> spots{};
    bool operator==(const Placed&) const = default;
  };

  struct PlacedHash {
    std::size_t operator()(const Placed& placed) const;
  };

  virtual ~NetworkPlans() = default;
  /// The segments of plan_network, in order; valid until the next call. Throws InputError where that does.
  virtual std::span<const Placed> plan(const Policy& policy) = 0;
  /// The layer whose turn each of them belongs to; -1: none's.
  [[nodiscard]] virtual std::span<const int> layers() const = 0;
  /// One of them, as far as a key goes.
  [[nodiscard]] virtual Segment segment(std::size_t index) const = 0;
};
/// `separate`: as in CompileOptions. Tables, or, where a layer's draft depends on too much for them, plans of
/// whole networks.
std::unique_ptr<NetworkPlans> make_network_plans(const Network& network, const HardwareInfo& hardware,
                                                 bool separate);

/// Plans in microseconds, by plan_network's own functions, but that a layer's turn is drafted once for all
/// policies that agree in what the draft depends on. What stays on chip is decided anew for each.
class PlanTables final : public NetworkPlans {
 public:
  /// Null where a layer's draft depends on too much (Drafter::is_local), or tables would be too large.
  static std::unique_ptr<PlanTables> make(const Network& network, const HardwareInfo& hardware,
                                          bool separate);

  std::span<const Placed> plan(const Policy& policy) override;
  [[nodiscard]] std::span<const int> layers() const override { return layers_; }
  [[nodiscard]] Segment segment(std::size_t index) const override;

 private:
  static constexpr int kParts = Placed::kSpots + 1;  ///< a product's vector has no spot
  /// A few of something, in place: planning is a matter of cache lines.
  template <class T>
  class Few {
   public:
    Few() = default;
    explicit Few(const std::vector<T>& items);
    [[nodiscard]] std::span<const T> items() const { return {items_.data(), count_}; }

   private:
    std::array<T, kParts> items_{};
    std::size_t count_ = 0;
  };
  /// What placing a segment takes of its draft.
  struct Needs {
    Few<FormUse> uses;
    Few<Stream> streams;
    Few<int> roots;  ///< of input, second operand and results; -1: none
  };
  struct Draft {
    DraftSegment segment;
    std::vector<std::pair<int, int>> words;  ///< roots of all that it uses, and words per position of each
  };
  struct Turn {
    int layer = -1;                          ///< -1: what comes before the first
    int row = -1;                            ///< of its weights
    std::vector<std::pair<int, int>> scope;  ///< classes, and what a step of their state is in `outcomes`
    std::vector<int> outcomes;               ///< offset in `outcomes_`, -1: not known yet; 4 weight widths
  };

  PlanTables(const Network& network, const HardwareInfo& hardware, bool separate);
  bool add_turn(int layer, int row);
  [[nodiscard]] std::size_t index_of(const Turn& turn) const;
  int draft(const Turn& turn, const Policy& policy);
  int add_draft(DraftSegment segment, const ChannelLayout& layout);
  void run_turns(const Policy& policy);
  void place();

  const Network& network_;
  const HardwareInfo& hardware_;
  CompileOptions options_;
  StoredWidths widths_;
  std::vector<Turn> turns_;
  /// One behind the other: the number of its drafts and they, the number of layers that it fuses and they.
  std::vector<int> outcomes_;
  std::vector<Needs> needs_;                       ///< per draft
  std::vector<Draft> drafts_;                      ///< the same, what is rarely asked for
  std::unordered_map<std::string, int> draft_of_;  ///< by all that a key takes from it
  FormUses uses_;
  ResidentChooser chooser_;
  // Of one plan:
  std::optional<Drafter> drafter_;
  std::vector<char> fused_;  ///< per layer
  std::vector<int> chosen_, layers_;
  std::vector<std::span<const Stream>> streams_;
  std::vector<Life> lives_;
  const Residency* residency_ = nullptr;
  std::vector<std::uint32_t> spots_;  ///< by root
  std::vector<Placed> placed_;
};

}  // namespace bitloop::host
