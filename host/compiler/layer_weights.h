#pragma once

#include "host/compiler/window_op.h"

namespace bitloop::host {

/// Weights in the order of the operation's windows: of the packed image, or the tensor's lanes.
WeightCodes lower_weights(const WindowOp& op, const Network& network, const Layer& layer,
                          const QuantizedLayer& integers, const ChannelChoice& choice);

}  // namespace bitloop::host
