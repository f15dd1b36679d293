// The second part of a POOL: its sessions, and how many there are. The first
// part, pool.cpp, takes requests; what lanes wait for is in pool_holds.cpp.

#include "actors/cluster/log.hpp"
#include "actors/store/pool.hpp"
#include "messages/lane.hpp"

#include <caf/send.hpp>

#include <algorithm>
#include <utility>

namespace millrace {

namespace {

/// A connection is kept so many times as long as it took to make.
constexpr int turn_share = 10;

/// But not longer than this: the attempt's time has pauses in it.
constexpr std::chrono::seconds longest_turn{5};

} // namespace

// -- sessions -----------------------------------------------------------------

void pool_state::open_session(session_slot right) {
  auto i = std::ranges::find(sessions_, condition::closed, &slot::now);
  if (i == sessions_.end())
    i = sessions_.emplace(i);
  eager_ = false;
  i->now = condition::connecting;
  i->opened = now();
  i->handle = config_.spawn(self_, static_cast<uint32_t>(i - sessions_.begin()),
                            std::move(right));
  self_->monitor(i->handle);
}

void pool_state::close_session(slot& x) {
  if (x.now == condition::down && open() == 1) {
    // Others get their turn; so does this one, but not at once.
    eager_ = true;
    auto delay = retries_.next(std::chrono::seconds{0}, chance_);
    not_before_ = now() + delay;
    look_after(delay);
  }
  // What was lost is made up for by the next connection of the pool.
  if (x.now == condition::idle)
    x.had_connection = false;
  x.now = condition::closing;
  self_->send_exit(x.handle, caf::exit_reason::user_shutdown);
}

void pool_state::on_notice(const session_notice& x) {
  if (x.index >= sessions_.size())
    return;
  auto& s = sessions_[x.index];
  if (s.now == condition::closing || s.now == condition::closed)
    return;
  switch (x.what) {
    case session_notice::kind::up:
    case session_notice::kind::up_again:
      on_connected(s, x);
      break;
    case session_notice::kind::idle:
      on_done(s, x);
      break;
    case session_notice::kind::down:
      on_lost(s, x);
      break;
  }
}

void pool_state::on_connected(slot& x, const session_notice& how) {
  auto known = std::exchange(server_started_us_, how.server_started_us);
  auto other_server = known != 0 && known != how.server_started_us;
  if (std::exchange(x.had_connection, true) || other_server) {
    ++generation_;
    metrics_.reconnects->inc();
    log::info("session-reconnected", {{"tenant", config_.tenant}});
    for (const auto& listener : listeners_)
      caf::anon_send(listener, pool_reconnected{generation_});
  }
  x.up_since = now();
  x.turn_length = std::clamp<caf::timespan>(
    turn_share * (now() - x.opened), config_.turn,
    std::max<caf::timespan>(config_.turn, longest_turn));
  retries_.reset();
  if (!back_off_.holds())
    wake_held();
  tell_state();
  on_idle(x, false);
}

void pool_state::on_done(slot& x, const session_notice& how) {
  judge(x, how);
  on_idle(x, how.wrote);
}

void pool_state::on_idle(slot& x, bool wrote) {
  x.now = condition::idle;
  x.idle_since = now();
  if (wrote)
    for (const auto& lane : std::exchange(sleepers_, {}))
      caf::anon_send(lane, woken_atom_v);
  auto turn_over = now() - x.up_since >= x.turn_length;
  if (turn_over && !waiting_.empty() && seat_.yield(false))
    close_session(x);
  dispatch();
  tend();
}

void pool_state::on_lost(slot& x, const session_notice& why) {
  // One line per outage, not one per attempt.
  if (std::exchange(x.now, condition::down) != condition::down)
    log::warn("session-down",
              {{"tenant", config_.tenant}, {"reason", why.reason}});
  x.opened = now();
  judge(x, why);
  last_code_ = why.code;
  last_reason_ = why.reason;
  if (hopeless()) {
    vitals_.become("no connection", last_reason_);
    fail_waiting();
  }
  tend();
}

void pool_state::on_down(const caf::down_msg& x) {
  auto gone = [&x](const auto& handle) { return handle.address() == x.source; };
  std::erase_if(listeners_, gone);
  std::erase_if(parked_, gone);
  std::erase_if(held_, gone);
  for (auto& s : sessions_)
    if (s.handle && gone(s.handle)) {
      if (s.now != condition::closing) {
        log::error("session-ended", {{"tenant", config_.tenant},
                                     {"reason", to_string(x.reason)}});
        eager_ = true;
      }
      judge(s, {});
      s.now = condition::closed;
      s.handle = nullptr;
    }
  tend();
}

// -- how many -----------------------------------------------------------------

void pool_state::tend() {
  if (next_look_ && now() >= *next_look_)
    next_look_.reset();
  call_probe();
  pass_turns();
  close_idle();
  make_way();
  grow();
  show();
}

void pool_state::make_way() {
  // One whose flush waits for its turn is not idle.
  auto idle = waiting_.empty() ? count(condition::idle) : 0;
  seat_.spare(idle + count(condition::down));
  for (auto& x : sessions_)
    if ((x.now == condition::down
         || (x.now == condition::idle && waiting_.empty()))
        && seat_.yield(true))
      close_session(x);
}

void pool_state::close_idle() {
  if (config_.idle_timeout <= std::chrono::milliseconds{0})
    return;
  for (auto& x : sessions_)
    if (x.now == condition::idle && waiting_.empty()) {
      auto left = x.idle_since + config_.idle_timeout - now();
      if (left <= left.zero())
        close_session(x);
      else
        look_after(left);
    }
}

void pool_state::pass_turns() {
  for (auto& x : sessions_)
    if (x.turn) {
      auto left = x.turn_since + config_.flush_turn - now();
      if (left <= left.zero())
        x.turn.reset();
      else
        look_after(left);
    }
}

void pool_state::grow() {
  if (!wants_session())
    seat_.stand_back();
  else if (auto right = seat_.take())
    open_session(std::move(*right));
}

bool pool_state::wants_session() const {
  // One at a time: the one being opened may be enough.
  if (open() + count(condition::closing) >= config_.sessions
      || count(condition::connecting) > 0)
    return false;
  if (open() == 0 && now() < not_before_)
    return false;
  if (eager_)
    return true;
  if (waiting_.empty() || count(condition::idle) > 0)
    return false;
  // Where others' flushes have all turns, one more session would wait as well.
  // Not with none of one's own: then nothing would tell when there is one.
  return open() == 0 || flushes_->has_turn()
         || std::ranges::none_of(sessions_, &slot::has_turn)
         || !std::ranges::all_of(waiting_, is_flush, &waiting::work);
}

void pool_state::look_after(std::chrono::nanoseconds delay) {
  auto at = now() + delay;
  if (next_look_ && *next_look_ <= at)
    return;
  next_look_ = at;
  self_->delayed_send(self_, delay, pool_nudge{});
}

pool_state::slot* pool_state::find_idle() {
  auto i = std::ranges::find(sessions_, condition::idle, &slot::now);
  return i == sessions_.end() ? nullptr : &*i;
}

uint32_t pool_state::count(condition x) const {
  return static_cast<uint32_t>(std::ranges::count(sessions_, x, &slot::now));
}

uint32_t pool_state::open() const {
  return static_cast<uint32_t>(sessions_.size()) - count(condition::closed)
         - count(condition::closing);
}

bool pool_state::hopeless() const {
  return open() > 0 ? count(condition::down) == open() : now() < not_before_;
}

pool_state::time_point pool_state::now() const {
  return self_->clock().now();
}

} // namespace millrace
