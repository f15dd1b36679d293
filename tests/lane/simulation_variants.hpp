#pragma once

// What the simulation breaks on purpose, one rule at a time, and whether that
// must be noticed.

#include "actors/lane/mutation.hpp"
#include "tests/lane/simulation_counts.hpp"

#include <cstddef>
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
  /// The claim does not look at the first row of its ranges.
  first_unseen,
  /// The claim compares neither seq nor the offsets as they were.
  old_unseen,
  /// A floor act is accepted under any token.
  token_unseen,
  /// A map is switched while lanes are beyond the floors (rule 25).
  switch_unready,
  /// Dead letters are written whatever becomes of their flush.
  dead_letter_apart,
  /// What a retry takes from `waiting` need not be there (rule 14b).
  taken_unseen,
  /// A flush that moves no offsets does not claim (rule 14b).
  retry_unclaimed,
  /// A replay leaves its dead letter to a later transaction (rule 14b).
  letter_kept,
  /// A change of the map leaves waiting events where they are (rule 25).
  switch_leaves_waiting,
  /// A backfill ends although a lane of it is beyond (rule 25).
  end_unready,
  /// The end of a backfill leaves versions, epochs and tokens as they were
  /// (rule 25).
  end_unversioned,
  /// The other pipeline writes what is beyond the end while the backfill still
  /// writes what is before it (rule 25).
  end_unheld,

  // -- the shell of a LANE WRITER ---------------------------------------------

  /// No commit wakes a lane (section 4).
  wake_lost,
  /// No timer tries waiting events again (section 4).
  timer_lost,
  /// A new writer does not ask whether its lane has waiting events.
  waiting_unasked,

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
  /// without the rule, because of this.
  std::string_view backed_by = {};

  /// The variant without which it would be noticed: broken together, many more
  /// runs fail than with that one alone.
  std::string_view with = {};

  /// What there is more of without the rule, in the same runs.
  std::size_t simulation_counts::* cost = nullptr;
};

/// All of them.
std::span<const variant> variants();

/// The one with this name; ends the program when there is none.
const variant& find_variant(std::string_view name);

} // namespace millrace::test
