#include "quant/data/batches.h"

#include <gmock/gmock.h>

#include <functional>
#include <map>
#include <set>
#include <thread>

#include "quant/tensor/order.h"
#include "tests/quant/files.h"
#include "tests/quant/fixtures.h"

namespace bitloop::quant {
namespace {

using ::testing::HasSubstr;

constexpr host::Shape kColour{3, 6, 7};

Split random_split(std::size_t count, const host::Shape& shape) {
  Split split{random_bytes(count * static_cast<std::size_t>(shape.elements()), 5), {}};
  for (std::size_t i = 0; i < count; ++i) split.labels.push_back(static_cast<std::uint16_t>(i * 300));
  return split;
}

/// A pass in one piece: of n batches, all images one after the other.
struct Pass {
  std::int64_t batches = 0;
  at::Tensor pixels, labels, indices;
};

Pass run(
    Batches& batches, const std::function<void()>& between = [] {}) {
  std::vector<at::Tensor> pixels, labels, indices;
  while (const std::optional<Batch> batch = batches.next()) {
    pixels.push_back(batch->pixels);
    labels.push_back(batch->labels);
    indices.push_back(batch->indices);
    between();
  }
  return {static_cast<std::int64_t>(pixels.size()), at::cat(pixels), at::cat(labels), at::cat(indices)};
}

Pass run(const Split& split, const host::Shape& shape, const Batches::Options& options) {
  Batches batches(split, shape, std::vector<float>(static_cast<std::size_t>(shape.channels), 0.5F), options);
  return run(batches);
}

/// Image `place` of the pass as [channel, row, column], and as it is in the split.
at::Tensor original(const Split& split, const host::Shape& shape, std::int64_t index) {
  auto* image = const_cast<std::uint8_t*>(split.pixels.data()) + index * shape.elements();
  return at::from_blob(image, {shape.height, shape.width, shape.channels}, at::kByte).permute({2, 0, 1});
}

TEST(Batches, hold_each_image_of_the_split_once_in_planes_with_its_label) {
  const Split split = random_split(100, kColour);
  const Pass pass = run(split, kColour, {.batch = 10});
  EXPECT_EQ(pass.batches, 10);
  const auto* indices = pass.indices.data_ptr<std::int64_t>();
  EXPECT_EQ(std::set<std::int64_t>(indices, indices + 100).size(), 100U);
  for (std::int64_t i = 0; i < 100; ++i) {
    ASSERT_TRUE(pass.pixels[i].equal(original(split, kColour, indices[i])));
    ASSERT_EQ(pass.labels[i].item<std::int64_t>(), split.labels[static_cast<std::size_t>(indices[i])]);
  }
}

TEST(Batches, of_one_and_of_four_channels_are_planes_too) {
  for (const host::Shape& shape : {host::Shape{1, 5, 3}, host::Shape{4, 5, 3}}) {
    const Split split = random_split(9, shape);
    const Pass pass = run(split, shape, {.batch = 3});
    for (std::int64_t i = 0; i < 9; ++i)
      ASSERT_TRUE(pass.pixels[i].equal(original(split, shape, pass.indices[i].item<std::int64_t>())));
  }
}

TEST(Batches, leave_out_a_last_smaller_batch) {
  const Split split = random_split(23, kColour);
  const Batches batches(split, kColour, {0, 0, 0}, {.batch = 10});
  EXPECT_EQ(batches.count(), 2);
  EXPECT_EQ(run(split, kColour, {.batch = 10}).pixels.size(0), 20);
  EXPECT_EQ(run(split, kColour, {.batch = 64}).pixels.size(0), 23);
}

TEST(Batches, draw_the_same_subset_in_every_epoch_in_another_order) {
  const Split split = random_split(60, kColour);
  const auto indices = [&](std::uint64_t seed, std::uint64_t epoch) {
    return run(split, kColour, {.batch = 5, .images = 20, .seed = seed, .epoch = epoch}).indices;
  };
  const at::Tensor first = indices(3, 0), second = indices(3, 1), other = indices(4, 0);
  EXPECT_FALSE(first.equal(second));
  EXPECT_TRUE(std::get<0>(first.sort()).equal(std::get<0>(second.sort())));
  EXPECT_FALSE(std::get<0>(first.sort()).equal(std::get<0>(other.sort())));
}

// The results of stored runs depend on it.
TEST(Batches, are_in_the_order_of_the_first_retrainings) {
  const Split split = random_split(40, kColour);
  std::mt19937_64 subset_generator(7), generator(8);
  const at::Tensor subset = shuffled_order(40, subset_generator).narrow(0, 0, 30);
  for (std::uint64_t epoch = 0; epoch < 3; ++epoch) {
    const at::Tensor expected = subset.index_select(0, shuffled_order(30, generator));
    Batches::Options options{.batch = 10, .images = 30, .seed = 7, .epoch = epoch};
    EXPECT_TRUE(run(split, kColour, options).indices.equal(expected));
    options.drawn = drawn_places(40, 30, 7);
    EXPECT_TRUE(run(split, kColour, options).indices.equal(expected)) << "of places that were drawn before";
  }
}

/// What augmentation may make of `image`: for every shift and with or without a mirror.
bool is_change_of(const at::Tensor& changed, const at::Tensor& image, int shift, std::uint8_t fill,
                  bool& moved, bool& mirrored) {
  const std::int64_t height = image.size(1), width = image.size(2);
  const at::Tensor room = at::full({image.size(0), height + 2 * shift, width + 2 * shift}, fill, at::kByte);
  room.narrow(1, shift, height).narrow(2, shift, width).copy_(image);
  for (int row = 0; row <= 2 * shift; ++row)
    for (int column = 0; column <= 2 * shift; ++column)
      for (const bool mirror : {false, true}) {
        const at::Tensor window = room.narrow(1, row, height).narrow(2, column, width);
        if (!changed.equal(mirror ? window.flip(2) : window)) continue;
        moved |= row != shift || column != shift;
        mirrored |= mirror;
        return true;
      }
  return false;
}

TEST(Batches, shift_images_into_rooms_of_the_mean_and_mirror_them) {
  for (const host::Shape& shape : {host::Shape{1, 6, 7}, kColour}) {
    const Split split = random_split(200, shape);
    const Pass pass = run(split, shape, {.batch = 50, .augmentation = {2, true}});
    bool moved = false, mirrored = false;
    for (std::int64_t i = 0; i < 200; ++i)
      ASSERT_TRUE(is_change_of(pass.pixels[i], original(split, shape, pass.indices[i].item<std::int64_t>()),
                               2, 128, moved, mirrored))
          << "image " << i;
    EXPECT_TRUE(moved);
    EXPECT_TRUE(mirrored);
  }
}

TEST(Batches, use_every_shift_and_mirror_half_of_the_images) {
  // One bright pixel in the middle column tells the shift, a second one right of it the mirror.
  const host::Shape shape{1, 7, 7};
  Split split;
  for (int i = 0; i < 4000; ++i) {
    std::vector<std::uint8_t> image(49, 0);
    image[3 * 7 + 3] = 255;
    image[3 * 7 + 4] = 100;
    split.pixels.insert(split.pixels.end(), image.begin(), image.end());
    split.labels.push_back(0);
  }
  Batches batches(split, shape, {0}, {.batch = 4000, .augmentation = {2, true}});
  const Pass pass = run(batches);
  std::map<std::int64_t, int> places;
  int mirrored = 0;
  for (std::int64_t i = 0; i < 4000; ++i) {
    const at::Tensor flat = pass.pixels[i].flatten();
    const std::int64_t place = flat.argmax().item<std::int64_t>();
    ++places[place];
    mirrored += flat[place - 1].item<int>() == 100 ? 1 : 0;
  }
  EXPECT_EQ(places.size(), 25U);
  for (const auto& [place, count] : places) EXPECT_NEAR(count, 160, 60) << "place " << place;
  EXPECT_NEAR(mirrored, 2000, 150);
}

TEST(Batches, survive_shifts_beyond_the_image) {
  const Split split = random_split(50, kColour);
  const Pass pass = run(split, kColour, {.batch = 50, .augmentation = {30, true}});
  EXPECT_EQ(pass.pixels.size(0), 50);
}

TEST(Batches, are_the_same_whatever_the_timing) {
  const Split split = random_split(300, kColour);
  const Batches::Options options{.batch = 10, .seed = 9, .epoch = 2, .augmentation = {2, true}};
  const Pass fast = run(split, kColour, options);
  Batches waited_for(split, kColour, {0.5F, 0.5F, 0.5F}, options);
  const Pass slow = run(waited_for, [] { std::this_thread::yield(); });
  EXPECT_TRUE(fast.pixels.equal(slow.pixels));
  EXPECT_TRUE(fast.indices.equal(slow.indices));
}

TEST(Batches, differ_in_augmentation_between_epochs_and_seeds) {
  const Split split = random_split(1, kColour);
  std::set<std::string> seen;
  for (std::uint64_t seed = 0; seed < 4; ++seed)
    for (std::uint64_t epoch = 0; epoch < 4; ++epoch) {
      const Pass pass =
          run(split, kColour, {.batch = 1, .seed = seed, .epoch = epoch, .augmentation = {2, true}});
      const auto* bytes = reinterpret_cast<const char*>(pass.pixels.data_ptr<std::uint8_t>());
      seen.insert(std::string(bytes, static_cast<std::size_t>(pass.pixels.numel())));
    }
  EXPECT_GT(seen.size(), 8U);
}

TEST(Batches, may_be_left_before_their_end) {
  const Split split = random_split(300, kColour);
  for (int taken = 0; taken < 5; ++taken) {
    Batches batches(split, kColour, {0, 0, 0}, {.batch = 2});
    for (int i = 0; i < taken; ++i) EXPECT_TRUE(batches.next());
  }
}

TEST(Batches, stay_ended) {
  const Split split = random_split(2, kColour);
  Batches batches(split, kColour, {0, 0, 0}, {.batch = 2});
  EXPECT_TRUE(batches.next());
  EXPECT_FALSE(batches.next());
  EXPECT_FALSE(batches.next());
}

TEST(Batches, of_nothing_or_of_another_shape_are_refused) {
  const Split split = random_split(4, kColour);
  const auto refused = [&](const Split& from, const host::Shape& shape, const Batches::Options& options) {
    return refusal([&] { Batches(from, shape, {0, 0, 0}, options); });
  };
  EXPECT_THAT(refused({}, kColour, {}), HasSubstr("cannot cut 0 images"));
  EXPECT_THAT(refused(split, kColour, {.batch = 0}), HasSubstr("batches of 0"));
  EXPECT_THAT(refused(split, kColour, {.images = -1}), HasSubstr("-1"));
  EXPECT_THAT(refused(split, {3, 6, 8}, {}), HasSubstr("3x6x8"));
  EXPECT_THAT(refused(split, {1, 18, 7}, {}), HasSubstr("3 means"));
}

TEST(Labels, above_15_bits_stay_positive) {
  EXPECT_EQ(label_tensor(std::vector<std::uint16_t>{0, 40'000, 65'535})[2].item<std::int64_t>(), 65'535);
}

}  // namespace
}  // namespace bitloop::quant
