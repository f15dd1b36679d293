#pragma once

#include "actors/store/connection.hpp"
#include "messages/ids.hpp"

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace millrace {

/// Raised by `millrace.hold_coordinator`: the term is over.
inline constexpr std::string_view lease_over_state = "MR006";

/// One term: an owner is used for one term only, and epochs alone could repeat
/// after a failover of the database.
struct lease_grant {
  int64_t epoch = 0;
  uuid owner;
};

/// The row, as somebody who stands by sees it.
struct lease_row {
  int64_t epoch = 0;

  /// Who has, or had, the lease; empty: nobody yet.
  std::string node;

  /// By the database's clock; not above 0: the term is over.
  std::chrono::milliseconds left{0};

  /// Of the term.
  uuid owner = {};
};

/// The application_name of a session that works in the term of that number. A
/// takeover ends those of all terms before its own.
std::string coordinator_session_name(int64_t number);

/// First in each transaction of a coordinator: an error with
/// `lease_over_state` unless the term holds, and then nobody takes over before
/// the transaction's end.
store_result<void> check_lease(connection& conn, const lease_grant& term);

/// The lease row of one database, `millrace.coordinator`. Blocks.
class lease_store {
public:
  /// `conn` outlives this. `node` is whose name is written.
  lease_store(connection& conn, std::string node);

  store_result<lease_row> look();

  /// Begins a term of that length, with an owner of its own, when the last one
  /// is over. Sessions of earlier terms are ended before it begins, those that
  /// still hold the row first. Nothing when somebody else has the lease, or
  /// was faster.
  store_result<std::optional<lease_grant>>
  take_over(std::chrono::milliseconds length);

  /// Makes the term last that long from now on; false when it is over.
  store_result<bool> renew(const lease_grant& term,
                           std::chrono::milliseconds length);

  /// Ends the term, so that nobody has to wait for its end. Only after all
  /// work of it has ended.
  store_result<void> resign(const lease_grant& term);

private:
  store_result<std::optional<lease_grant>>
  try_take_over(std::chrono::milliseconds length);
  store_result<void> end_sessions(int64_t last_epoch);

  connection& conn_;
  std::string node_;
};

/// A term as the threads see it that work in it.
class held_lease {
public:
  using clock = std::chrono::steady_clock;

  explicit held_lease(const lease_grant& term) : term_{term} {
  }

  const lease_grant& term() const noexcept {
    return term_;
  }

  void hold_until(clock::time_point x) noexcept {
    until_ = x.time_since_epoch().count();
  }

  /// Whether the term is believed to hold: to be asked before anything is
  /// begun. What counts is `check_lease`.
  bool holds() const noexcept {
    return clock::now().time_since_epoch().count() < until_;
  }

private:
  lease_grant term_;
  std::atomic<clock::rep> until_ = 0;
};

using held_lease_ptr = std::shared_ptr<held_lease>;

} // namespace millrace
