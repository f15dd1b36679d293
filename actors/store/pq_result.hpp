#pragma once

// What both the flush and the small statements read from libpq's answers.

#include <memory>
#include <string>

/// libpq's result.
struct pg_result;

namespace millrace {

struct pq_clear {
  void operator()(pg_result* x) const noexcept;
};

using pq_result = std::unique_ptr<pg_result, pq_clear>;

/// A field of an error, such as PG_DIAG_SQLSTATE; empty when it has none.
std::string error_field(const pg_result* x, int code);

/// The primary message alone, in one line: detail and context quote rows.
std::string short_error(const pg_result* x);

/// Primary message, detail, and where it happened, in one line.
std::string describe_error(const pg_result* x);

/// FATAL and PANIC end the connection, whatever the state says.
bool ends_connection(const pg_result* x);

} // namespace millrace
