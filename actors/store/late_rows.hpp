#pragma once

#include "actors/store/connection.hpp"
#include "messages/flush.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace millrace {

/// The value of a partition key of one column, as PostgreSQL tells it of a row
/// that no partition takes: `… (column) = (value) …`.
std::optional<std::string> failing_key(std::string_view text);

/// Of a flush that lacks a partition: where the row is older than its table
/// keeps, by the plan's rule and the database's clock, there will be none. Then
/// the action is `bisect`, and the event becomes a dead letter. Rows that are
/// not as old wait, and so do all where the database does not say. To be called
/// after the rollback.
void judge_late_rows(connection& conn, flush_result& result, const flush& work);

} // namespace millrace
