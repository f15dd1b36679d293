#pragma once

#include "messages/flush.hpp"
#include "messages/store_errc.hpp"

#include <span>
#include <string_view>

namespace millrace {

/// What to do about one SQLSTATE, or about a whole class of them.
struct sqlstate_policy {
  /// Five characters, or the first ones of all that are meant.
  std::string_view state;
  failure_action action = failure_action::park;

  /// For a person.
  std::string_view meaning;

  /// What to do about it, where somebody has to.
  std::string_view mend = {};
};

/// The whole policy (protocol.md, rules 19 and 20). Of rows that fit, the one
/// with the longest `state` counts; what fits none parks the lane.
std::span<const sqlstate_policy> sqlstate_policies() noexcept;

/// What to do about a failed flush. An empty state means that PostgreSQL did
/// not say anything: the connection is gone. 23514 without a constraint's name
/// says that no partition takes the row, which is no fault of the data.
failure_action classify(std::string_view sqlstate,
                        std::string_view constraint) noexcept;

/// The same for statements that are not flushes.
store_errc to_errc(std::string_view sqlstate) noexcept;

/// What mends a failure that parks, in a few words; empty for others.
std::string_view mend_of(std::string_view sqlstate) noexcept;

/// Raised by `millrace.check_columns`.
inline constexpr std::string_view other_columns_state = "MR005";

/// Raised by millrace.claim when the claim does not hold.
inline constexpr std::string_view claim_refused_state = "MR001";

/// Raised by `millrace.refuse_missing`: writes lack their rows.
inline constexpr std::string_view rows_missing_state = "MR003";

/// Raised by `millrace.take_waiting` when waiting events are gone.
inline constexpr std::string_view waiting_gone_state = "MR004";

} // namespace millrace
