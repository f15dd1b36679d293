#pragma once

// What no single value shows: whether the values fit together.

#include "config/config.hpp"
#include "config/reader.hpp"

#include <string>
#include <vector>

namespace millrace {

/// Keys of a write that need each other. `path` names the write.
void check_write(reader& in, const write_config& x, const std::string& path);

/// Keys of an event that need each other. `path` names the event.
void check_event(reader& in, const event_config& x, const std::string& path);

/// Writes of a pipeline that do not go together. `path` names the list of
/// events.
void check_writes(reader& in, const std::vector<event_config>& events,
                  const std::string& path);

/// Events of a pipeline that do not go together. `path` names the pipeline.
void check_events(reader& in, const pipeline_config& x,
                  const std::string& path);

/// Partitions of `start_offsets` that are named twice, or of topics that the
/// pipeline does not read. `path` names the pipeline.
void check_starts(reader& in, const pipeline_config& x,
                  const std::string& path);

/// Backfills: what they make up for, and that they write what that pipeline
/// does. Needs all pipelines. `path` names the pipeline.
void check_backfill(reader& in, const config& all, const pipeline_config& x,
                    const std::string& path);

/// What a backfill must have in common with the pipeline that it makes up for.
/// A problem for each difference, which names the place in the other one.
/// `path` names the backfill.
void check_same(reader& in, const pipeline_config& x,
                const pipeline_config& other, const std::string& path);

/// URL or parts, and parameters that are not the user's to choose. `path` names
/// the section.
void check_postgresql(reader& in, const postgresql_config& x,
                      const std::string& path);

/// The same for another database of the server of `[postgresql]`.
void check_sibling(reader& in, const postgresql_config& x,
                   const std::string& path);

/// Brokers or embedded, and properties that the protocol depends on.
void check_kafka(reader& in, const kafka_config& x);

/// A first delay that is not above the last one.
void check_waiting(reader& in, const waiting_config& x);

/// The static table: names, addresses and patterns that do not fit together.
/// Needs tenants and pipelines.
void check_cluster(reader& in, const config& all);

/// Limits that contradict each other, tenants and code tables that do not
/// exist. Expressions as such are checked by decode.
void check_pipeline(reader& in, const config& all, const pipeline_config& x);

} // namespace millrace
