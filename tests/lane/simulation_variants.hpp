#pragma once

// What the simulation breaks on purpose, one rule at a time, and whether that
// must be noticed.

#include "actors/lane/mutation.hpp"

#include <cstdint>
#include <span>
#include <string_view>

namespace millrace::test {

/// Rules whose code is SQL, or the world's own.
enum class sabotage : uint8_t {
  none,

  // -- the database -----------------------------------------------------------

  /// The claim compares nothing.
  no_claim,
  /// The claim compares epoch and owner, but no offsets.
  epoch_only,
  /// The claim compares offsets, but neither epoch nor owner.
  offset_only,
  /// The claim takes ranges that begin beyond the effective offset.
  no_from_check,
  /// A touched floor act is accepted without a look at the lanes.
  floor_unguarded,
  /// Dead letters are written whatever becomes of their flush.
  dead_letter_apart,

  // -- the shell of a PARTITION CONSUMER --------------------------------------

  /// Reads from Kafka's committed offset on.
  kafka_resume,
  /// The client jumps over records, and nobody verifies the hole.
  seek_jump,
  /// A catch-up claims to have read what it has not.
  blind_catch_up,
  /// An answer about a floor is taken for an act of a later assignment.
  late_floor,
};

/// One way to be wrong.
struct variant {
  std::string_view name;
  mutation rule = mutation::none;
  sabotage around = sabotage::none;

  /// Empty where it must be noticed. Else nothing is lost, doubled or stuck
  /// without the rule, because of this one; it saves work.
  std::string_view backed_by = {};
};

/// All of them.
std::span<const variant> variants();

/// The one with this name; ends the program when there is none.
const variant& find_variant(std::string_view name);

} // namespace millrace::test
