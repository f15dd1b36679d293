#pragma once

// What a backfill has to do with the pipeline that it makes up for. Pure.

#include "config/config.hpp"

#include <string>
#include <vector>

namespace millrace {

/// Takes all writes into other tables out of a backfill that says which ones
/// it writes; events stay, as they decide what a record is. What a pack says of
/// partitions and series is said by the other pipeline. Returns those of its
/// tables that no write names.
std::vector<std::string> keep_own_tables(pipeline_config& x);

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

/// The first table that both write and not in the same way, or empty. The
/// backfill must not make other rows than the other one does.
std::string differing_table(const pipeline_config& backfill,
                            const pipeline_config& other);

} // namespace millrace
