#pragma once

#include <cstddef>
#include <string>
#include <vector>

/// The search laboratory: searchers, what they are told and how they are compared. It speaks of an abstract
/// space and knows neither networks nor LibTorch, so that tables of other origin are searched by the same
/// code.
namespace bitloop::search {

/// One thing that a decision may be.
struct Choice {
  std::string label{};  ///< "4"; of tied pairs "4:4"
  double bits = 8;      ///< that it stands for (of several the mean); ascending in a decision
};

/// One free choice of a search.
struct Decision {
  std::string name{};  ///< "layer1.0.conv1 weights"
  std::string kind =
      "weight";         ///< effects of decisions of one kind resemble each other: "weight", "activation"
  std::string group{};  ///< of the network's parts the one that it belongs to: a layer
  std::vector<Choice> choices{};   ///< at least one, most bits last
  std::vector<double> features{};  ///< as Space::features names them, each in 0..1

  [[nodiscard]] int size() const { return static_cast<int>(choices.size()); }
};

/// The choice of at least so many bits that has the fewest, or the highest where there is none.
int nearest(const Decision& decision, double bits);

/// Two decisions of which not all pairs of choices can be run.
struct Mask {
  int first = 0;
  int second = 0;
  std::vector<bool> allowed{};  ///< [choice of first][choice of second]
};

/// Index of a choice for every decision.
using Assignment = std::vector<int>;

/// What a searcher may choose, decisions in execution order.
struct Space {
  std::string name{};
  std::vector<std::string> features{};  ///< names of the decisions' features
  std::vector<Decision> decisions{};
  std::vector<Mask> masks{};

  [[nodiscard]] int size() const { return static_cast<int>(decisions.size()); }
  /// Number of assignments, masks aside; a double because it grows fast.
  [[nodiscard]] double assignments() const;
  /// Most, or fewest, bits everywhere (masks aside).
  [[nodiscard]] Assignment highest() const;
  [[nodiscard]] Assignment lowest() const;
  [[nodiscard]] bool allows(const Assignment& assignment) const;
  /// Throws InputError, naming the decision, where the space is none that a search can run on.
  void validate() const;
};

/// "8 4 2:1": labels of the choices, in order; key of memories and log files.
std::string text_of(const Space& space, const Assignment& assignment);
/// Throws InputError where the text is no assignment of the space.
Assignment assignment_of(const Space& space, const std::string& text);

}  // namespace bitloop::search
