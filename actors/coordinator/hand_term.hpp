#pragma once

#include "actors/coordinator/coordinator_lease.hpp"
#include "actors/coordinator/lease_store.hpp"

#include <memory>
#include <string>
#include <thread>

namespace millrace {

/// A term for a coordinator's work that somebody starts by hand: that of the
/// node that coordinates now, or where none does, a term of its own, which is
/// renewed by a thread and given back in the end.
///
/// Whoever works in a node's term is as bound to it as that node: each
/// transaction checks the row, so that a takeover waits for it, and a session
/// with the term's name is ended by a takeover. What two of one term must not
/// do at the same time needs a lock of its own.
class hand_term {
public:
  /// The session is for the row alone. `node` is whose name is written. Blocks.
  static store_result<std::unique_ptr<hand_term>>
  begin(const session_config& session, const std::string& node,
        const lease_timing& timing);

  ~hand_term();

  hand_term(const hand_term&) = delete;
  hand_term& operator=(const hand_term&) = delete;

  const held_lease& lease() const noexcept {
    return *lease_;
  }

  /// The node whose term it is; empty: its own.
  const std::string& coordinator() const noexcept {
    return coordinator_;
  }

private:
  hand_term(connection conn, std::string node, const lease_grant& term,
            std::string coordinator);

  void renew(const std::stop_token& over, const lease_timing& timing);

  /// Of the thread, while there is one.
  connection conn_;
  std::string node_;
  held_lease_ptr lease_;
  std::string coordinator_;
  std::jthread thread_;
};

} // namespace millrace
