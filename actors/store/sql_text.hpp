#pragma once

// SQL as text, for the one place that cannot use parameters: a flush is a
// single query string. Pure.

#include "messages/flush.hpp"
#include "messages/ids.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace millrace {

/// `"name"`, whatever is in it. Throws std::invalid_argument for a name that
/// is empty, holds a NUL, or is longer than the 63 bytes that PostgreSQL keeps:
/// it would cut it with no more than a notice.
std::string quote_identifier(std::string_view name);

/// `"schema"."table"`.
std::string quote_identifier(std::string_view schema, std::string_view table);

/// `'text'`, or `E'text'` where there are backslashes, so that it means the
/// same whatever standard_conforming_strings says. Throws
/// std::invalid_argument for a NUL.
std::string quote_literal(std::string_view text);

/// `{1,NULL,3}`, without quotes around it.
std::string array_text(std::span<const std::optional<int64_t>> xs);

/// `{"a","b"}`, with what is needed to keep any text apart.
std::string array_text(std::span<const std::string> xs);

/// Reads `{1,2,3}`; nothing when a member is NULL or the text is another.
std::optional<std::vector<int64_t>> parse_array(std::string_view text);

/// `SELECT millrace.claim(…)`. Throws std::invalid_argument when a slot is
/// named twice: the claim could not say what that means.
std::string claim_statement(const claim& x);

/// `SELECT millrace.take_waiting(…)` for what the flush takes away.
std::string take_waiting_statement(const flush& x);

/// The application_name of a transaction that holds the lane's row; what a
/// takeover looks for. At most 63 bytes of printable ASCII; lanes whose names
/// differ have different ones (64 bits of hash).
std::string writer_name(const lane_id& lane);

} // namespace millrace
