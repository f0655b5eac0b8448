#include "agent/space/space.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>

#include "host/base/error.h"

namespace bitloop::search {
namespace {

constexpr int kMostChoices = 64;

void validate(const Decision& decision, std::size_t features) {
  const auto fail = [&](const std::string& what) {
    throw InputError(fmt::format("decision '{}' {}", decision.name, what));
  };
  if (decision.choices.empty()) fail("has no choice: leave it out, or give it one");
  if (decision.size() > kMostChoices) fail(fmt::format("has more than {} choices", kMostChoices));
  if (decision.features.size() != features)
    fail(fmt::format("has {} features, the space names {}", decision.features.size(), features));
  for (std::size_t i = 0; i < decision.choices.size(); ++i) {
    const std::string& label = decision.choices[i].label;
    if (label.empty() || label.find_first_of(" ,\n\"") != std::string::npos)
      fail(fmt::format("has the label '{}': give one without blanks, commas and quotes", label));
    for (std::size_t j = 0; j < i; ++j)
      if (decision.choices[j].label == label) fail(fmt::format("has the label '{}' twice", label));
  }
}

}  // namespace

int nearest(const Decision& decision, double bits) {
  const auto found = std::ranges::find_if(decision.choices, [&](const Choice& c) { return c.bits >= bits; });
  return std::min(static_cast<int>(found - decision.choices.begin()), decision.size() - 1);
}

double Space::assignments() const {
  double count = 1;
  for (const Decision& decision : decisions) count *= decision.size();
  return count;
}

Assignment Space::highest() const {
  Assignment assignment;
  for (const Decision& decision : decisions) assignment.push_back(decision.size() - 1);
  return assignment;
}

Assignment Space::lowest() const { return Assignment(decisions.size(), 0); }

bool Space::allows(const Assignment& assignment) const {
  return std::ranges::all_of(masks, [&](const Mask& mask) {
    const int row = assignment[mask.first] * decisions[mask.second].size();
    return mask.allowed[static_cast<std::size_t>(row + assignment[mask.second])];
  });
}

void Space::validate() const {
  if (decisions.empty()) throw InputError(fmt::format("space '{}' leaves nothing to decide", name));
  for (const Decision& decision : decisions) search::validate(decision, features.size());
  for (const Mask& mask : masks) {
    const bool inside = mask.first >= 0 && mask.first < size() && mask.second >= 0 && mask.second < size();
    if (!inside || mask.first == mask.second ||
        static_cast<int>(mask.allowed.size()) !=
            decisions[mask.first].size() * decisions[mask.second].size()) {
      throw InputError(fmt::format("a mask of space '{}' is not of two of its decisions", name));
    }
  }
}

std::string text_of(const Space& space, const Assignment& assignment) {
  std::string text;
  for (std::size_t i = 0; i < assignment.size(); ++i) {
    if (i > 0) text += ' ';
    text += space.decisions[i].choices[static_cast<std::size_t>(assignment[i])].label;
  }
  return text;
}

Assignment assignment_of(const Space& space, const std::string& text) {
  Assignment assignment;
  std::istringstream words(text);
  for (const Decision& decision : space.decisions) {
    std::string word;
    words >> word;
    const auto found = std::ranges::find(decision.choices, word, &Choice::label);
    if (found == decision.choices.end()) {
      throw InputError(fmt::format("'{}' is no assignment of space '{}': decision '{}' has no choice '{}'",
                                   text, space.name, decision.name, word));
    }
    assignment.push_back(static_cast<int>(found - decision.choices.begin()));
  }
  if (std::string rest; words >> rest) {
    throw InputError(fmt::format("'{}' is no assignment of space '{}': it has {} decisions", text, space.name,
                                 space.size()));
  }
  return assignment;
}

}  // namespace bitloop::search
