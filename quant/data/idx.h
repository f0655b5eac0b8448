#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "quant/data/splits.h"

namespace bitloop::quant {

/// Images of an IDX file: `count` images of height x width bytes, one after the other.
struct IdxImages {
  std::size_t count = 0;
  int height = 0;
  int width = 0;
  std::vector<std::uint8_t> pixels;
};

/// Reads an IDX file (plain or gzip, whatever its name): magic, dimensions and length are checked, memory is
/// bounded by the dimensions that the header states. Throws InputError naming the file and what to do.
IdxImages read_idx_images(const std::filesystem::path& path);
std::vector<std::uint8_t> read_idx_labels(const std::filesystem::path& path, int classes);

/// The four files of MNIST and its kin: train and t10k, images and labels, each plain or gzip; 10 classes.
SourceSet read_idx_set(const std::filesystem::path& folder);

}  // namespace bitloop::quant
