#pragma once

// What a flush sends as COPY data, put together from the batches. Pure.

#include "actors/store/write_plan.hpp"
#include "messages/flush.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace millrace {

/// Pieces of COPY binary data without header and trailer. They point into the
/// batches of the flush or into `owned`.
struct copy_rows {
  std::vector<std::span<const std::byte>> pieces;
  std::vector<std::byte> owned;
  int64_t rows = 0;
  int64_t bytes = 0;
};

/// The rows of one write that are kept: from `trim_below` on and below
/// `keep_below`, of no event that was refused or waits, and for an upsert
/// without a guard only the last of each key. Throws std::invalid_argument for
/// a block that is not what `row_block` promises.
copy_rows kept_rows(const flush& work, const planned_write& write);

/// COPY of these needs the columns of `dead_letter_copy`.
copy_rows dead_letter_rows(const flush& work);

inline constexpr std::string_view dead_letter_table = "millrace.dead_letter";

/// `COPY millrace.dead_letter (…) FROM STDIN (FORMAT binary)`.
extern const std::string_view dead_letter_copy;

/// COPY of these needs the columns of `waiting_copy`.
copy_rows waiting_rows(const flush& work);

inline constexpr std::string_view waiting_table = "millrace.waiting";
extern const std::string_view waiting_copy;

/// Signature, flags and extension length.
std::span<const std::byte> copy_header() noexcept;

std::span<const std::byte> copy_trailer() noexcept;

/// The text as valid UTF-8 without NUL, cut to `max_bytes`; what is not is
/// replaced by U+FFFD. PostgreSQL would refuse it, and a dead letter must
/// never be refused.
std::string clean_text(std::string_view text, std::size_t max_bytes);

} // namespace millrace
