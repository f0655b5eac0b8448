#include "host/compiler/image_copies.h"

#include <algorithm>
#include <utility>

#include "host/base/integers.h"

namespace bitloop::host {
namespace {

constexpr int kLargestStride = 15;  // from image to image

void for_each_part(const Operands& operands, const auto& visit) {
  visit(operands.input);
  if (operands.second) visit(*operands.second);
  if (operands.vector) visit(*operands.vector);
  for (const auto& result : operands.results)
    if (result) visit(*result);
}

/// One window that is all of its input: images one below the other are windows one below the other.
bool can_join(const Segment& segment, const Operands& operands) {
  const WindowOp& op = segment.op;
  bool whole = true;
  for_each_part(operands, [&](const Part& part) { whole = whole && !part.grid; });
  return whole && op.kind == OpKind::conv && !op.packing && !operands.second && op.output_positions() == 1 &&
         op.pad_y == 0 && op.pad_x == 0 && op.kernel_height == op.input_height &&
         op.kernel_width == op.input_width && op.input_height <= kLargestStride;
}

/// A segment that comes before the joined ones can use what they read.
bool can_share(const Segment& segment, const Operands& operands, const std::set<int>& joined) {
  const bool repeats = segment.op.kind == OpKind::copy && segment.op.repeat != Steps();
  return !(operands.vector && joined.contains(operands.vector->root)) &&
         !(repeats && operands.results.front() && joined.contains(operands.results.front()->root));
}

}  // namespace

ImageCopies::ImageCopies(const Network& network, int images, const std::vector<Segment>& segments,
                         const std::vector<Operands>& operands)
    : network_(network), images_(images), first_joined_(segments.size()) {
  if (images == 1) return;
  while (first_joined_ > 0 && can_join(segments[first_joined_ - 1], operands[first_joined_ - 1]))
    --first_joined_;
  for (std::size_t i = first_joined_; i < segments.size(); ++i)
    for_each_part(operands[i], [&](const Part& part) { joined_.insert(part.root); });
  for (std::size_t i = 0; i < first_joined_; ++i) {
    if (can_share(segments[i], operands[i], joined_)) continue;
    first_joined_ = segments.size();
    joined_.clear();
    return;
  }
}

/// Whole pages, so that what runs image by image counts the same for each; joined ones follow each other.
Address ImageCopies::image_bytes(int root, Address bytes) const {
  if (images_ == 1) return 0;
  if (joined_.contains(root)) return bytes;
  const int tensor = root / 2;
  const bool end = tensor == network_.input || network_.is_output(tensor);
  return end ? round_up(bytes, kPageBytes) : 0;
}

void ImageCopies::join_images(std::vector<Segment>& segments) const {
  for (std::size_t i = first_joined_; i < segments.size(); ++i) {
    WindowOp& op = segments[i].op;
    op.stride_y = op.input_height;
    op.input_height *= images_;
    op.output_height = images_;
  }
}

Place ImageCopies::of_image(Place place, const Part& part, int image,
                            const std::vector<Address>& image_bytes) const {
  if (joined_.contains(part.root)) {
    const Shape& shape = network_.tensors[static_cast<std::size_t>(part.root / 2)].shape;
    const Grid whole{shape.width, image * shape.height, 0, 1};
    place.grid = place.grid ? within(whole, *place.grid) : whole;
  } else {
    place.offset += static_cast<Address>(image) * image_bytes[static_cast<std::size_t>(part.root)];
  }
  return place;
}

std::vector<Segment> ImageCopies::repeat(std::vector<Segment> segments, const std::vector<Operands>& operands,
                                         const std::vector<Address>& image_bytes) const {
  if (images_ == 1) return segments;
  std::vector<Segment> all;
  for (int image = 0; image < images_; ++image) {
    for (std::size_t i = 0; i < first_joined_; ++i) {
      Segment copy = segments[i];
      if (image > 0) copy.original = static_cast<int>(i);
      copy.input = of_image(copy.input, operands[i].input, image, image_bytes);
      if (copy.second) copy.second = of_image(*copy.second, *operands[i].second, image, image_bytes);
      if (copy.vector) copy.vector = of_image(*copy.vector, *operands[i].vector, image, image_bytes);
      for (std::size_t r = 0; r < copy.results.size(); ++r) {
        if (const auto& part = operands[i].results[r])
          copy.results[r] = of_image(copy.results[r], *part, image, image_bytes);
      }
      all.push_back(std::move(copy));
    }
  }
  all.insert(all.end(),
             std::make_move_iterator(segments.begin() + static_cast<std::ptrdiff_t>(first_joined_)),
             std::make_move_iterator(segments.end()));
  return all;
}

}  // namespace bitloop::host
