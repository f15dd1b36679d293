#include "tests/lane/simulation_variants.hpp"

#include <algorithm>
#include <cstdlib>

namespace millrace::test {

namespace {

using m = mutation;
using s = sabotage;

using c = simulation_counts;

// The claim lets nothing through that does not fit the row.
constexpr std::string_view claim = "the claim, which is refused";

// Whoever sends too early or too late is told so, or sends again.
constexpr std::string_view answers = "nacks and resync, which send again";

constexpr variant all[] = {
  // Those of the model of the protocol.
  {"no_from_check", m::no_from_check, s::no_from_check},
  {"no_claim", m::none, s::no_claim},
  {"epoch_only", m::none, s::epoch_only},
  {"stale_floor", m::stale_floor},
  {"floor_unguarded", m::none, s::floor_unguarded},
  {"floor_seen_only", m::floor_seen_only},
  {"frozen_blind", m::frozen_blind},
  {"kafka_resume", m::none, s::kafka_resume},
  {"seek_jump", m::none, s::seek_jump},
  {"no_resync", m::no_resync},
  {"offset_only", m::none, s::offset_only, "the offsets in the claim",
   "epoch_only"},
  {"no_floor", m::no_floor, s::none, "the lanes' own offsets", {}, &c::sent},
  {"first_unseen", m::none, s::first_unseen,
   "the trims when a batch is queued and when it flies"},
  {"old_unseen", m::none, s::old_unseen},
  {"token_unseen", m::none, s::token_unseen,
   "the floor itself, which the act compares"},
  {"switch_unready", m::none, s::switch_unready},
  // The writer.
  {"dropped_acked", m::dropped_acked},
  {"ack_early", m::ack_early},
  {"nack_unread", m::nack_unread, s::none, claim, {}, &c::nacks},
  {"no_wait_for_row", m::no_wait_for_row, s::none, claim, {}, &c::dropped},
  {"no_trim", m::no_trim},
  {"no_trim_late", m::no_trim_late, s::none,
   "the trim when a batch is queued, and judging again by each row", "no_trim"},
  {"tail_forgotten", m::tail_forgotten},
  {"foreign_map", m::foreign_map},
  {"foreign_shape", m::foreign_shape},
  {"retry_reordered", m::retry_reordered},
  {"doubt_failed", m::doubt_failed, s::none, claim, "epoch_only"},
  {"doubt_committed", m::doubt_committed},
  {"doubt_unlocked", m::doubt_unlocked, s::none, claim},
  {"reconnect_keeps_row", m::reconnect_keeps_row},
  {"stale_answer", m::stale_answer, s::none, claim, {}, &c::nacks},
  {"early_culprit", m::early_culprit},
  {"neighbour_skipped", m::neighbour_skipped},
  {"orphan_overtaken", m::orphan_overtaken},
  {"fetch_skipped", m::fetch_skipped},
  {"dead_letter_apart", m::none, s::dead_letter_apart},
  // Events that wait, and replay.
  {"waiting_unloaded", m::waiting_unloaded},
  {"aside_forgotten", m::aside_forgotten},
  {"waiting_overtaken", m::waiting_overtaken},
  {"fresh_overtaken", m::fresh_overtaken},
  {"delete_overtaken", m::delete_overtaken},
  {"retry_overtakes", m::retry_overtakes},
  {"retry_held_behind", m::retry_held_behind},
  {"retry_reshaped", m::retry_reshaped},
  {"retry_impatient", m::retry_impatient},
  {"retry_uncounted", m::retry_uncounted},
  {"retry_unclaimed", m::none, s::retry_unclaimed},
  {"taken_unseen", m::none, s::taken_unseen, claim},
  {"letter_kept", m::none, s::letter_kept},
  {"switch_leaves_waiting", m::none, s::switch_leaves_waiting},
  {"timer_lost", m::none, s::timer_lost},
  {"wake_lost",
   m::none,
   s::wake_lost,
   "the timer of each lane",
   {},
   &c::waited},
  {"waiting_unasked", m::none, s::waiting_unasked},
  // The consumer.
  {"frozen_ignored", m::frozen_ignored},
  {"floor_now", m::floor_now},
  {"touched_forgotten", m::touched_forgotten},
  {"detached_untouched", m::detached_untouched},
  {"late_floor", m::none, s::late_floor, "the token of the floor row"},
  {"late_view", m::late_view, s::none, answers, {}, &c::rewinds},
  {"rewind_ignored", m::rewind_ignored, s::none, answers, {}, &c::rewinds},
  {"rewind_kept", m::rewind_kept, s::none, answers, {}, &c::rewinds},
  {"blind_catch_up", m::none, s::blind_catch_up},
  {"rejoin_early", m::rejoin_early},
  {"rejoin_late", m::rejoin_late},
  {"resume_at_main", m::resume_at_main, s::none, answers, {}, &c::rewinds},
};

} // namespace

std::span<const variant> variants() {
  return all;
}

const variant& find_variant(std::string_view name) {
  auto i = std::ranges::find(all, name, &variant::name);
  if (i == std::end(all))
    std::abort();
  return *i;
}

} // namespace millrace::test
