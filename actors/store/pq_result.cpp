#include "actors/store/pq_result.hpp"

#include "actors/store/error_text.hpp"

#include <libpq-fe.h>

namespace millrace {

namespace {

/// A value of megabytes is repeated as a whole.
constexpr std::size_t max_described_bytes = 1'000;

} // namespace

void pq_clear::operator()(PGresult* x) const noexcept {
  PQclear(x);
}

std::string error_field(const PGresult* x, int code) {
  const char* text = PQresultErrorField(x, code);
  return text ? text : "";
}

std::string short_error(const PGresult* x) {
  auto result = error_field(x, PG_DIAG_MESSAGE_PRIMARY);
  // Without an answer of the server libpq speaks for itself.
  return one_line(result.empty() ? PQresultErrorMessage(x) : result);
}

std::string describe_error(const PGresult* x) {
  auto result = error_field(x, PG_DIAG_MESSAGE_PRIMARY);
  if (result.empty())
    return short_error(x);
  for (auto code : {PG_DIAG_MESSAGE_DETAIL, PG_DIAG_CONTEXT})
    if (auto more = error_field(x, code); !more.empty())
      result += "; " + more;
  return harmless(one_line(result), max_described_bytes);
}

bool ends_connection(const PGresult* x) {
  auto severity = error_field(x, PG_DIAG_SEVERITY_NONLOCALIZED);
  return severity == "FATAL" || severity == "PANIC";
}

} // namespace millrace
