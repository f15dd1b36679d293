#include "actors/coordinator/coordinator_task.hpp"

#include "actors/cluster/log.hpp"
#include "actors/coordinator/jitter.hpp"

#include <caf/event_based_actor.hpp>

#include <exception>
#include <utility>

namespace millrace {

coordinator_task_state::coordinator_task_state(
  coordinator_task_actor::pointer self, coordinator_task_config config,
  held_lease_ptr lease)
  : self_{self},
    config_{std::move(config)},
    lease_{std::move(lease)} {
  config_.session.application_name
    = coordinator_session_name(lease_->term().epoch);
}

coordinator_task_state::~coordinator_task_state() {
  if (job_)
    job_->stop = true;
  // Whoever coordinates now tells of them.
  for (auto* x : shown_)
    x->value(0);
}

coordinator_task_actor::behavior_type coordinator_task_state::make_behavior() {
  self_->set_down_handler([this](const caf::down_msg&) { on_done(); });
  begin();
  return {
    [this](go_on_atom) { begin(); },
    [this](inspect_atom) {
      return vitals_.report(
        self_, {{"goes", goes_}, {"failures", failures_}, {"done", done_}});
    },
  };
}

void coordinator_task_state::begin() {
  if (job_)
    return;
  ++timer_;
  ++goes_;
  if (lacking_.empty())
    vitals_.become("working", trouble_);
  job_ = std::make_shared<job>();
  auto helper = self_->home_system().spawn<caf::detached>(
    [config = config_, lease = lease_, x = job_](caf::event_based_actor*) {
      work(config, *lease, *x);
    });
  self_->monitor(helper);
}

/// Runs in a thread of its own.
void coordinator_task_state::work(const coordinator_task_config& config,
                                  const held_lease& lease, job& x) {
  try {
    auto conn = connection::open(config.session);
    if (conn)
      x.result = config.work(*conn, lease, x.stop);
    else
      x.result = {conn.error().message, true, 0};
  } catch (const std::exception& e) {
    // Such as a name that PostgreSQL cannot have.
    x.result = {e.what(), false, 0};
  }
}

void coordinator_task_state::on_done() {
  auto done = std::move(std::exchange(job_, nullptr)->result);
  done_ += done.done;
  show(done.ahead);
  auto known = done.failure == trouble_;
  trouble_ = std::move(done.failure);
  auto lacked = lacking_;
  // A go that saw nothing knows nothing better.
  if (trouble_.empty() || !done.ahead.empty())
    lacking_ = std::move(done.lacking);
  if (lacking_.empty()) {
    vitals_.become("idle", trouble_);
  } else {
    vitals_.become(behind_state,
                   trouble_.empty() ? lacking_ : trouble_ + "; " + lacking_);
    if (lacking_ != lacked)
      log::warn("coordinator-task-behind", {{"task", config_.name},
                                            {"database", config_.database},
                                            {"reason", lacking_}});
  }
  if (trouble_.empty()) {
    if (config_.interval > std::chrono::milliseconds{0})
      begin_after(config_.interval);
    return;
  }
  ++failures_;
  if (!known)
    log::warn("coordinator-task-failed", {{"task", config_.name},
                                          {"database", config_.database},
                                          {"reason", trouble_}});
  begin_after(jittered(done.passing ? config_.retry_soon : config_.retry));
}

void coordinator_task_state::begin_after(std::chrono::milliseconds delay) {
  self_->run_delayed(delay, [this, n = ++timer_] {
    if (n == timer_)
      begin();
  });
}

void coordinator_task_state::show(
  const std::vector<partitions_ahead>& figures) {
  for (const auto& x : figures) {
    auto* gauge = partitions_ahead_gauge(self_->system(), x.pipeline, x.tenant,
                                         x.table);
    auto* unarchived = partitions_unarchived_gauge(self_->system(), x.pipeline,
                                                   x.tenant, x.table);
    gauge->value(x.periods);
    unarchived->value(x.unarchived);
    shown_.insert({gauge, unarchived});
  }
}

caf::actor spawn_coordinator_task(caf::local_actor* parent,
                                  coordinator_task_config config,
                                  held_lease_ptr lease) {
  return caf::actor_cast<caf::actor>(
    parent->spawn<coordinator_task>(std::move(config), std::move(lease)));
}

} // namespace millrace
