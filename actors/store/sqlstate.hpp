#pragma once

#include "messages/flush.hpp"
#include "messages/store_errc.hpp"

#include <string_view>

namespace millrace {

/// What to do about a failed flush (protocol.md, rules 19 and 20). Anything
/// not listed there parks the tenant. An empty state means that PostgreSQL did
/// not say anything: the connection is gone.
failure_action classify(std::string_view sqlstate,
                        std::string_view constraint) noexcept;

/// The same for statements that are not flushes.
store_errc to_errc(std::string_view sqlstate) noexcept;

/// Raised by millrace.claim when the claim does not hold.
inline constexpr std::string_view claim_refused_state = "MR001";

} // namespace millrace
