#pragma once

#include <string>

#include "quant/data/dataset.h"
#include "quant/model/model.h"

namespace bitloop::agent {

/// What is done to pixels before a trained network's input, found out where neither its file nor the user
/// says.
struct AssumedNormalization {
  quant::Normalization input;  ///< as --mean and --std would say it: what the file itself does is not in it
  std::string note;            ///< a sentence that names it, how it did, and what the user may give
};

/// Tries the usual conventions (pixels in 0..1, in -1..1, in 0..255, the data's own statistics, those of
/// ImageNet) on up to 300 images of the reward split and takes the one with the highest float accuracy, then
/// the least loss. Where network and data do not fit together, the data's own, untried.
AssumedNormalization assume_normalization(const quant::FloatNetwork& model, const quant::Dataset& data);

/// A sentence where a user gives another mean or deviation than the file says of its input; else empty.
std::string contradicted_normalization(const quant::Normalization& given, const quant::FloatNetwork& model);

}  // namespace bitloop::agent
