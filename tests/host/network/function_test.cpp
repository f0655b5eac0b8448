#include "host/network/function.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "host/base/error.h"

namespace bitloop::host::test {
namespace {

double value(const char* text, double x) { return Function(text)(x); }

TEST(Function, computes_what_its_words_say) {
  EXPECT_DOUBLE_EQ(value("x", 3), 3);
  EXPECT_DOUBLE_EQ(value("x sigmoid", 0), 0.5);
  EXPECT_DOUBLE_EQ(value("x x sigmoid mul", 2), 2 / (1 + std::exp(-2)));
  EXPECT_DOUBLE_EQ(value("x 3 add 0 max 6 min x mul 6 div", -1), -1.0 / 3);
  EXPECT_DOUBLE_EQ(value("x 1.5 sub", 2), 0.5);
  EXPECT_DOUBLE_EQ(value("2 x pow", 3), 8);
  EXPECT_DOUBLE_EQ(value("x neg abs sqrt", 4), 2);
  EXPECT_DOUBLE_EQ(value("x exp log", -2), -2);
  EXPECT_DOUBLE_EQ(value("x erf", 1), std::erf(1));
  EXPECT_DOUBLE_EQ(value("x tanh", 1), std::tanh(1));
  EXPECT_NEAR(value("x softplus", 1), std::log(1 + std::exp(1)), 1e-15);
  EXPECT_DOUBLE_EQ(value("x softplus", 1000), 1000);
  EXPECT_DOUBLE_EQ(value("x round", 2.5), 2);
}

TEST(Function, words_come_back_as_they_were) {
  const char* text = "x 0.16666667163372 mul 0.5 add -1e-07 max 1 min";
  const Function function(text);
  std::vector<std::string> words;
  for (const Function::Term& term : function.terms()) {
    const bool number = term.op == Function::Op::number;
    words.push_back(number ? function_word(term.number) : std::string(function_word(term.op)));
  }
  EXPECT_EQ(fmt::format("{}", fmt::join(words, " ")), text);
}

TEST(Function, what_gives_no_number_is_refused_with_the_word) {
  const auto expect = [](const std::string& text, const char* what) {
    EXPECT_THAT([&] { Function function(text); },
                testing::ThrowsMessage<InputError>(testing::HasSubstr(what)))
        << text;
  };
  expect("", "not 0");
  expect("x x", "not 2");
  expect("x mul", "mul lacks an operand");
  expect("sigmoid", "sigmoid lacks an operand");
  expect("x sine", "'sine' is no operation");
  expect("x number", "'number' is no operation");
  expect("x nan mul", "'nan' is no operation");
  std::string long_one = "x";
  for (int i = 0; i < 200; ++i) long_one.append(" neg");
  expect(long_one, "201 words");
}

}  // namespace
}  // namespace bitloop::host::test
