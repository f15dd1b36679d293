#pragma once

// What `millrace db stats` prints. Pure.

#include "nodes/cli/db_stats_reader.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace millrace {
class json_writer;
}

namespace millrace::cli {

/// As pg_size_pretty() writes it: `8192 bytes`, `48 kB`.
std::string size_text(int64_t bytes);

/// `12m`, `3h`, `2d`: below an hour, below a day, or more.
std::string age_text(int64_t minutes);

/// A table per subject: all tables, sizes with the largest first, what came
/// from each exchange, the latest and the largest symbols.
std::string stats_text(const tenant_stats& x);

/// An object with a member per table, and `metadata`.
void write_stats(json_writer& out, const tenant_stats& x);

} // namespace millrace::cli
