#pragma once

// What a backfill has to do with the pipeline that it makes up for. Pure.

#include "config/config.hpp"

#include <string>
#include <vector>

namespace millrace {

/// Those of a backfill's `tables` that no write names.
std::vector<std::string> unknown_tables(const pipeline_config& x);

/// The tables that it writes once all other writes are taken out, sorted.
std::vector<std::string> own_tables(const pipeline_config& x);

/// Takes all writes into other tables out of a backfill that says which ones
/// it writes; events stay, as they decide what a record is. What a pack says of
/// partitions and series is said by the other pipeline, see `partition_rules`.
void keep_own_tables(pipeline_config& x);

/// The tables that the pipeline writes, sorted, each once.
std::vector<std::string> written_tables(const pipeline_config& x);

/// The pipeline that this one backfills, or nullptr.
const pipeline_config* backfilled_by(const config& all,
                                     const pipeline_config& x);

/// Whether rows of the backfill's tables depend on which event comes first:
/// whether anything but appends, and upserts with `only_if_newer`, goes there,
/// by either pipeline. Then the other one must not write them before the
/// backfill has come to its end.
bool order_matters(const pipeline_config& backfill,
                   const pipeline_config& other);

/// What is said of the partitions of a table that the pipeline writes. Of a
/// backfill the other pipeline says it first, then the backfill itself.
/// Nullptr: nothing, or the table is a hypertable.
const partition_config* partition_rules(const config& all,
                                        const pipeline_config& x,
                                        const std::string& table);

} // namespace millrace
