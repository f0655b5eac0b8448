// The text form of one layer, as `bitloop measure --layer` takes it.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <vector>

#include "host/base/error.h"
#include "host/base/option_text.h"
#include "host/network/network.h"
#include "host/network/policy.h"

namespace bitloop::host {
namespace {

constexpr std::size_t kLongestText = 1000;

constexpr const char* kHint =
    "; write it like \"conv in=64x32x32 out=64 kernel=3 stride=1 pad=1\", "
    "\"dwconv in=96x56x56 kernel=3 stride=2 pad=1\" or \"linear in=400 out=120\"";

std::string subject(std::string_view text) { return fmt::format("layer \"{}\"", text.substr(0, 100)); }

[[noreturn]] void refuse(std::string_view text, const std::string& what) {
  throw InputError(fmt::format("{}: {}{}", subject(text), what, kHint));
}

/// The kind, then `key=value` words.
std::vector<std::string_view> words_of(std::string_view text) {
  if (text.size() > kLongestText) refuse(text, fmt::format("more than {} characters", kLongestText));
  std::vector<std::string_view> words = split(text, ' ');
  std::erase(words, "");
  if (words.empty()) refuse(text, "it is empty");
  if (words.front().find('=') != std::string_view::npos) refuse(text, "the kind of layer must come first");
  return words;
}

/// "KIND key=value key=value": numbers, or several joined by x.
class Keys : public OptionText {
 public:
  /// `words`: those behind the kind.
  Keys(std::string_view text, const std::vector<std::string_view>& words)
      : OptionText(subject(text), words, kHint) {}

  /// Numbers of `key`, each in low..high; `fallback` where the key is absent.
  std::vector<int> numbers(const char* key, int low, int high,
                           const std::optional<std::vector<int>>& fallback = {}) {
    const auto given = text(key);
    if (!given && !fallback) fail(fmt::format("{}= is missing", key));
    if (!given) return *fallback;
    std::vector<int> result;
    for (const std::string_view part : split(*given, 'x')) result.push_back(number(key, part, low, high));
    return result;
  }

  int single(const char* key, int low, int high, std::optional<int> fallback = {}) {
    const auto found =
        numbers(key, low, high, fallback ? std::optional(std::vector<int>{*fallback}) : std::nullopt);
    if (found.size() != 1) fail(fmt::format("{}= takes one number", key));
    return found[0];
  }

 private:
  int number(const char* key, std::string_view digits, int low, int high) const {
    int value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc() || end != digits.data() + digits.size() || value < low || value > high) {
      fail(fmt::format("{}={} must be {}..{}", key, digits, low, high));
    }
    return value;
  }
};

std::optional<LayerKind> kind_named(std::string_view name) {
  if (name == "conv") return LayerKind::conv;
  if (name == "dwconv") return LayerKind::depthwise;
  if (name == "linear") return LayerKind::linear;
  return {};
}

Shape input_shape(Keys& keys, bool linear) {
  const std::vector<int> sizes = keys.numbers("in", 1, 65535);
  if (sizes.size() == 3) return {sizes[0], sizes[1], sizes[2]};
  if (linear && sizes.size() == 1) return {sizes[0], 1, 1};
  keys.fail(linear ? "in= takes one number or channels x height x width"
                   : "in= takes channels x height x width");
}

/// A depthwise layer keeps its channels: out= may be left away.
int output_channels(Keys& keys, LayerKind kind, int input_channels) {
  if (kind != LayerKind::depthwise) return keys.single("out", 1, 65535);
  const int channels = keys.single("out", 1, 65535, input_channels);
  if (channels != input_channels) {
    keys.fail(
        fmt::format("out={} must be {}, the channels of in=, or be left away", channels, input_channels));
  }
  return channels;
}

int output_bits(Keys& keys, LayerKind kind) {
  constexpr int kLegal[] = {0, 1, 2, 4, 8, 32};
  const int bits = keys.single("out_bits", 0, 32, 0);
  if (std::find(std::begin(kLegal), std::end(kLegal), bits) == std::end(kLegal)) {
    keys.fail(fmt::format("out_bits={} must be 1, 2, 4, 8 or 32", bits));
  }
  if (bits == 32 && kind == LayerKind::depthwise) {
    keys.fail("out_bits=32 of a dwconv must be 1, 2, 4 or 8");
  }
  return bits;
}

/// One number, or two: of rows and of columns.
Steps steps(Keys& keys, const char* key, int high, const std::optional<std::vector<int>>& fallback = {}) {
  const std::vector<int> numbers = keys.numbers(key, 1, high, fallback);
  if (numbers.size() > 2) keys.fail(fmt::format("{}= takes one number or rows x columns", key));
  return {numbers.front(), numbers.back()};
}

/// One number, two (of rows, of columns) or four (top, left, bottom, right).
Padding padding(Keys& keys) {
  const std::vector<int> n = keys.numbers("pad", 0, 127, {{0}});
  if (n.size() == 4) return {n[0], n[1], n[2], n[3]};
  if (n.size() > 2) keys.fail("pad= takes one number, rows x columns or top x left x bottom x right");
  return {n.front(), n.back(), n.front(), n.back()};
}

void set_window(Keys& keys, Layer& layer) {
  const Steps kernel = steps(keys, "kernel", 255);
  layer.kernel_height = kernel.y;
  layer.kernel_width = kernel.x;
  layer.stride = steps(keys, "stride", 15, {{1}});
  layer.dilation = steps(keys, "dilation", 15, {{1}});
  layer.pad = padding(keys);
}

}  // namespace

Network single_layer_network(std::string_view text) {
  const std::vector<std::string_view> words = words_of(text);
  Keys keys(text, {words.begin() + 1, words.end()});
  const std::optional<LayerKind> kind = kind_named(words.front());
  if (!kind) keys.fail(fmt::format("'{}' is no kind of layer; conv, dwconv and linear are", words.front()));
  const bool linear = kind == LayerKind::linear;
  const Shape in = input_shape(keys, linear);
  Layer layer{.name = std::string(words.front()), .kind = *kind, .inputs = {0}, .output = 1};
  Shape out{output_channels(keys, *kind, in.channels), 1, 1};
  if (!linear) {
    set_window(keys, layer);
    const Shape windows = layer.window().over(in);
    out.height = windows.height;
    out.width = windows.width;
    if (out.height < 1 || out.width < 1) keys.fail("the kernel is larger than the padded input");
  }
  Network network{.name = "layer",
                  .tensors = {{"input", in, keys.single("signed", 0, 1, 0) == 1}, {"output", out, false}},
                  .layers = {layer},
                  .input = 0,
                  .outputs = {1},
                  .image_input = false,
                  .output_bits = output_bits(keys, *kind)};
  keys.refuse_rest();
  network.validate();
  return network;
}

}  // namespace bitloop::host
