#pragma once

#include "actors/store/connection.hpp"

#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace millrace {

/// Takes the next piece of what COPY … TO STDOUT says, at least a row of it;
/// answers with why it cannot go on.
using copy_sink
  = std::function<std::expected<void, std::string>(std::string_view)>;

/// The next piece of what COPY … FROM STDIN shall read, of any size, until it
/// is used the next time; empty: that was all. Or why there is no more.
using copy_source
  = std::function<std::expected<std::string_view, std::string>()>;

/// Why to leave off, asked ten times a second and at each piece; nothing: go
/// on. May be empty.
using copy_stop = std::function<std::optional<std::string>()>;

/// Runs `COPY … TO STDOUT` and hands on what it says, as it comes; one row is
/// held at a time. Rows that were copied, as PostgreSQL counts them.
///
/// What `to` or `stop` says is answered as `refused`; the statement is
/// cancelled then, and an open transaction has failed.
store_result<int64_t> copy_out(connection& conn, const std::string& statement,
                               const copy_sink& to, const copy_stop& stop);

/// The same for `COPY … FROM STDIN`.
store_result<int64_t> copy_in(connection& conn, const std::string& statement,
                              const copy_source& from, const copy_stop& stop);

} // namespace millrace
