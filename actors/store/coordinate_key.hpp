#pragma once

#include "actors/store/connection.hpp"
#include "actors/store/write_plan.hpp"
#include "messages/flush.hpp"

namespace millrace {

/// Whether a flush that failed with 23505 violated a unique index of a
/// record's coordinates: then one record was written twice, and the protocol
/// is broken (rule 19). Asks the catalog for the index's columns and for the
/// tables above it, because of a partitioned table PostgreSQL names the
/// partition; nothing is asked when no write of the plan has coordinates.
store_result<bool> broke_coordinate_key(connection& conn,
                                        const flush_result& failed,
                                        const write_plan& plan);

/// Does so where a result calls for it: it then halts the lane, or is tried
/// again when the catalog did not answer. To be called after the rollback.
void judge_unique_violation(connection& conn, flush_result& result,
                            const write_plan_ptr& plan);

} // namespace millrace
