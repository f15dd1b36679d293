#include "actors/cluster/supervisor.hpp"

#include "actors/cluster/log.hpp"
#include "actors/cluster/vitals.hpp"

#include <caf/exit_reason.hpp>
#include <caf/send.hpp>

#include <algorithm>
#include <exception>
#include <format>
#include <stdexcept>
#include <utility>

namespace millrace {

namespace {

exit_kind classify(const caf::error& reason) {
  return !reason || reason == caf::exit_reason::normal
             || reason == caf::exit_reason::user_shutdown
           ? exit_kind::finished
           : exit_kind::failed;
}

uint64_t seed_of(const supervisor_config& config) {
  if (config.seed)
    return *config.seed;
  std::random_device source;
  return (uint64_t{source()} << 32) | source();
}

supervisor_config checked(supervisor_config config) {
  if (auto complaint = validate(config))
    throw std::invalid_argument{"supervisor: " + *complaint};
  return config;
}

} // namespace

// -- one child, its life ------------------------------------------------------

supervisor_state::child::child(child_spec what, const supervisor_config& config)
  : spec{std::move(what)},
    delays{config.backoff},
    window{config.limit} {
}

void supervisor_state::enter(child& x, child_state state) {
  if (x.timer.valid())
    x.timer.dispose();
  x.timer = {};
  x.state = state;
  x.since_ms = vitals::now_ms();
}

void supervisor_state::after(const child_ptr& x,
                             std::chrono::milliseconds delay,
                             void (supervisor_state::*what)(const child_ptr&)) {
  // The timer belongs to the child: a strong pointer would keep it for ever.
  x->timer = self_->run_delayed(delay, [this, what, w = std::weak_ptr{x}] {
    if (auto y = w.lock())
      (this->*what)(y);
  });
}

void supervisor_state::release(child& x) {
  std::erase(*living_, x.handle);
  x.handle = nullptr;
}

void supervisor_state::tell_waiting(child& x) {
  for (auto& rp : std::exchange(x.waiting, {}))
    rp.deliver();
}

void supervisor_state::start(const child_ptr& x) {
  enter(*x, child_state::running);
  x->started_at = now();
  if (++x->starts > 1)
    ++restarts_;
  std::string complaint = "made nothing";
  try {
    x->handle = x->spec.factory(self_);
  } catch (const std::exception& e) {
    complaint = e.what();
  } catch (...) {
    complaint = "threw something unknown";
  }
  if (!x->handle) {
    on_exit(x, caf::make_error(supervision_errc::factory_failed, complaint));
    return;
  }
  self_->monitor(x->handle);
  living_->push_back(x->handle);
  auto restarts = x->starts - 1;
  if (restarts > 0)
    log::info("child-restarted", {{"supervisor", config_.name},
                                  {"child", x->spec.name},
                                  {"restarts", restarts}});
  for (const auto& listener : listeners_)
    caf::anon_send(listener, child_started{x->spec.name, x->handle, restarts});
}

void supervisor_state::on_exit(const child_ptr& x, const caf::error& reason) {
  release(*x);
  if (ending_) {
    forget(x);
    return;
  }
  auto how = classify(reason);
  if (how == exit_kind::failed)
    x->last_failure = reason_text(reason);
  auto parks = x->spec.on_limit == limit_reaction::park;
  auto& window = parks ? x->window : window_;
  auto admitted = wants_restart(x->spec.restart, how) && window.admit(now());
  switch (decide(x->spec.restart, how, admitted, x->spec.on_limit)) {
    case restart_verdict::restart:
      return restart_later(x);
    case restart_verdict::park:
      return park(x);
    case restart_verdict::escalate:
      return escalate(*x);
    case restart_verdict::forget:
      if (how == exit_kind::failed)
        log::warn("child-failed", {{"supervisor", config_.name},
                                   {"child", x->spec.name},
                                   {"reason", x->last_failure}});
      return forget(x);
  }
}

void supervisor_state::restart_later(const child_ptr& x) {
  auto delay = x->delays.next(now() - x->started_at, chance_);
  log::warn("child-restart", {{"supervisor", config_.name},
                              {"child", x->spec.name},
                              {"delay_ms", delay.count()},
                              {"reason", x->last_failure}});
  enter(*x, child_state::waiting);
  after(x, delay, &supervisor_state::start);
}

void supervisor_state::park(const child_ptr& x) {
  ++parked_;
  log::error("child-parked", {{"supervisor", config_.name},
                              {"child", x->spec.name},
                              {"retry_ms", config_.park_retry.count()},
                              {"reason", x->last_failure}});
  enter(*x, child_state::parked);
  after(x, config_.park_retry, &supervisor_state::start_afresh);
}

void supervisor_state::start_afresh(const child_ptr& x) {
  x->window.reset();
  x->delays.reset();
  start(x);
}

// -- one child, its stop ------------------------------------------------------

void supervisor_state::begin_stop(const child_ptr& x, after_stop then) {
  enter(*x, child_state::stopping);
  x->then = then;
  self_->send_exit(x->handle, caf::exit_reason::user_shutdown);
  after(x, x->spec.stop_grace, &supervisor_state::kill);
}

void supervisor_state::kill(const child_ptr& x) {
  log::warn("child-killed", {{"supervisor", config_.name},
                             {"child", x->spec.name},
                             {"grace_ms", x->spec.stop_grace.count()}});
  self_->send_exit(x->handle, caf::exit_reason::kill);
  after(x, config_.kill_grace, &supervisor_state::abandon);
}

void supervisor_state::abandon(const child_ptr& x) {
  ++abandoned_;
  log::error("child-abandoned",
             {{"supervisor", config_.name}, {"child", x->spec.name}});
  self_->demonitor(x->handle);
  on_stopped(x);
}

void supervisor_state::on_stopped(const child_ptr& x) {
  release(*x);
  if (ending_ || x->then == after_stop::forget) {
    forget(x);
    if (ending_)
      stop_next();
    return;
  }
  start_afresh(x);
  tell_waiting(*x);
}

void supervisor_state::forget(const child_ptr& x) {
  enter(*x, child_state::stopping);
  tell_waiting(*x);
  std::erase(children_, x);
}

// -- the whole ----------------------------------------------------------------

void supervisor_state::escalate(const child& x) {
  auto text = std::format(
    "supervisor {}: more than {} restarts within {} ms; the last failure was "
    "of {}: {}",
    config_.name, config_.limit.max_restarts, config_.limit.window.count(),
    x.spec.name, x.last_failure.empty() ? "it ended" : x.last_failure);
  log::error("restart-limit", {{"supervisor", config_.name},
                               {"child", x.spec.name},
                               {"reason", x.last_failure}});
  begin_shutdown(caf::make_error(supervision_errc::restart_limit, text));
}

void supervisor_state::begin_shutdown(caf::error reason) {
  if (ending_)
    return;
  ending_ = std::move(reason);
  since_ms_ = vitals::now_ms();
  stop_next();
}

void supervisor_state::stop_next() {
  while (!children_.empty()) {
    auto last = children_.back();
    if (last->state == child_state::stopping)
      return;
    if (last->handle) {
      begin_stop(last, after_stop::forget);
      return;
    }
    forget(last);
  }
  finish();
}

void supervisor_state::finish() {
  auto reason = *ending_;
  if (reason == supervision_errc::restart_limit && config_.on_escalation)
    config_.on_escalation(reason_text(reason));
  for (auto& rp : std::exchange(waiting_for_end_, {}))
    rp.deliver();
  self_->quit(std::move(reason));
}

supervisor_state::child_ptr
supervisor_state::find(std::string_view child_name) const {
  auto same = [&](const child_ptr& x) { return x->spec.name == child_name; };
  auto hit = std::ranges::find_if(children_, same);
  return hit == children_.end() ? nullptr : *hit;
}

restart_clock::time_point supervisor_state::now() const {
  return self_->clock().now();
}

// -- messages -----------------------------------------------------------------

supervisor_state::supervisor_state(supervisor_actor::pointer self,
                                   supervisor_config config)
  : self_{self},
    config_{checked(std::move(config))},
    chance_{seed_of(config_)},
    window_{config_.limit},
    since_ms_{vitals::now_ms()},
    living_{std::make_shared<std::vector<caf::actor>>()} {
}

supervisor_actor::behavior_type supervisor_state::make_behavior() {
  self_->set_down_handler([this](caf::down_msg& msg) { on_down(msg); });
  self_->set_exit_handler([this](caf::exit_msg& msg) {
    begin_shutdown(msg.reason ? msg.reason : caf::exit_reason::user_shutdown);
  });
  // Also runs when the supervisor is killed or throws, where no handler does.
  self_->attach_functor([living = living_](const caf::error& reason) {
    auto killed = reason == caf::exit_reason::kill;
    for (const auto& x : std::exchange(*living, {}))
      caf::anon_send_exit(x, killed ? caf::exit_reason::kill
                                    : caf::exit_reason::user_shutdown);
  });
  for (auto& spec : std::exchange(config_.children, {})) {
    children_.push_back(std::make_shared<child>(std::move(spec), config_));
    start(child_ptr{children_.back()});
  }
  return {
    [this](inspect_atom) { return inspect_all(); },
    [this](add_child_atom, const child_spec_ptr& spec) { return add(spec); },
    [this](remove_child_atom, const std::string& x) { return remove(x); },
    [this](restart_child_atom, const std::string& x) { return restart(x); },
    [this](caf::subscribe_atom, const caf::actor& x) { subscribe(x); },
    [this](stop_atom) { return stop(); },
  };
}

caf::result<void> supervisor_state::add(const child_spec_ptr& spec) {
  if (ending_)
    return caf::make_error(supervision_errc::stopping);
  auto complaint = spec ? validate(*spec) : "no description";
  if (!complaint && children_.size() >= config_.max_children)
    complaint = "the supervisor has max_children already";
  if (complaint)
    return caf::make_error(supervision_errc::bad_spec, *complaint);
  if (find(spec->name))
    return caf::make_error(supervision_errc::name_taken, spec->name);
  children_.push_back(std::make_shared<child>(*spec, config_));
  start(child_ptr{children_.back()});
  return caf::unit;
}

caf::result<void> supervisor_state::remove(const std::string& child_name) {
  auto x = find(child_name);
  if (!x)
    return caf::make_error(supervision_errc::no_such_child, child_name);
  if (!x->handle) {
    forget(x);
    return caf::unit;
  }
  auto rp = self_->make_response_promise<void>();
  x->waiting.push_back(rp);
  if (x->state == child_state::stopping)
    x->then = after_stop::forget;
  else
    begin_stop(x, after_stop::forget);
  return rp;
}

caf::result<void> supervisor_state::restart(const std::string& child_name) {
  auto x = find(child_name);
  if (!x)
    return caf::make_error(supervision_errc::no_such_child, child_name);
  auto leaving = x->state == child_state::stopping
                 && x->then == after_stop::forget;
  if (ending_ || leaving)
    return caf::make_error(supervision_errc::stopping);
  if (!x->handle) {
    start_afresh(x);
    return caf::unit;
  }
  auto rp = self_->make_response_promise<void>();
  x->waiting.push_back(rp);
  if (x->state != child_state::stopping)
    begin_stop(x, after_stop::restart);
  return rp;
}

void supervisor_state::subscribe(const caf::actor& listener) {
  if (!listener)
    return;
  if (std::ranges::find(listeners_, listener) == listeners_.end()) {
    if (listeners_.size() >= config_.max_listeners) {
      log::error("too-many-listeners", {{"supervisor", config_.name}});
      return;
    }
    self_->monitor(listener);
    listeners_.push_back(listener);
  }
  for (const auto& x : children_)
    if (x->state == child_state::running && x->handle)
      caf::anon_send(listener,
                     child_started{x->spec.name, x->handle, x->starts - 1});
}

caf::result<void> supervisor_state::stop() {
  auto rp = self_->make_response_promise<void>();
  waiting_for_end_.push_back(rp);
  begin_shutdown(caf::exit_reason::user_shutdown);
  return rp;
}

void supervisor_state::on_down(const caf::down_msg& msg) {
  std::erase_if(listeners_,
                [&](const caf::actor& x) { return x.address() == msg.source; });
  auto ended = std::ranges::find_if(children_, [&](const child_ptr& x) {
    return x->handle && x->handle.address() == msg.source;
  });
  if (ended == children_.end())
    return;
  auto x = *ended;
  if (x->state == child_state::stopping)
    on_stopped(x);
  else
    on_exit(x, msg.reason);
}

} // namespace millrace
