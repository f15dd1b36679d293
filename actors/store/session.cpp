#include "actors/store/session.hpp"

#include "actors/store/coordinate_key.hpp"
#include "actors/store/lane_store.hpp"
#include "actors/store/late_rows.hpp"
#include "actors/store/missed_partition.hpp"
#include "actors/store/missing_parents.hpp"
#include "actors/store/tenant_parking.hpp"

#include <caf/send.hpp>

#include <utility>

namespace millrace {

namespace {

using namespace std::chrono_literals;

/// How long the mailbox may wait.
constexpr auto slice = 100ms;

/// For the server to give up a connection: some milliseconds, unless it is out
/// of reach.
constexpr auto close_patience = 500ms;

/// How often an idle connection is looked at.
constexpr auto idle_check = 1s;

/// How many pools a connection may go through. A backend remembers each table
/// that it has seen, and has a staging table for each that was merged into.
constexpr uint32_t most_passed = 256;

/// A connection between two sessions, and how many pools have had it.
struct passed_connection final : open_session {
  passed_connection(connection x, uint32_t times)
    : conn{std::move(x)},
      passed{times} {
  }

  ~passed_connection() override {
    conn.close_and_wait(close_patience);
  }

  connection conn;
  uint32_t passed;
};

caf::error not_connected() {
  return caf::make_error(store_errc::unavailable,
                         std::string{"the session is not connected"});
}

} // namespace

session_state::session_state(session_actor::pointer self, session_config config,
                             backoff_config delays, uint32_t index,
                             session_slot right, pool_actor pool)
  : self_{self},
    right_{std::move(right)},
    config_{std::move(config)},
    index_{index},
    pool_{std::move(pool)},
    delays_{delays},
    chance_{std::random_device{}()} {
}

session_actor::behavior_type session_state::make_behavior() {
  self_->monitor(pool_);
  self_->set_down_handler([this](const caf::down_msg& x) { end(x.reason); });
  self_->set_exit_handler([this](const caf::exit_msg& x) {
    if (x.reason)
      end(x.reason);
  });
  tick_after(0ms);
  auto lanes = [this] { return lane_store{*conn_, config_.row_lock_timeout}; };
  return {
    [this](flush& x) { return start_flush(std::move(x)); },
    [this, lanes](const takeover_request& x) {
      return act<lane_row>([&] { return lanes().takeover(x); });
    },
    [this, lanes](const halt_request& x) {
      return act<lane_row>([&] { return lanes().halt(x); });
    },
    [this, lanes](const retention_halt_request& x) {
      return act<lane_row>([&] { return lanes().halt(x); });
    },
    [this, lanes](const load_request& x) {
      return act<lane_row>([&] { return lanes().load(x); });
    },
    [this, lanes](const boot_request& x) {
      return act<boot_result>([&] { return lanes().boot(x); });
    },
    [this, lanes](const view_request& x) {
      return act<partition_view>([&] { return lanes().view(x); });
    },
    [this, lanes](const floor_request& x) {
      return act<floor_answer>([&] { return lanes().raise(x); });
    },
    [this, lanes](const waiting_request& x) {
      return act<waiting_answer>([&] { return lanes().waiting(x); });
    },
    [this](session_step) { step(); },
    [this](session_tick x) {
      if (x.number == ticks_)
        tick();
    },
    [this](inspect_atom) {
      auto report = vitals_.report(self_,
                                   {{"flushes", flushes_}, {"acts", acts_}});
      report.name = "session " + std::to_string(index_);
      return report;
    },
  };
}

void session_state::end(const caf::error& reason) {
  if (conn_ && !run_)
    give_up_connection();
  self_->quit(reason);
}

void session_state::give_up_connection() {
  if (passed_ >= most_passed || !conn_->is_free()) {
    conn_->close_and_wait(close_patience);
    return;
  }
  std::unique_ptr<open_session> going
    = std::make_unique<passed_connection>(std::move(*conn_), passed_ + 1);
  conn_.reset();
  // Closed here where nobody wants it.
  right_.pass_on(going);
}

// -- connection ---------------------------------------------------------------

void session_state::tick() {
  if (!conn_) {
    connect();
    return;
  }
  // A flush watches its connection itself, and says so at its end.
  if (!run_ && !conn_->still_there())
    lost(store_errc::unavailable, "the server closed the connection");
  else
    tick_after(idle_check);
}

void session_state::connect() {
  if (take_over()) {
    up();
    return;
  }
  if (!connecting_)
    connecting_.emplace(config_);
  auto result = connecting_->advance(slice);
  if (!result) {
    tick_after(0ms);
    return;
  }
  connecting_.reset();
  if (!*result) {
    lost(result->error().code, result->error().message);
    return;
  }
  conn_.emplace(std::move(**result));
  passed_ = 0;
  up();
}

bool session_state::take_over() {
  auto came = right_.take_connection();
  if (!came)
    return false;
  auto& x = static_cast<passed_connection&>(*came);
  if (!x.conn.is_free())
    return false;
  conn_.emplace(std::move(x.conn));
  passed_ = x.passed;
  return true;
}

void session_state::up() {
  up_since_ = clock::now();
  tell(std::exchange(was_up_, true) ? session_notice::kind::up_again
                                    : session_notice::kind::up);
  tick_after(idle_check);
}

void session_state::tick_after(std::chrono::milliseconds delay) {
  session_tick next{++ticks_};
  if (delay > 0ms)
    self_->delayed_send(self_, delay, next);
  else
    self_->send(self_, next);
}

void session_state::lost(store_errc code, std::string reason) {
  auto lived = conn_ ? clock::now() - up_since_ : clock::duration::zero();
  conn_.reset();
  tell(session_notice::kind::down, code, std::move(reason));
  tick_after(delays_.next(lived, chance_));
}

void session_state::tell(session_notice::kind what, store_errc code,
                         std::string reason, bool wrote, schema_sight tables) {
  auto down = what == session_notice::kind::down;
  vitals_.become(down ? "down" : "idle", down ? reason : std::string{});
  self_->send(pool_,
              session_notice{index_, what, code, std::move(reason), wrote,
                             conn_ ? conn_->server_started_us() : 0, tables});
}

// -- work ---------------------------------------------------------------------

caf::typed_response_promise<flush_result>
session_state::start_flush(flush&& work) {
  auto promise = self_->make_response_promise<flush_result>();
  if (!conn_ || run_) {
    promise.deliver(not_connected());
    return promise;
  }
  ++flushes_;
  vitals_.become("busy");
  run_ = std::make_unique<flush_run>(*conn_, std::move(work),
                                     config_.flush_timeout);
  waiting_ = promise;
  step();
  return promise;
}

void session_state::step() {
  if (!run_)
    return;
  if (run_->advance(slice) == flush_progress::pending) {
    self_->send(self_, session_step{});
    return;
  }
  auto result = run_->result();
  judge_unique_violation(*conn_, result, run_->plan());
  judge_missing_parents(*conn_, result, run_->work());
  judge_late_rows(*conn_, result, run_->work());
  if (result.action == failure_action::wait_partition)
    tell_missed_partition(*conn_);
  run_.reset();
  auto wrote = result.verdict == flush_verdict::committed && result.rows > 0;
  auto tables = sight_of(result);
  std::string why;
  if (tables == schema_sight::unusable || tables == schema_sight::no_room) {
    add_mend(result);
    why = result.sqlstate + ": " + result.message;
  }
  waiting_.deliver(std::move(result));
  done(wrote, tables, std::move(why));
}

template <class Result, class Act>
caf::typed_response_promise<Result> session_state::act(Act what) {
  auto promise = self_->make_response_promise<Result>();
  if (!conn_ || run_) {
    promise.deliver(not_connected());
    return promise;
  }
  ++acts_;
  store_result<Result> result = what();
  if (!result && result.error().code == store_errc::back_off)
    done(false, schema_sight::no_room,
         result.error().sqlstate + ": " + result.error().message);
  else
    done();
  if (result)
    promise.deliver(std::move(*result));
  else
    promise.deliver(caf::make_error(result.error().code, //
                                    result.error().message));
  return promise;
}

void session_state::done(bool wrote, schema_sight tables, std::string why) {
  if (conn_->is_open())
    tell(session_notice::kind::idle, {}, std::move(why), wrote, tables);
  else
    lost(store_errc::unavailable, "the connection was lost");
}

} // namespace millrace
