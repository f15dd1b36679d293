#pragma once

#include "messages/cluster.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace millrace {

/// Why a node that says `theirs` cannot work with one that says `mine`, for a
/// person of either side; nothing when it can. Both sides come to the same
/// verdict.
std::optional<std::string> mismatch(const peer_hello& mine,
                                    const peer_hello& theirs);

/// Of two nodes exactly one connects: the one whose name is the smaller. Two
/// connections at the same time would each be closed as the second one.
constexpr bool dials(std::string_view self, std::string_view other) noexcept {
  return self < other;
}

} // namespace millrace
