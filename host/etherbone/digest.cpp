#include "host/etherbone/digest.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace bitloop::host::etherbone {

struct Digest::State {
  XXH3_state_t xxh3;
};

Digest::Digest() : state_(std::make_unique<State>()) { restart(); }
Digest::~Digest() = default;
Digest::Digest(Digest&&) noexcept = default;
Digest& Digest::operator=(Digest&&) noexcept = default;

void Digest::add(std::span<const std::byte> bytes) {
  XXH3_64bits_update(&state_->xxh3, bytes.data(), bytes.size());
}
std::uint64_t Digest::value() const { return XXH3_64bits_digest(&state_->xxh3); }
void Digest::restart() { XXH3_64bits_reset(&state_->xxh3); }

}  // namespace bitloop::host::etherbone
