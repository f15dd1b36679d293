#pragma once

// A row of `millrace.waiting` with its record.

#include "actors/store/connection.hpp"
#include "messages/waiting.hpp"

namespace millrace {

/// What `waiting_event_of` wants to see, of a table with the columns of
/// `millrace.waiting`.
inline constexpr auto waiting_columns
  = "seq, topic, topic_name, partition, \"offset\", key, headers, value, "
    "(extract(epoch FROM \"timestamp\") * 1000)::bigint, sqlstate, reason, "
    "(extract(epoch FROM clock_timestamp() - since) * 1000)::bigint";

/// Whether it is expired is left open. Throws bad_value.
waiting_event waiting_event_of(const sql_row& row);

} // namespace millrace
