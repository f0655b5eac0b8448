#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace bitloop::quant {

struct ImagePath {
  std::filesystem::path path;
  std::uint16_t label = 0;  ///< index into the classes
};

/// Which images of a folder are in the training file and which in the test file, by the bytes of their names.
struct FolderListing {
  std::vector<std::string> classes;
  std::vector<ImagePath> training, test;
};

/// Lists DIR/train/CLASS/* and DIR/test/CLASS/*, or DIR/CLASS/*, of which every 5th image of each class is
/// the test file. `train` may be called training, `test` also val, valid or validation, in any case; where
/// there are both, val counts as training. Images may lie in folders within a class's. Classes are the
/// folders by name, or `class_names` where that is not empty: the folders may then be some of them. Throws
/// InputError naming what is wrong and what to do.
FolderListing list_image_folder(const std::filesystem::path& folder,
                                const std::vector<std::string>& class_names);

/// A network's classes in the order of its outputs, a line each: the folder's name, alone or as the first
/// word
/// ("n01440764 tench, Tinca tinca"). Throws InputError for a file that cannot be read, an empty line, a line
/// that comes twice, and other than 2 to 65,535 lines.
std::vector<std::string> read_class_names(const std::filesystem::path& file);

}  // namespace bitloop::quant
