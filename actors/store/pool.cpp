#include "actors/store/pool.hpp"

#include "actors/cluster/log.hpp"
#include "actors/store/session.hpp"
#include "messages/lane.hpp"

#include <caf/send.hpp>
#include <caf/typed_response_promise.hpp>

#include <algorithm>
#include <memory>
#include <utility>

namespace millrace {

namespace {

/// A session answers between two slices of work, if it is not inside a
/// statement. Less than a supervisor's own patience.
constexpr std::chrono::milliseconds session_patience{200};

} // namespace

std::optional<std::string> validate(const pool_config& config) {
  if (config.sessions == 0)
    return "sessions must be at least 1";
  if (config.queue_limit == 0)
    return "queue_limit must be at least 1";
  return validate(config.session);
}

pool_state::pool_state(pool_actor::pointer self, pool_config config)
  : self_{self},
    config_{std::move(config)},
    metrics_{make_pool_metrics(self->system(), config_.tenant)} {
  if (!config_.spawn)
    config_.spawn = [this](pool_actor::pointer parent, uint32_t index) {
      return parent->spawn<session, caf::detached>(
        config_.session, config_.delays, index,
        caf::actor_cast<pool_actor>(parent));
    };
}

pool_state::~pool_state() {
  sessions_.clear();
  show();
}

pool_actor::behavior_type pool_state::make_behavior() {
  self_->set_exit_handler([this](const caf::exit_msg& x) {
    for (const auto& s : sessions_)
      self_->send_exit(s.handle, caf::exit_reason::user_shutdown);
    self_->quit(x.reason);
  });
  self_->set_down_handler([this](const caf::down_msg& x) { on_down(x); });
  open_session(0);
  return {
    [this](flush& x) { return submit<flush_result>(x); },
    [this](takeover_request& x) { return submit<lane_row>(x); },
    [this](halt_request& x) { return submit<lane_row>(x); },
    [this](retention_halt_request& x) { return submit<lane_row>(x); },
    [this](load_request& x) { return submit<lane_row>(x); },
    [this](boot_request& x) { return submit<boot_result>(x); },
    [this](view_request& x) { return submit<partition_view>(x); },
    [this](floor_request& x) { return submit<floor_answer>(x); },
    [this](waiting_request& x) { return submit<waiting_answer>(x); },
    [this](wake_request& x) { sleepers_.push_back(std::move(x.lane)); },
    [this](const pool_subscribe& x) {
      self_->monitor(x.listener);
      listeners_.push_back(x.listener);
    },
    [this](pool_inquiry) {
      return pool_status{generation_, static_cast<uint32_t>(sessions_.size()),
                         count(condition::busy), count(condition::down),
                         waiting_.size()};
    },
    [this](const session_notice& x) { on_notice(x); },
    [this](inspect_atom) { return inspect(); },
  };
}

caf::typed_response_promise<actor_report> pool_state::inspect() {
  auto answer = self_->make_response_promise<actor_report>();
  auto all = std::make_shared<actor_report>(vitals_.report(
    waiting_.size(), {{"sessions", std::ssize(sessions_)},
                      {"busy", count(condition::busy)},
                      {"down", count(condition::down)},
                      {"requests", requests_},
                      {"reconnects", static_cast<int64_t>(generation_)}}));
  all->children.resize(sessions_.size());
  auto open = std::make_shared<std::size_t>(sessions_.size());
  auto arrived = [answer, all, open](std::size_t i, actor_report x) mutable {
    all->children[i] = std::move(x);
    if (--*open == 0)
      answer.deliver(std::move(*all));
  };
  if (sessions_.empty())
    answer.deliver(*all);
  for (std::size_t i = 0; i < sessions_.size(); ++i) {
    auto busy = sessions_[i].now == condition::busy;
    self_->request(sessions_[i].handle, session_patience, inspect_atom_v)
      .then([arrived, i](actor_report& x) mutable { arrived(i, std::move(x)); },
            [arrived, i, busy](const caf::error&) mutable {
              // In the middle of a statement it cannot look at its mailbox.
              actor_report x;
              x.name = "session " + std::to_string(i);
              x.kind = "millrace.session";
              x.state = busy ? "busy" : "no answer";
              x.since_ms = vitals::now_ms();
              arrived(i, std::move(x));
            });
  }
  return answer;
}

// -- requests -----------------------------------------------------------------

template <class Result, class Request>
caf::typed_response_promise<Result> pool_state::submit(Request& x) {
  ++requests_;
  auto promise = self_->make_response_promise<Result>();
  if (auto* free = find_idle()) {
    free->now = condition::busy;
    show();
    promise.delegate(free->handle, std::move(x));
  } else if (hopeless()) {
    promise.deliver(caf::make_error(last_code_, last_reason_));
  } else if (waiting_.size() >= config_.queue_limit) {
    promise.deliver(caf::make_error(
      store_errc::overloaded, "the pool of tenant " + config_.tenant + " has "
                                + std::to_string(waiting_.size())
                                + " requests waiting"));
  } else {
    waiting_.push_back(
      {[promise, x = std::move(x)](const session_actor& to) mutable {
         promise.delegate(to, std::move(x));
       },
       [promise](const caf::error& why) mutable { promise.deliver(why); }});
    grow();
  }
  return promise;
}

void pool_state::dispatch() {
  while (!waiting_.empty()) {
    auto* free = find_idle();
    if (free == nullptr)
      break;
    auto next = std::move(waiting_.front());
    waiting_.pop_front();
    free->now = condition::busy;
    next.hand_over(free->handle);
  }
  show();
}

void pool_state::fail_waiting() {
  auto why = caf::make_error(last_code_, last_reason_);
  for (auto& x : std::exchange(waiting_, {}))
    x.refuse(why);
}

// -- sessions -----------------------------------------------------------------

void pool_state::open_session(uint32_t index) {
  if (index == sessions_.size())
    sessions_.emplace_back();
  auto& x = sessions_[index];
  x.handle = config_.spawn(self_, index);
  x.now = condition::connecting;
  self_->monitor(x.handle);
  show();
}

void pool_state::grow() {
  // One at a time: the one being opened may be enough.
  if (sessions_.size() < config_.sessions && count(condition::connecting) == 0)
    open_session(static_cast<uint32_t>(sessions_.size()));
}

void pool_state::on_notice(const session_notice& x) {
  if (x.index >= sessions_.size())
    return;
  auto& s = sessions_[x.index];
  switch (x.what) {
    case session_notice::kind::up:
    case session_notice::kind::up_again:
      on_connected(s);
      break;
    case session_notice::kind::idle:
      s.now = condition::idle;
      if (x.wrote)
        for (const auto& lane : std::exchange(sleepers_, {}))
          caf::anon_send(lane, woken_atom_v);
      dispatch();
      break;
    case session_notice::kind::down:
      on_lost(s, x);
      break;
  }
}

void pool_state::on_connected(slot& x) {
  if (std::exchange(x.had_connection, true)) {
    ++generation_;
    metrics_.reconnects->inc();
    log::info("session-reconnected", {{"tenant", config_.tenant}});
    for (const auto& listener : listeners_)
      caf::anon_send(listener, pool_reconnected{generation_});
  }
  x.now = condition::idle;
  vitals_.become("running");
  dispatch();
  if (!waiting_.empty())
    grow();
}

void pool_state::on_lost(slot& x, const session_notice& why) {
  // One line per outage, not one per attempt.
  if (std::exchange(x.now, condition::down) != condition::down)
    log::warn("session-down",
              {{"tenant", config_.tenant}, {"reason", why.reason}});
  last_code_ = why.code;
  last_reason_ = why.reason;
  if (hopeless()) {
    vitals_.become("no connection", last_reason_);
    fail_waiting();
  }
  show();
}

void pool_state::on_down(const caf::down_msg& x) {
  auto gone = [&x](const auto& handle) { return handle.address() == x.source; };
  std::erase_if(listeners_, gone);
  for (uint32_t i = 0; i < sessions_.size(); ++i)
    if (gone(sessions_[i].handle)) {
      log::error("session-ended",
                 {{"tenant", config_.tenant}, {"reason", to_string(x.reason)}});
      open_session(i);
    }
}

pool_state::slot* pool_state::find_idle() {
  auto i = std::ranges::find(sessions_, condition::idle, &slot::now);
  return i == sessions_.end() ? nullptr : &*i;
}

uint32_t pool_state::count(condition x) const {
  return static_cast<uint32_t>(std::ranges::count(sessions_, x, &slot::now));
}

bool pool_state::hopeless() const {
  return count(condition::down) == sessions_.size();
}

void pool_state::show() {
  metrics_.sessions_idle->value(count(condition::idle));
  metrics_.sessions_busy->value(count(condition::busy));
  metrics_.sessions_connecting->value(count(condition::connecting));
  metrics_.sessions_down->value(count(condition::down));
}

pool_actor spawn_pool(caf::local_actor* parent, pool_config config) {
  return parent->spawn<pool>(std::move(config));
}

} // namespace millrace
