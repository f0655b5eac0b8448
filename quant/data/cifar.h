#pragma once

#include <filesystem>

#include "quant/data/splits.h"

namespace bitloop::quant {

/// CIFAR-10's binary version (Krizhevsky 2009; https://www.cs.toronto.edu/~kriz/cifar.html): data_batch_1.bin
/// to data_batch_5.bin, of which at least one must be there, and test_batch.bin, each plain or gzip. A record
/// is a label and 3x32x32 bytes, plane after plane. Named "CIFAR-10 (JPEG)" where the test images are those
/// that were published re-encoded as JPEG. Throws InputError naming the file and what to do.
SourceSet read_cifar10(const std::filesystem::path& folder);

}  // namespace bitloop::quant
