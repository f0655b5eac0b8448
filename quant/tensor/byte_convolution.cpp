#include "quant/tensor/byte_convolution.h"

#include <limits>
#include <map>
#include <mutex>
#include <oneapi/dnnl/dnnl.hpp>
#include <stdexcept>
#include <vector>

#include "quant/tensor/order.h"

namespace bitloop::quant {
namespace {

using Tag = dnnl::memory::format_tag;
using Data = dnnl::memory::data_type;

const dnnl::engine& processor() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

bool adds_four_products() {
  const auto bits = [](dnnl::cpu_isa isa) { return static_cast<unsigned>(isa); };
  static const unsigned own = bits(dnnl::get_effective_cpu_isa());
  const unsigned vnni = (bits(dnnl::cpu_isa::avx512_core_vnni) & ~bits(dnnl::cpu_isa::avx512_core)) |
                        (bits(dnnl::cpu_isa::avx2_vnni) & ~bits(dnnl::cpu_isa::avx2));
  return (own & vnni) != 0;
}

Data data_of(at::ScalarType type) {
  switch (type) {
    case at::kByte:
      return Data::u8;
    case at::kChar:
      return Data::s8;
    case at::kInt:
      return Data::s32;
    case at::kFloat:
      return Data::f32;
    default:
      throw std::logic_error("a byte convolution knows no such type");
  }
}

}  // namespace

bool ByteConvolution::is_exact(std::int64_t code, std::int64_t weight, bool is_signed) {
  constexpr std::int64_t kMostCode = 255, kMostWeight = 128;
  if (code > kMostCode || weight > kMostWeight) return false;
  if (adds_four_products()) return true;
  return !is_signed && 2 * code * weight <= std::numeric_limits<std::int16_t>::max();
}

struct ByteConvolution::Impl {
  /// For images of one number, size and type: what oneDNN makes of it.
  struct Prepared {
    dnnl::convolution_forward::primitive_desc description;
    dnnl::convolution_forward convolution;
    at::Tensor weights;  ///< as it wants them
  };
  struct Key {
    std::vector<std::int64_t> sizes;
    at::ScalarType codes, sums;
    auto operator<=>(const Key&) const = default;
  };

  dnnl::memory::dims sizes;  ///< of the weights
  at::Tensor weights;        ///< kChar, dense
  std::int64_t filters = 0;
  host::Window window;
  std::mutex mutex{};
  std::map<Key, Prepared> known{};

  const Prepared& prepared(const at::Tensor& codes, const at::Tensor& sums) {
    const std::lock_guard lock(mutex);
    const Key key{codes.sizes().vec(), codes.scalar_type(), sums.scalar_type()};
    const auto found = known.find(key);
    return found != known.end() ? found->second : known.emplace(key, prepare(codes, sums)).first->second;
  }

  [[nodiscard]] Prepared prepare(const at::Tensor& codes, const at::Tensor& sums) const {
    const auto image = [](const at::Tensor& x) {
      return dnnl::memory::desc(x.sizes().vec(), data_of(x.scalar_type()), Tag::nhwc);
    };
    const dnnl::convolution_forward::desc convolution(
        dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct, image(codes),
        {sizes, Data::s8, Tag::any}, image(sums), {window.stride.y, window.stride.x},
        {window.dilation.y - 1, window.dilation.x - 1}, {window.pad.top, window.pad.left},
        {window.pad.bottom, window.pad.right});
    dnnl::primitive_attr attributes;
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);  // the other one is not for several threads
    const dnnl::convolution_forward::primitive_desc description(convolution, attributes, processor());
    return {description, dnnl::convolution_forward(description), arranged(description.weights_desc())};
  }

  [[nodiscard]] at::Tensor arranged(const dnnl::memory::desc& wanted) const {
    at::Tensor result = at::empty({static_cast<std::int64_t>(wanted.get_size())}, at::kByte);
    dnnl::memory from({sizes, Data::s8, sizes.size() == 4 ? Tag::oihw : Tag::goihw}, processor(),
                      weights.data_ptr());
    dnnl::memory to(wanted, processor(), result.data_ptr());
    dnnl::stream stream(processor());
    dnnl::reorder(from, to).execute(stream, from, to);
    stream.wait();
    return result;
  }
};

ByteConvolution::ByteConvolution(const at::Tensor& weights, const host::Window& window, std::int64_t groups)
    : impl_(std::make_unique<Impl>()) {
  impl_->weights = weights.to(at::kChar).contiguous();
  impl_->filters = weights.size(0);
  impl_->sizes = {weights.size(0) / groups, weights.size(1), weights.size(2), weights.size(3)};
  if (groups > 1) impl_->sizes.insert(impl_->sizes.begin(), groups);
  impl_->window = window;
}

ByteConvolution::~ByteConvolution() = default;
ByteConvolution::ByteConvolution(ByteConvolution&&) noexcept = default;
ByteConvolution& ByteConvolution::operator=(ByteConvolution&&) noexcept = default;

at::Tensor ByteConvolution::operator()(const at::Tensor& codes, at::ScalarType type) const {
  const at::Tensor in = in_channels_last(codes);
  const host::Shape out = impl_->window.over({1, static_cast<int>(in.size(2)), static_cast<int>(in.size(3))});
  const at::Tensor sums = in_channels_last(
      at::empty({in.size(0), impl_->filters, out.height, out.width}, type, at::MemoryFormat::ChannelsLast));
  const Impl::Prepared& prepared = impl_->prepared(in, sums);
  const at::Tensor scratch =
      at::empty({static_cast<std::int64_t>(prepared.description.scratchpad_desc().get_size())}, at::kByte);
  const auto memory = [](const dnnl::memory::desc& description, const at::Tensor& data) {
    return dnnl::memory(description, processor(), data.data_ptr());
  };
  dnnl::stream stream(processor());
  prepared.convolution.execute(
      stream, {{DNNL_ARG_SRC, memory(prepared.description.src_desc(), in)},
               {DNNL_ARG_WEIGHTS, memory(prepared.description.weights_desc(), prepared.weights)},
               {DNNL_ARG_DST, memory(prepared.description.dst_desc(), sums)},
               {DNNL_ARG_SCRATCHPAD, memory(prepared.description.scratchpad_desc(), scratch)}});
  stream.wait();
  return sums;
}

}  // namespace bitloop::quant
