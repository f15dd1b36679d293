#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace millrace {

/// Why the store could not do something. As a caf::error it carries one
/// string, the text for people.
enum class store_errc : uint8_t {
  /// The pool's queue is full. Wait for an answer to something else first.
  overloaded = 1,
  /// No connection, or it was lost. Nothing is known about what was asked.
  unavailable,
  /// Serialisation, deadlock or lock timeout: ask again.
  retry,
  /// The server lacks room or connections: ask again later.
  back_off,
  /// The request contradicts what is stored, or the server is one that
  /// Millrace cannot work with. Asking again will not help.
  refused,
  /// The lane has no row.
  no_lane,
  /// The lane is parked or halted.
  lane_inactive,
  /// The partition has no floor row.
  no_partition,
  /// A migration or a grant is missing.
  misconfigured,
  /// Anything else that PostgreSQL said.
  failed,
  /// The pipeline's map in the database is another one (rule 25).
  other_map,
  /// The pipeline has no rows yet, and the request does not say where it
  /// begins.
  no_start,
};

std::string to_string(store_errc x);
bool from_string(std::string_view text, store_errc& x);
bool from_integer(uint8_t raw, store_errc& x);

template <class Inspector>
bool inspect(Inspector& f, store_errc& x) {
  auto get = [&x] { return static_cast<uint8_t>(x); };
  auto set = [&x](uint8_t raw) { return from_integer(raw, x); };
  return f.apply(get, set);
}

} // namespace millrace
