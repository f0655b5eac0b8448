#include "host/network/policy.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <sstream>

#include "host/base/error.h"

namespace bitloop::host {
namespace {

constexpr std::size_t kLargestFile = 4u << 20;  // bytes; a thousand layers take 70 KB

bool is_width(int bits) {
  return std::find(std::begin(kWidths), std::end(kWidths), bits) != std::end(kWidths);
}

/// What the layers that are joined with this layer's input require.
struct InputRule {
  bool image = false;      ///< 8 bits
  bool is_signed = false;  ///< at least 2 bits
};

InputRule input_rule(const Network& network, const std::vector<int>& classes, const Layer& layer) {
  InputRule rule;
  for (std::size_t i = 0; i < network.tensors.size(); ++i) {
    if (classes[i] != classes[layer.input()]) continue;
    if (network.image_input && static_cast<int>(i) == network.input) rule.image = true;
    if (network.tensors[i].is_signed) rule.is_signed = true;
  }
  return rule;
}

int legal_input_bits(const InputRule& rule, int wanted) {
  if (rule.image) return 8;
  return rule.is_signed ? std::max(wanted, 2) : wanted;
}

void check_layer(const LayerBits& bits, const InputRule& rule) {
  if (!is_width(bits.weight_bits)) {
    throw InputError(
        fmt::format("policy: layer {}: weight_bits {} must be 1, 2, 4 or 8", bits.name, bits.weight_bits));
  }
  if (!is_width(bits.input_bits)) {
    throw InputError(
        fmt::format("policy: layer {}: input_bits {} must be 1, 2, 4 or 8", bits.name, bits.input_bits));
  }
  if (rule.image && bits.input_bits != 8) {
    throw InputError(fmt::format("policy: layer {}: input_bits {} must be 8: it reads the image", bits.name,
                                 bits.input_bits));
  }
  if (rule.is_signed && bits.input_bits < 2) {
    throw InputError(fmt::format("policy: layer {}: input_bits {} must be 2, 4 or 8: its input is signed",
                                 bits.name, bits.input_bits));
  }
}

/// `wXaY`, both one digit; anything else is a path.
std::optional<std::pair<int, int>> uniform_text(std::string_view text) {
  if (text.size() != 4 || text[0] != 'w' || text[2] != 'a') return {};
  const int weight_bits = text[1] - '0';
  const int input_bits = text[3] - '0';
  if (weight_bits < 0 || weight_bits > 9 || input_bits < 0 || input_bits > 9) return {};
  return std::pair{weight_bits, input_bits};
}

std::string read_bounded(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    throw InputError(
        fmt::format("policy '{}' is neither a uniform policy such as w4a8 (widths 1, 2, 4, 8) nor a file "
                    "that can be read",
                    path));
  }
  std::string text(kLargestFile + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad()) throw InputError(fmt::format("policy file {} cannot be read", path));
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > kLargestFile) {
    throw InputError(fmt::format("policy file {} is larger than {} bytes", path, kLargestFile));
  }
  return text;
}

/// Deep nesting would overflow the stack of a recursive destructor: a policy has three levels. Of a key that
/// stands twice the parser would keep the last one.
nlohmann::json parse_policy(const std::string& text, std::string_view where) {
  constexpr int kDeepest = 8;
  using Event = nlohmann::json::parse_event_t;
  std::vector<std::set<std::string>> keys(kDeepest + 2);  // of the object that is open at each depth
  const auto check = [&](int depth, Event event, nlohmann::json& value) {
    if (depth > kDeepest) throw InputError(fmt::format("{}: the JSON is nested too deeply", where));
    if (event == Event::object_start) keys[depth + 1].clear();
    if (event == Event::key && !keys[depth].insert(value.get<std::string>()).second) {
      throw InputError(fmt::format("{}: key {} stands twice in one object", where, value.dump()));
    }
    return true;
  };
  try {
    return nlohmann::json::parse(text, check);
  } catch (const nlohmann::json::parse_error& error) {
    throw InputError(
        fmt::format("{} is no JSON from byte {} on: bitloop export --format policy writes a policy file",
                    where, error.byte));
  } catch (const nlohmann::json::exception&) {
    throw InputError(fmt::format("{} holds a number that is out of range", where));
  }
}

void check_keys(const nlohmann::json& object, std::initializer_list<std::string_view> known,
                std::string_view where) {
  if (!object.is_object()) throw InputError(fmt::format("{}: an object is expected", where));
  for (const auto& item : object.items()) {
    if (std::find(known.begin(), known.end(), item.key()) == known.end()) {
      throw InputError(fmt::format("{}: unknown key '{}'", where, item.key()));
    }
  }
  for (const std::string_view key : known) {
    if (!object.contains(std::string(key)))
      throw InputError(fmt::format("{}: key '{}' is missing", where, key));
  }
}

int integer(const nlohmann::json& object, const char* key, std::string_view where) {
  const nlohmann::json& value = object.at(key);
  if (!value.is_number_integer()) throw InputError(fmt::format("{}: {} must be a whole number", where, key));
  const auto number =
      value.is_number_unsigned() && value.get<std::uint64_t>() > 1000 ? 1000 : value.get<std::int64_t>();
  return static_cast<int>(std::clamp<std::int64_t>(number, -1000, 1000));
}

std::string string(const nlohmann::json& object, const char* key, std::string_view where) {
  const nlohmann::json& value = object.at(key);
  if (!value.is_string()) throw InputError(fmt::format("{}: {} must be a string", where, key));
  return value.get<std::string>();
}

}  // namespace

std::string Policy::key() const {
  std::string text;
  for (const LayerBits& layer : layers) {
    if (!text.empty()) text += ' ';
    text += fmt::format("{}:{}", layer.weight_bits, layer.input_bits);
  }
  return text;
}

Policy uniform_policy(const Network& network, int weight_bits, int input_bits) {
  const std::vector<int> classes = width_classes(network);
  Policy policy{network.name, {}};
  for (const Layer* layer : network.weight_layers()) {
    const int bits = legal_input_bits(input_rule(network, classes, *layer), input_bits);
    policy.layers.push_back({layer->name, weight_bits, bits});
  }
  validate_policy(network, policy);
  return policy;
}

namespace {

/// The text of Policy::key, which tables print: a word `weight:input` per layer with weights.
Policy policy_of_key(const Network& network, std::string_view text) {
  Policy policy{.network = network.name, .layers = {}};
  std::istringstream words{std::string(text)};
  const auto layers = network.weight_layers();
  for (std::string word; words >> word;) {
    LayerBits bits;
    const char* const end = word.data() + word.size();
    const auto weight = std::from_chars(word.data(), end, bits.weight_bits);
    const bool has_colon = weight.ec == std::errc{} && weight.ptr != end && *weight.ptr == ':';
    const auto input = has_colon ? std::from_chars(weight.ptr + 1, end, bits.input_bits) : weight;
    if (!has_colon || input.ec != std::errc{} || input.ptr != end)
      throw InputError(fmt::format("policy '{}': '{}' is no weight:input such as 4:8", text, word));
    if (policy.layers.size() < layers.size()) bits.name = layers[policy.layers.size()]->name;
    policy.layers.push_back(bits);
  }
  if (policy.layers.size() != layers.size()) {
    throw InputError(fmt::format("policy '{}' has {} layers, {} has {} with weights", text,
                                 policy.layers.size(), network.name, layers.size()));
  }
  validate_policy(network, policy);
  return policy;
}

}  // namespace

Policy load_policy(const Network& network, std::string_view text_or_path) {
  if (const auto widths = uniform_text(text_or_path)) {
    if (!is_width(widths->first) || !is_width(widths->second)) {
      throw InputError(fmt::format("policy {}: widths must be 1, 2, 4 or 8", text_or_path));
    }
    return uniform_policy(network, widths->first, widths->second);
  }
  if (text_or_path.find(':') != std::string_view::npos && text_or_path.find('.') == std::string_view::npos)
    return policy_of_key(network, text_or_path);
  const std::string path(text_or_path);
  return policy_from_json(network, parse_policy(read_bounded(path), path), path);
}

std::vector<std::string> named_layers(const Network& network, const std::vector<std::string>& words) {
  const std::vector<const Layer*> layers = network.weight_layers();
  std::vector<std::string> names;
  for (const std::string& word : words) {
    const auto named = std::find_if(layers.begin(), layers.end(), [&](auto* l) { return l->name == word; });
    if (named != layers.end()) {
      names.push_back(word);
    } else if (word == "first" || word == "last") {
      names.push_back((word == "first" ? layers.front() : layers.back())->name);
    } else {
      throw InputError(fmt::format(
          "layer '{}' cannot be pinned: {} has no such weight layer; name one, or say first or last", word,
          network.name));
    }
  }
  return names;
}

Policy pinned_policy(const Network& network, Policy policy, const std::vector<std::string>& words) {
  const std::vector<const Layer*> layers = network.weight_layers();
  const std::vector<int> classes = width_classes(network);
  for (const std::string& name : named_layers(network, words)) {
    const auto at = std::find_if(layers.begin(), layers.end(), [&](auto* l) { return l->name == name; });
    policy.layers.at(at - layers.begin()).weight_bits = 8;
    for (std::size_t i = 0; i < layers.size(); ++i) {
      if (classes[layers[i]->input()] == classes[(*at)->input()]) policy.layers.at(i).input_bits = 8;
    }
  }
  return policy;
}

void validate_policy(const Network& network, const Policy& policy) {
  const std::vector<const Layer*> layers = network.weight_layers();
  const std::vector<int> classes = width_classes(network);
  std::vector<int> width_of(network.tensors.size(), 0);
  std::vector<std::string> reader_of(network.tensors.size());
  for (std::size_t i = 0; i < std::max(layers.size(), policy.layers.size()); ++i) {
    if (i >= policy.layers.size()) {
      throw InputError(
          fmt::format("policy: layer {} of network {} is missing", layers[i]->name, network.name));
    }
    const LayerBits& bits = policy.layers[i];
    if (i >= layers.size()) {
      throw InputError(fmt::format("policy: layer {} is too much: network {} has {} layers with weights",
                                   bits.name, network.name, layers.size()));
    }
    if (bits.name != layers[i]->name) {
      throw InputError(
          fmt::format("policy: layer {} stands where network {} has {}; list every layer with weights "
                      "once, in execution order",
                      bits.name, network.name, layers[i]->name));
    }
    check_layer(bits, input_rule(network, classes, *layers[i]));
    const int tensor = classes[layers[i]->input()];
    if (width_of[tensor] != 0 && width_of[tensor] != bits.input_bits) {
      throw InputError(
          fmt::format("policy: layer {}: input_bits {} must be {} as for layer {}, which reads the same "
                      "codes",
                      bits.name, bits.input_bits, width_of[tensor], reader_of[tensor]));
    }
    width_of[tensor] = bits.input_bits;
    reader_of[tensor] = bits.name;
  }
}

nlohmann::json to_json(const Policy& policy) {
  nlohmann::json layers = nlohmann::json::array();
  for (const LayerBits& layer : policy.layers) {
    layers.push_back(
        {{"name", layer.name}, {"weight_bits", layer.weight_bits}, {"input_bits", layer.input_bits}});
  }
  return {{"version", 1}, {"network", policy.network}, {"layers", layers}};
}

Policy policy_from_json(const Network& network, const nlohmann::json& json, std::string_view where) {
  check_keys(json, {"version", "network", "layers"}, where);
  if (integer(json, "version", where) != 1) throw InputError(fmt::format("{}: version must be 1", where));
  Policy policy{string(json, "network", where), {}};
  if (policy.network != network.name) {
    throw InputError(
        fmt::format("{}: the policy is for network {}, not {}", where, policy.network, network.name));
  }
  const nlohmann::json& layers = json.at("layers");
  if (!layers.is_array()) throw InputError(fmt::format("{}: layers must be an array", where));
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const std::string place = fmt::format("{}: layers[{}]", where, i);
    check_keys(layers[i], {"name", "weight_bits", "input_bits"}, place);
    policy.layers.push_back({string(layers[i], "name", place), integer(layers[i], "weight_bits", place),
                             integer(layers[i], "input_bits", place)});
  }
  try {
    validate_policy(network, policy);
  } catch (const InputError& error) {
    throw InputError(fmt::format("{}: {}", where, error.what()));
  }
  return policy;
}

TensorBits tensor_bits(const Network& network, const Policy& policy) {
  validate_policy(network, policy);
  const std::vector<int> classes = width_classes(network);
  const std::vector<const Layer*> weight_layers = network.weight_layers();
  const std::size_t tensors = network.tensors.size();
  std::vector<int> class_bits(tensors, 0);
  for (std::size_t i = 0; i < weight_layers.size(); ++i) {
    class_bits[classes[weight_layers[i]->input()]] = policy.layers[i].input_bits;
  }

  // Per tensor what its readers need: 8 bits, and (as a tensor's readers with weights agree) one more width.
  std::vector<bool> eight(tensors, false);
  std::vector<int> other(tensors, 0);
  const auto need = [&](int tensor, int bits) {
    if (bits == 8) {
      eight[tensor] = true;
    } else {
      other[tensor] = bits;
    }
  };
  TensorBits result{std::vector<int>(tensors, 0), std::vector<int>(tensors, 0)};
  const auto settle = [&](int tensor) {
    result.written[tensor] = eight[tensor] || other[tensor] == 0 ? 8 : other[tensor];
    result.narrow[tensor] = eight[tensor] ? other[tensor] : 0;
  };
  for (auto layer = network.layers.rbegin(); layer != network.layers.rend(); ++layer) {
    settle(layer->output);  // all of its readers come later
    for (const int input : layer->inputs) {
      const bool wide = layer->kind == LayerKind::add || layer->kind == LayerKind::average_pool ||
                        layer->kind == LayerKind::function || layer->kind == LayerKind::product;
      need(input, wide                   ? 8
                  : layer->keeps_codes() ? result.written[layer->output]
                                         : class_bits[classes[input]]);
    }
  }
  settle(network.input);
  for (const int output : network.outputs) {
    const int like_input = network.tensors[output].is_signed ? std::max(result.read(network.input), 2)
                                                             : result.read(network.input);
    result.written[output] = network.output_bits != 0 ? network.output_bits : like_input;
  }
  return result;
}

}  // namespace bitloop::host
