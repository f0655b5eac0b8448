#include "quant/training/function.h"

#include <vector>

namespace bitloop::quant {
namespace {

using Op = host::Function::Op;

at::Tensor applied(Op op, const at::Tensor& a) {
  switch (op) {
    case Op::neg:
      return -a;
    case Op::abs:
      return a.abs();
    case Op::exp:
      return a.exp();
    case Op::log:
      return a.log();
    case Op::sqrt:
      return a.sqrt();
    case Op::erf:
      return a.erf();
    case Op::tanh:
      return a.tanh();
    case Op::sigmoid:
      return a.sigmoid();
    case Op::softplus:
      return at::softplus(a);
    default:  // round: gradients pass through
      return a + (a.round() - a).detach();
  }
}

at::Tensor applied(Op op, const at::Tensor& a, const at::Tensor& b) {
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
      return at::maximum(a, b);
    case Op::min:
      return at::minimum(a, b);
    default:  // pow
      return at::pow(a, b);
  }
}

}  // namespace

at::Tensor function_of(const host::Function& function, const at::Tensor& x) {
  std::vector<at::Tensor> stack;
  const auto take = [&] {
    at::Tensor top = std::move(stack.back());
    stack.pop_back();
    return top;
  };
  for (const host::Function::Term& term : function.terms()) {
    switch (host::operand_count(term.op)) {
      case 0:
        stack.push_back(term.op == Op::x ? x : at::full({}, term.number, x.options()));
        break;
      case 1:
        stack.push_back(applied(term.op, take()));
        break;
      default: {
        const at::Tensor b = take(), a = take();
        stack.push_back(applied(term.op, a, b));
      }
    }
  }
  return stack.back().expand_as(x);
}

}  // namespace bitloop::quant
