#pragma once

#include <optional>
#include <string>
#include <vector>

#include "host/network/network.h"

namespace bitloop::host::zoo {

/// How a network pads the convolutions of which its author does not say it.
enum class UsualPad {
  half_kernel,  ///< PyTorch's habit: on all sides
  same          ///< TensorFlow's SAME: no more than the windows need; of an odd number, the end gets one more
};

/// What a network's author chooses of a convolution; the rest follows from its input.
struct Convolution {
  int filters = 1;  ///< of a depthwise one: of each channel
  Steps kernel = 1;
  int stride = 1;
  Activation activation = Activation::relu;
  bool batch_norm = true;
  std::optional<Padding> pad = {};  ///< the network's usual one
  int groups = 1;
};

/// Appends layers to a network in execution order. Every call returns the tensor that its layer writes, which
/// has the layer's name.
class NetworkBuilder {
 public:
  NetworkBuilder(std::string name, const Shape& image, UsualPad pad = UsualPad::half_kernel);

  [[nodiscard]] int image() const { return network_.input; }
  [[nodiscard]] const Shape& shape(int tensor) const { return network_.tensors[tensor].shape; }

  int conv(const std::string& name, int input, const Convolution& c);
  int depthwise(const std::string& name, int input, const Convolution& c);
  int linear(const std::string& name, int input, int outputs, Activation activation, bool batch_norm);
  int add(const std::string& name, int first, int second, Activation activation);
  /// In the words of host/network/function.h.
  int function(const std::string& name, int input, const std::string& words);
  /// `vector` has one number per channel of `input`.
  int product(const std::string& name, int input, int vector);
  int concat(const std::string& name, const std::vector<int>& inputs);
  int select(const std::string& name, int input, const std::vector<int>& channels);
  int upsample(const std::string& name, int input, int factor);
  int max_pool(const std::string& name, int input, int kernel, int stride, int pad, int pad_end);
  int global_average_pool(const std::string& name, int input);

  /// Derives signedness and validates.
  Network finish(std::vector<int> outputs);

 private:
  [[nodiscard]] Padding usual_pad(const Shape& input, const Convolution& c) const;
  [[nodiscard]] Layer convolution(const std::string& name, LayerKind kind, int input,
                                  const Convolution& c) const;
  int window(Layer layer, int channels);
  int append(Layer layer, const Shape& out);

  Network network_;
  UsualPad pad_;
};

}  // namespace bitloop::host::zoo
