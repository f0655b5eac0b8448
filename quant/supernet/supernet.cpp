#include "quant/supernet/supernet.h"

#include <fmt/format.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <random>
#include <span>
#include <utility>

#include "host/base/error.h"
#include "quant/data/batches.h"
#include "quant/model/geometry.h"
#include "quant/quantizers/methods.h"
#include "quant/retraining/retrainer.h"
#include "quant/retraining/start_point.h"
#include "quant/supernet/mixed_rounding.h"
#include "quant/tensor/class_logits.h"
#include "quant/tensor/order.h"
#include "quant/tensor/per_filter.h"
#include "quant/tensor/threads.h"
#include "quant/training/float_network.h"

namespace bitloop::quant {
namespace {

constexpr double kPixel = 1.0 / 255;
constexpr double kMomentum = 0.9;
/// A step moves all parameters by at most so much of a gradient: steps through 1 bit are now and then wild.
constexpr double kLongestGradient = 5;
constexpr std::int64_t kShareOfShares = 5;  ///< one image of so many trains the shares (Wu et al. 2018)

/// Places of images in the train split, batch after batch, shuffled again before each round.
class Deck {
 public:
  Deck(at::Tensor places, std::uint64_t seed) : places_(std::move(places)), random_(seed) {}

  at::Tensor next(std::int64_t count) {
    if (order_.numel() < count) order_ = shuffled_order(places_.numel(), random_);
    const at::Tensor drawn = places_.index_select(0, order_.narrow(0, 0, count));
    order_ = order_.narrow(0, count, order_.numel() - count);
    return drawn;
  }

 private:
  at::Tensor places_;
  at::Tensor order_ = at::empty({0}, at::kLong);
  std::mt19937_64 random_;
};

/// Parameters of a layer that descend beside its weights.
std::vector<at::Tensor> others_of(const FloatLayer& layer) {
  std::vector<at::Tensor> others;
  for (const at::Tensor& tensor : {layer.bias, layer.gain, layer.shift})
    if (tensor.defined()) others.push_back(tensor);
  return others;
}

}  // namespace

struct Supernet::Impl {
  Impl(std::shared_ptr<const Quantizer> given, const Retraining& recipe, const SupernetOptions& chosen)
      : quantizer(std::move(given)),
        start(quantizer->start()),
        method(method_of(recipe.quantizer)),
        scales(start_scales(start, method, recipe)),
        options(chosen),
        layers(on_device(start.calibration(calibration_images(recipe)).layers, start.device)),
        network(calibrated_network(start, layers)) {
    if (options.batch < 1 || !(options.learning_rate > 0))
      throw InputError("shared weights need a batch and a learning rate above 0");
    if (network.outputs.size() != 1 || class_count(network) < start.image_classes)
      throw InputError(
          fmt::format("shared weights are trained as a classifier of the data's {} classes, and "
                      "{} is none: search with another method",
                      start.image_classes, network.name));
    // The images that a policy may be retrained on.
    const std::int64_t there = start.train_images();
    const bool drawn = recipe.images > 0 && recipe.images < there;
    const std::int64_t all = drawn ? recipe.images : there;
    if (all < 2) throw InputError("shared weights need 2 training images or more");
    const std::int64_t of_shares = std::max<std::int64_t>(1, all / kShareOfShares);
    at::Tensor places = drawn_order(all);
    if (drawn) places = drawn_places(there, recipe.images, recipe.seed).index_select(0, places);
    decks.emplace_back(places.narrow(0, of_shares, all - of_shares), options.seed + 1);
    decks.emplace_back(places.narrow(0, 0, of_shares), options.seed + 2);
    batch = std::min<std::int64_t>(options.batch, of_shares);
    labels = label_tensor(start.train.labels);
    const auto weight_layers = network.weight_layers();
    readers.assign(network.tensors.size(), -1);
    for (std::size_t i = weight_layers.size(); i-- > 0;)
      readers.at(start.classes.at(weight_layers[i]->input())) = static_cast<int>(i);
    readers.at(start.classes.at(network.input)) = -1;
    for (std::size_t i = 0; i < layers.size(); ++i) start_scales_of(i);
    for (const FloatLayer& layer : layers) {
      velocities.push_back(at::zeros_like(layer.weight));
      for (const at::Tensor& other : others_of(layer)) velocities.push_back(at::zeros_like(other));
    }
  }

  [[nodiscard]] at::Tensor drawn_order(std::int64_t all) const {
    std::mt19937_64 random(options.seed);
    return shuffled_order(all, random);
  }

  void start_scales_of(std::size_t layer) {
    auto& own = weight_scales.emplace_back();
    const at::Tensor weight = layers[layer].weight.flatten(1);
    for (std::size_t w = 0; w < own.size(); ++w) {
      own[w] = scales.weights.at(layer)[w].to(start.device);
      if (method.start_scale != nullptr) own[w] = method.start_scale(weight, own[w], host::kWidths[w]);
    }
  }

  /// A layer's weights at one width: [filter, ...].
  struct Quantized {
    at::Tensor scale, ratio, values;
  };
  [[nodiscard]] Quantized quantized(std::size_t layer, std::size_t width) const {
    const at::Tensor& weight = layers[layer].weight;
    Quantized result;
    result.scale = column(weight_scales[layer][width], weight);
    result.ratio = method.ratio(weight, result.scale, host::kWidths[width]);
    result.values = weight_values(result.ratio, host::kWidths[width]).mul_(result.scale);
    return result;
  }
  [[nodiscard]] at::Tensor blend(std::size_t layer, const Shares& shares) const {
    at::Tensor sum = at::zeros_like(layers[layer].weight);
    for (std::size_t w = 0; w < shares.size(); ++w)
      if (shares[w] > 0) sum.add_(quantized(layer, w).values, shares[w]);
    return sum;
  }
  /// From the gradient of the blend those of the shares, and of the float weights.
  Shares unblend(std::size_t layer, const Shares& shares, const at::Tensor& gradient,
                 at::Tensor* of_weight) const {
    Shares of_shares{};
    for (std::size_t w = 0; w < shares.size(); ++w) {
      if (!(shares[w] > 0)) continue;
      const Quantized q = quantized(layer, w);
      of_shares[w] = (gradient * q.values).sum(at::kDouble).item<double>();
      if (of_weight == nullptr) continue;
      const int bits = host::kWidths[w];
      const at::Tensor of_ratio = gradient.mul(q.scale).mul_(weight_pass(q.ratio, bits));
      of_weight->add_(method.ratio_gradient(of_ratio, layers[layer].weight, q.scale, q.ratio, bits).weight,
                      shares[w]);
    }
    return of_shares;
  }

  /// The forms of a tensor that take part, and their widths.
  struct Forms {
    std::vector<std::size_t> widths;
    std::vector<RoundedForm> forms;
    at::Tensor shares;  ///< a leaf
  };
  [[nodiscard]] Forms forms_of(int width_class, const Shares& shares) const {
    Forms result;
    std::vector<double> taken;
    for (std::size_t w = 0; w < shares.size(); ++w) {
      if (!(shares[w] > 0)) continue;
      const double scale = scales.activations.at(width_class)[w];
      result.widths.push_back(w);
      result.forms.push_back(
          {scale > 0 ? scale : 1, code_range(host::kWidths[w], network.tensors.at(width_class).is_signed)});
      taken.push_back(shares[w]);
    }
    result.shares = at::tensor(taken, at::kDouble).requires_grad_();
    return result;
  }

  Step step(const Mixture& mixture, double rate) {
    const TorchThreads one(1);
    const bool moves = rate > 0;
    const at::Tensor places = decks[moves ? 0 : 1].next(batch);
    const at::Tensor images = start.codes_of(start.train_pixels(places)).mul_(kPixel);
    const at::Tensor truth = labels.index_select(0, places).to(start.device);

    std::vector<at::Tensor> leaves;
    std::vector<FloatLayer> mixed = layers;  // the same tensors, but for the weights
    for (std::size_t i = 0; i < layers.size(); ++i) {
      const at::NoGradGuard no_grad;
      mixed[i].weight = blend(i, mixture.weights.at(i)).requires_grad_();
      leaves.push_back(mixed[i].weight);
      if (!moves) continue;
      for (at::Tensor* other : {&mixed[i].bias, &mixed[i].gain, &mixed[i].shift}) {
        if (!other->defined()) continue;
        *other = other->detach().requires_grad_();  // the same memory
        leaves.push_back(*other);
      }
    }
    std::vector<std::optional<Forms>> forms(network.tensors.size());
    for (std::size_t t = 0; t < forms.size(); ++t) {
      if (readers[t] < 0) continue;
      forms[t] = forms_of(static_cast<int>(t), mixture.inputs.at(readers[t]));
      leaves.push_back(forms[t]->shares);
    }
    const auto read_as = [&](int tensor, const at::Tensor& x) {
      const auto& form = forms[static_cast<std::size_t>(start.classes.at(tensor))];
      return form ? mixed_rounding(x, form->shares, form->forms) : x;
    };
    at::Tensor loss;
    torch::autograd::variable_list gradients;
    {
      const at::AutoGradMode with_gradients(true);
      const FloatPass pass =
          float_forward(network, mixed, images, /*training=*/true, Keep::everything, read_as);
      loss = at::cross_entropy_loss(class_logits(pass.tensors.at(network.output())), truth);
      gradients = torch::autograd::grad({loss}, leaves, {}, /*retain_graph=*/false, /*create_graph=*/false,
                                        /*allow_unused=*/true);
    }
    const at::NoGradGuard no_grad;
    Step result{loss.item<double>(),
                {std::vector<Shares>(layers.size()), std::vector<Shares>(layers.size())}};
    if (!std::isfinite(result.loss)) throw Diverged();
    std::vector<at::Tensor> moving, directions;
    auto gradient = gradients.begin();
    for (std::size_t i = 0; i < layers.size(); ++i) {
      const at::Tensor of_blend = gradient->defined() ? *gradient : at::zeros_like(layers[i].weight);
      ++gradient;
      at::Tensor of_weight = moves ? at::zeros_like(layers[i].weight) : at::Tensor();
      result.gradient.weights[i] = unblend(i, mixture.weights[i], of_blend, moves ? &of_weight : nullptr);
      if (!moves) continue;
      moving.push_back(layers[i].weight);
      directions.push_back(of_weight);
      for (const at::Tensor& other : others_of(layers[i])) {
        moving.push_back(other);
        directions.push_back(gradient->defined() ? *gradient : at::zeros_like(other));
        ++gradient;
      }
    }
    for (std::size_t t = 0; t < forms.size(); ++t) {
      if (!forms[t]) continue;
      const at::Tensor& of_shares = *gradient++;
      if (!of_shares.defined()) continue;
      for (std::size_t f = 0; f < forms[t]->widths.size(); ++f)
        result.gradient.inputs[static_cast<std::size_t>(readers[t])][forms[t]->widths[f]] =
            of_shares.data_ptr<double>()[f];
    }
    if (moves) descend(moving, directions, rate * options.learning_rate);
    return result;
  }

  void descend(const std::vector<at::Tensor>& parameters, const std::vector<at::Tensor>& directions,
               double rate) {
    double square = 0;
    for (const at::Tensor& direction : directions)
      square += direction.square().sum(at::kDouble).item<double>();
    const double shortened = std::min(1.0, kLongestGradient / std::max(std::sqrt(square), 1e-12));
    if (!std::isfinite(square)) throw Diverged();
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      velocities[i].mul_(kMomentum).add_(directions[i], shortened);
      parameters[i].sub_(velocities[i], rate);
    }
  }

  std::shared_ptr<const Quantizer> quantizer;
  const StartPoint& start;
  const Method& method;
  const ClippingTable& scales;
  SupernetOptions options;
  std::vector<FloatLayer> layers;
  host::Network network;
  std::vector<ClippingTable::PerWidth<at::Tensor>> weight_scales;  ///< per weight layer
  std::vector<int> readers;  ///< per width class (index: its first tensor), its first reader; -1: none
  std::vector<at::Tensor> velocities;  ///< as `descend` takes its parameters
  std::vector<Deck> decks;             ///< of the weights, of the shares
  at::Tensor labels;
  std::int64_t batch = 1;
};

Supernet::Supernet(std::shared_ptr<const Quantizer> quantizer, const Retraining& recipe,
                   const SupernetOptions& options) {
  const TorchThreads one(1);
  const at::NoGradGuard no_grad;
  impl_ = std::make_unique<Impl>(std::move(quantizer), recipe, options);
}

Supernet::~Supernet() = default;

Supernet::Step Supernet::step(const Mixture& mixture, double rate) { return impl_->step(mixture, rate); }

std::size_t Supernet::place_of(int bits) { return static_cast<std::size_t>(width_index(bits)); }

std::int64_t Supernet::batch() const { return impl_->batch; }

}  // namespace bitloop::quant
