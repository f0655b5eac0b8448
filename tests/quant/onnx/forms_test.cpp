// Operators in the forms that exporters write them, one network each, against OpenCV or a plainer form.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "quant/onnx/import.h"
#include "tests/quant/files.h"
#include "tests/quant/fixtures.h"
#include "tests/quant/onnx/models.h"

namespace bitloop::quant {
namespace {

constexpr double kTolerance = 1e-4;  // of the largest result

/// A form of an operator between an image and a network's end.
struct Form {
  std::string name;
  std::function<OnnxModel()> model;
  Sizes image{2, 4, 8, 8};
  std::function<OnnxModel()> same{};  ///< a plain way to say it, where OpenCV does not know the form itself

  /// The same form, said plainly.
  [[nodiscard]] Form as(const Form& plain) const {
    Form form = *this;
    form.same = plain.model;
    return form;
  }
};

void PrintTo(const Form& form, std::ostream* stream) { *stream << form.name; }

using Attributes = std::vector<OnnxModel::Named>;

/// image -> conv (4 filters, named "first") -> what `middle` appends from "a" to "b" -> conv -> "y"
Form between(const std::string& name, int opset, const std::function<void(OnnxModel&)>& middle,
             std::int64_t channels = 4, Sizes image = {2, 4, 8, 8}) {
  return {name,
          [=] {
            OnnxModel model(opset);
            model.input("x", image).weights("first.weight", {4, image[1], 3, 3});
            model.node("Conv", {"x", "first.weight"}, "a", {{"pads", Sizes{1, 1, 1, 1}}});
            middle(model);
            model.weights("last.weight", {3, channels, 1, 1}).weights("last.bias", {3});
            model.node("Conv", {"b", "last.weight", "last.bias"}, "y").output("y");
            return model;
          },
          image};
}

/// The same, with a Relu before "a".
Form behind_relu(const std::string& name, int opset, const std::function<void(OnnxModel&)>& middle,
                 std::int64_t channels = 4) {
  return between(
      name, opset,
      [=](OnnxModel& model) {
        model.proto().mutable_graph()->mutable_node(0)->set_output(0, "a0");
        model.node("Relu", {"a0"}, "a");
        middle(model);
      },
      channels);
}

Form conv(const std::string& name, const Sizes& weights, const Attributes& attributes,
          Sizes image = {2, 4, 9, 8}, bool bias = true) {
  return {name,
          [=] {
            OnnxModel model;
            model.input("x", image).weights("c.weight", weights).weights("c.bias", {weights[0]});
            model.weights("p.weight", {image[1], image[1], 1, 1});
            model.node("Conv", {"x", "p.weight"}, "p");
            model.node("Conv",
                       bias ? std::vector<std::string>{"p", "c.weight", "c.bias"}
                            : std::vector<std::string>{"p", "c.weight"},
                       "b", attributes);
            model.weights("last.weight", {3, weights[0], 1, 1}).weights("last.bias", {3});
            model.node("Conv", {"b", "last.weight", "last.bias"}, "y").output("y");
            return model;
          },
          image};
}

/// What `flatten` appends from "a", a map of 4x2x2, to the vector "f", then a linear layer.
Form linear(const std::string& name, int opset, const std::function<void(OnnxModel&)>& flatten) {
  return {name,
          [=] {
            OnnxModel model(opset);
            model.input("x", {2, 3, 4, 4}).weights("c.weight", {4, 3, 2, 2});
            model.node("Conv", {"x", "c.weight"}, "a", {{"strides", Sizes{2, 2}}});
            flatten(model);
            model.weights("fc.weight", {5, 16}).weights("fc.bias", {5});
            model.node("Gemm", {"f", "fc.weight", "fc.bias"}, "y", {{"transB", std::int64_t{1}}}).output("y");
            return model;
          },
          {2, 3, 4, 4}};
}

/// A vector "f" of 4 numbers, what `middle` appends to "y".
Form on_vector(const std::string& name, int opset, const std::function<void(OnnxModel&)>& middle) {
  return {name,
          [=] {
            OnnxModel model(opset);
            model.input("x", {2, 3, 4, 4}).weights("c.weight", {4, 3, 4, 4});
            model.node("Conv", {"x", "c.weight"}, "a").node("Flatten", {"a"}, "f");
            middle(model);
            model.output("y");
            return model;
          },
          {2, 3, 4, 4}};
}

void batch_norm(OnnxModel& model, const std::string& name, const std::string& from, const std::string& to,
                std::int64_t channels, float epsilon = 1e-5F) {
  model.positive(name + ".g", {channels}).weights(name + ".b", {channels}).weights(name + ".m", {channels});
  model.positive(name + ".v", {channels});
  model.node("BatchNormalization", {from, name + ".g", name + ".b", name + ".m", name + ".v"}, to,
             {{"epsilon", epsilon}});
}

Form plain_upsample(int factor) {
  return between("plain", 9, [=](OnnxModel& m) {
    const auto times = static_cast<float>(factor);
    m.floats("s", {4}, {1, 1, times, times}).node("Upsample", {"a", "s"}, "b", {{"mode", "nearest"}});
  });
}

/// The last two channels before the first two.
void swapped_by_split(OnnxModel& model) {
  model.node("Split", {"a"}, "s0", {{"axis", std::int64_t{1}}});
  model.proto().mutable_graph()->mutable_node()->rbegin()->add_output("s1");
  model.node("Concat", {"s1", "s0"}, "b", {{"axis", std::int64_t{1}}});
}

void sliced(OnnxModel& model, const Sizes& starts, const Sizes& ends) {
  model.integers("starts", starts).integers("ends", ends).integers("axes", {1});
  model.node("Slice", {"a", "starts", "ends", "axes"}, "b");
}

/// What a quantizer of "a" does, in other words.
Form clipped_and_rounded(float low, float high, float step) {
  return between("plain", 10, [=](OnnxModel& m) {
    m.scalar("step", step).node("Clip", {"a"}, "c", {{"min", low}, {"max", high}});
    m.node("Div", {"c", "step"}, "d");
    m.node("Round", {"d"}, "r").node("Mul", {"r", "step"}, "b");
  });
}

std::vector<Form> forms() {
  const Form plain_clip = between("plain", 7, [](OnnxModel& m) {
    m.node("Clip", {"a"}, "b", {{"min", 0.0F}, {"max", 6.0F}});
  });
  const Form split_by_attribute = between("split_by_attribute", 11, [](OnnxModel& m) {
    m.node("Split", {"a"}, "s0", {{"axis", std::int64_t{1}}, {"split", Sizes{1, 3}}});
    m.proto().mutable_graph()->mutable_node()->rbegin()->add_output("s1");
    m.node("Concat", {"s1", "s0"}, "b", {{"axis", std::int64_t{1}}});
  });
  const Form plain_hard_swish = between("plain", 10, [](OnnxModel& m) {
    m.scalar("three", 3).scalar("six", 6).node("Add", {"a", "three"}, "a1");
    m.node("Clip", {"a1"}, "a2", {{"min", 0.0F}, {"max", 6.0F}});
    m.node("Mul", {"a", "a2"}, "a3").node("Div", {"a3", "six"}, "b");
  });
  return {
      conv("conv_1x1", {5, 4, 1, 1}, {}),
      conv("conv_without_bias", {5, 4, 3, 3}, {}, {2, 4, 9, 8}, false),
      conv("conv_padded_strided", {5, 4, 3, 3}, {{"pads", Sizes{1, 1, 1, 1}}, {"strides", Sizes{2, 2}}}),
      conv("conv_5x3", {5, 4, 5, 3}, {}),
      conv("conv_padded_at_the_end_only", {5, 4, 3, 3}, {{"pads", Sizes{0, 0, 1, 1}}}),
      conv("conv_padding_that_no_window_reaches", {5, 4, 3, 3},
           {{"pads", Sizes{1, 1, 0, 1}}, {"strides", Sizes{2, 2}}}, {2, 4, 8, 8}),
      conv("conv_same_upper", {5, 4, 3, 3}, {{"auto_pad", "SAME_UPPER"}, {"strides", Sizes{2, 2}}},
           {2, 4, 8, 8}),
      conv("conv_same_lower", {5, 4, 2, 2}, {{"auto_pad", "SAME_LOWER"}}, {2, 4, 8, 8})
          .as(conv("plain", {5, 4, 2, 2}, {{"pads", Sizes{1, 1, 0, 0}}}, {2, 4, 8, 8})),
      conv("conv_valid", {5, 4, 3, 3}, {{"auto_pad", "VALID"}}),
      conv("depthwise", {4, 1, 3, 3}, {{"group", std::int64_t{4}}, {"pads", Sizes{1, 1, 1, 1}}}),
      conv("grouped", {6, 2, 3, 3}, {{"group", std::int64_t{2}}}),
      conv("depth_multiplier", {8, 1, 3, 3}, {{"group", std::int64_t{4}}}),
      between("split", 13, [](OnnxModel& m) { swapped_by_split(m); }),
      between("split_into_sizes", 13,
              [](OnnxModel& m) {
                m.integers("sizes", {1, 3}).node("Split", {"a", "sizes"}, "s0", {{"axis", std::int64_t{1}}});
                m.proto().mutable_graph()->mutable_node()->rbegin()->add_output("s1");
                m.node("Concat", {"s1", "s0"}, "b", {{"axis", std::int64_t{1}}});
              })
          .as(split_by_attribute),
      split_by_attribute,
      behind_relu(
          "slice", 13, [](OnnxModel& m) { sliced(m, {1}, {3}); }, 2),
      behind_relu(
          "slice_from_the_end", 13, [](OnnxModel& m) { sliced(m, {-3}, {9}); }, 3),
      between(
          "slice_by_attributes", 9,
          [](OnnxModel& m) {
            m.node("Slice", {"a"}, "b", {{"axes", Sizes{1}}, {"starts", Sizes{2}}, {"ends", Sizes{4}}});
          },
          2),
      between("gather", 13,
              [](OnnxModel& m) {
                m.integers("i", {2, 3, 0, 1}).node("Gather", {"a", "i"}, "b", {{"axis", std::int64_t{1}}});
              })
          .as(between("plain", 13, [](OnnxModel& m) { swapped_by_split(m); })),
      between("channel_shuffle", 13,
              [](OnnxModel& m) {
                m.integers("parts", {2, 2, 2, 8, 8}).integers("all", {2, 4, 8, 8});
                m.node("Reshape", {"a", "parts"}, "a5");
                m.node("Transpose", {"a5"}, "a5t", {{"perm", Sizes{0, 2, 1, 3, 4}}});
                m.node("Reshape", {"a5t", "all"}, "b");
              }),
      between("batch_norm", 13, [](OnnxModel& m) { batch_norm(m, "n", "a", "b", 4); }),
      between("batch_norm_opset_7_of_other_epsilon", 7,
              [](OnnxModel& m) { batch_norm(m, "n", "a", "b", 4, 1e-2F); }),
      between("batch_norm_of_smaller_epsilon", 13,
              [](OnnxModel& m) {
                batch_norm(m, "n", "a", "b", 4, 1e-7F);
                for (auto& t : *m.proto().mutable_graph()->mutable_initializer())
                  if (t.name() == "n.v") t.mutable_raw_data()->assign(16, '\0');
              }),
      between(
          "batch_norm_after_bias", 13,
          [](OnnxModel& m) {
            m.weights("first.bias", {4}).proto().mutable_graph()->mutable_node(0)->add_input("first.bias");
            batch_norm(m, "n", "a", "b", 4);
          }),
      between("batch_norm_twice", 13,
              [](OnnxModel& m) {
                batch_norm(m, "n", "a", "a1", 4);
                batch_norm(m, "k", "a1", "b", 4);
              }),
      between("batch_norm_of_its_own_after_a_relu", 13,
              [](OnnxModel& m) {
                m.node("Relu", {"a"}, "a1");
                batch_norm(m, "n", "a1", "b", 4);
              }),
      between("relu", 13, [](OnnxModel& m) { m.node("Relu", {"a"}, "b"); }),
      between("leaky_relu", 13,
              [](OnnxModel& m) {
                m.node("LeakyRelu", {"a"}, "b", {{"alpha", 0.2F}});
              }),
      between("leaky_relu_by_default", 13, [](OnnxModel& m) { m.node("LeakyRelu", {"a"}, "b"); }),
      between("prelu", 13,
              [](OnnxModel& m) {
                m.floats("slopes", {4, 1, 1}, {0.1F, 0, 1, 0.4F}).node("PRelu", {"a", "slopes"}, "b");
              }),
      between("prelu_of_nothing_below_zero", 13,
              [](OnnxModel& m) {
                m.floats("slopes", {4, 1, 1}, {0, 0, 0, 0}).node("PRelu", {"a", "slopes"}, "b");
              })
          .as(between("plain", 13, [](OnnxModel& m) { m.node("Relu", {"a"}, "b"); })),
      between("prelu_behind_an_average", 13,
              [](OnnxModel& m) {
                m.node("AveragePool", {"a"}, "a1", {{"kernel_shape", Sizes{2, 2}}});
                m.floats("slopes", {4, 1, 1}, {0.1F, 0, 1, 0.4F}).node("PRelu", {"a1", "slopes"}, "b");
              }),
      between("clip_by_attributes", 7,
              [](OnnxModel& m) {
                m.node("Clip", {"a"}, "b", {{"min", 0.0F}, {"max", 6.0F}});
              }),
      between("clip_by_inputs", 11,
              [](OnnxModel& m) {
                m.scalar("lo", 0).scalar("hi", 6).node("Clip", {"a", "lo", "hi"}, "b");
              })
          .as(plain_clip),
      between("clip_without_upper_limit", 13,
              [](OnnxModel& m) {
                m.scalar("lo", 0).node("Clip", {"a", "lo"}, "b");
              })
          .as(between("plain", 13, [](OnnxModel& m) { m.node("Relu", {"a"}, "b"); })),
      between(
          "clip_after_relu", 11,
          [](OnnxModel& m) {
            m.node("Relu", {"a"}, "a1").scalar("lo", 0).scalar("hi", 6).node("Clip", {"a1", "lo", "hi"}, "b");
          })
          .as(plain_clip),
      between("relu_twice", 13, [](OnnxModel& m) { m.node("Relu", {"a"}, "a1").node("Relu", {"a1"}, "b"); }),
      between("relu_moved_before_a_max_pool", 13,
              [](OnnxModel& m) {
                m.node("MaxPool", {"a"}, "a1", {{"kernel_shape", Sizes{2, 2}}}).node("Relu", {"a1"}, "b");
              }),
      between(
          "leaky_relu_moved_before_a_concat", 13,
          [](OnnxModel& m) {
            m.weights("two.weight", {2, 4, 3, 3});
            m.node("Conv", {"x", "two.weight"}, "c", {{"pads", Sizes{1, 1, 1, 1}}});
            m.node("Concat", {"a", "c"}, "d", {{"axis", std::int64_t{1}}}).node("LeakyRelu", {"d"}, "b");
          },
          6),
      behind_relu(
          "relu_dropped_after_an_average", 13,
          [](OnnxModel& m) {
            m.node("AveragePool", {"a"}, "a1", {{"kernel_shape", Sizes{2, 2}}}).node("Relu", {"a1"}, "b");
          }),
      between("sigmoid", 13, [](OnnxModel& m) { m.node("Sigmoid", {"a"}, "b"); }),
      between("tanh_after_batch_norm", 13,
              [](OnnxModel& m) {
                batch_norm(m, "n", "a", "a1", 4);
                m.node("Tanh", {"a1"}, "b");
              }),
      between("silu", 13,
              [](OnnxModel& m) {
                m.node("Sigmoid", {"a"}, "a1").node("Mul", {"a", "a1"}, "b");
              }),
      between("hard_sigmoid", 13,
              [](OnnxModel& m) {
                m.node("HardSigmoid", {"a"}, "b", {{"alpha", 0.25F}, {"beta", 0.25F}});
              })
          .as(between("plain", 10,
                      [](OnnxModel& m) {
                        m.scalar("q", 0.25F).node("Mul", {"a", "q"}, "a1").node("Add", {"a1", "q"}, "a2");
                        m.node("Clip", {"a2"}, "b", {{"min", 0.0F}, {"max", 1.0F}});
                      })),
      between("hard_swish", 14, [](OnnxModel& m) { m.node("HardSwish", {"a"}, "b"); }).as(plain_hard_swish),
      between("hard_swish_of_parts", 13,
              [](OnnxModel& m) {
                m.scalar("three", 3).scalar("zero", 0).scalar("six", 6);
                m.node("Add", {"a", "three"}, "a1").node("Clip", {"a1", "zero", "six"}, "a2");
                m.node("Div", {"a2", "six"}, "a3").node("Mul", {"a3", "a"}, "b");
              })
          .as(plain_hard_swish),
      between("gelu_by_erf", 13,
              [](OnnxModel& m) {
                m.scalar("root", std::sqrt(2.0F)).scalar("one", 1).scalar("half", 0.5F);
                m.node("Div", {"a", "root"}, "a1").node("Erf", {"a1"}, "a2").node("Add", {"a2", "one"}, "a3");
                m.node("Mul", {"a", "a3"}, "a4").node("Mul", {"a4", "half"}, "b");
              }),
      between("mish_elu_and_celu", 13,
              [](OnnxModel& m) {
                m.node("Softplus", {"a"}, "a1").node("Tanh", {"a1"}, "a2").node("Mul", {"a", "a2"}, "a3");
                m.node("Elu", {"a3"}, "a4", {{"alpha", 0.5F}}).node("Celu", {"a4"}, "b", {{"alpha", 2.0F}});
              }),
      between("factor_after_a_relu", 13,
              [](OnnxModel& m) {
                m.scalar("s", 0.5F).node("Relu", {"a"}, "a1").node("Mul", {"a1", "s"}, "b");
              }),
      between("max_with_a_number", 13,
              [](OnnxModel& m) {
                m.scalar("s", -0.25F).node("Max", {"a", "s"}, "b");
              })
          .as(between("plain", 13,
                      [](OnnxModel& m) {
                        m.scalar("s", -0.25F).node("Sub", {"a", "s"}, "a1").node("Relu", {"a1"}, "a2");
                        m.node("Add", {"a2", "s"}, "b");
                      })),
      between("sigmoid_of_a_max_pool_beside_an_add", 13,
              [](OnnxModel& m) {
                m.node("MaxPool", {"a"}, "p", {{"kernel_shape", Sizes{2, 2}}}).node("Sigmoid", {"p"}, "s");
                m.weights("two.weight", {4, 4, 1, 1}).node("Conv", {"s", "two.weight"}, "c");
                m.node("Add", {"s", "c"}, "b");
              }),
      between(
          "squeeze_and_excite", 13,
          [](OnnxModel& m) {
            m.node("GlobalAveragePool", {"a"}, "p").weights("two.weight", {4, 4, 1, 1});
            m.node("Conv", {"p", "two.weight"}, "c").node("Sigmoid", {"c"}, "s").node("Mul", {"s", "a"}, "b");
          }),
      between("add", 13,
              [](OnnxModel& m) {
                m.weights("two.weight", {4, 4, 3, 3});
                m.node("Conv", {"x", "two.weight"}, "c", {{"pads", Sizes{1, 1, 1, 1}}})
                    .node("Add", {"a", "c"}, "b");
              }),
      between("add_with_relu", 13,
              [](OnnxModel& m) {
                m.weights("two.weight", {4, 4, 3, 3});
                m.node("Conv", {"a", "two.weight"}, "c", {{"pads", Sizes{1, 1, 1, 1}}});
                m.node("Add", {"a", "c"}, "d").node("Relu", {"d"}, "b");
              }),
      between("add_of_a_constant", 13,
              [](OnnxModel& m) {
                m.weights("k", {1, 4, 1, 1}).node("Add", {"k", "a"}, "b");
              }),
      between("add_of_a_constant_after_batch_norm", 13,
              [](OnnxModel& m) {
                batch_norm(m, "n", "a", "a1", 4);
                m.weights("k", {4, 1, 1}).node("Add", {"a1", "k"}, "b");
              }),
      between("sub_mul_div_by_constants", 13,
              [](OnnxModel& m) {
                m.weights("k", {4, 1, 1}).positive("q", {1, 4, 1, 1}).scalar("s", 3.0F);
                m.node("Sub", {"a", "k"}, "a1").node("Div", {"a1", "q"}, "a2").node("Mul", {"s", "a2"}, "b");
              }),
      between("max_pool", 13,
              [](OnnxModel& m) {
                m.node(
                    "MaxPool", {"a"}, "b",
                    {{"kernel_shape", Sizes{3, 3}}, {"strides", Sizes{2, 2}}, {"pads", Sizes{1, 1, 1, 1}}});
              }),
      between(
          "max_pool_rounding_up", 13,
          [](OnnxModel& m) {
            m.node("MaxPool", {"a"}, "b",
                   {{"kernel_shape", Sizes{3, 3}}, {"strides", Sizes{2, 2}}, {"ceil_mode", std::int64_t{1}}});
          }),
      between("max_pool_same", 13,
              [](OnnxModel& m) {
                m.node("MaxPool", {"a"}, "b", {{"kernel_shape", Sizes{2, 2}}, {"auto_pad", "SAME_UPPER"}});
              }),
      between("average_pool", 13,
              [](OnnxModel& m) {
                m.node("AveragePool", {"a"}, "b", {{"kernel_shape", Sizes{2, 2}}, {"strides", Sizes{2, 2}}});
              }),
      between("average_pool_that_counts_padding", 13,
              [](OnnxModel& m) {
                m.node("AveragePool", {"a"}, "b",
                       {{"kernel_shape", Sizes{3, 3}},
                        {"pads", Sizes{1, 1, 1, 1}},
                        {"count_include_pad", std::int64_t{1}}});
              })
          .as(between(
              "plain", 13,
              [](OnnxModel& m) {
                m.floats("nine", {4, 1, 3, 3}, std::vector<float>(36, 1 / 9.0F));
                m.node("Conv", {"a", "nine"}, "b", {{"group", std::int64_t{4}}, {"pads", Sizes{1, 1, 1, 1}}});
              })),
      between("average_pool_that_leaves_padding_out", 13,
              [](OnnxModel& m) {
                m.node(
                    "AveragePool", {"a"}, "b",
                    {{"kernel_shape", Sizes{3, 2}}, {"strides", Sizes{2, 1}}, {"pads", Sizes{1, 0, 2, 1}}});
              }),
      between(
          "average_pool_rounding_up", 13,
          [](OnnxModel& m) {
            m.node("AveragePool", {"a"}, "b",
                   {{"kernel_shape", Sizes{3, 3}}, {"strides", Sizes{2, 2}}, {"ceil_mode", std::int64_t{1}}});
          }),
      between("conv_that_differs_by_direction", 13,
              [](OnnxModel& m) {
                m.weights("two.weight", {4, 4, 1, 3});
                m.node("Conv", {"a", "two.weight"}, "b",
                       {{"strides", Sizes{2, 1}}, {"dilations", Sizes{1, 2}}, {"pads", Sizes{1, 0, 0, 3}}});
              }),
      between("conv_with_windows_in_the_padding", 13,
              [](OnnxModel& m) {
                m.weights("two.weight", {4, 4, 2, 2});
                m.node("Conv", {"a", "two.weight"}, "b", {{"pads", Sizes{3, 3, 3, 3}}});
              }),
      between("global_max_pool", 13, [](OnnxModel& m) { m.node("GlobalMaxPool", {"a"}, "b"); }),
      between("conv_transpose", 13,
              [](OnnxModel& m) {
                m.weights("two.weight", {4, 4, 3, 3}).weights("two.bias", {4});
                m.node("ConvTranspose", {"a", "two.weight", "two.bias"}, "c",
                       {{"kernel_shape", Sizes{3, 3}},
                        {"strides", Sizes{2, 2}},
                        {"pads", Sizes{1, 1, 1, 1}},
                        {"output_padding", Sizes{1, 1}}});
                m.node("Relu", {"c"}, "b");
              }),
      between("conv_transpose_of_whole_windows", 13,
              [](OnnxModel& m) {
                m.weights("two.weight", {4, 4, 2, 2})
                    .node("ConvTranspose", {"a", "two.weight"}, "c",
                          {{"kernel_shape", Sizes{2, 2}}, {"strides", Sizes{2, 2}}});
                batch_norm(m, "n", "c", "b", 4);
              }),
      between("conv_transpose_of_overlapping_windows", 13,
              [](OnnxModel& m) {
                m.weights("two.weight", {4, 4, 4, 4});
                m.node(
                    "ConvTranspose", {"a", "two.weight"}, "b",
                    {{"kernel_shape", Sizes{4, 4}}, {"strides", Sizes{2, 2}}, {"pads", Sizes{1, 1, 1, 1}}});
              }),
      between("conv_transpose_of_one_step", 13,
              [](OnnxModel& m) {
                m.weights("two.weight", {4, 4, 3, 3});
                m.node("ConvTranspose", {"a", "two.weight"}, "b",
                       {{"kernel_shape", Sizes{3, 3}}, {"pads", Sizes{1, 1, 1, 1}}});
              }),
      between("depth_to_space", 13,
              [](OnnxModel& m) {
                m.weights("two.weight", {16, 4, 1, 1}).node("Conv", {"a", "two.weight"}, "c");
                m.node("DepthToSpace", {"c"}, "b", {{"blocksize", std::int64_t{2}}});
              }),
      between("depth_to_space_behind_a_prelu", 13,
              [](OnnxModel& m) {
                m.weights("two.weight", {16, 4, 1, 1}).node("Conv", {"a", "two.weight"}, "c");
                std::vector<float> slopes;
                for (int f = 0; f < 16; ++f) slopes.push_back(static_cast<float>(f) / 16);
                m.floats("slopes", {16, 1, 1}, slopes).node("PRelu", {"c", "slopes"}, "d");
                m.node("DepthToSpace", {"d"}, "b", {{"blocksize", std::int64_t{2}}});
              }),
      between("depth_to_space_by_channels", 13,
              [](OnnxModel& m) {
                m.weights("two.weight", {16, 4, 1, 1}).node("Conv", {"a", "two.weight"}, "c");
                m.node("DepthToSpace", {"c"}, "b", {{"blocksize", std::int64_t{2}}, {"mode", "CRD"}});
              }),
      between("resize_of_rows", 13,
              [](OnnxModel& m) {
                m.floats("s", {4}, {1, 1, 3, 1}).node("Resize", {"a", "", "s"}, "b", {{"mode", "nearest"}});
              }),
      between("global_average_pool", 13, [](OnnxModel& m) { m.node("GlobalAveragePool", {"a"}, "b"); }),
      between("reduce_mean", 13,
              [](OnnxModel& m) {
                m.node("ReduceMean", {"a"}, "b", {{"axes", Sizes{2, 3}}});
              }),
      between(
          "concat", 13,
          [](OnnxModel& m) {
            m.weights("two.weight", {2, 4, 1, 1}).node("Conv", {"a", "two.weight"}, "c");
            m.node("Concat", {"a", "c"}, "b", {{"axis", std::int64_t{-3}}});
          },
          6),
      between("upsample_opset_7", 7,
              [](OnnxModel& m) {
                m.node("Upsample", {"a"}, "b", {{"scales", std::vector<float>{1, 1, 2, 2}}});
              })
          .as(plain_upsample(2)),
      between("upsample_opset_9", 9,
              [](OnnxModel& m) {
                m.floats("s", {4}, {1, 1, 3, 3}).node("Upsample", {"a", "s"}, "b");
              })
          .as(plain_upsample(3)),
      between("resize_opset_10", 10,
              [](OnnxModel& m) {
                m.floats("s", {4}, {1, 1, 2, 2}).node("Resize", {"a", "s"}, "b");
              })
          .as(plain_upsample(2)),
      between("resize_by_scales", 13,
              [](OnnxModel& m) {
                m.floats("s", {4}, {1, 1, 2, 2});
                m.node("Resize", {"a", "", "s"}, "b",
                       {{"coordinate_transformation_mode", "asymmetric"}, {"nearest_mode", "floor"}});
              })
          .as(plain_upsample(2)),
      between("resize_by_sizes_and_half_pixels", 13,
              [](OnnxModel& m) {
                m.integers("s", {2, 4, 24, 24}).node("Resize", {"a", "", "", "s"}, "b");
              })
          .as(plain_upsample(3)),
      between("resize_by_computed_sizes", 11,
              [](OnnxModel& m) {
                m.node("Shape", {"a"}, "s0").integers("two", {2}).integers("four", {4}).integers("zero", {0});
                m.node("Slice", {"s0", "two", "four", "zero"}, "s1").node("Mul", {"s1", "two"}, "s2");
                m.node("Slice", {"s0", "zero", "two", "zero"}, "s3");
                m.node("Concat", {"s3", "s2"}, "s", {{"axis", std::int64_t{0}}});
                m.node("Resize", {"a", "", "", "s"}, "b");
              })
          .as(plain_upsample(2)),
      between("resize_by_a_part_of_the_shape_of_a_constant", 15,
              [](OnnxModel& m) {
                m.floats("k", {1, 1, 16, 16}, std::vector<float>(256)).integers("s0", {2, 4});
                m.node("Shape", {"k"}, "s1", {{"start", std::int64_t{2}}});
                m.node("Concat", {"s0", "s1"}, "s", {{"axis", std::int64_t{0}}});
                m.node("Resize", {"a", "", "", "s"}, "b");
              })
          .as(plain_upsample(2)),
      between("quantize_dequantize_of_a_tensor", 13,
              [](OnnxModel& m) {
                m.scalar("s", 0.1F).bytes("z", {}, std::string(1, 3), onnx::TensorProto::INT8);
                m.node("QuantizeLinear", {"a", "s", "z"}, "q").node("DequantizeLinear", {"q", "s", "z"}, "b");
              })
          .as(clipped_and_rounded(-13.1F, 12.4F, 0.1F)),
      between("quantize_from_zero_up_clips", 13,
              [](OnnxModel& m) {
                m.scalar("s", 0.1F).bytes("z", {}, std::string(1, 0), onnx::TensorProto::UINT8);
                m.node("QuantizeLinear", {"a", "s", "z"}, "q").node("DequantizeLinear", {"q", "s", "z"}, "b");
              })
          .as(clipped_and_rounded(0, 25.5F, 0.1F)),
      between("round", 13,
              [](OnnxModel& m) {
                m.scalar("four", 4).node("Mul", {"a", "four"}, "c").node("Round", {"c"}, "b");
              }),
      between(
          "weights_of_bytes_per_filter", 13,
          [](OnnxModel& m) {
            m.bytes("w", {2, 4, 1, 1}, {1, 2, -3, 4, 5, 6, 7, -8}, onnx::TensorProto::INT8)
                .floats("s", {2}, {0.5F, 2});
            m.bytes("z", {2}, {1, -1}, onnx::TensorProto::INT8);
            m.node("DequantizeLinear", {"w", "s", "z"}, "wf", {{"axis", std::int64_t{0}}});
            m.node("Conv", {"a", "wf"}, "b");
          },
          2)
          .as(between(
              "plain", 13,
              [](OnnxModel& m) {
                m.floats("w", {2, 4, 1, 1}, {0, 0.5F, -2, 1.5F, 12, 14, 16, -14})
                    .node("Conv", {"a", "w"}, "b");
              },
              2)),
      between(
          "weights_and_bias_of_integers", 13,
          [](OnnxModel& m) {
            m.bytes("w", {1, 4, 1, 1}, {'\x80', '\x7f', '\xff', 0}, onnx::TensorProto::UINT8)
                .scalar("s", 0.25F);
            m.bytes("z", {}, "\x80", onnx::TensorProto::UINT8)
                .node("DequantizeLinear", {"w", "s", "z"}, "wf");
            m.bytes("k", {1}, {8, 0, 0, 0}, onnx::TensorProto::INT32)
                .node("DequantizeLinear", {"k", "s"}, "kf");
            m.node("Conv", {"a", "wf", "kf"}, "b");
          },
          1)
          .as(between(
              "plain", 13,
              [](OnnxModel& m) {
                m.floats("w", {1, 4, 1, 1}, {0, -0.25F, 31.75F, -32}).floats("k", {1}, {2});
                m.node("Conv", {"a", "w", "k"}, "b");
              },
              1)),
      between(
          "weights_quantized_by_nodes", 13,
          [](OnnxModel& m) {
            m.floats("w", {1, 4, 1, 1}, {0.24F, 0.26F, -100, 100}).scalar("s", 0.5F);
            m.bytes("z", {}, std::string(1, 0), onnx::TensorProto::INT8);
            m.node("QuantizeLinear", {"w", "s", "z"}, "wq").node("DequantizeLinear", {"wq", "s", "z"}, "wf");
            m.node("Conv", {"a", "wf"}, "b");
          },
          1)
          .as(between(
              "plain", 13,
              [](OnnxModel& m) {
                m.floats("w", {1, 4, 1, 1}, {0, 0.5F, -64, 63.5F}).node("Conv", {"a", "w"}, "b");
              },
              1)),
      between(
          "qonnx_weights", 13,
          [](OnnxModel& m) {
            m.floats("w", {2, 4, 1, 1}, {0.4F, 0.6F, -9, 9, -0.1F, 2.4F, 1, 3})
                .floats("s", {2, 1, 1, 1}, {0.5F, 1});
            m.scalar("z", 0).scalar("bits", 3);
            m.node("Quant", {"w", "s", "z", "bits"}, "wq",
                   {{"signed", std::int64_t{1}}, {"narrow", std::int64_t{1}}, {"rounding_mode", "ROUND"}});
            m.node("Conv", {"a", "wq"}, "a1").scalar("one", 1).floats("v", {1, 2, 1, 1}, {-3, 0});
            m.node("BipolarQuant", {"v", "one"}, "vq").node("Conv", {"a1", "vq"}, "b");
          },
          1)
          .as(between(
              "plain", 13,
              [](OnnxModel& m) {
                m.floats("w", {2, 4, 1, 1}, {0.5F, 0.5F, -1.5F, 1.5F, 0, 2, 1, 3})
                    .node("Conv", {"a", "w"}, "a1");
                m.floats("v", {1, 2, 1, 1}, {-1, 1}).node("Conv", {"a1", "v"}, "b");
              },
              1)),
      between("pad_before_a_conv", 13,
              [](OnnxModel& m) {
                m.integers("p", {0, 0, 1, 1, 0, 0, 1, 1}).node("Pad", {"a", "p"}, "a1");
                m.weights("two.weight", {4, 4, 3, 3}).node("Conv", {"a1", "two.weight"}, "b");
              }),
      between("pad_opset_7", 7,
              [](OnnxModel& m) {
                m.node("Pad", {"a"}, "a1", {{"pads", Sizes{0, 0, 0, 0, 0, 0, 1, 1}}});
                m.weights("two.weight", {4, 4, 3, 3});
                m.node("Conv", {"a1", "two.weight"}, "b", {{"strides", Sizes{2, 2}}});
              }),
      behind_relu("pad_before_a_max_pool", 13,
                  [](OnnxModel& m) {
                    m.integers("p", {0, 0, 1, 1, 0, 0, 1, 1}).node("Pad", {"a", "p"}, "a1");
                    m.node("MaxPool", {"a1"}, "b", {{"kernel_shape", Sizes{3, 3}}});
                  }),
      linear("flatten", 13, [](OnnxModel& m) { m.node("Flatten", {"a"}, "f"); }),
      linear("reshape", 13,
             [](OnnxModel& m) {
               m.integers("s", {2, -1}).node("Reshape", {"a", "s"}, "f");
             }),
      linear("reshape_keeping_the_batch", 13,
             [](OnnxModel& m) {
               m.integers("s", {0, -1}).node("Reshape", {"a", "s"}, "f");
             }),
      linear("reshape_by_computed_shape", 11,
             [](OnnxModel& m) {
               m.node("Shape", {"a"}, "s").integers("zero", {0}).node("Gather", {"s", "zero"}, "n");
               m.integers("rest", {-1}).node("Concat", {"n", "rest"}, "t", {{"axis", std::int64_t{0}}});
               m.node("Reshape", {"a", "t"}, "f");
             }),
      linear("squeeze_of_a_map", 13,
             [](OnnxModel& m) {
               m.weights("two.weight", {16, 4, 2, 2}).node("Conv", {"a", "two.weight"}, "c");
               m.integers("axes", {2, 3}).node("Squeeze", {"c", "axes"}, "f");
             })
          .as(linear("plain", 13,
                     [](OnnxModel& m) {
                       m.weights("two.weight", {16, 4, 2, 2}).node("Conv", {"a", "two.weight"}, "c");
                       m.node("Flatten", {"c"}, "f");
                     })),
      linear("mean_without_dimensions_transposed_and_unsqueezed", 11,
             [](OnnxModel& m) {
               m.weights("two.weight", {16, 4, 1, 1}).node("Conv", {"a", "two.weight"}, "c");
               m.node("ReduceMean", {"c"}, "d", {{"axes", Sizes{-1, -2}}, {"keepdims", std::int64_t{0}}});
               m.node("Unsqueeze", {"d"}, "e", {{"axes", Sizes{2}}})
                   .node("Transpose", {"e"}, "g", {{"perm", Sizes{0, 2, 1}}});
               m.node("Squeeze", {"g"}, "f", {{"axes", Sizes{1}}});
             })
          .as(linear("plain", 13,
                     [](OnnxModel& m) {
                       m.weights("two.weight", {16, 4, 1, 1}).node("Conv", {"a", "two.weight"}, "c");
                       m.node("GlobalAveragePool", {"c"}, "d").node("Flatten", {"d"}, "f");
                     })),
      linear("identity_and_dropout", 13,
             [](OnnxModel& m) {
               m.node("Identity", {"a"}, "a1").node("Dropout", {"a1"}, "a2").node("Flatten", {"a2"}, "f");
             }),
      on_vector("gemm_with_factors", 13,
                [](OnnxModel& m) {
                  m.weights("w", {4, 3}).weights("k", {3});
                  m.node("Gemm", {"f", "w", "k"}, "y", {{"alpha", 0.5F}, {"beta", 2.0F}});
                })
          .as(on_vector("plain", 13,
                        [](OnnxModel& m) {
                          m.weights("w", {4, 3}).weights("k", {3}).scalar("half", 0.5F);
                          m.node("MatMul", {"f", "w"}, "g").node("Mul", {"g", "half"}, "h");
                          m.node("Add", {"h", "k"}, "i").node("Add", {"i", "k"}, "y");
                        })),
      on_vector("softmax_is_left_off", 13,
                [](OnnxModel& m) {
                  m.weights("w", {4, 3}).node("MatMul", {"f", "w"}, "g").node("LogSoftmax", {"g"}, "y");
                })
          .as(on_vector("plain", 13,
                        [](OnnxModel& m) {
                          m.weights("w", {4, 3}).node("MatMul", {"f", "w"}, "y");
                        })),
      on_vector("gemm_without_bias", 13,
                [](OnnxModel& m) {
                  m.weights("w", {3, 4}).node("Gemm", {"f", "w"}, "y", {{"transB", std::int64_t{1}}});
                }),
      on_vector("matmul_and_add", 13,
                [](OnnxModel& m) {
                  m.weights("w", {4, 3}).weights("k", {3});
                  m.node("MatMul", {"f", "w"}, "g").node("Add", {"g", "k"}, "y");
                }),
      on_vector("matmul_batch_norm_relu_matmul", 13,
                [](OnnxModel& m) {
                  m.weights("w", {4, 3}).weights("v", {3, 2}).node("MatMul", {"f", "w"}, "g");
                  batch_norm(m, "n", "g", "h", 3);
                  m.node("Relu", {"h"}, "i").node("MatMul", {"i", "v"}, "y");
                }),
  };
}

class Operators : public ::testing::TestWithParam<Form> {};

TEST_P(Operators, compute_what_opencv_computes) {
  const Form& form = GetParam();
  OnnxModel model = form.model();
  std::size_t count = 1;
  for (const std::int64_t size : form.image) count *= static_cast<std::size_t>(size);
  const auto images = random_floats(count, 7, -3, 3);
  EXPECT_LT(relative_error(run_float(imported(model), images),
                           run_opencv(form.same ? form.same() : model, form.image, images)),
            kTolerance);
}

INSTANTIATE_TEST_SUITE_P(Onnx, Operators, ::testing::ValuesIn(forms()),
                         [](const auto& instance) { return instance.param.name; });

}  // namespace
}  // namespace bitloop::quant
