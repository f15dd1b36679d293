#pragma once

// Small grammars: durations, sizes, names, addresses. Pure functions.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace {

/// "250ms", "5s", "2m", "1h" or "90d"; whole numbers only. Nothing on overflow.
std::optional<std::chrono::milliseconds> parse_duration(std::string_view x);

/// The shortest form without days that `parse_duration` reads back.
std::string format_duration(std::chrono::milliseconds x);

/// Bytes of "512B", "64KB" (1000), "1MiB" (1024²) and so on up to GB and GiB.
std::optional<int64_t> parse_size(std::string_view x);

/// The shortest form that `parse_size` reads back.
std::string format_size(int64_t bytes);

/// With everything escaped that could move a cursor or turn the direction of
/// writing on a terminal.
std::string printable(std::string_view x);

/// In double quotes, printable, cut after 60 bytes.
std::string in_quotes(std::string_view x);

/// `a, b or c`, each in double quotes.
std::string one_of(const std::vector<std::string>& names);

/// The candidate that `word` is most likely a slip of the keyboard for.
std::optional<std::string> closest(std::string_view word,
                                   const std::vector<std::string>& candidates);

// -- grammars of strings ------------------------------------------------------

/// [a-z][a-z0-9_]{0,40}: tenants, pipelines, code tables.
bool is_name(std::string_view x);

/// [a-z][a-z0-9_-]{0,40}: packs.
bool is_pack_name(std::string_view x);

/// What an event is called: 1 to 100 bytes without control characters.
bool is_event_type(std::string_view x);

/// A schema of a tenant: lower case, at most 48 bytes, none of PostgreSQL's
/// own and not the control schema.
bool is_schema(std::string_view x);

/// A table or column: 1 to 63 bytes, without dots and control characters.
bool is_identifier(std::string_view x);

/// 1 to 64 characters of A-Z a-z 0-9 . _ -
bool is_node_name(std::string_view x);

/// A Kafka topic's name.
bool is_topic(std::string_view x);

/// A Kafka topic's name, or a pattern for such: whether one that begins with
/// `^` can be read is told by `topic_pattern`.
bool is_topic_or_pattern(std::string_view x);

/// 127.0.0.0/8, ::1 or localhost.
bool is_loopback(std::string_view x);

/// `host:port` of an address to listen on or to connect to; brackets around
/// IPv6 addresses. Nothing when it is none.
struct host_and_port {
  std::string host;
  uint16_t port = 0;
};

std::optional<host_and_port> parse_address(std::string_view x);

/// Whether `parse_address` reads it.
bool is_address(std::string_view x);

/// `host[:port]` with commas in between; brackets around IPv6 addresses.
bool is_bootstrap(std::string_view x);

/// Not empty, no control characters.
bool is_plain_text(std::string_view x);

/// postgresql:// or postgres:// and ports that are numbers.
bool is_postgresql_url(std::string_view x);

/// redis://, rediss:// or unix://
bool is_redis_url(std::string_view x);

/// Whether a URL holds a password, in front of the host or as a parameter.
bool has_password(std::string_view url);

} // namespace millrace
