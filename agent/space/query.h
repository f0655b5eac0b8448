#pragma once

#include <compare>
#include <span>
#include <string_view>
#include <vector>

#include "agent/space/costs.h"

namespace bitloop::search {

/// How much of an evaluation is asked for.
enum class Fidelity {
  full,   ///< retrained as the search's recipe says, all its reward folds
  probe,  ///< not retrained, `images` of the reward split: loss for a sensitivity
  check,  ///< as `full`, on `images` that `full` leaves out: the choice of a winner has images of its own
};
std::string_view name_of(Fidelity fidelity);

struct Query {
  Assignment assignment{};
  Fidelity fidelity = Fidelity::full;
  int images = 0;  ///< of a probe or a check
  auto operator<=>(const Query&) const = default;
};

/// A part of the images that accuracy is taken on; the same images for every assignment, so that differences
/// are paired.
struct Fold {
  int images = 0;
  int correct = 0;
  double loss = 0;  ///< sum over its images of the cross entropy
  bool operator==(const Fold&) const = default;
};

struct Answer {
  Query query{};
  std::vector<Fold> folds{};
  Costs costs{};
  double price = 1;    ///< in evaluations, pro rata of image passes (a backward pass counts as 2); paid once
  double seconds = 0;  ///< that it took
  bool remembered = false;  ///< this run asked for it before: a proposal, but its price is 0

  [[nodiscard]] int images() const;
  /// Top-1, 0..1; and mean cross entropy. Without images 0.
  [[nodiscard]] double accuracy() const;
  [[nodiscard]] double loss() const;
};

/// What answers cost, before they are asked for.
struct Prices {
  double full = 1;
  double check_base = 0;  ///< of a check: passes that do not depend on its images
  double check_per_image = 0;
  int check_images = 0;   ///< that there are at most; 0: there are no checks
  double probe_base = 0;  ///< of a probe: passes that do not depend on its images (statistics)
  double probe_per_image = 0;
  int probe_images = 0;  ///< that there are at most; 0: there are no probes
  [[nodiscard]] bool has_probes() const { return probe_images > 0; }
  [[nodiscard]] bool has_checks() const { return check_images > 0; }
  [[nodiscard]] double of(const Query& query) const;
};

/// Answers queries. Deterministic in each query but for `seconds`; what it answers does not depend on what
/// was asked before.
class Evaluator {
 public:
  virtual ~Evaluator() = default;
  /// One answer per query, in order.
  virtual std::vector<Answer> evaluate(std::span<const Query> queries) = 0;
  [[nodiscard]] virtual Prices prices() const = 0;
};

}  // namespace bitloop::search
