#include "messages/sha256.hpp"

#include <openssl/evp.h>

namespace millrace {

std::string sha256(std::string_view bytes) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_Digest(bytes.data(), bytes.size(), digest, &size, EVP_sha256(), nullptr);
  return {digest, digest + size};
}

std::string sha256_hex(std::string_view bytes) {
  std::string result;
  for (auto c : sha256(bytes)) {
    auto x = static_cast<unsigned char>(c);
    result += "0123456789abcdef"[x >> 4];
    result += "0123456789abcdef"[x & 0xf];
  }
  return result;
}

} // namespace millrace
