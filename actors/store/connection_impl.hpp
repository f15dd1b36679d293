#pragma once

// The inside of a connection, for connection.cpp and connector.cpp.

#include "actors/store/connection.hpp"

#include <chrono>
#include <cstdint>
#include <set>
#include <string>

namespace millrace {

using connection_clock = std::chrono::steady_clock;

class connection::impl {
public:
  impl() = default;
  impl(const impl&) = delete;
  impl& operator=(const impl&) = delete;
  ~impl();

  /// Null once closed.
  pg_conn* raw = nullptr;

  /// Without a limit in the server there is none here.
  std::chrono::milliseconds answer_timeout = std::chrono::hours{24 * 365};

  int64_t server_started_us = 0;

  /// Session-private tables that exist.
  std::set<std::string> staging;
};

} // namespace millrace
