#include "quant/onnx/graph.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <functional>
#include <queue>
#include <string_view>

#include "host/base/error.h"
#include "quant/onnx/file.h"

namespace bitloop::quant::importer {
namespace {

using Writers = std::map<std::string_view, int>;  // node that writes a name

Writers find_writers(const onnx::GraphProto& graph) {
  Writers writers;
  for (int i = 0; i < graph.node_size(); ++i) {
    for (const std::string& output : graph.node(i).output()) {
      if (!output.empty() && !writers.emplace(output, i).second)
        throw InputError(
            fmt::format("two nodes or tensors are named {}; names must differ", printable(output)));
    }
  }
  return writers;
}

std::vector<std::string> result_names(const onnx::GraphProto& graph, const Writers& writers,
                                      const std::vector<std::string>& outputs) {
  std::vector<std::string> own;
  for (const onnx::ValueInfoProto& output : graph.output()) own.push_back(output.name());
  for (const std::string& name : outputs) {
    if (writers.contains(name)) continue;
    std::vector<std::string> shown;
    for (std::size_t i = 0; i < own.size() && i < 4; ++i) shown.push_back(printable(own[i]));
    throw InputError(
        fmt::format("no node of it writes {}, at which --outputs ends it; its own results are {}",
                    printable(name), fmt::join(shown, ", ")));
  }
  return outputs.empty() ? own : outputs;
}

/// Which nodes the results depend on.
std::vector<bool> find_live(const onnx::GraphProto& graph, const Writers& writers,
                            const std::vector<std::string>& results) {
  std::vector<bool> live(static_cast<std::size_t>(graph.node_size()), false);
  std::vector<int> open;
  const auto want = [&](const std::string& name) {
    const auto writer = writers.find(name);
    if (writer == writers.end() || live[writer->second]) return;
    live[writer->second] = true;
    open.push_back(writer->second);
  };
  std::ranges::for_each(results, want);
  while (!open.empty()) {
    const int node = open.back();
    open.pop_back();
    std::ranges::for_each(graph.node(node).input(), want);
  }
  return live;
}

/// Live nodes behind those that they read, otherwise in the file's order.
std::vector<int> in_order(const onnx::GraphProto& graph, const Writers& writers,
                          const std::vector<bool>& live) {
  std::vector<int> waits_for(live.size(), 0);  // results of other nodes
  std::vector<std::vector<int>> waiting(live.size());
  std::priority_queue<int, std::vector<int>, std::greater<>> ready;
  for (int i = 0; i < graph.node_size(); ++i) {
    if (!live[i]) continue;
    for (const std::string& input : graph.node(i).input()) {
      const auto writer = writers.find(input);
      if (writer == writers.end()) continue;
      ++waits_for[i];
      waiting[writer->second].push_back(i);
    }
    if (waits_for[i] == 0) ready.push(i);
  }
  std::vector<int> order;
  while (!ready.empty()) {
    order.push_back(ready.top());
    ready.pop();
    for (const int reader : waiting[order.back()])
      if (--waits_for[reader] == 0) ready.push(reader);
  }
  for (int i = 0; i < graph.node_size(); ++i) {
    if (live[i] && waits_for[i] > 0)
      throw InputError(fmt::format("nodes depend on their own results, {} of them on {}: export it again",
                                   printable(graph.node(i).op_type()), printable(graph.node(i).output(0))));
  }
  return order;
}

}  // namespace

LiveGraph live_graph(const onnx::GraphProto& graph, const std::vector<std::string>& outputs) {
  const Writers writers = find_writers(graph);
  LiveGraph result;
  result.results = result_names(graph, writers, outputs);
  result.nodes = in_order(graph, writers, find_live(graph, writers, result.results));
  for (const std::string& name : result.results) ++result.readers[name];
  for (const int node : result.nodes)
    for (const std::string& input : graph.node(node).input())
      result.readers[input] += graph.node(node).op_type() == "Shape" ? 0 : 1;
  return result;
}

}  // namespace bitloop::quant::importer
