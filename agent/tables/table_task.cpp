#include "agent/tables/table_task.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <numeric>

#include "host/base/error.h"

namespace bitloop::search {
namespace {

constexpr double kInfinite = std::numeric_limits<double>::infinity();

Costs infinite() {
  Costs costs;
  costs.values.fill(kInfinite);
  return costs;
}

class TableCosts : public CostModel {
 public:
  explicit TableCosts(const Table& table) : table_(table) {}

  Costs costs(const Assignment& assignment) override {
    const auto row = table_.rows.find(assignment);
    return row == table_.rows.end() ? infinite() : row->second.costs;
  }
  [[nodiscard]] const Costs& reference() const override { return table_.reference; }

  const LocalCosts& local(Measure measure) override {
    LocalCosts& local = local_[static_cast<std::size_t>(measure)];
    if (!local.terms.empty()) return local;
    local.exact = true;
    CostTerm term;
    term.scope.resize(table_.space.decisions.size());
    std::iota(term.scope.begin(), term.scope.end(), 0);
    term.values.assign(static_cast<std::size_t>(table_.space.assignments()), kInfinite);
    for (const auto& [assignment, row] : table_.rows)
      term.values[static_cast<std::size_t>(index_of(table_.space, term, assignment))] = row.costs[measure];
    local.terms.push_back(std::move(term));
    return local;
  }

 private:
  const Table& table_;
  std::array<LocalCosts, kMeasures> local_;
};

class TableEvaluator : public Evaluator {
 public:
  TableEvaluator(const Table& table, std::uint64_t seed) : table_(table) {
    const auto& folds = table.rows.begin()->second.reward;
    const auto order = shuffled_folds(static_cast<int>(folds.size()), seed);
    const auto half = order.begin() + static_cast<std::ptrdiff_t>((order.size() + 1) / 2);
    full_.assign(order.begin(), half);
    check_.assign(half, order.end());
    for (const std::size_t fold : full_) full_images_ += folds[fold].images;
    for (const std::size_t fold : check_) check_images_ += folds[fold].images;
  }

  std::vector<Answer> evaluate(std::span<const Query> queries) override {
    std::vector<Answer> answers;
    for (const Query& query : queries) answers.push_back(answer(query));
    return answers;
  }

  [[nodiscard]] Prices prices() const override {
    Prices prices;
    prices.check_images = check_images_;
    prices.check_per_image = 1.0 / full_images_;
    if (!table_.probes) return prices;
    prices.probe_base = table_.probes->price;
    prices.probe_images = table_.probes->images;
    return prices;
  }

 private:
  [[nodiscard]] Answer answer(const Query& query) const {
    Answer answer{.query = query, .price = prices().of(query)};
    if (query.fidelity == Fidelity::probe) {
      answer.folds = {probe(query.assignment)};
      return answer;
    }
    const auto row = table_.rows.find(query.assignment);
    if (row == table_.rows.end())
      throw InputError(
          fmt::format("table {} has no policy '{}'", table_.name, text_of(table_.space, query.assignment)));
    answer.costs = row->second.costs;
    int images = 0;
    for (const std::size_t fold : query.fidelity == Fidelity::full ? full_ : check_) {
      if (query.fidelity == Fidelity::check && images >= query.images) break;
      answer.folds.push_back(row->second.reward[fold]);
      images += answer.folds.back().images;
    }
    return answer;
  }

  /// The loss of an assignment one decision away from the highest.
  [[nodiscard]] Fold probe(const Assignment& assignment) const {
    const Assignment highest = table_.space.highest();
    int changed = -1;
    for (std::size_t i = 0; i < assignment.size(); ++i) {
      if (assignment[i] == highest[i]) continue;
      if (changed >= 0 || !table_.probes) {
        throw InputError(fmt::format("table {} has probes of single decisions only, not of '{}'", table_.name,
                                     text_of(table_.space, assignment)));
      }
      changed = static_cast<int>(i);
    }
    const OneAtATime& probes = *table_.probes;
    const double loss =
        changed < 0
            ? probes.highest
            : probes.losses[static_cast<std::size_t>(changed)][static_cast<std::size_t>(assignment[changed])];
    return {probes.images, 0, loss * probes.images};
  }

  const Table& table_;
  std::vector<std::size_t> full_, check_;  ///< folds
  int full_images_ = 0;
  int check_images_ = 0;
};

class TableTask : public Task {
 public:
  explicit TableTask(Table table) : table_(std::move(table)), costs_(table_) {}
  [[nodiscard]] const std::string& name() const override { return table_.name; }
  [[nodiscard]] const Space& space() const override { return table_.space; }
  [[nodiscard]] CostModel& costs() override { return costs_; }
  std::unique_ptr<Evaluator> evaluator(std::uint64_t seed) override {
    return std::make_unique<TableEvaluator>(table_, seed);
  }
  double test_accuracy(const Assignment& assignment) override {
    Answer answer;
    answer.folds = table_.rows.at(assignment).test;
    return answer.accuracy();
  }

 private:
  Table table_;
  TableCosts costs_;
};

}  // namespace

std::unique_ptr<Task> table_task(Table table) { return std::make_unique<TableTask>(std::move(table)); }

}  // namespace bitloop::search
