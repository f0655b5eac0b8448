#include "host/base/sha256.h"

#include <openssl/sha.h>

namespace bitloop::host {

static_assert(SHA256_DIGEST_LENGTH == sizeof(Sha256));

Sha256 sha256(std::span<const std::byte> bytes) {
  Sha256 digest{};
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
         reinterpret_cast<unsigned char*>(digest.data()));
  return digest;
}

}  // namespace bitloop::host
