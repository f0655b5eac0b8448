#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace bitloop::host {

/// A function of one number, written in postfix notation: `x` is the number, others are constants, and each
/// operation takes what stands before it. "x sigmoid" is the sigmoid, "x x sigmoid mul" the SiLU, "x 3 add 0
/// max 6 min" a ReLU6 that is moved to the left. What a `function` layer computes: hardware looks it up in a
/// table of codes.
class Function {
 public:
  enum class Op {
    x,
    number,
    add,
    sub,
    mul,
    div,
    max,
    min,
    pow,
    neg,
    abs,
    exp,
    log,
    sqrt,
    erf,
    tanh,
    sigmoid,
    softplus,
    round  ///< halves to even
  };
  struct Term {
    Op op = Op::x;
    double number = 0;  ///< of Op::number
    bool operator==(const Term&) const = default;
  };

  /// Throws InputError, saying where, for words that it does not know and those that do not give one number.
  explicit Function(std::string_view text);

  [[nodiscard]] const std::vector<Term>& terms() const { return terms_; }
  [[nodiscard]] double operator()(double x) const;
  /// Whether some results are below zero.
  [[nodiscard]] bool has_negative_results() const;

 private:
  std::vector<Term> terms_;
};

/// The words of functions: of a constant, and of an operation.
std::string function_word(double number);
std::string_view function_word(Function::Op op);
/// Numbers that an operation takes: 0 of `x` and constants, else 1 or 2.
int operand_count(Function::Op op);

}  // namespace bitloop::host
