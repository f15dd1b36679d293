#pragma once

#include "actors/store/connection.hpp"
#include "messages/flush.hpp"

#include <string>
#include <vector>

namespace millrace {

struct missing_parents {
  /// A write is named once for each parent that it lacks.
  std::vector<missing_write> writes;

  /// `table.constraint`, of the foreign keys that found one.
  std::vector<std::string> constraints;
};

/// Of a flush that failed with 23503: the writes that name a parent which
/// neither the database nor the flush itself has, by all foreign keys of the
/// tables: PostgreSQL tells of one at a time. None where that says nothing, as
/// when a parent was to be deleted, or when the parents have come meanwhile.
store_result<missing_parents> find_missing_parents(connection& conn,
                                                   const flush& work);

/// Does so where a result calls for it: its action is `missing` then, instead
/// of a search for one event after the other. To be called after the rollback.
void judge_missing_parents(connection& conn, flush_result& result,
                           const flush& work);

} // namespace millrace
