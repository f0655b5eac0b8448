#include "agent/space/query.h"

namespace bitloop::search {

std::string_view name_of(Fidelity fidelity) {
  switch (fidelity) {
    case Fidelity::full:
      return "full";
    case Fidelity::probe:
      return "probe";
    case Fidelity::check:
      return "check";
  }
  return "";
}

int Answer::images() const {
  int sum = 0;
  for (const Fold& fold : folds) sum += fold.images;
  return sum;
}

double Answer::accuracy() const {
  int correct = 0;
  for (const Fold& fold : folds) correct += fold.correct;
  return images() == 0 ? 0 : static_cast<double>(correct) / images();
}

double Answer::loss() const {
  double sum = 0;
  for (const Fold& fold : folds) sum += fold.loss;
  return images() == 0 ? 0 : sum / images();
}

double Prices::of(const Query& query) const {
  switch (query.fidelity) {
    case Fidelity::full:
      return full;
    case Fidelity::check:
      return check_base + check_per_image * query.images;
    case Fidelity::probe:
      return probe_base + probe_per_image * query.images;
  }
  return full;
}

}  // namespace bitloop::search
