#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace millrace::cli {

/// Where a node's admin server listens.
struct admin_address {
  std::string host = "127.0.0.1";
  uint16_t port = 9650;
};

/// Reads `HOST:PORT`, `:PORT` or `PORT`; brackets around IPv6 addresses.
std::expected<admin_address, std::string>
parse_admin_address(std::string_view text);

/// `127.0.0.1:9650`.
std::string to_string(const admin_address& x);

struct admin_answer {
  int status = 0;
  std::string body;
};

/// GETs one page. An error is a sentence for the user: nobody listens, or the
/// answer took longer than `patience`.
std::expected<admin_answer, std::string>
ask_admin(const admin_address& where, const std::string& page,
          std::chrono::milliseconds patience);

} // namespace millrace::cli
