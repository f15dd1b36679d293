#pragma once

#include "actors/store/admin_action.hpp"
#include "actors/store/connection.hpp"

#include <cstdint>
#include <string>

namespace millrace {

/// What became of a backfill that was given up.
struct given_up_backfill {
  /// Its waiting events, which are dead letters now.
  int64_t dead = 0;
};

/// Ends a backfill where it is, in one transaction with its row in
/// `millrace.admin_action`: nothing more is read or written for it, what is on
/// its way is void, and the pipeline that waited for it goes on. Rows that it
/// has written stay. Its lanes and partitions do not stand halted any more.
///
/// Errors: `refused` with a sentence when there is no such backfill, or nothing
/// of it is to come any more; `retry` when a transaction keeps its rows locked.
store_result<given_up_backfill> give_up_backfill(connection& conn,
                                                 const std::string& pipeline,
                                                 const admin_note& note);

} // namespace millrace
