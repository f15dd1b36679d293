#pragma once

#include "actors/store/pq_result.hpp"
#include "actors/store/session_config.hpp"
#include "messages/store_errc.hpp"

#include <chrono>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

/// libpq's connection, for the flush alone.
struct pg_conn;

namespace millrace {

struct store_error {
  store_errc code = store_errc::failed;

  /// Five characters when PostgreSQL said no, else empty.
  std::string sqlstate;

  /// For a person.
  std::string message;
};

template <class T>
using store_result = std::expected<T, store_error>;

/// Text as PostgreSQL prints it; nothing for NULL.
using sql_row = std::vector<std::optional<std::string>>;
using sql_params = std::vector<std::optional<std::string>>;

/// A parameter in the binary form of its type, as in a field of COPY.
struct sql_value {
  uint32_t type_oid = 0;
  std::span<const std::byte> bytes;
};

struct sql_result {
  std::vector<sql_row> rows;
  int64_t affected = 0;
};

/// One PostgreSQL connection, usable by one thread at a time.
///
/// Uses libpq's asynchronous calls throughout: libpqxx can neither COPY
/// prepared bytes nor stop waiting for a server that is frozen or cut off, and
/// a session that waits for ever would keep its node from stopping. A
/// statement gets the server's statement_timeout and some seconds more.
///
/// After an error with `unavailable` the connection is closed and stays so.
class connection {
public:
  /// Connects, checks that Millrace can work with this server, and sets the
  /// timeouts. Refused with a reason: servers before 14, servers that accept
  /// no writes, databases not in UTF-8, and poolers in between, which would
  /// hand transactions of one session to different backends.
  static store_result<connection> open(const session_config& config);

  connection(connection&&) noexcept;
  connection& operator=(connection&&) noexcept;
  ~connection();

  /// Closes at once; an open transaction is rolled back by the server.
  void close() noexcept;

  /// Closes, and waits until the server has given the connection up, too: from
  /// then on it counts in none of the server's limits. For at most `patience`.
  void close_and_wait(std::chrono::milliseconds patience) noexcept;

  /// As far as is known without asking.
  bool is_open() const noexcept;

  /// Looks, without waiting, whether the server has closed the idle
  /// connection.
  bool still_there() noexcept;

  /// Whether it can be somebody else's: there, and in no transaction.
  bool is_free() noexcept;

  /// One statement with parameters $1, $2, ….
  store_result<sql_result> query(const std::string& sql,
                                 const sql_params& params = {});

  /// The same with parameters in binary form, of which none is NULL.
  store_result<sql_result> query(const std::string& sql,
                                 std::span<const sql_value> params);

  /// One or more statements without parameters and without results.
  store_result<void> run(const std::string& script);

  /// Runs `body` between BEGIN and COMMIT, READ COMMITTED; rolls back when
  /// `body` answers with an error, or when COMMIT answers that it did not.
  /// `body` returns a store_result.
  template <class Body>
  auto in_transaction(Body body) -> decltype(body());

  int32_t backend_pid() const noexcept;

  /// When the server was started, in microseconds since 1970. Another time
  /// means another server, or one that has fallen since.
  int64_t server_started_us() const noexcept;

  /// For example 170005.
  int32_t server_version() const noexcept;

  /// libpq's handle, nullptr when closed. Leave it idle and blocking.
  pg_conn* raw() noexcept;

  /// Whether a session-private table has been made on this connection.
  bool has_staging(const std::string& name) const;
  void note_staging(const std::string& name);

private:
  class impl;
  friend class connector;

  explicit connection(std::unique_ptr<impl> x);

  store_result<pq_result> answer();

  /// The same as rows. `sent` is what libpq said of taking the question.
  store_result<sql_result> rows(int sent);
  std::unexpected<store_error> lose(const std::string& why);
  store_result<void> begin();
  store_result<void> commit();
  void roll_back() noexcept;

  std::unique_ptr<impl> impl_;
};

/// A connection being made, a slice of time at a time, so that an actor can
/// look at its mailbox in between.
class connector {
public:
  explicit connector(session_config config);
  ~connector();
  connector(connector&&) noexcept;
  connector& operator=(connector&&) noexcept;

  /// Works for at most about `budget` (name resolution aside). Nothing while
  /// it goes on.
  std::optional<store_result<connection>>
  advance(std::chrono::milliseconds budget);

private:
  class impl;

  /// Takes the handle over and makes it a session.
  static store_result<connection> wrap(pg_conn* raw, int announced_pid,
                                       const session_config& config);

  std::unique_ptr<impl> impl_;
};

template <class Body>
auto connection::in_transaction(Body body) -> decltype(body()) {
  if (auto begun = begin(); !begun)
    return std::unexpected{begun.error()};
  auto result = body();
  if (!result) {
    roll_back();
    return result;
  }
  if (auto done = commit(); !done)
    return std::unexpected{done.error()};
  return result;
}

} // namespace millrace
