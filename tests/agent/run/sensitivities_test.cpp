#include "agent/run/sensitivities.h"

#include <gmock/gmock.h>

#include <cmath>
#include <fstream>
#include <sstream>

#include "agent/run/files.h"
#include "host/base/error.h"
#include "host/base/parallel.h"
#include "sim/sim_device.h"
#include "tests/agent/fakes.h"

namespace bitloop::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::Not;
using ::testing::StartsWith;

search::Space two_decisions() {
  search::Space space;
  space.decisions = {{.name = "a weights", .choices = {{"1", 1}, {"2", 2}, {"8", 8}}},
                     {.name = "b input", .kind = "activation", .choices = {{"4", 4}, {"8", 8}}}};
  return space;
}

search::Answer probe(search::Assignment assignment, double loss, int images) {
  search::Answer answer;
  answer.query = {std::move(assignment), search::Fidelity::probe, images};
  answer.folds = {{images, 0, loss * images}};
  answer.price = 0.25;
  return answer;
}

TEST(Sensitivities, of_probes_are_rises_of_single_decisions_above_the_highest_on_as_many_images) {
  search::Answer full = probe({0, 1}, 9, 100);
  full.query.fidelity = search::Fidelity::full;
  const search::Space space = two_decisions();
  const MeasuredSensitivities measured =
      loss_sensitivities(space, std::vector{probe({2, 1}, 0.5, 100), probe({0, 1}, 0.75, 100), full,
                                            probe({0, 0}, 2, 100), probe({2, 0}, 1, 50)});
  EXPECT_EQ(sensitivities_csv(space, std::vector{measured}),
            "measure,decision,kind,choice,bits,images,value,clean,price\n"
            "loss,a weights,weight,1,1,100,0.25,0.25,0.5\n");
}

TEST(Sensitivities, fewer_bits_are_never_cleaner_and_the_highest_probe_is_shared) {
  const search::Space space = two_decisions();
  const MeasuredSensitivities measured =
      loss_sensitivities(space, std::vector{probe({1, 1}, 0.75, 100), probe({0, 1}, 0.5, 100),
                                            probe({2, 0}, 0.25, 100), probe({2, 1}, 0.375, 100)});
  EXPECT_EQ(sensitivities_csv(space, std::vector{measured}),
            "measure,decision,kind,choice,bits,images,value,clean,price\n"
            "loss,a weights,weight,1,1,100,0.125,0.25,0.3333333333333333\n"
            "loss,a weights,weight,2,2,100,0.375,0.25,0.3333333333333333\n"
            "loss,b input,activation,4,4,100,-0.125,0,0.3333333333333333\n");
}

/// LeNet on random pixels with random weights: what counts is the form.
class SensitivitiesOfLenet : public ::testing::Test {
 protected:
  SensitivitiesOfLenet() {
    TaskSpec spec;
    spec.data = "noise";
    laboratory_ = std::make_unique<Laboratory>(
        spec, SpaceSpec{.widths = {2, 4, 8}},
        std::make_shared<host::DevicePool>(
            "sim", [] { return sim::make_sim_device("default", {}, {}, sim::Detail::timing); }),
        nullptr, host::SegmentMeter::Progress{});
    EvaluationRecipe recipe{.reward_images = 200};
    recipe.retraining.epochs = 0;
    recipe.retraining.calibration_images = 32;
    laboratory_->open(open_weights(spec, laboratory_->opened()), recipe,
                      std::make_shared<OutcomeStore>(folder_.path / "outcomes.sqlite"));
    evaluator_ = laboratory_->task().evaluator(1);
    problem_.emplace(search::Problem{
        laboratory_->policies().space(), laboratory_->costs(), {}, laboratory_->task().prices()});
  }
  [[nodiscard]] Stage stage() const {
    return {config_, run_, *laboratory_, *problem_, *evaluator_, 2, observer_};
  }
  [[nodiscard]] std::vector<std::string> lines() const {
    std::istringstream file(read_file(run_.sensitivities()));
    std::vector<std::string> result;
    for (std::string line; std::getline(file, line);) result.push_back(line);
    return result;
  }

  test::TemporaryFolder folder_;
  RunFolder run_{folder_.path};
  SearchConfig config_;
  SearchObserver observer_ = [](const std::string&, double, const std::string&) {};
  std::unique_ptr<Laboratory> laboratory_;
  std::unique_ptr<search::Evaluator> evaluator_;
  std::optional<search::Problem> problem_;
};

TEST_F(SensitivitiesOfLenet, have_a_row_per_measure_and_choice_and_prices_that_add_up) {
  const search::Space& space = problem_->space;
  int choices = 0;
  int of_inputs = 0;
  for (const search::Decision& decision : space.decisions) {
    choices += decision.size();
    if (decision.kind == "activation") of_inputs += decision.size();
  }
  const double pass = problem_->prices.probe_per_image;
  for (const std::string measure : {"fisher", "sqnr", "hutchinson"}) {
    const MeasuredSensitivities measured = float_sensitivities(*laboratory_, measure, 1, 2);
    ASSERT_EQ(static_cast<int>(measured.rows.size()), choices);
    double price = 0;
    int images = 0;
    for (std::size_t i = 0; i < measured.rows.size(); ++i) {
      const Sensitivity& row = measured.rows[i];
      price += row.price;
      images = std::max(images, row.images);
      if (i == 0 || measured.rows[i - 1].decision != row.decision) continue;
      const double fell = measured.rows[i - 1].clean - row.clean;
      EXPECT_GE(measure == "sqnr" ? -fell : fell, 0) << measure << " " << i;
    }
    const double passes = measure == "fisher" ? 3 : measure == "sqnr" ? 1 : 3 + 12 * 2;
    EXPECT_NEAR(price, passes * images * pass, 1e-9) << measure;
    if (measure == "sqnr") {
      EXPECT_EQ(std::ranges::count_if(measured.rows, [](const auto& row) { return row.images > 0; }),
                of_inputs);
    }
  }
}

/// What a searcher may ask for: the same in shares of power, at the same price, on images of its own seed.
TEST_F(SensitivitiesOfLenet, are_there_for_searchers_whoever_asks_first) {
  const search::MeasureFloatEffects measure = laboratory_->task().float_effects();
  std::vector<search::FloatEffects> found(3);
  host::parallel_for(3, 3, [&](int item, int /*worker*/) { found[item] = measure("sqnr"); });
  const MeasuredSensitivities expected = float_sensitivities(*laboratory_, "sqnr", 1, 1);
  double price = 0;
  for (const Sensitivity& row : expected.rows) {
    price += row.price;
    const double share = found[0].values.at(row.decision).at(row.choice);
    EXPECT_NEAR(-10 * std::log10(share), row.effect.value, 1e-9);
  }
  EXPECT_NEAR(found[0].price, price, 1e-9);
  for (const search::FloatEffects& other : found) EXPECT_EQ(other.values, found[0].values);
  EXPECT_NE(measure("fisher").values, found[0].values);
}

TEST_F(SensitivitiesOfLenet, that_are_there_stay_and_probed_losses_go_behind_them) {
  config_.sensitivities = {"sqnr"};
  measure_sensitivities(stage());
  const auto before = lines();
  EXPECT_EQ(before.front(), "measure,decision,kind,choice,bits,images,value,clean,price");
  const search::Assignment highest = problem_->space.highest();
  search::Assignment other = highest;
  other.front() = 0;
  std::vector<search::Step> steps{{.answer = probe(highest, 1, 100)}, {.answer = probe(other, 1.5, 100)}};
  for (int twice = 0; twice < 2; ++twice) {  // a run that goes on tells them again
    add_probed_losses(stage(), steps);
    auto after = lines();
    EXPECT_EQ(after.back(), "loss,conv1 weights,weight,2,2,100,0.5,0.5,0.5");
    after.pop_back();
    EXPECT_EQ(after, before);
  }
  // What is in the file is not measured again.
  std::ofstream(run_.sensitivities()) << before.front() << "\nsqnr,kept\n";
  measure_sensitivities(stage());
  EXPECT_THAT(lines(), ElementsAre(before.front(), "sqnr,kept"));
}

TEST_F(SensitivitiesOfLenet, by_loss_are_probes_of_every_choice_that_lines_add_nothing_to) {
  config_.sensitivities = {"loss"};
  measure_sensitivities(stage());
  const auto rows = lines();
  std::size_t choices = 0;
  for (const search::Decision& decision : problem_->space.decisions) choices += decision.choices.size() - 1;
  ASSERT_EQ(rows.size(), 1 + choices);
  EXPECT_THAT(rows[1], StartsWith("loss,conv1 weights,weight,2,2,"));
  search::Assignment other = problem_->space.highest();
  other.front() = 0;
  add_probed_losses(
      stage(), {{.answer = probe(problem_->space.highest(), 1, 100)}, {.answer = probe(other, 1.5, 100)}});
  EXPECT_EQ(lines(), rows);
}

TEST_F(SensitivitiesOfLenet, are_none_where_none_are_asked_for) {
  config_.sensitivities = {};
  measure_sensitivities(stage());
  EXPECT_FALSE(std::filesystem::exists(run_.sensitivities()));
}

}  // namespace
}  // namespace bitloop::agent
