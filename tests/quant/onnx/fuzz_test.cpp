#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <fstream>
#include <functional>
#include <random>
#include <utility>

#include "quant/onnx/import.h"
#include "tests/quant/files.h"
#include "tests/quant/fixtures.h"
#include "tests/quant/onnx/models.h"
#include "tests/quant/onnx/mutator.h"

namespace bitloop::quant {
namespace {

#ifdef __SANITIZE_ADDRESS__
constexpr bool kCapped = false;  // the sanitizer keeps what was freed
#else
constexpr bool kCapped = true;
#endif

/// Caps this process's memory while it lives: what would take more throws bad_alloc, and the test fails.
class MemoryCap {
 public:
  explicit MemoryCap(std::size_t more_bytes) {
    getrlimit(RLIMIT_AS, &before_);
    rlimit cap = before_;
    std::ifstream statm("/proc/self/statm");
    std::size_t pages = 0;
    statm >> pages;
    cap.rlim_cur = pages * 4096 + more_bytes;
    if (kCapped) setrlimit(RLIMIT_AS, &cap);
  }
  ~MemoryCap() { setrlimit(RLIMIT_AS, &before_); }
  MemoryCap(const MemoryCap&) = delete;
  MemoryCap& operator=(const MemoryCap&) = delete;

 private:
  rlimit before_{};
};

constexpr std::size_t kMemory = std::size_t{256} << 20;  // bytes beyond what the process has

/// A network with most kinds of operators.
OnnxModel seed_model() {
  OnnxModel m(13);
  m.input("x", {2, 3, 8, 8}).weights("c.weight", {4, 3, 3, 3}).weights("c.bias", {4});
  m.node("Conv", {"x", "c.weight", "c.bias"}, "a", {{"pads", Sizes{1, 1, 1, 1}}, {"strides", Sizes{1, 1}}});
  m.positive("n.g", {4}).weights("n.b", {4}).weights("n.m", {4}).positive("n.v", {4});
  m.node("BatchNormalization", {"a", "n.g", "n.b", "n.m", "n.v"}, "b", {{"epsilon", 1e-3F}})
      .node("Relu", {"b"}, "r");
  m.node("MaxPool", {"r"}, "p",
         {{"kernel_shape", Sizes{2, 2}}, {"strides", Sizes{2, 2}}, {"ceil_mode", std::int64_t{1}}});
  m.bytes("q.weight", {4, 1, 3, 3}, std::string(36, '\x05'), onnx::TensorProto::INT8).scalar("q.scale", 0.1F);
  m.node("DequantizeLinear", {"q.weight", "q.scale"}, "q.float", {{"axis", std::int64_t{0}}});
  m.node("Conv", {"p", "q.float"}, "d", {{"group", std::int64_t{4}}, {"auto_pad", "SAME_UPPER"}});
  m.node("Add", {"d", "p"}, "s").floats("f", {4}, {1, 1, 2, 2});
  m.node("Resize", {"s", "", "f"}, "u",
         {{"mode", "nearest"}, {"coordinate_transformation_mode", "asymmetric"}, {"nearest_mode", "floor"}});
  m.integers("pads", {0, 0, 1, 1, 0, 0, 1, 1})
      .node("Pad", {"u", "pads"}, "v")
      .weights("e.weight", {4, 4, 3, 3});
  m.integers("parts", {0, 2, 2, 8, 8}).integers("all", {0, 4, 8, 8}).node("Reshape", {"u", "parts"}, "u1");
  m.node("Transpose", {"u1"}, "u2", {{"perm", Sizes{0, 2, 1, 3, 4}}}).node("Reshape", {"u2", "all"}, "u3");
  m.node("Split", {"u3"}, "u4", {{"axis", std::int64_t{1}}});
  m.proto().mutable_graph()->mutable_node()->rbegin()->add_output("u5");
  m.integers("from", {0}).integers("to", {1}).integers("axes", {1});
  m.node("Slice", {"u4", "from", "to", "axes"}, "u6");
  m.node("Conv", {"v", "e.weight"}, "w").node("Concat", {"w", "u6", "u5"}, "k", {{"axis", std::int64_t{1}}});
  m.node("AveragePool", {"k"}, "l", {{"kernel_shape", Sizes{8, 8}}}).node("Shape", {"l"}, "t0");
  m.integers("zero", {0}).integers("rest", {-1}).node("Gather", {"t0", "zero"}, "t1");
  m.node("Concat", {"t1", "rest"}, "t2", {{"axis", std::int64_t{0}}}).node("Reshape", {"l", "t2"}, "g");
  m.weights("fc.weight", {5, 7}).scalar("bits", 4).scalar("none", 0);
  m.node("Quant", {"fc.weight", "q.scale", "none", "bits"}, "fc.quant",
         {{"signed", std::int64_t{1}}, {"narrow", std::int64_t{1}}, {"rounding_mode", "ROUND"}});
  m.weights("fc.bias", {5}).node("Gemm", {"g", "fc.quant", "fc.bias"}, "h", {{"transB", std::int64_t{1}}});
  m.node("Softmax", {"h"}, "y").output("y");
  return m;
}

/// Imports; anything but success and InputError (what the command line turns into one line) fails the test.
class Fuzz : public ::testing::Test {
 protected:
  void import(const std::string& bytes) {
    const auto path = folder_.path() / "fuzz.onnx";
    std::filesystem::remove(path);  // overwriting a file makes some file systems wait for the disk
    std::ofstream(path, std::ios::binary) << bytes;
    const MemoryCap cap(kMemory);
    try {
      import_onnx(path);
      ++imported_;
    } catch (const InputError& error) {
      ++refused_;
      const std::string message = error.what();
      EXPECT_EQ(message.find('\n'), std::string::npos) << message;
      EXPECT_TRUE(message.starts_with(path.string())) << message;
    }
  }

  TemporaryFolder folder_;
  int imported_ = 0, refused_ = 0;
};

TEST_F(Fuzz, the_seed_is_a_network) {
  import(seed_model().serialized());
  EXPECT_EQ(imported_, 1);
}

TEST_F(Fuzz, survives_truncation) {
  const std::string bytes = seed_model().serialized();
  for (std::size_t length = 0; length < bytes.size(); ++length) import(bytes.substr(0, length));
  EXPECT_GT(refused_, 900);
  EXPECT_LT(imported_, 10);  // what is cut off at the end may not be needed
}

TEST_F(Fuzz, survives_changed_bytes) {
  const std::string bytes = seed_model().serialized();
  std::mt19937_64 random(1);
  for (int round = 0; round < 6000; ++round) {
    std::string changed = bytes;
    for (int change = 0; change <= round % 4; ++change)
      changed[random() % changed.size()] = static_cast<char>(random());
    if (round % 5 == 0) changed.erase(random() % changed.size(), random() % 16);
    if (round % 7 == 0)
      changed.insert(random() % changed.size(), changed.substr(random() % changed.size(), 40));
    import(changed);
  }
  EXPECT_GT(refused_, 500);
}

TEST_F(Fuzz, survives_well_formed_nonsense) {
  for (std::uint64_t seed = 0; seed < 6000; ++seed) {
    SCOPED_TRACE(seed);
    OnnxModel model = seed_model();
    Mutator mutator(seed);
    for (std::uint64_t change = 0; change <= seed % 3; ++change) mutator.mutate(model.proto());
    import(model.serialized());
  }
  EXPECT_GT(imported_, 100);
  EXPECT_GT(refused_, 1000);
}

TEST_F(Fuzz, long_chains_take_linear_time_and_no_stack) {
  OnnxModel model(13);
  model.input("x", {1, 3, 8, 8}).weights("c.weight", {4, 3, 1, 1}).node("Conv", {"x", "c.weight"}, "0");
  constexpr int kNodes = 60000;
  for (int i = 0; i < kNodes; ++i) model.node("Identity", {std::to_string(i)}, std::to_string(i + 1));
  model.output(std::to_string(kNodes));
  import(model.serialized());
  EXPECT_EQ(imported_, 1);
}

/// More layers than are supported, of one name.
TEST_F(Fuzz, one_name_for_all_nodes_takes_linear_time) {
  OnnxModel model(13);
  model.input("x", {1, 3, 8, 8}).weights("c.weight", {3, 3, 1, 1}).node("Conv", {"x", "c.weight"}, "0");
  constexpr int kNodes = 60000;
  std::vector<std::string> sums;
  for (int i = 1; i < kNodes; ++i) {
    model.node("Add", {"0", "0"}, sums.emplace_back(std::to_string(i)));
    model.proto().mutable_graph()->mutable_node()->rbegin()->set_name("a");
    if (i % 1000 != 0) continue;
    const std::string joined = sums.front() + "s";
    model.node("Concat", std::exchange(sums, {}), joined, {{"axis", std::int64_t{1}}}).output(joined);
  }
  import(model.serialized());
  EXPECT_EQ(refused_, 1);
}

/// A few bytes that would take far more memory than import() leaves: by a tensor as large as any that
/// hardware can address, by one of many channels that many layers read, or by constants that many nodes read.
struct Greedy {
  std::string name;
  Sizes image;
  std::function<void(OnnxModel&, const std::string& output)> node;
  int nodes = 200;
};
void PrintTo(const Greedy& greedy, std::ostream* stream) { *stream << greedy.name; }

class GreedyFiles : public Fuzz, public ::testing::WithParamInterface<Greedy> {};

TEST_P(GreedyFiles, take_little_memory) {
  OnnxModel model(13);
  model.input("x", GetParam().image).scalar("half", 0.5F);
  model.integers("from", {0}).integers("to", {(1 << 20) - 1}).integers("axes", {1});
  for (const char* name : {"g", "b", "m", "v"}) model.positive(name, {1 << 16});
  for (int i = 0; i < GetParam().nodes; ++i) {
    GetParam().node(model, std::to_string(i));
    model.output(std::to_string(i));
  }
  import(model.serialized());
}

INSTANTIATE_TEST_SUITE_P(
    Onnx, GreedyFiles,
    ::testing::Values(
        Greedy{"slices_of_all_numbers",
               {1, 1, 65535, 32767},
               [](OnnxModel& m, const std::string& output) {
                 m.integers("most", {1 << 30}).node("Flatten", {"x"}, "flat");
                 m.node("Slice", {"flat", "from", "most", "axes"}, output);
               },
               1},
        Greedy{"channels_gathered_again_and_again",
               {1, 1 << 20},
               [](OnnxModel& m, const std::string& output) {
                 m.integers("halves", {0, 2, 1 << 19}).node("Reshape", {"x", "halves"}, "parts");
                 m.integers("same", Sizes(1000, 0));
                 m.node("Gather", {"parts", "same"}, output, {{"axis", std::int64_t{1}}});
               },
               1},
        Greedy{"factors",
               {1, 1 << 20, 1, 1},
               [](OnnxModel& m, const std::string& output) {
                 m.node("Mul", {"x", "half"}, output);
               }},
        Greedy{"factors_of_the_image",
               {1, 1024, 1, 1},
               [](OnnxModel& m, const std::string& output) {
                 m.node("Mul", {"x", "half"}, output);
               }},
        Greedy{"batch_norms",
               {1, 1 << 16, 1, 1},
               [](OnnxModel& m, const std::string& output) {
                 m.node("BatchNormalization", {"x", "g", "b", "m", "v"}, output);
               }},
        Greedy{"activations",
               {1, 1 << 20, 1, 1},
               [](OnnxModel& m, const std::string& output) { m.node("Relu", {"x"}, output); }},
        Greedy{"slices",
               {1, 1 << 20, 1, 1},
               [](OnnxModel& m, const std::string& output) {
                 m.node("Slice", {"x", "from", "to", "axes"}, output);
               }},
        Greedy{"one_tensor_joined_to_itself",
               {1, 1, 1, 1},
               [](OnnxModel& m, const std::string& output) {
                 m.node("Concat", std::vector<std::string>(1000, "x"), output, {{"axis", std::int64_t{1}}});
               }},
        Greedy{"results",
               {1, 1 << 20, 1, 1},
               [](OnnxModel& m, const std::string& output) {
                 m.node("MaxPool", {"x"}, output, {{"kernel_shape", Sizes{1, 1}}});
               }}),
    [](const auto& greedy) { return greedy.param.name; });

TEST_F(Fuzz, one_tensor_is_not_multiplied_without_end) {
  OnnxModel model(13);
  model.input("x", {1, 1024, 1, 1}).weights("c.weight", {1024, 1024, 1, 1});  // 4 MiB
  std::string last = "x";
  for (int i = 0; i < 2000; ++i) {
    const std::string next = fmt::format("y{}", i);
    model.node("Conv", {last, "c.weight"}, next);
    last = next;
  }
  model.output(last);
  const auto path = folder_.path() / "large.onnx";
  model.save(path);
  EXPECT_NE(refusal([&] { import_onnx(path); }).find("far more memory than the file"), std::string::npos);
}

}  // namespace
}  // namespace bitloop::quant
