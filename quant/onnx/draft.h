#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "quant/model/model.h"
#include "quant/onnx/constant.h"
#include "quant/onnx/names.h"
#include "quant/onnx/node.h"

namespace bitloop::quant::importer {

/// Zeros that a Pad node puts around a tensor: the window that reads it counts them in its own padding.
struct Pads {
  std::int64_t top = 0, left = 0, bottom = 0, right = 0;
  [[nodiscard]] bool any() const { return top != 0 || left != 0 || bottom != 0 || right != 0; }
};

/// A permutation of a tensor's axes: 0 channels, 1 rows, 2 columns (view.h).
using AxisOrder = std::array<int, 3>;

/// What a name in the file stands for: a constant, or a tensor of the network as the file views it.
struct Value {
  SharedConstant constant = {};  ///< set: all else is unused
  int tensor = -1;
  Dims dims = {};  ///< with the batch in front; reshapes change them, the tensor stays
  /// In which `dims` hold the tensor's elements; transposes change it.
  AxisOrder order{0, 1, 2};
  Pads pads = {};                   ///< contained in `dims`, not yet in the tensor
  bool softmax = false;             ///< of the tensor: only the network's end may be that
  bool refused = false;             ///< a node on the way to it is not supported
  std::string function = {};        ///< of the tensor's numbers (host/network/function.h); empty: none
  std::optional<Node> writer = {};  ///< the node whose result the function is
  /// What it keeps the tensor's values to, before the function: a clip or quantizer, and a quantizer behind
  /// that.
  host::Limits limits = {}, narrow = {};

  [[nodiscard]] bool limited() const { return limits.any() || narrow.any(); }
  /// Its values kept to `next` too; of values without a function. False where that would be a third rounding
  /// in a row.
  [[nodiscard]] bool limit(const host::Limits& next);
};

/// The network while it is built, in execution order. Joins what the hardware computes in one layer: a batch
/// norm, constant factors and offsets, and an activation after a layer with weights, where nothing else reads
/// the result in between.
class Draft {
 public:
  /// `readers`: nodes (and network results) that read the file's name for the tensor.
  int add_image(const std::string& name, const host::Shape& shape, int readers);
  /// Appends a layer and the tensor that it writes, of `shape` {channels, height, width}. Throws InputError,
  /// naming the node, where that is beyond what any hardware can address.
  int append(const Node& node, host::Layer layer, const Dims& shape, int readers,
             LayerParameters parameters = {});

  [[nodiscard]] const host::Shape& shape(int tensor) const { return network_.tensors.at(tensor).shape; }
  [[nodiscard]] bool is_image(int tensor) const { return tensor == network_.input; }
  /// A node reads a tensor by so many layers more than one.
  void read_again(int tensor, int more) { readers_.at(tensor) += more; }
  /// A name that passes a tensor on has been read: its own readers take its place.
  void pass_on(int tensor, int readers) { readers_.at(tensor) += readers - 1; }

  /// That the layer last appended, or no layer but a result of the network, reads `value`.
  void note_reader(const Value& value, bool result = false);
  /// The layer last appended reads what the one that wrote `tensor` read, and in its place.
  void take_readings(int tensor);
  /// Whether the layer that writes `tensor` reads `value`, kept to the same limits.
  [[nodiscard]] bool is_read_for(const Value& value, int tensor) const;

  /// Whether a batch norm or factors can join the layer that writes `tensor`, or those that an interleave
  /// joins to it.
  [[nodiscard]] bool takes_affine(int tensor) const;
  [[nodiscard]] bool takes_affine(const Value& value) const {
    return !value.limited() && takes_affine(value.tensor);
  }
  void join_batch_norm(int tensor, std::vector<float> gain, std::vector<float> shift, std::vector<float> mean,
                       std::vector<float> variance, double epsilon);
  /// result * scale + shift, per channel.
  void join_affine(int tensor, const std::vector<double>& scale, const std::vector<double>& shift);
  /// Joins an activation with the layers that write `tensor`, through pools, concats and upsamplings, with
  /// which it commutes. Returns why not where that changes something else.
  [[nodiscard]] std::optional<std::string> join_activation(int tensor, host::Activation activation,
                                                           const std::vector<double>& slopes);
  /// Whether a clip of `tensor` can be done where its codes are made: nothing else reads them.
  [[nodiscard]] bool takes_limits(int tensor) const;
  [[nodiscard]] bool non_negative(int tensor) const;
  [[nodiscard]] bool non_negative(const Value& value) const {
    return value.limits.low >= 0 || value.narrow.low >= 0 || non_negative(value.tensor);
  }
  /// The layer of a function that writes `tensor`; null where none does.
  [[nodiscard]] const host::Layer* function_that_writes(int tensor) const;

  /// Filters `first`, `first` + `step`, ... of a convolution as layers of their own.
  struct FilterRange {
    std::int64_t first = 0, step = 1, count = 1;
  };
  /// Cuts the convolution that writes `tensor`, which only the node reads, into layers
  /// of these filters, read by one layer each, named after it. Returns the tensors that they write.
  std::vector<int> cut_filters(const Node& node, int tensor, const std::vector<FilterRange>& ranges);
  [[nodiscard]] bool can_cut_filters(int tensor) const;
  /// The inputs of the concat that writes `tensor`, where it is one and nothing else reads it.
  [[nodiscard]] std::vector<int> concat_inputs(int tensor) const;

  /// The network with what its results depend on, named, with signedness, validated. What the hardware wants
  /// at its ends is added: a convolution of one tap between the image and what cannot read it, and behind a
  /// result that is read or keeps its inputs' codes a layer of its own.
  FloatNetwork finish(const std::string& name, std::vector<int> outputs, Names& names);

 private:
  [[nodiscard]] const host::Layer* writer(int tensor) const {
    return writers_.at(tensor) < 0 ? nullptr : &network_.layers.at(writers_.at(tensor));
  }
  /// Finds the layers with an affine part that `tensor` consists of; returns why not where an activation
  /// cannot move to them.
  std::optional<std::string> affine_writers(int tensor, std::vector<int>& found) const;
  int append_layer(host::Layer layer, const host::Shape& shape, int readers, LayerParameters parameters);
  /// Weights of a layer that is added without a node of the file; throws InputError where all are too many.
  void spend(std::int64_t weights);
  /// Appends a layer that gives its input as it is: depthwise, with weights of one.
  int append_copy(int tensor, const std::string& name);
  /// Whether a result gets a layer of its own: where it is read, or keeps its inputs' codes.
  [[nodiscard]] bool needs_copy(int result) const;
  void settle_results(std::vector<int>& outputs, Names& names);
  void settle_image(Names& names);
  /// Takes a layer that only scales and shifts the image out, where nothing else reads that.
  Normalization take_normalization(const std::vector<int>& outputs);
  /// Whether a layer gives each number of its input scaled and shifted.
  [[nodiscard]] bool scales(const host::Layer& layer) const;
  /// Makes a layer a convolution of the image, where it is one in other words; false where it is none, or
  /// none that the hardware can do.
  bool read_image(std::size_t layer);
  void drop_unread(const std::vector<int>& outputs);
  /// Gives every tensor the limits that its readers read it with.
  void settle_limits();
  void settle_limits(int tensor);
  /// Clipping and rounding commute with what keeps codes: makes the limits of what such a layer gives those
  /// of what it reads. False where others read that otherwise.
  bool move_limits(const host::Layer& layer, const host::Limits& limits);
  /// Whether a layer reads `tensor` kept to limits.
  [[nodiscard]] bool reads_limited(int layer, int tensor) const;

  host::Network network_;
  std::vector<LayerParameters> parameters_;  // per layer
  std::vector<int> readers_, writers_;       // per tensor
  struct Reading {
    int layer = -1;  ///< -1: as a result
    host::Limits limits, narrow;
  };
  std::vector<std::vector<Reading>> readings_;  // per tensor
  std::int64_t own_weights_ = 0;                // of layers that no node of the file stands for
};

}  // namespace bitloop::quant::importer
