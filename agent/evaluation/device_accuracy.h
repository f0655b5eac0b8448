#pragma once

#include "host/driver/pool.h"
#include "quant/data/accuracy.h"
#include "quant/data/dataset.h"
#include "quant/model/progress.h"
#include "quant/model/quantized_model.h"

namespace bitloop::agent {

/// Accuracy of the first `images` of a split as the device computes them; several devices share the work.
/// `progress` is called by one thread at a time.
quant::Accuracy device_accuracy(host::DevicePool& devices, const quant::QuantizedModel& model,
                                const quant::Split& split, std::size_t images,
                                const quant::Progress& progress = {});

}  // namespace bitloop::agent
