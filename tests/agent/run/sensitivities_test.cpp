#include "agent/run/sensitivities.h"

#include <gtest/gtest.h>

namespace bitloop::agent {
namespace {

search::Step probe(search::Assignment assignment, double loss, int images) {
  search::Step step;
  step.answer.query = {std::move(assignment), search::Fidelity::probe, images};
  step.answer.folds = {{images, 0, loss * images}};
  step.answer.price = 0.25;
  return step;
}

TEST(Sensitivities, are_the_probes_of_single_decisions_against_the_highest_on_as_many_images) {
  search::Space space;
  space.decisions = {{.name = "a weights", .choices = {{"2", 2}, {"8", 8}}},
                     {.name = "b input", .kind = "activation", .choices = {{"4", 4}, {"8", 8}}}};
  search::Step full = probe({0, 1}, 9, 100);
  full.answer.query.fidelity = search::Fidelity::full;
  const std::string rows = sensitivities_csv(space, {probe({1, 1}, 0.5, 100), probe({0, 1}, 0.75, 100), full,
                                                     probe({0, 0}, 2, 100), probe({1, 0}, 1, 50)});
  EXPECT_EQ(rows,
            "decision,kind,choice,bits,images,loss,rise,price\n"
            "a weights,weight,2,2,100,0.75,0.25,0.25\n"
            "b input,activation,4,4,50,1,,0.25\n");
}

}  // namespace
}  // namespace bitloop::agent
