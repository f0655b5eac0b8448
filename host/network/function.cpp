#include "host/network/function.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>
#include <optional>

#include "host/base/error.h"

namespace bitloop::host {
namespace {

using Op = Function::Op;

constexpr std::size_t kMostTerms = 100;

/// Words in the order of Op.
constexpr std::string_view kWords[] = {"x",   "number", "add",     "sub",      "mul",  "div", "max",
                                       "min", "pow",    "neg",     "abs",      "exp",  "log", "sqrt",
                                       "erf", "tanh",   "sigmoid", "softplus", "round"};

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  for (std::size_t at = text.find_first_not_of(' '); at != std::string_view::npos;) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    words.push_back(text.substr(at, end - at));
    at = text.find_first_not_of(' ', end);
  }
  return words;
}

std::optional<Function::Term> term_of(std::string_view word) {
  const auto* found = std::find(std::begin(kWords), std::end(kWords), word);
  const auto op = static_cast<Op>(found - std::begin(kWords));
  if (found != std::end(kWords) && op != Op::number) return Function::Term{op, 0};
  double number = 0;
  const auto [rest, error] = std::from_chars(word.data(), word.data() + word.size(), number);
  if (error != std::errc() || rest != word.data() + word.size() || !std::isfinite(number)) return {};
  return Function::Term{Op::number, number};
}

double applied(Op op, double a) {
  switch (op) {
    case Op::neg:
      return -a;
    case Op::abs:
      return std::abs(a);
    case Op::exp:
      return std::exp(a);
    case Op::log:
      return std::log(a);
    case Op::sqrt:
      return std::sqrt(a);
    case Op::erf:
      return std::erf(a);
    case Op::tanh:
      return std::tanh(a);
    case Op::sigmoid:
      return 1 / (1 + std::exp(-a));
    case Op::softplus:
      return std::max(a, 0.0) + std::log1p(std::exp(-std::abs(a)));
    default:  // round
      return std::nearbyint(a);
  }
}

double applied(Op op, double a, double b) {
  switch (op) {
    case Op::add:
      return a + b;
    case Op::sub:
      return a - b;
    case Op::mul:
      return a * b;
    case Op::div:
      return a / b;
    case Op::max:
      return std::max(a, b);
    case Op::min:
      return std::min(a, b);
    default:  // pow
      return std::pow(a, b);
  }
}

}  // namespace

std::string function_word(double number) { return fmt::format("{}", number); }

std::string_view function_word(Op op) { return kWords[static_cast<std::size_t>(op)]; }

int operand_count(Op op) { return op <= Op::number ? 0 : op <= Op::pow ? 2 : 1; }

Function::Function(std::string_view text) {
  int numbers = 0;  // that stand there by then
  for (const std::string_view word : words_of(text)) {
    const auto term = term_of(word);
    if (!term) throw InputError(fmt::format("function '{}': '{}' is no operation and no number", text, word));
    numbers -= operand_count(term->op);
    if (numbers < 0) throw InputError(fmt::format("function '{}': {} lacks an operand", text, word));
    ++numbers;
    terms_.push_back(*term);
  }
  if (numbers != 1)
    throw InputError(fmt::format("function '{}': it must give one number, not {}", text, numbers));
  if (terms_.size() > kMostTerms)
    throw InputError(fmt::format("a function has {} words; the most are {}", terms_.size(), kMostTerms));
}

double Function::operator()(double x) const {
  std::vector<double> stack;
  const auto take = [&] {
    const double top = stack.back();
    stack.pop_back();
    return top;
  };
  for (const Term& term : terms_) {
    switch (operand_count(term.op)) {
      case 0:
        stack.push_back(term.op == Op::x ? x : term.number);
        break;
      case 1:
        stack.push_back(applied(term.op, take()));
        break;
      default: {
        const double b = take(), a = take();
        stack.push_back(applied(term.op, a, b));
      }
    }
  }
  return stack.back();
}

bool Function::has_negative_results() const {
  constexpr int kSteps = 4096;
  constexpr double kStep = 1.0 / 64;  // to 64 in both directions
  for (int i = -kSteps; i <= kSteps; ++i)
    if ((*this)(i * kStep) < 0) return true;
  return false;
}

}  // namespace bitloop::host
