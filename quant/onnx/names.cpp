#include "quant/onnx/names.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <vector>

#include "host/base/utf8.h"

namespace bitloop::quant::importer {
namespace {

constexpr std::size_t kLongest = 200;
constexpr std::string_view kWeight = ".weight";

/// Names go into files, messages and JSON: no spaces, no control characters (C1 neither), no broken UTF-8.
std::string plain(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    const std::size_t bytes = host::utf8_bytes(text);
    if (result.size() + std::max<std::size_t>(bytes, 1) > kLongest) break;
    const bool kept = bytes > 1 || (bytes == 1 && text[0] > ' ' && text[0] != '"' && text[0] != '\\');
    if (kept) {
      result += text.substr(0, bytes);
    } else {
      result += '_';
    }
    text.remove_prefix(std::max<std::size_t>(bytes, 1));
  }
  return result;
}

std::vector<std::string> scopes(std::string_view name) {
  std::vector<std::string> parts(1);
  for (const char c : name) {
    if (c != '/') {
      parts.back() += c;
    } else if (!parts.back().empty()) {
      parts.emplace_back();
    }
  }
  if (parts.size() > 1 && parts.back().empty()) parts.pop_back();
  return parts;
}

std::string dotted(const std::vector<std::string>& parts) {
  std::vector<std::string> kept;
  for (std::size_t i = 0; i < parts.size(); ++i)
    if (i + 1 == parts.size() || !parts[i + 1].starts_with(parts[i] + ".")) kept.push_back(parts[i]);
  return fmt::format("{}", fmt::join(kept, "."));
}

}  // namespace

std::string Names::of_weights(const Node& node, std::string_view initializer) {
  if (initializer.ends_with("_quantized")) initializer.remove_suffix(std::string_view("_quantized").size());
  if (initializer.size() > kWeight.size() && initializer.ends_with(kWeight)) {
    initializer.remove_suffix(kWeight.size());
    return unique(plain(initializer));
  }
  std::vector<std::string> parts = scopes(node.name());
  if (parts.size() > 1 && parts.back() == node.op()) parts.pop_back();
  return unique(plain(dotted(parts)));
}

std::string Names::of_node(const Node& node) { return unique(plain(dotted(scopes(node.name())))); }

std::string Names::of_text(std::string_view text) { return unique(plain(text)); }

std::string Names::unique(std::string name) {
  if (name.empty()) name = "layer";
  std::string candidate = name;
  while (!given_.emplace(candidate, 1).second) candidate = fmt::format("{}_{}", name, ++given_.at(name));
  return candidate;
}

}  // namespace bitloop::quant::importer
