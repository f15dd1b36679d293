#pragma once

#include "actors/store/connection.hpp"
#include "messages/flush.hpp"

#include <vector>

namespace millrace {

/// Of a flush that failed with 23503: the writes that name a parent which
/// neither the database nor the flush itself has. All of them at once, by the
/// constraint that PostgreSQL named; none where that tells nothing, as when a
/// parent was to be deleted, or when the parents have come meanwhile.
store_result<std::vector<missing_write>>
find_missing_parents(connection& conn, const flush_result& failed,
                     const flush& work);

/// Does so where a result calls for it: its action is `missing` then, instead
/// of a search for one event after the other. To be called after the rollback.
void judge_missing_parents(connection& conn, flush_result& result,
                           const flush& work);

} // namespace millrace
