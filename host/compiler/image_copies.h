#pragma once

#include <set>
#include <vector>

#include "host/compiler/channel_runs.h"
#include "host/compiler/segment.h"

namespace bitloop::host {

/// A job of several images. The linear layers at the network's end are *joined*: the images' tensors lie one
/// below the other, and each image is a position of theirs. All that comes before runs image by image.
class ImageCopies {
 public:
  /// `segments`, of one image, and their operands.
  ImageCopies(const Network& network, int images, const std::vector<Segment>& segments,
              const std::vector<Operands>& operands);

  [[nodiscard]] int images() const { return images_; }
  /// Roots of the forms that joined segments read or write.
  [[nodiscard]] const std::set<int>& joined() const { return joined_; }
  /// Bytes from image to image of a form of `bytes` bytes (NetworkPlan::image_bytes).
  [[nodiscard]] Address image_bytes(int root, Address bytes) const;
  /// Lets the joined segments take all images.
  void join_images(std::vector<Segment>& segments) const;
  /// All images' segments, in order.
  [[nodiscard]] std::vector<Segment> repeat(std::vector<Segment> segments,
                                            const std::vector<Operands>& operands,
                                            const std::vector<Address>& image_bytes) const;

 private:
  [[nodiscard]] Place of_image(Place place, const Part& part, int image,
                               const std::vector<Address>& image_bytes) const;

  const Network& network_;
  int images_;
  std::size_t first_joined_;  ///< segment
  std::set<int> joined_;
};

}  // namespace bitloop::host
