#pragma once

#include <map>

#include "agent/space/query.h"

namespace bitloop::search {

/// Of one search: asks another evaluator for what it has not answered yet; what it has is remembered and
/// free. The inner one must outlive it. One thread at a time.
class Remembering : public Evaluator {
 public:
  explicit Remembering(Evaluator& inner) : inner_(inner) {}
  std::vector<Answer> evaluate(std::span<const Query> queries) override;
  [[nodiscard]] Prices prices() const override { return inner_.prices(); }
  [[nodiscard]] bool knows(const Query& query) const { return known_.contains(query); }

 private:
  Evaluator& inner_;
  std::map<Query, Answer> known_;
};

}  // namespace bitloop::search
