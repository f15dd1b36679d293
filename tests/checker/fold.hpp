#pragma once

// What the `ticks` pack must make of one record, worked out a second time in
// plain code. Shares nothing with the decoder: a mistake would have to be made
// twice, in two ways, to stay hidden.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace millrace_check {

/// Name of a symbol to its id.
using code_table = std::map<std::string, int64_t, std::less<>>;

/// What becomes of a record.
struct expectation {
  /// The columns that `row_columns` names, as COPY's text format writes them
  /// under UTC and ISO dates; empty when the record is a dead letter.
  std::string row;

  /// Why it is a dead letter; empty when it is a row.
  std::string reason;

  bool is_row() const noexcept {
    return reason.empty();
  }
};

/// The columns of an expected row, in order.
inline constexpr std::string_view row_columns
  = "symbol_id, symbol_name, tick_time, bid_price, ask_price, spread, "
    "bid_volume, ask_volume, lp, broker_id";

/// Folds the value of a record; nothing stands for a null value.
expectation fold_tick(std::optional<std::string_view> value,
                      const code_table& symbols);

/// How PostgreSQL prints a `numeric` without precision that was given these
/// digits ("-0.0", "1e-05", "4.857131869134759"), or nothing when it is no
/// number or has more digits than numeric can hold.
std::optional<std::string> numeric_text(std::string_view digits);

/// How PostgreSQL prints a timestamptz under UTC that was given this RFC 3339
/// text: rounded to microseconds, zeros at the end cut off.
std::optional<std::string> timestamp_text(std::string_view text);

} // namespace millrace_check
