// The text form of one layer, as `bitloop measure --layer` takes it.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>

#include "host/base/error.h"
#include "host/network/network.h"
#include "host/network/policy.h"

namespace bitloop::host {
namespace {

constexpr std::size_t kLongestText = 1000;

[[noreturn]] void refuse(std::string_view text, const std::string& what) {
  throw InputError(
      fmt::format("layer \"{}\": {}; write it like \"conv in=64x32x32 out=64 kernel=3 stride=1 pad=1\", "
                  "\"dwconv in=96x56x56 kernel=3 stride=2 pad=1\" or \"linear in=400 out=120\"",
                  text.substr(0, 100), what));
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

/// The keys of one layer text, taken one by one; what is left at the end is unknown.
class Keys {
 public:
  explicit Keys(std::string_view text) : text_(text) {
    if (text.size() > kLongestText) refuse(text, fmt::format("more than {} characters", kLongestText));
    for (const std::string_view word : split(text, ' ')) {
      if (!word.empty()) add(word);
    }
    if (kind_.empty()) refuse(text, "it is empty");
  }

  [[nodiscard]] std::string_view kind() const { return kind_; }

  /// Numbers of `key`, separated by x, each in [low, high]; `fallback` where the key is absent.
  std::vector<int> numbers(const std::string& key, int low, int high,
                           std::optional<std::vector<int>> fallback = {}) {
    const auto found = values_.find(key);
    if (found == values_.end()) {
      if (!fallback) refuse(text_, fmt::format("{}= is missing", key));
      return *fallback;
    }
    std::vector<int> result;
    for (const std::string_view part : split(found->second, 'x'))
      result.push_back(number(key, part, low, high));
    values_.erase(found);
    return result;
  }

  int single(const std::string& key, int low, int high, std::optional<int> fallback = {}) {
    const auto found =
        numbers(key, low, high, fallback ? std::optional(std::vector<int>{*fallback}) : std::nullopt);
    if (found.size() != 1) refuse(text_, fmt::format("{}= takes one number", key));
    return found[0];
  }

  void finish() const {
    if (!values_.empty()) refuse(text_, fmt::format("key '{}' is unknown here", values_.begin()->first));
  }

 private:
  void add(std::string_view word) {
    const std::size_t equals = word.find('=');
    if (equals == std::string_view::npos) {
      if (!kind_.empty()) refuse(text_, fmt::format("'{}' is no key=value", word));
      kind_ = word;
      return;
    }
    if (kind_.empty()) refuse(text_, "the kind of layer must come first");
    const std::string key(word.substr(0, equals));
    if (!values_.emplace(key, word.substr(equals + 1)).second)
      refuse(text_, fmt::format("{}= is given twice", key));
  }

  int number(const std::string& key, std::string_view digits, int low, int high) const {
    int value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc() || end != digits.data() + digits.size() || value < low || value > high) {
      refuse(text_, fmt::format("{}={} must be {}..{}", key, digits, low, high));
    }
    return value;
  }

  std::string_view text_;
  std::string_view kind_;
  std::map<std::string, std::string_view> values_;
};

std::optional<LayerKind> kind_named(std::string_view name) {
  if (name == "conv") return LayerKind::conv;
  if (name == "dwconv") return LayerKind::depthwise;
  if (name == "linear") return LayerKind::linear;
  return {};
}

Shape input_shape(std::string_view text, Keys& keys, bool linear) {
  const std::vector<int> sizes = keys.numbers("in", 1, 65535);
  if (sizes.size() == 3) return {sizes[0], sizes[1], sizes[2]};
  if (linear && sizes.size() == 1) return {sizes[0], 1, 1};
  refuse(text, linear ? "in= takes one number or channels x height x width"
                      : "in= takes channels x height x width");
}

/// A depthwise layer keeps its channels: out= may be left away.
int output_channels(std::string_view text, Keys& keys, LayerKind kind, int input_channels) {
  if (kind != LayerKind::depthwise) return keys.single("out", 1, 65535);
  const int channels = keys.single("out", 1, 65535, input_channels);
  if (channels != input_channels) {
    refuse(text,
           fmt::format("out={} must be {}, the channels of in=, or be left away", channels, input_channels));
  }
  return channels;
}

int output_bits(std::string_view text, Keys& keys, LayerKind kind) {
  constexpr int kLegal[] = {0, 1, 2, 4, 8, 32};
  const int bits = keys.single("out_bits", 0, 32, 0);
  if (std::find(std::begin(kLegal), std::end(kLegal), bits) == std::end(kLegal)) {
    refuse(text, fmt::format("out_bits={} must be 1, 2, 4, 8 or 32", bits));
  }
  if (bits == 32 && kind == LayerKind::depthwise) {
    refuse(text, "out_bits=32 of a dwconv must be 1, 2, 4 or 8");
  }
  return bits;
}

void set_window(std::string_view text, Keys& keys, Layer& layer) {
  const std::vector<int> kernel = keys.numbers("kernel", 1, 255);
  if (kernel.size() > 2) refuse(text, "kernel= takes K or KxK");
  layer.kernel_height = kernel.front();
  layer.kernel_width = kernel.back();
  layer.stride = keys.single("stride", 1, 15, 1);
  layer.pad = keys.single("pad", 0, 127, 0);
}

}  // namespace

Network single_layer_network(std::string_view text) {
  Keys keys(text);
  const std::optional<LayerKind> kind = kind_named(keys.kind());
  if (!kind) {
    refuse(text, fmt::format("'{}' is no kind of layer; conv, dwconv and linear are", keys.kind()));
  }
  const bool linear = kind == LayerKind::linear;
  const Shape in = input_shape(text, keys, linear);
  Layer layer{.name = std::string(keys.kind()), .kind = *kind, .inputs = {0}, .output = 1};
  Shape out{output_channels(text, keys, *kind, in.channels), 1, 1};
  if (!linear) {
    set_window(text, keys, layer);
    out.height = window_output(in.height, layer.kernel_height, layer.stride, layer.pad);
    out.width = window_output(in.width, layer.kernel_width, layer.stride, layer.pad);
    if (out.height < 1 || out.width < 1) refuse(text, "the kernel is larger than the padded input");
  }
  Network network{.name = "layer",
                  .tensors = {{"input", in, keys.single("signed", 0, 1, 0) == 1}, {"output", out, false}},
                  .layers = {layer},
                  .input = 0,
                  .outputs = {1},
                  .image_input = false,
                  .output_bits = output_bits(text, keys, *kind)};
  keys.finish();
  network.validate();
  return network;
}

}  // namespace bitloop::host
