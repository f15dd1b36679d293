#include "messages/sha256.hpp"

#include <openssl/evp.h>

#include <new>

namespace millrace {

namespace {

std::string hex_of(std::string_view bytes) {
  std::string result;
  for (auto c : bytes) {
    auto x = static_cast<unsigned char>(c);
    result += "0123456789abcdef"[x >> 4];
    result += "0123456789abcdef"[x & 0xf];
  }
  return result;
}

} // namespace

std::string sha256(std::string_view bytes) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_Digest(bytes.data(), bytes.size(), digest, &size, EVP_sha256(), nullptr);
  return {digest, digest + size};
}

std::string sha256_hex(std::string_view bytes) {
  return hex_of(sha256(bytes));
}

sha256_sum::sha256_sum() : state_{EVP_MD_CTX_new()} {
  if (!state_ || EVP_DigestInit_ex(state_.get(), EVP_sha256(), nullptr) != 1)
    throw std::bad_alloc{};
}

sha256_sum::~sha256_sum() = default;

sha256_sum::sha256_sum(sha256_sum&&) noexcept = default;

sha256_sum& sha256_sum::operator=(sha256_sum&&) noexcept = default;

void sha256_sum::add(std::string_view bytes) {
  EVP_DigestUpdate(state_.get(), bytes.data(), bytes.size());
}

std::string sha256_sum::hex() {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_DigestFinal_ex(state_.get(), digest, &size);
  return hex_of({reinterpret_cast<const char*>(digest), size});
}

void sha256_sum::release::operator()(evp_md_ctx_st* x) const noexcept {
  EVP_MD_CTX_free(x);
}

} // namespace millrace
