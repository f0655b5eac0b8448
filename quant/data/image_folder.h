#pragma once

#include <filesystem>
#include <optional>

#include "quant/data/splits.h"

namespace bitloop::quant {

/// A folder of images, a folder per class (`list_image_folder` says which layouts there are, and what
/// `class_names` is for). Both files are shuffled, always the same way: a file sorted by class would leave
/// classes out of its halves and of its first images.
///
/// Decodes everything at once, on all cores, to `size` (see `ImageReader`), or as they are where all images
/// have one size. Throws InputError naming what is wrong and what to do: layout, number of classes, an image
/// that does not decode, sizes that differ, more than 8 GiB of pixels.
SourceSet read_image_folder(const std::filesystem::path& folder, const std::optional<host::Shape>& size,
                            const std::vector<std::string>& class_names = {});

}  // namespace bitloop::quant
