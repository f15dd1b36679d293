#pragma once

#include <memory>
#include <string>
#include <string_view>

/// OpenSSL's state of a digest.
struct evp_md_ctx_st;

namespace millrace {

/// SHA-256 of the bytes: 32 bytes.
std::string sha256(std::string_view bytes);

/// The same as 64 hexadecimal digits in lower case.
std::string sha256_hex(std::string_view bytes);

/// The same of what comes in pieces.
class sha256_sum {
public:
  sha256_sum();
  ~sha256_sum();
  sha256_sum(sha256_sum&&) noexcept;
  sha256_sum& operator=(sha256_sum&&) noexcept;

  void add(std::string_view bytes);

  /// Once, in the end: 64 hexadecimal digits in lower case.
  std::string hex();

private:
  struct release {
    void operator()(evp_md_ctx_st* x) const noexcept;
  };

  std::unique_ptr<evp_md_ctx_st, release> state_;
};

} // namespace millrace
