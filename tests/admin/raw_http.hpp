#pragma once

#include <cstdint>
#include <string>

namespace millrace::test {

struct raw_answer {
  /// 0 when the server closed the connection without an answer.
  int status = 0;
  std::string head;
  std::string body;
};

/// Sends bytes as they are to 127.0.0.1 and reads until the server closes, for
/// five seconds at most.
raw_answer send_raw(uint16_t port, const std::string& bytes);

/// GET with a Host header.
raw_answer get(uint16_t port, const std::string& target,
               const std::string& host = "127.0.0.1");

} // namespace millrace::test
