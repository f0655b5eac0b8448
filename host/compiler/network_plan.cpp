#include "host/compiler/network_plan.h"

#include <optional>
#include <span>
#include <utility>

#include "host/base/integers.h"
#include "host/compiler/form_uses.h"
#include "host/compiler/image_copies.h"
#include "host/compiler/network_draft.h"
#include "host/compiler/residency.h"
#include "host/compiler/segment_streams.h"
#include "host/program/instruction.h"

namespace bitloop::host {
namespace {

/// Builds the plan: which segments run, and where everything lies.
class Planner {
 public:
  Planner(const Network& network, const Policy& policy, const HardwareInfo& hardware,
          const CompileOptions& options)
      : network_(network),
        hardware_(hardware),
        options_(options),
        drafter_(network, policy, hardware, options),
        plan_{drafter_.bits(), {}, {}, {}, 0, {}},
        uses_(2 * network.tensors.size()) {
    plan_.forms.resize(2 * network.tensors.size());
    plan_.lanes.resize(plan_.forms.size());
  }

  NetworkPlan build() {
    append(drafter_.input());
    std::vector<bool> fused(network_.layers.size(), false);
    for (std::size_t i = 0; i < network_.layers.size(); ++i) {
      if (fused[i]) continue;
      LayerDraft draft = drafter_.layer(static_cast<int>(i));
      for (const int layer : draft.fused) fused[static_cast<std::size_t>(layer)] = true;
      append(std::move(draft));
    }
    const ImageCopies copies(network_, options_.images, plan_.segments, operands_);
    copies.join_images(plan_.segments);
    place_in_memory(copies);
    keep_on_chip(copies);
    give_places();
    plan_.segments = copies.repeat(std::move(plan_.segments), operands_, plan_.image_bytes);
    return std::move(plan_);
  }

 private:
  [[nodiscard]] const ChannelRuns& channels() const { return drafter_.channels(); }

  void append(LayerDraft draft) {
    for (DraftSegment& one : draft.segments) {
      uses_.add(uses_of(one.segment, one.operands));
      plan_.segments.push_back(std::move(one.segment));
      operands_.push_back(std::move(one.operands));
    }
  }

  /// Gives every form that exists an offset in memory, whether it will lie there or not: a job's memory is
  /// not scarce.
  void place_in_memory(const ImageCopies& copies) {
    plan_.image_bytes.resize(plan_.forms.size());
    for (std::size_t i = 0; i < plan_.forms.size(); ++i) {
      if (!uses_.any(i) && static_cast<int>(i) != 2 * network_.input) continue;
      const Form form{static_cast<int>(i / 2), i % 2 == 1};
      Place& place = plan_.forms[i];
      place = memory_place(channels().layout().words[i]);
      place.offset = plan_.tensor_bytes;
      const Shape& shape = network_.tensors[form.tensor].shape;
      const bool image = network_.image_input && form.tensor == network_.input;
      const Address bytes = image ? round_up(static_cast<Address>(shape.elements()), kWordBytes)
                                  : kWordBytes * static_cast<Address>(shape.height) *
                                        static_cast<Address>(shape.width) * static_cast<Address>(place.words);
      plan_.image_bytes[i] = copies.image_bytes(static_cast<int>(i), bytes);
      plan_.tensor_bytes += round_up((copies.images() - 1) * plan_.image_bytes[i] + bytes, kPageBytes);
    }
  }

  void keep_on_chip(const ImageCopies& copies) {
    for (const int root : copies.joined()) uses_.bind_to_memory(root);
    std::vector<std::vector<Stream>> streams;
    for (std::size_t i = 0; i < plan_.segments.size(); ++i)
      streams.push_back(streams_of(plan_.segments[i], operands_[i], hardware_));
    ResidentChooser chooser(hardware_.activation_rows);
    const Residency& residency =
        chooser.choose(lives(), std::vector<std::span<const Stream>>(streams.begin(), streams.end()));
    for (const Life& life : residency.kept) host::keep_on_chip(plan_.forms[life.form], life.ring);
    for (std::size_t i = 0; i < plan_.segments.size(); ++i) plan_.segments[i].free = residency.free[i];
  }

  [[nodiscard]] std::vector<Life> lives() const {
    std::vector<Life> lives;
    if (options_.spill_all || options_.separate) return lives;
    for (int form = 0; form < static_cast<int>(plan_.forms.size()); ++form) {
      if (!uses_.any(form)) continue;
      const auto ring = whole_ring(network_, form, channels().layout().words[form], hardware_);
      const auto life = ring ? uses_.life(form, *ring) : std::nullopt;
      if (life) lives.push_back(*life);
    }
    return lives;
  }

  void give_places() {
    for (std::size_t i = 0; i < plan_.segments.size(); ++i)
      host::give_places(plan_.segments[i], operands_[i], plan_.forms);
    std::vector<Place> places;  // parts have places too, for whoever asks
    for (std::size_t i = 0; i < plan_.forms.size(); ++i) {
      const Form form{static_cast<int>(i / 2), i % 2 == 1};
      const std::optional<Part> part = channels().part_of(form);
      places.push_back(part ? place_of(*part, plan_.forms[static_cast<std::size_t>(part->root)]) : Place{});
      if (part) give_lanes(form, *part);
    }
    plan_.forms = std::move(places);
  }

  void give_lanes(const Form& form, const Part& part) {
    const std::vector<int> filled = channels().lanes_of(form, part);
    if (is_in_order(filled, network_.tensors[form.tensor].shape.channels)) return;
    std::vector<int>& lanes = plan_.lanes[form.index()];
    lanes.resize(static_cast<std::size_t>(network_.tensors[form.tensor].shape.channels));
    for (std::size_t lane = 0; lane < filled.size(); ++lane)
      if (filled[lane] >= 0) lanes[static_cast<std::size_t>(filled[lane])] = static_cast<int>(lane);
  }

  const Network& network_;
  const HardwareInfo& hardware_;
  const CompileOptions& options_;
  Drafter drafter_;
  NetworkPlan plan_;
  std::vector<Operands> operands_;  ///< per segment
  FormUses uses_;
};

}  // namespace

NetworkPlan plan_network(const Network& network, const Policy& policy, const HardwareInfo& hardware,
                         const CompileOptions& options) {
  return Planner(network, policy, hardware, options).build();
}

}  // namespace bitloop::host
