#include "quant/onnx/write_function.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <vector>

#include "host/network/function.h"

namespace bitloop::quant {
namespace {

/// The ONNX operator of a function's operation.
std::string operator_of(host::Function::Op op) {
  std::string name(host::function_word(op));
  name.front() = static_cast<char>(name.front() - 'a' + 'A');
  return name;
}

constexpr std::size_t kHardSigmoidTerms = 8;
/// Whether the terms begin with "alpha mul beta add 0 max 1 min".
bool is_hard_sigmoid(std::span<const host::Function::Term> terms) {
  using Op = host::Function::Op;
  constexpr Op kOps[kHardSigmoidTerms] = {Op::number, Op::mul, Op::number, Op::add,
                                          Op::number, Op::max, Op::number, Op::min};
  return terms.size() >= kHardSigmoidTerms && terms[4].number == 0 && terms[6].number == 1 &&
         std::ranges::equal(terms.first(kHardSigmoidTerms), kOps, {}, &host::Function::Term::op);
}

}  // namespace

std::string write_function(GraphWriter& writer, const host::Layer& layer, const std::string& x) {
  const host::Function function(layer.function);
  std::span<const host::Function::Term> rest(function.terms());
  std::vector<std::string> stack;
  for (int number = 0; !rest.empty(); ++number) {
    const std::string name = fmt::format("{}/function{}", layer.name, number);
    const host::Function::Term& term = rest.front();
    if (is_hard_sigmoid(rest)) {
      stack.back() = writer.node("HardSigmoid", name, {stack.back()},
                                 {{}, {}, {{"alpha", rest[0].number}, {"beta", rest[2].number}}});
      rest = rest.subspan(kHardSigmoidTerms);
      continue;
    }
    rest = rest.subspan(1);
    const int operands = host::operand_count(term.op);
    if (operands == 0) {
      stack.push_back(term.op == host::Function::Op::x ? x : writer.scalar(name, term.number));
      continue;
    }
    const std::vector<std::string> inputs(stack.end() - operands, stack.end());
    stack.resize(stack.size() - inputs.size());
    stack.push_back(writer.node(operator_of(term.op), name, inputs));
  }
  return stack.back();
}

}  // namespace bitloop::quant
