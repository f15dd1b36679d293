#include "nodes/base64.hpp"

#include <openssl/evp.h>

#include <limits>

namespace millrace {

std::optional<std::string> from_base64(std::string_view text) {
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmn"
                                      "opqrstuvwxyz0123456789+/";
  auto padding = text.ends_with("==") ? 2U : text.ends_with('=') ? 1U : 0U;
  // The library skips blanks and takes "=" anywhere.
  if (text.size() % 4 != 0 || text.size() > std::numeric_limits<int>::max()
      || text.substr(0, text.size() - padding).find_first_not_of(digits)
           != text.npos)
    return std::nullopt;
  std::string result(text.size() / 4 * 3, '\0');
  if (EVP_DecodeBlock(reinterpret_cast<unsigned char*>(result.data()),
                      reinterpret_cast<const unsigned char*>(text.data()),
                      static_cast<int>(text.size()))
      < 0)
    return std::nullopt;
  // The padding was decoded to zeros.
  result.resize(result.size() - padding);
  return result;
}

std::string to_base64(std::string_view bytes) {
  // The library takes its count as an int; three bytes are four characters.
  constexpr std::size_t most = 3 << 20;
  std::string result;
  while (!bytes.empty()) {
    auto part = bytes.substr(0, most);
    bytes.remove_prefix(part.size());
    auto at = result.size();
    // And a zero behind the text.
    result.resize(at + (part.size() + 2) / 3 * 4 + 1);
    EVP_EncodeBlock(reinterpret_cast<unsigned char*>(result.data() + at),
                    reinterpret_cast<const unsigned char*>(part.data()),
                    static_cast<int>(part.size()));
    result.pop_back();
  }
  return result;
}

} // namespace millrace
