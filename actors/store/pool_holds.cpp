// The third part of a POOL: when its lanes have to wait, as their tables are
// unusable or the server is short of something, and when they go on.

#include "actors/cluster/log.hpp"
#include "actors/store/pool.hpp"
#include "messages/lane.hpp"

#include <caf/send.hpp>

#include <algorithm>
#include <utility>

namespace millrace {

namespace {

void remember(std::vector<caf::actor>& all, const caf::strong_actor_ptr& who) {
  if (auto x = caf::actor_cast<caf::actor>(who);
      x && !std::ranges::contains(all, x))
    all.push_back(std::move(x));
}

} // namespace

std::optional<caf::error>
pool_state::held_back(const std::optional<lane_work>& work) {
  if (!work)
    return std::nullopt;
  if (work->flushes && !parking_.admits(work->lane, now())) {
    remember(parked_, work->asker);
    return caf::make_error(store_errc::misconfigured, parking_.reason());
  }
  if (!back_off_.admits(now())) {
    remember(held_, work->asker);
    return caf::make_error(store_errc::back_off, back_off_.reason());
  }
  return std::nullopt;
}

caf::error pool_state::no_connection(const std::optional<lane_work>& work) {
  // The sessions try for all lanes.
  if (work && last_code_ == store_errc::back_off)
    remember(held_, work->asker);
  return caf::make_error(last_code_, last_reason_);
}

void pool_state::begin(lane_work& x) {
  x.probe = back_off_.sent();
  if (x.probe)
    std::erase(held_, x.asker);
}

void pool_state::judge(slot& x, const session_notice& how) {
  x.turn.reset();
  auto work = std::exchange(x.work, std::nullopt);
  if (!work)
    return;
  if (work->flushes)
    judge_tables(work->lane, how);
  judge_room(*work, how);
}

void pool_state::judge_tables(const lane_id& lane, const session_notice& x) {
  if (!parking_.saw(lane, x.tables, x.reason, now()))
    return;
  tell_state();
  if (parking_.parked()) {
    log::error("tenant-parked", {{"tenant", config_.tenant},
                                 {"lane", to_string(lane)},
                                 {"reason", x.reason}});
    return;
  }
  log::info("tenant-resumed", {{"tenant", config_.tenant}});
  for (const auto& who : std::exchange(parked_, {}))
    caf::anon_send(who, resume_atom_v);
}

void pool_state::judge_room(const lane_work& work, const session_notice& x) {
  if (x.tables == schema_sight::no_room)
    remember(held_, work.asker);
  auto changed = back_off_.saw(x.tables, work.probe, x.reason, now(), chance_);
  if (changed && !back_off_.holds()) {
    go_on();
    return;
  }
  if (changed)
    log::warn("tenant-backs-off", {{"tenant", config_.tenant},
                                   {"lane", to_string(work.lane)},
                                   {"reason", x.reason}});
  if (back_off_.holds())
    tell_state();
}

void pool_state::call_probe() {
  if (auto at = back_off_.call_at(); at && now() >= *at)
    call_next();
  if (auto at = back_off_.call_at())
    look_after(*at - now());
}

void pool_state::call_next() {
  auto on_its_way = std::ranges::any_of(waiting_, [](const waiting& x) {
    return x.work.has_value();
  });
  if (!on_its_way && held_.empty()) {
    back_off_.let_go(now());
    go_on();
    return;
  }
  back_off_.called(now());
  if (!on_its_way) {
    caf::anon_send(held_.front(), resume_atom_v);
    held_.erase(held_.begin());
  }
}

void pool_state::go_on() {
  log::info("tenant-goes-on", {{"tenant", config_.tenant}});
  tell_state();
  wake_held();
}

void pool_state::wake_held() {
  for (const auto& who : std::exchange(held_, {}))
    caf::anon_send(who, resume_atom_v);
}

void pool_state::tell_state() {
  if (parking_.parked())
    vitals_.become("parked", parking_.reason());
  else if (back_off_.holds())
    vitals_.become("backing off", back_off_.reason());
  else
    vitals_.become("running");
}

} // namespace millrace
