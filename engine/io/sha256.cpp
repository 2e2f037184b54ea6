#include "engine/io/sha256.h"

// The newer interface (EVP) allocates memory, and its first use crashes if there is none.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

namespace attune {

struct Sha256::Impl {
  SHA256_CTX context;
};

Sha256::Sha256() : impl_(std::make_unique<Impl>()) {
  SHA256_Init(&impl_->context);
}
Sha256::~Sha256() = default;

void Sha256::update(std::span<const std::byte> bytes) {
  SHA256_Update(&impl_->context, bytes.data(), bytes.size());
}

std::string Sha256::hex() const {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256_CTX ended = impl_->context;
  SHA256_Final(digest, &ended);
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const unsigned char byte : digest) {
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out;
}

std::string sha256_hex(std::span<const std::byte> bytes) {
  Sha256 sha;
  sha.update(bytes);
  return sha.hex();
}

std::string sha256_hex(std::string_view text) {
  return sha256_hex(std::as_bytes(std::span(text)));
}

}  // namespace attune
