#pragma once

#include <cstdint>

namespace millrace {

/// Rules of the lane protocol that the simulation breaks, one at a time, to
/// see that it would tell (tests/lane/README.md), and the program
/// `millrace-seeded`, to see that the checker of a storm would
/// (tests/chaos/storm/README.md). In the product nothing is ever broken: the
/// compiler leaves no trace of these names.
enum class mutation : uint8_t {
  none,

  // -- LANE WRITER ------------------------------------------------------------

  /// A batch beyond the tail is queued instead of nacked (rule 12).
  no_from_check,
  /// Batches that are dropped are acknowledged (rule 12).
  dropped_acked,
  /// A batch is acknowledged when it is queued (rule 17).
  ack_early,
  /// A gap is nacked from what was read long ago (rule 12).
  nack_unread,
  /// Batches are judged while the row is being read again (rule 12).
  no_wait_for_row,
  /// Rows below the tail are queued a second time (rule 12).
  no_trim,
  /// Rows below what became durable meanwhile are flushed (rule 12).
  no_trim_late,
  /// The tail does not count what is queued (rule 12).
  tail_forgotten,
  /// Batches of another map are taken (rule 12).
  foreign_map,
  /// Batches of another shape are taken (rules 12 and 26).
  foreign_shape,
  /// A flush that failed is queued behind what came later (rule 20).
  retry_reordered,
  /// What is in doubt is sent again without a look at the row (rule 21).
  doubt_failed,
  /// What is in doubt counts as written (rule 21).
  doubt_committed,
  /// What is in doubt is resolved without locking the row (rule 21).
  doubt_unlocked,
  /// The row survives a reconnect (rule 22, I4).
  reconnect_keeps_row,
  /// An answer that was asked for before a reconnect counts (I4).
  stale_answer,
  /// The last of two suspects is the culprit without having failed alone
  /// (rule 19).
  early_culprit,
  /// The event behind the failing half is left out (rule 19).
  neighbour_skipped,
  /// Batches behind the one with the first orphan fly with what comes before
  /// it (rule 19).
  orphan_overtaken,
  /// A dead letter is written without its record (rule 16).
  fetch_skipped,
  /// The row is loaded without what waits (section 4).
  waiting_unloaded,
  /// What a flush puts aside is not kept in mind (section 4).
  aside_forgotten,
  /// An event overtakes a waiting one that touches its row (section 4).
  waiting_overtaken,
  /// The same, where both come in one flush (section 4).
  fresh_overtaken,
  /// What makes a row overtakes a waiting delete (section 4).
  delete_overtaken,
  /// A retry does not go by what stays behind (rule 14b).
  retry_overtakes,
  /// What goes on waiting holds back what was put aside before it, too
  /// (section 4).
  retry_held_behind,
  /// A retry takes rows of another shape (rule 26).
  retry_reshaped,
  /// An event that still lacks its row is a dead letter at once (section 4).
  retry_impatient,
  /// A retry takes no numbers for its dead letters (rule 14b).
  retry_uncounted,

  // -- PARTITION CONSUMER -----------------------------------------------------

  /// The floor is a floor of acks in memory (section 3).
  stale_floor,
  /// No full act before the first batch, nor a new start when the floor was
  /// moved by another (rules 4b and 9a).
  floor_seen_only,
  /// A full act that did not reach the start counts as one (rule 4b).
  frozen_ignored,
  /// A frozen floor, and nobody looks at the lanes; idle ones get no ranges
  /// (rule 9c).
  frozen_blind,
  /// No floor is ever moved, and lanes get empty ranges.
  no_floor,
  /// The floor is raised to where the reading is now, for lanes that were
  /// touched a while ago (section 3).
  floor_now,
  /// An act forgets all touched lanes, those beyond it too (section 3).
  touched_forgotten,
  /// Events of detached lanes do not count as touched (rule 7).
  detached_untouched,
  /// Nobody reads the effective offsets again (rules 8b and 9b).
  no_resync,
  /// A view is held against acks that came after it was asked for (rule 9b).
  late_view,
  /// Stale nacks rewind (rule 8a).
  rewind_ignored,
  /// A rewind keeps its number (rule 8a).
  rewind_kept,
  /// A detached lane is attached one offset too early (rule 7).
  rejoin_early,
  /// The catch-up reads one record that the main reading will read (rule 7).
  rejoin_late,
  /// A lane that is resumed goes on where the main reading is (rule 7).
  resume_at_main,
  /// A backfill reads beyond its end (rule 25).
  end_unseen,

  // -- the adapters, for processes at work ------------------------------------
  // The simulation has a world of its own instead.

  /// Of rows with one key the first wins (rule 15).
  collapse_reversed,
  /// A partition is read from the group's committed offset on (rule 2).
  kafka_resume,
};

#ifdef MILLRACE_MUTATIONS
/// The rule that is broken in this test program, and a second one: does the
/// one that is said to back the first do so?
inline mutation broken_rule = mutation::none;
inline mutation broken_too = mutation::none;

inline bool broken(mutation x) noexcept {
  return broken_rule == x || broken_too == x;
}
#else
constexpr bool broken(mutation) noexcept {
  return false;
}
#endif

} // namespace millrace
