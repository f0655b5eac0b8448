#pragma once

#include <onnx/onnx_pb.h>

#include <map>
#include <string>
#include <vector>

namespace bitloop::quant::importer {

/// The part of a file's graph that the network's results depend on.
struct LiveGraph {
  std::vector<std::string> results;    ///< names of what the network gives
  std::vector<int> nodes;              ///< in an order of execution: the file's, where that is one
  std::map<std::string, int> readers;  ///< nodes and results that read a name; a Shape reads no elements
};

/// Ends the graph at `outputs`, names of what nodes write; where there are none, at the file's own results.
/// Throws InputError where a name is written twice or not at all, or nodes depend on themselves.
LiveGraph live_graph(const onnx::GraphProto& graph, const std::vector<std::string>& outputs);

}  // namespace bitloop::quant::importer
