#pragma once

#include <onnx/onnx_pb.h>

#include <optional>
#include <string>

#include "quant/onnx/draft.h"
#include "quant/onnx/graph.h"

namespace bitloop::quant::importer {

/// The image as a file declares it.
struct ImageInput {
  std::string name;
  host::Shape shape;
  Value view;          ///< its dimensions and their order; the tensor is not set
  bool bytes = false;  ///< its values are pixels, 0..255
};

/// The one input of the network: an image (batch x channels x height x width, or channels last where the
/// nodes that read it say so), a signal (batch x channels x length) or a vector, of floats or bytes. `given`
/// says the sizes that the file leaves free. Throws InputError for anything else.
ImageInput image_input(const onnx::GraphProto& graph, const LiveGraph& live,
                       const std::optional<host::Shape>& given);

}  // namespace bitloop::quant::importer
