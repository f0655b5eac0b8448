// Functions of one number. A node that makes one of a tensor appends no layer: its value is that tensor and
// the function
// (`Value::function`), to which further nodes add theirs. So the sub-graphs that exporters write for SiLU,
// hard-swish or GELU are one function, however they say it, and one layer once another kind of node reads it.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <numbers>
#include <optional>

#include "host/base/error.h"
#include "host/network/function.h"
#include "quant/onnx/operators.h"

namespace bitloop::quant::importer {
namespace {

using host::function_word;

/// `form` with the operands in place of @ (the first) and # (the second).
std::string filled(std::string_view form, const std::string& first, const std::string& second = {}) {
  std::string text;
  for (const char c : form) {
    if (c == '@')
      text += first;
    else if (c == '#')
      text += second;
    else
      text += c;
  }
  return text;
}

struct Form {
  std::string_view op;
  std::string_view form;  ///< in the words of host/network/function.h
};

constexpr Form kUnary[] = {
    {"Abs", "@ abs"},           {"Erf", "@ erf"},
    {"Exp", "@ exp"},           {"HardSwish", "@ @ 0.16666666666666666 mul 0.5 add 0 max 1 min mul"},
    {"Log", "@ log"},           {"Mish", "@ @ softplus tanh mul"},
    {"Neg", "@ neg"},           {"Sigmoid", "@ sigmoid"},
    {"Softplus", "@ softplus"}, {"Softsign", "@ 1 @ abs add div"},
    {"Round", "@ round"},       {"Sqrt", "@ sqrt"},
    {"Tanh", "@ tanh"},
};
/// Of two operands, of which the file may give one as a constant.
constexpr Form kBinary[] = {
    {"Add", "@ # add"}, {"Div", "@ # div"}, {"Max", "@ # max"}, {"Min", "@ # min"},
    {"Mul", "@ # mul"}, {"Pow", "@ # pow"}, {"Sub", "@ # sub"},
};

template <std::size_t N>
std::optional<std::string_view> form_of(const Form (&forms)[N], std::string_view op) {
  const auto* found = std::ranges::find(forms, op, &Form::op);
  return found == std::end(forms) ? std::nullopt : std::optional(found->form);
}

std::string number(double value) { return function_word(value); }

std::string limiting_form(const host::Limits& limits) {
  std::string form = "@";
  if (std::isfinite(limits.low)) form += fmt::format(" {} max", number(limits.low));
  if (std::isfinite(limits.high)) form += fmt::format(" {} min", number(limits.high));
  if (limits.step != 0) form += fmt::format(" {0} div round {0} mul", number(limits.step));
  return form;
}

/// The form of a node that reads one tensor; none where it makes no function of its numbers.
std::optional<std::string> unary_form(const Node& node) {
  const std::string& op = node.op();
  const auto attribute = [&](const char* name, float otherwise) {
    return number(node.number(name, otherwise));
  };
  if (op == "HardSigmoid")
    return fmt::format("@ {} mul {} add 0 max 1 min", attribute("alpha", 0.2F), attribute("beta", 0.5F));
  if (op == "Elu") return fmt::format("@ 0 max @ 0 min exp 1 sub {} mul add", attribute("alpha", 1));
  if (op == "Selu")
    return fmt::format("@ 0 max @ 0 min exp 1 sub {} mul add {} mul",
                       attribute("alpha", 1.67326319217681884765625F),
                       attribute("gamma", 1.05070102214813232421875F));
  if (op == "Celu") {
    const std::string alpha = attribute("alpha", 1);
    return fmt::format("@ 0 max @ 0 min {} div exp 1 sub {} mul add", alpha, alpha);
  }
  if (op == "Gelu" && node.text("approximate", "none") == "tanh")
    return fmt::format("@ @ @ 3 pow 0.044715 mul add {} mul tanh 1 add mul 0.5 mul",
                       number(std::sqrt(2 / std::numbers::pi)));
  if (op == "Gelu") return fmt::format("@ @ {} div erf 1 add mul 0.5 mul", number(std::numbers::sqrt2));
  const auto form = form_of(kUnary, op);
  return form ? std::optional<std::string>(*form) : std::nullopt;
}

/// The forms of nodes that join a layer where nothing came between.
std::optional<std::string> joining_form(const Lowering& l) {
  const std::string& op = l.node.op();
  if (op == "Relu") return "@ 0 max";
  if (op == "LeakyRelu")
    return fmt::format("@ 0 max @ 0 min {} mul add", number(l.node.number("alpha", 0.01F)));
  if (op != "Clip") return {};
  return limiting_form(clip_limits(l));
}

std::string function_text(const Value& value) { return value.function.empty() ? "x" : value.function; }

bool is_scalar(const Value& value, const Value& partner) {
  return value.constant != nullptr && value.constant->is_float() && value.constant->count() == 1 &&
         value.constant->dims.size() <= partner.dims.size() && std::isfinite(value.constant->at(0));
}

/// The value seen as a function of the numbers that `base` limits its tensor to; none where it is no such.
std::optional<std::string> as_function_of(const Lowering& l, const Value& value, const Value& base) {
  if (value.tensor == base.tensor) {
    const bool same = value.limits == base.limits && value.narrow == base.narrow;
    return same ? std::optional(function_text(value)) : std::nullopt;
  }
  const host::Layer* layer = value.function.empty() ? l.draft.function_that_writes(value.tensor) : nullptr;
  if (layer == nullptr || !l.draft.is_read_for(base, value.tensor)) return {};
  return filled(limiting_form(value.narrow), filled(limiting_form(value.limits), layer->function));
}

/// Both operands as functions of one tensor, and which that is.
struct Operands {
  const Value* base = nullptr;
  std::string first, second;
};
std::optional<Operands> operands_of(const Lowering& l) {
  if (l.inputs.size() != 2) return {};
  const Value &first = l.inputs[0], &second = l.inputs[1];
  if (first.tensor < 0 && second.tensor < 0) return {};
  if (is_scalar(first, second))
    return Operands{&second, number(first.constant->at(0)), function_text(second)};
  if (is_scalar(second, first)) return Operands{&first, function_text(first), number(second.constant->at(0))};
  if (first.tensor < 0 || second.tensor < 0 || first.dims != second.dims || first.order != second.order)
    return {};
  for (const Value* base : {&first, &second}) {
    const auto a = as_function_of(l, first, *base), b = as_function_of(l, second, *base);
    if (a && b) return Operands{base, *a, *b};
  }
  return {};
}

/// Whether a node of two operands says more than a layer before it could take, or than an Add layer.
bool needs_function(const Lowering& l, const Operands& operands) {
  const std::string& op = l.node.op();
  if (op == "Max" || op == "Min" || op == "Pow" || !operands.base->function.empty()) return true;
  if (l.inputs[0].constant == nullptr && l.inputs[1].constant == nullptr)
    return op != "Add" || operands.first != "x" || operands.second != "x";
  if (op == "Div" && l.inputs[0].constant != nullptr) return true;
  return !l.draft.takes_affine(*operands.base);
}

/// The value with this function, where it is not too long for one.
std::optional<Value> with_function(const Lowering& l, const Value& base, const std::string& text) {
  if (base.pads.any() || base.softmax || l.draft.is_image(base.tensor)) return {};
  try {
    const host::Function function(text);
  } catch (const InputError&) {
    return {};
  }
  Value value = base;
  value.function = text;
  value.writer = l.node;
  return value;
}

}  // namespace

std::optional<Value> joined_function(const Lowering& l) {
  if (l.inputs.empty()) return {};
  if (const auto form = form_of(kBinary, l.node.op())) {
    const auto operands = operands_of(l);
    if (!operands || !needs_function(l, *operands)) return {};
    return with_function(l, *operands->base, filled(*form, operands->first, operands->second));
  }
  const Value& value = l.inputs.front();
  if (value.tensor < 0) return {};
  auto form = unary_form(l.node);
  if (!form && !value.function.empty()) form = joining_form(l);
  return form ? with_function(l, value, filled(*form, function_text(value))) : std::nullopt;
}

Value append_function(const Lowering& l) {
  const Value& value = l.inputs.front();
  host::Layer layer{.name = l.names.of_node(l.node),
                    .kind = host::LayerKind::function,
                    .inputs = {value.tensor},
                    .function = value.function};
  Value result = l.append_like(value, std::move(layer));
  result.function.clear();
  result.writer.reset();
  return result;
}

Value lower_function(const Lowering& l) {
  const host::Shape& shape = l.draft.shape(l.tensor(0).tensor);
  l.node.refuse(fmt::format(
      "it reads {}x{}x{} numbers; supported is a function of one tensor, which is not the image, with "
      "single numbers",
      shape.channels, shape.height, shape.width));
}

}  // namespace bitloop::quant::importer
