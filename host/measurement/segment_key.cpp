#include "host/measurement/segment_key.h"

#include <fmt/format.h>

#include <cstring>
#include <span>
#include <vector>

namespace bitloop::host {
namespace {

/// Numbers in a row. Every field list below unpacks the whole structure, so that a new field cannot be
/// forgotten: the compiler counts them.
class Text {
 public:
  template <class... Numbers>
  void add(Numbers... numbers) {
    (numbers_.push_back(static_cast<std::int32_t>(numbers)), ...);
  }
  void add_ring(const Ring& ring) {
    const auto& [base, stride, pitch, rows, words, spread] = ring;
    add(base, stride, pitch, rows, words, spread);
  }

  void add_place(const Place& place) {
    const auto& [on_chip, in_memory, ring, offset, words, first_word, grid] = place;
    (void)offset;
    add(on_chip, in_memory, words, first_word, grid.has_value());
    if (grid) {
      const auto& [width, first_row, first_column, step] = *grid;
      add(width, first_row, first_column, step.y, step.x);
    }
    if (on_chip) add_ring(ring);
  }

  void add_packing(const ImagePacking& packing) {
    const auto& [image, rows, kernel_rows, block_columns, dilation_x, stride_x, stride_y, pad_y, pad_x,
                 pad_codes] = packing;
    (void)kernel_rows;
    (void)pad_codes;
    add(image.channels, image.height, image.width, rows, dilation_x, stride_x, stride_y, pad_y, pad_x,
        block_columns.size());
    for (const int columns : block_columns) add(columns);
  }

  void add_operation(const WindowOp& op) {
    const auto& [name, kind, input_height, input_width, kernel_height, kernel_width, stride_y, stride_x,
                 dilation_y, dilation_x, pad_y, pad_x, output_height, output_width, input_bits, weight_bits,
                 unit_weights, product, leaky, table, operands, repeat, output_bits, blocks, block_channels,
                 last_block_channels, filters, zero_code, packing] = op;
    (void)name;
    (void)zero_code;
    add(kind, input_height, input_width, kernel_height, kernel_width, stride_y, stride_x, dilation_y,
        dilation_x, pad_y, pad_x, output_height, output_width, input_bits, weight_bits, unit_weights, product,
        leaky, table, operands, repeat.y, repeat.x, output_bits, blocks, block_channels, last_block_channels,
        filters, packing.has_value());
    if (packing) add_packing(*packing);
  }

  void add_stage(const Stage& stage) {
    const auto& [kind, output_bits, layer, tensor, second_first, table] = stage;
    (void)layer;
    (void)tensor;
    (void)second_first;
    add(kind, output_bits, table);
  }

  void add_segment(const Segment& segment) {
    const auto& [name, layers, op, channels, input, second, vector, stages, pool, results, free, set,
                 function, narrowed, original, weights, parameters, table] = segment;
    (void)name;
    (void)layers;
    (void)channels;
    (void)set;
    (void)function;
    (void)narrowed;
    (void)original;
    (void)weights;
    (void)parameters;
    (void)table;
    add_operation(op);
    add_place(input);
    add(second.has_value(), stages.size(), results.size(), free.first, free.end);
    if (second) add_place(*second);
    add(vector.has_value());
    if (vector) add_place(*vector);
    add(pool.has_value());
    if (pool) add_operation(*pool);
    for (const Stage& stage : stages) add_stage(stage);
    for (const Place& result : results) add_place(result);
  }

  [[nodiscard]] std::string bytes() const {
    return {reinterpret_cast<const char*>(numbers_.data()), numbers_.size() * sizeof numbers_[0]};
  }

 private:
  std::vector<std::int32_t> numbers_;
};

}  // namespace

std::size_t SegmentKeyHash::operator()(const SegmentKey& key) const {
  std::size_t hash = 0;  // the key is uniformly distributed as it is
  std::memcpy(&hash, key.data(), sizeof hash);
  return hash;
}

std::string key_text(const Segment& segment, bool first) {
  Text text;
  text.add(first);
  text.add_segment(segment);
  return text.bytes();
}

SegmentKey segment_key(std::string_view key_text, std::string_view fingerprint) {
  std::string text = fmt::format("segment {} {};", fingerprint, compiler_hash());
  text.append(key_text);
  return sha256(std::as_bytes(std::span(text)));
}

Sha256 self_test_key(std::string_view fingerprint) {
  const std::string text = fmt::format("self-test {} {};", fingerprint, compiler_hash());
  return sha256(std::as_bytes(std::span(text)));
}

SegmentKey end_key(std::string_view fingerprint) {
  const std::string text = fmt::format("end {};", fingerprint);
  return sha256(std::as_bytes(std::span(text)));
}

}  // namespace bitloop::host
