#include "actors/coordinator/coordinator.hpp"

#include "actors/cluster/log.hpp"
#include "actors/cluster/supervisor.hpp"
#include "actors/store/missed_partition.hpp"

#include <caf/send.hpp>

#include <algorithm>
#include <utility>

namespace millrace {

namespace {

using clock = coordinator_lease::clock;

/// For the tasks to say how they are.
constexpr std::chrono::milliseconds inspect_patience{900};

/// Lanes whose rows no policy has a partition for call time and again.
constexpr std::chrono::milliseconds least_between_wakes{1'000};

} // namespace

coordinator_state::coordinator_state(coordinator_actor::pointer self,
                                     coordinator_config config)
  : self_{self},
    config_{std::move(config)},
    lease_{config_.timing},
    active_{coordinator_active_gauge(self->system(), config_.database)},
    wakes_{least_between_wakes} {
}

coordinator_actor::behavior_type coordinator_state::make_behavior() {
  // The tasks' supervisor is linked so that it ends with this actor, however
  // that ends; its own end comes as a down message.
  self_->set_exit_handler([this](const caf::exit_msg& x) {
    if (!tasks_ || x.source != tasks_.address())
      stop();
  });
  self_->set_down_handler([this](const caf::down_msg&) { on_tasks_ended(); });
  self_->send(self_, go_on_atom_v);
  return {
    [this](go_on_atom) { turn(); },
    [this](inspect_atom) { return inspect_all(); },
  };
}

// -- the lease ----------------------------------------------------------------

void coordinator_state::turn() {
  if (stopping_)
    return;
  if (auto step = lease_.next(clock::now()); step != lease_step::wait)
    ask(step);
  follow();
  hear();
  // A lost term waits for the end of its tasks, not for a time.
  if (lease_.state() == lease_state::lost)
    return;
  auto delay = std::chrono::ceil<std::chrono::milliseconds>(lease_.wake()
                                                            - clock::now());
  self_->delayed_send(self_, std::max(delay, std::chrono::milliseconds{0}),
                      go_on_atom_v);
}

bool coordinator_state::connected() {
  if (conn_ && conn_->is_open())
    return true;
  conn_.reset();
  auto opened = connection::open(config_.session);
  if (!opened) {
    on_error(opened.error());
    return false;
  }
  conn_ = std::move(*opened);
  if (auto listens = listen_for_missed_partitions(*conn_); !listens) {
    on_error(listens.error());
    return false;
  }
  return true;
}

void coordinator_state::hear() {
  if (conn_ && heard_missed_partition(*conn_))
    wakes_.call();
  if (!woken_)
    return wakes_.forget();
  if (!wakes_.follow(clock::now()))
    return;
  std::lock_guard guard{woken_->mutex};
  for (const auto& x : woken_->all)
    caf::anon_send(caf::actor_cast<coordinator_task_actor>(x.second),
                   go_on_atom_v);
}

void coordinator_state::ask(lease_step step) {
  if (!connected())
    return;
  lease_store row{*conn_, config_.node};
  auto asked = clock::now();
  if (step == lease_step::look) {
    auto seen = row.look();
    if (!seen)
      return on_error(seen.error());
    lease_.on_row(seen->left, clock::now());
    holder_ = seen->left > std::chrono::milliseconds{0} ? seen->node : "";
  } else if (step == lease_step::renew) {
    auto renewed = row.renew(held_->term(), config_.timing.term);
    if (!renewed)
      return on_error(renewed.error());
    *renewed ? lease_.on_held(asked) : lease_.on_refused(clock::now());
  } else {
    auto taken = row.take_over(config_.timing.term);
    if (!taken)
      return on_error(taken.error());
    if (!*taken)
      return lease_.on_refused(clock::now());
    held_ = std::make_shared<held_lease>(**taken);
    // A takeover may have waited for its turn before the term began, so this
    // only makes it end too early here.
    lease_.on_held(asked);
  }
  note({});
}

void coordinator_state::on_error(const store_error& x) {
  lease_.on_failed(clock::now());
  note(x.message);
}

void coordinator_state::note(const std::string& trouble) {
  if (trouble == std::exchange(trouble_, trouble) || trouble.empty())
    return;
  log::warn("coordinator-lease-unknown",
            {{"database", config_.database}, {"reason", trouble}});
}

// -- what follows from it -----------------------------------------------------

void coordinator_state::follow() {
  switch (lease_.state()) {
    case lease_state::standby:
      vitals_.become("standby", trouble_.empty()
                                  ? (holder_.empty() ? "" : holder_ + " leads")
                                  : trouble_);
      break;
    case lease_state::active:
      held_->hold_until(lease_.held_until());
      if (!tasks_)
        begin_tasks();
      vitals_.become("active", trouble_);
      break;
    case lease_state::lost:
      if (vitals_.state() != "lost") {
        log::warn("coordinator-lost", {{"database", config_.database},
                                       {"epoch", held_->term().epoch}});
        vitals_.become("lost", "waits for the end of its work");
        end_tasks();
      }
      break;
  }
}

void coordinator_state::begin_tasks() {
  ++terms_;
  active_->value(1);
  log::info("coordinator-active",
            {{"database", config_.database}, {"epoch", held_->term().epoch}});
  supervisor_config below;
  below.name = "coordinator";
  woken_ = std::make_shared<woken_tasks>();
  for (const auto& x : config_.tasks) {
    child_spec child;
    child.name = x.name;
    child.on_limit = limit_reaction::park;
    child.factory = [x, held = held_, to = woken_](caf::local_actor* parent) {
      auto task = spawn_coordinator_task(parent, x, held);
      if (x.for_missed_partitions) {
        std::lock_guard guard{to->mutex};
        to->all[x.name] = task;
      }
      return task;
    };
    below.children.push_back(std::move(child));
  }
  tasks_
    = self_->spawn<supervisor, caf::linked + caf::monitored>(std::move(below));
}

void coordinator_state::end_tasks() {
  active_->value(0);
  held_->hold_until(clock::time_point::min());
  woken_ = nullptr;
  self_->send_exit(tasks_, caf::exit_reason::user_shutdown);
}

void coordinator_state::on_tasks_ended() {
  tasks_ = nullptr;
  woken_ = nullptr;
  if (stopping_) {
    resign();
    self_->quit(caf::exit_reason::user_shutdown);
    return;
  }
  if (lease_.state() == lease_state::active) {
    // Nobody told them to: begin anew, or let somebody else.
    active_->value(0);
    held_->hold_until(clock::time_point::min());
    resign();
    lease_.give_up();
  }
  held_ = nullptr;
  lease_.on_idle(clock::now());
  turn();
}

void coordinator_state::stop() {
  if (std::exchange(stopping_, true))
    return;
  if (tasks_) {
    if (lease_.state() == lease_state::active)
      end_tasks();
    return;
  }
  self_->quit(caf::exit_reason::user_shutdown);
}

void coordinator_state::resign() {
  if (!conn_ || !conn_->is_open() || !held_)
    return;
  if (auto done = lease_store{*conn_, config_.node}.resign(held_->term());
      !done)
    note(done.error().message);
}

// -- reports ------------------------------------------------------------------

actor_report coordinator_state::own_report() {
  return vitals_.report(self_, {{"terms", terms_},
                                {"epoch", held_ ? held_->term().epoch : 0}});
}

caf::result<actor_report> coordinator_state::inspect_all() {
  if (!tasks_)
    return own_report();
  auto answer = self_->make_response_promise<actor_report>();
  self_->request(tasks_, inspect_patience, inspect_atom_v)
    .then(
      [this, answer](actor_report& below) mutable {
        auto result = own_report();
        result.children = std::move(below.children);
        answer.deliver(std::move(result));
      },
      [this, answer](const caf::error&) mutable {
        answer.deliver(own_report());
      });
  return answer;
}

caf::actor spawn_coordinator(caf::local_actor* parent,
                             coordinator_config config) {
  return caf::actor_cast<caf::actor>(
    parent->spawn<coordinator, caf::detached>(std::move(config)));
}

} // namespace millrace
