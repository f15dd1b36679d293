#include "actors/store/pool.hpp"

#include "actors/store/session.hpp"

#include <caf/send.hpp>
#include <caf/typed_response_promise.hpp>

#include <algorithm>
#include <memory>
#include <type_traits>
#include <utility>

namespace millrace {

namespace {

/// A session answers between two slices of work, if it is not inside a
/// statement. Less than a supervisor's own patience.
constexpr std::chrono::milliseconds session_patience{200};

/// The lane whose step this is, if it is one on the way to its next flush.
template <class Request>
const lane_id* lane_of_step(const Request&) {
  return nullptr;
}

const lane_id* lane_of_step(const flush& x) {
  return &x.claim.lane;
}

const lane_id* lane_of_step(const takeover_request& x) {
  return &x.lane;
}

const lane_id* lane_of_step(const load_request& x) {
  return &x.lane;
}

/// An idle lane asks how many events wait.
const lane_id* lane_of_step(const waiting_request& x) {
  return x.max_events > 0 ? &x.lane : nullptr;
}

session_slots::nudge nudge_of(pool_actor::pointer self) {
  return [me = caf::actor_cast<caf::weak_actor_ptr>(self->ctrl())] {
    if (auto to = caf::actor_cast<pool_actor>(me.lock()))
      caf::anon_send(to, pool_nudge{});
  };
}

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
    metrics_{
      make_pool_metrics(self->system(), config_.tenant, config_.database)},
    slots_{config_.slots ? config_.slots : std::make_shared<session_slots>(0)},
    seat_{slots_, nudge_of(self), &config_.session},
    flushes_{config_.flushes ? config_.flushes
                             : std::make_shared<session_slots>(0)},
    flush_seat_{flushes_, nudge_of(self)},
    parking_{config_.park_patience},
    back_off_{config_.room_delays, config_.room_patience},
    retries_{config_.delays},
    chance_{std::random_device{}()} {
  if (!config_.spawn)
    config_.spawn = [this](pool_actor::pointer parent, uint32_t index,
                           session_slot right) {
      return parent->spawn<session, caf::detached>(
        config_.session, config_.delays, index, std::move(right),
        caf::actor_cast<pool_actor>(parent));
    };
}

pool_state::~pool_state() {
  sessions_.clear();
  parking_ = tenant_parking{config_.park_patience};
  back_off_ = tenant_back_off{config_.room_delays, config_.room_patience};
  seat_.stand_back();
  flush_seat_.stand_back();
  show();
}

pool_actor::behavior_type pool_state::make_behavior() {
  self_->set_exit_handler([this](const caf::exit_msg& x) {
    for (const auto& s : sessions_)
      if (s.handle)
        self_->send_exit(s.handle, caf::exit_reason::user_shutdown);
    self_->quit(x.reason);
  });
  self_->set_down_handler([this](const caf::down_msg& x) { on_down(x); });
  tend();
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
      return pool_status{generation_, open(), count(condition::busy),
                         count(condition::down), waiting_.size()};
    },
    [this](const session_notice& x) { on_notice(x); },
    [this](pool_nudge) {
      dispatch();
      tend();
    },
    [this](inspect_atom) { return inspect(); },
  };
}

caf::typed_response_promise<actor_report> pool_state::inspect() {
  auto answer = self_->make_response_promise<actor_report>();
  std::vector<const slot*> alive;
  for (const auto& x : sessions_)
    if (x.handle)
      alive.push_back(&x);
  auto all = std::make_shared<actor_report>(vitals_.report(
    waiting_.size(), {{"sessions", open()},
                      {"busy", count(condition::busy)},
                      {"down", count(condition::down)},
                      {"in_line", seat_.waits() ? 1 : 0},
                      {"requests", requests_},
                      {"reconnects", static_cast<int64_t>(generation_)}}));
  all->children.resize(alive.size());
  auto missing = std::make_shared<std::size_t>(alive.size());
  auto arrived = [answer, all, missing](std::size_t i, actor_report x) mutable {
    all->children[i] = std::move(x);
    if (--*missing == 0)
      answer.deliver(std::move(*all));
  };
  if (alive.empty())
    answer.deliver(*all);
  for (std::size_t i = 0; i < alive.size(); ++i) {
    auto busy = alive[i]->now == condition::busy;
    auto index = alive[i] - sessions_.data();
    self_->request(alive[i]->handle, session_patience, inspect_atom_v)
      .then([arrived, i](actor_report& x) mutable { arrived(i, std::move(x)); },
            [arrived, i, index, busy](const caf::error&) mutable {
              // In the middle of a statement it cannot look at its mailbox.
              actor_report x;
              x.name = "session " + std::to_string(index);
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
  std::optional<lane_work> work;
  // The promise takes the sender with it.
  if (const auto* lane = lane_of_step(x))
    work = {*lane, std::is_same_v<Request, flush>, self_->current_sender()};
  auto promise = self_->make_response_promise<Result>();
  if (auto wait = held_back(work)) {
    promise.deliver(std::move(*wait));
  } else if (auto* free = find_idle(); free && assign(*free, work)) {
    show();
    promise.delegate(free->handle, std::move(x));
  } else if (hopeless()) {
    promise.deliver(no_connection(work));
  } else if (waiting_.size() >= config_.queue_limit) {
    promise.deliver(caf::make_error(
      store_errc::overloaded, "the pool of tenant " + config_.tenant + " has "
                                + std::to_string(waiting_.size())
                                + " requests waiting"));
  } else {
    waiting_.push_back(
      {std::move(work),
       [promise, x = std::move(x)](const session_actor& to) mutable {
         promise.delegate(to, std::move(x));
       },
       [promise](const caf::error& why) mutable { promise.deliver(why); }});
    tend();
  }
  return promise;
}

void pool_state::dispatch() {
  auto* free = find_idle();
  for (auto i = waiting_.begin(); i != waiting_.end() && free;) {
    if (auto wait = held_back(i->work)) {
      i->refuse(*wait);
    } else if (assign(*free, i->work)) {
      i->hand_over(free->handle);
      free = find_idle();
    } else {
      // What is no flush does not wait behind it.
      ++i;
      continue;
    }
    i = waiting_.erase(i);
  }
  // Nobody waits for a turn that cannot be used.
  if (!free || std::ranges::none_of(waiting_, is_flush, &waiting::work))
    flush_seat_.stand_back();
  show();
}

bool pool_state::assign(slot& to, std::optional<lane_work>& work) {
  if (is_flush(work)) {
    to.turn = flush_seat_.take();
    if (!to.turn)
      return false;
    to.turn_since = now();
    look_after(config_.flush_turn);
  }
  to.now = condition::busy;
  to.work = std::exchange(work, std::nullopt);
  if (to.work)
    begin(*to.work);
  return true;
}

void pool_state::fail_waiting() {
  for (auto& x : std::exchange(waiting_, {}))
    x.refuse(no_connection(x.work));
}

void pool_state::show() {
  metrics_.sessions_idle->value(count(condition::idle));
  metrics_.sessions_busy->value(count(condition::busy));
  metrics_.sessions_connecting->value(count(condition::connecting));
  metrics_.sessions_down->value(count(condition::down));
  metrics_.parked->value(parking_.parked() ? 1 : 0);
  metrics_.backing_off->value(back_off_.holds() ? 1 : 0);
  database_use next{open() + count(condition::closing), count(condition::busy),
                    seat_.waits() ? 1 : 0};
  metrics_.database.move(shown_, next);
  shown_ = next;
}

pool_actor spawn_pool(caf::local_actor* parent, pool_config config) {
  return parent->spawn<pool>(std::move(config));
}

} // namespace millrace
