#pragma once

#include <ATen/ATen.h>

#include <array>
#include <functional>
#include <string>
#include <vector>

#include "quant/reference/code_memory.h"
#include "quant/retraining/moments.h"
#include "quant/retraining/parameters.h"
#include "quant/retraining/rounding.h"
#include "quant/retraining/start_point.h"

namespace bitloop::quant {

/// Where batch normalization takes mean and deviation from.
enum class Statistics {
  stored,       ///< fixed ones: what the integers hold
  of_batch,     ///< the batch's own: they follow weights that move
  re_estimated  ///< as of_batch, and they become the stored ones
};

/// Throws Diverged where it does not.
void require_convergence(bool converges);

/// A network under one policy as it is retrained: parameters, and the hardware's arithmetic on floats,
/// forward and backward. All tensors between layers are codes less their zero code; sums of their products
/// are exact, and multipliers have the hardware's 16 bits, so the graph that is trained computes what the
/// hardware computes. Tensors that adds and average pools read have their 8-bit form, and where layers with
/// weights read fewer bits, a narrow form that is requantized from it.
///
/// Gradients pass straight through rounding where it does not clamp. A form's scale gets its gradient at the
/// rounding that makes the form: sum(g * (code - exact)); the scale of filters likewise from their weights'.
/// (All that is computed from a form depends on code * scale alone, hence sum(g * code) is what the scale
/// gets from its readers.)
///
/// Not thread-safe; `start` must outlive it.
class QuantizedGraph {
 public:
  /// `layers`: a calibration's.
  QuantizedGraph(const StartPoint& start, const std::vector<FloatLayer>& layers, const host::Policy& policy,
                 const Method& method, const ClippingTable& table);
  QuantizedGraph(const QuantizedGraph&) = delete;  // parameters are views
  QuantizedGraph& operator=(const QuantizedGraph&) = delete;

  /// Codes and gradients of a tensor's forms.
  struct Forms {
    at::Tensor written, narrow;
  };
  /// Values of a layer's weights.
  struct Weights {
    at::Tensor scale;   ///< per filter
    at::Tensor ratio;   ///< weight / scale before rounding
    at::Tensor values;  ///< rounded, flipped where the gain is negative
    at::Tensor sign;    ///< of the gain, per filter
  };
  /// What a step's forward pass leaves for its backward pass.
  struct Saved {
    Weights weights;
    at::Tensor
        input;  ///< as the layer multiplies it: flat for a linear layer, else padded where LibTorch cannot
    at::Tensor sums;                     ///< before pooling
    at::Tensor pooled;                   ///< after pooling (the same where there is no pool)
    at::Tensor mean, inverse_deviation;  ///< statistics that this pass used
    Affine affine;
    SharedMultipliers multipliers;  ///< of an add
    FunctionTable table;            ///< of a function
  };
  struct Pass {
    std::vector<Forms> tensors;  ///< index as in Network::tensors
    std::vector<Saved> steps;
  };

  /// From codes of the image less their zero code to logits [image, class]: those of the first output. Leaves
  /// what `backward` needs where `pass` is given.
  at::Tensor forward(const at::Tensor& images, Statistics statistics, Pass* pass = nullptr);
  /// Fills `parameters().gradients` from the gradient of the logits.
  void backward(Pass& pass, const at::Tensor& gradient, Statistics statistics);
  /// Batch-norm statistics of the policy, layer by layer; where a layer has none, its bias is corrected
  /// instead: its results' means become `float_means`. Layers that a quantized file has in codes of this
  /// policy already stay, bit by bit, as they are there. `memory` holds what passes over the same images
  /// share, where they start alike, which `name` tells; null: none. It changes no bit.
  void correct_biases(const at::Tensor& images, const std::vector<at::Tensor>& float_means,
                      CodeMemory* memory = nullptr, const std::string& name = {});

  [[nodiscard]] Parameters& parameters() { return parameters_; }
  [[nodiscard]] const StartPoint& start() const { return start_; }
  [[nodiscard]] const host::Policy& policy() const { return policy_; }
  [[nodiscard]] const host::TensorBits& bits() const { return bits_; }
  [[nodiscard]] const Method& method() const { return method_; }

  struct LayerState {
    Parameter weight, log_scale, gain, shift;
    at::Tensor mean, inverse_deviation;  ///< batch-norm statistics
    bool normalized = true;              ///< has them; otherwise gain 1 and a bias
    int bits = 8;
  };
  /// Per weight layer.
  [[nodiscard]] const std::vector<LayerState>& layers() const { return layers_; }
  [[nodiscard]] std::vector<LayerState>& layers() { return layers_; }

  // What integers are made from.
  [[nodiscard]] Weights quantized_weights(const Step& step) const;
  /// With the stored statistics.
  [[nodiscard]] Affine affine_of(const Step& step, const Weights& weights) const;
  /// Of an average pool where its windows count `taps`.
  [[nodiscard]] Affine pool_affine(const Step& step, int taps) const;
  [[nodiscard]] SharedMultipliers add_multipliers(const Step& step) const;
  [[nodiscard]] Affine product_affine(const Step& step) const;
  [[nodiscard]] FunctionTable function_table_of(const Step& step) const;
  /// The least code that a function reads, less its zero.
  [[nodiscard]] int least_code(const Step& step) const;
  [[nodiscard]] Affine narrowing_affine(int tensor) const;
  [[nodiscard]] CodeRange range_of(const Step& step) const;
  [[nodiscard]] CodeRange narrow_range(int tensor) const;
  /// Real value of one step of a tensor's codes in the form of `bits`; 1 of 32-bit results.
  [[nodiscard]] double scale_of(int tensor, int bits) const;
  [[nodiscard]] bool is_logits(int tensor) const { return bits_.written.at(tensor) == 32; }
  /// Parameter of a form's logarithmic scale; undefined for the image and 32-bit results.
  [[nodiscard]] const Parameter& log_scale(int tensor, int bits) const;

 private:
  /// The code of a tensor's written form that stands for 0.
  [[nodiscard]] int zero_of(int tensor) const;
  void allocate(const std::vector<FloatLayer>& layers, const ClippingTable& table);
  [[nodiscard]] bool has_scale(int tensor) const;
  [[nodiscard]] const at::Tensor& form(const Pass& pass, const host::Layer& layer, int tensor) const;
  void add_gradient_of(std::vector<Forms>& gradients, const host::Layer& layer, int tensor,
                       const at::Tensor& gradient) const;
  [[nodiscard]] Affine affine_of(const Step& step, const Weights& weights, const at::Tensor& mean,
                                 const at::Tensor& inverse_deviation) const;
  [[nodiscard]] at::Tensor as_multiplied(const Step& step, const at::Tensor& input) const;
  /// Whether the layer's sums are exact in bytes and, as floats are, in 24 bits.
  [[nodiscard]] bool multiplies_bytes(const Step& step, const at::Tensor& input,
                                      const at::Tensor& values) const;
  [[nodiscard]] at::Tensor multiply(const Step& step, const at::Tensor& input,
                                    const at::Tensor& values) const;
  /// An average pool where its windows count one number of taps.
  struct PoolPart {
    Affine affine;
    at::Tensor mask;  ///< [1, 1, row, column], where; undefined: everywhere
  };
  [[nodiscard]] std::vector<PoolPart> pool_parts(const Step& step, const at::Tensor& input) const;
  /// Fills `in_codes_`.
  void find_stated(const ClippingTable& table);
  [[nodiscard]] bool takes_statistics(const Step& step, Statistics statistics) const;
  /// `moments` of the sums become what the pass normalizes with, or correct the bias.
  void settle_statistics(const Step& step, Saved& saved, Statistics statistics, const Moments& moments);
  /// A layer's quantized weights and stored statistics.
  [[nodiscard]] Saved start_of(const Step& step) const;
  [[nodiscard]] at::Tensor written_codes(const Step& step, const at::Tensor& pooled,
                                         const Affine& affine) const;
  at::Tensor forward_weights(const Step& step, const at::Tensor& input, Saved& saved, Statistics statistics);
  /// The same where nothing goes backward, a few images at a time.
  at::Tensor forward_slices(const Step& step, const at::Tensor& input, Statistics statistics);
  using AfterStep = std::function<void(std::size_t)>;
  /// Runs the steps from `first` on; calls `after(step)` behind each.
  void run_steps(Pass& pass, std::size_t first, Statistics statistics, bool goes_backward,
                 const AfterStep& after = {});
  /// `codes` of a step's result, and their narrow form.
  void set_forms(const Step& step, const at::Tensor& codes, Pass& pass) const;
  /// Per step, all that its result depends on beside the images.
  [[nodiscard]] std::vector<std::string> keys(const std::string& name) const;
  void keep(const Step& step, std::size_t steps, const at::Tensor& written, const std::string& key,
            CodeMemory& memory) const;
  /// The step behind the last one whose result `memory` has; that result and all statistics up to it are then
  /// taken from there.
  std::size_t begin_with(CodeMemory& memory, const std::vector<bool>& kept,
                         const std::vector<std::string>& keys, Pass& pass, std::int64_t images);
  /// `saved`: null where nothing goes backward.
  at::Tensor forward_step(const Step& step, const Pass& pass, Saved* saved, Statistics statistics);
  at::Tensor backward_weights(const Step& step, const Saved& saved, const at::Tensor& above,
                              Statistics statistics, bool to_input);
  /// Through batch normalization: gain, shift, and in place the gradient of the sums.
  void backward_affine(const Step& step, const Saved& saved, const RoundingGradient& rounding,
                       at::Tensor& g_sums, Statistics statistics);
  at::Tensor backward_product(const Step& step, const Saved& saved, const at::Tensor& g_sums, bool to_input);
  void backward_weight_rounding(const Step& step, const Saved& saved, const at::Tensor& g_values);
  void backward_step(const Step& step, const Pass& pass, const Saved& saved, const at::Tensor& above,
                     std::vector<Forms>& gradients, Statistics statistics);
  void add_scale_gradient(int tensor, int bits, double gradient);
  void add_range_decay();

  const StartPoint& start_;
  host::Policy policy_;
  host::TensorBits bits_;
  const Method& method_;
  Parameters parameters_;
  std::vector<LayerState> layers_;
  /// Of the logarithm of scales: [width class][width].
  std::vector<std::array<Parameter, std::size(host::kWidths)>> log_scales_;
  std::vector<int> last_reader_;  ///< per tensor, the last step that reads it; -1: none
  /// [weight layer]: a quantized file states the codes that it multiplies, its weights' and all before it.
  /// The float network's own sums are the policy's.
  std::vector<bool> in_codes_;
  const std::vector<at::Tensor>* float_means_ = nullptr;  ///< while biases are corrected
};

}  // namespace bitloop::quant
