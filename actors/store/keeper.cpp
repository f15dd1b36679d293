#include "actors/store/keeper.hpp"

#include "actors/cluster/log.hpp"

#include <caf/event_based_actor.hpp>

#include <utility>

namespace millrace {

keeper_state::keeper_state(keeper_actor::pointer self, keeper_config config)
  : self_{self},
    config_{std::move(config)},
    metrics_{make_keeper_metrics(self->system(), config_.database)} {
}

keeper_state::~keeper_state() {
  if (job_)
    job_->stop = true;
}

keeper_actor::behavior_type keeper_state::make_behavior() {
  self_->set_down_handler([this](const caf::down_msg&) { on_done(); });
  look_after(config_.interval / 10);
  return {
    [this](go_on_atom) { look(); },
    [this](inspect_atom) {
      return vitals_.report(self_, {{"looks", looks_}, {"removed", removed_}});
    },
  };
}

void keeper_state::look_after(std::chrono::milliseconds delay) {
  self_->delayed_send(self_, delay, go_on_atom_v);
}

void keeper_state::look() {
  if (job_)
    return;
  ++looks_;
  vitals_.become("looking");
  job_ = std::make_shared<job>();
  auto helper = self_->home_system().spawn<caf::detached>(
    [config = config_, x = job_](caf::event_based_actor*) {
      work(config, *x);
    });
  self_->monitor(helper);
}

/// Runs in a thread of its own.
void keeper_state::work(const keeper_config& config, job& x) {
  auto failed = [&x](const store_error& why) { x.failure = why.message; };
  auto conn = connection::open(config.session);
  if (!conn)
    return failed(conn.error());
  retention rows{*conn, config.rules, config.node};
  auto mine = rows.take();
  if (!mine)
    return failed(mine.error());
  x.mine = *mine;
  if (!*mine)
    return;
  auto found = rows.survey();
  if (!found)
    return failed(found.error());
  x.found = std::move(*found);
  auto removed = rows.remove(x.found, x.stop);
  if (!removed)
    return failed(removed.error());
  x.removed = *removed;
}

void keeper_state::on_done() {
  auto done = std::exchange(job_, nullptr);
  look_after(config_.interval);
  vitals_.become("idle", done->failure);
  if (!done->failure.empty())
    log::warn("retention-failed",
              {{"database", config_.database}, {"reason", done->failure}});
  if (!done->mine)
    return;
  const auto& found = done->found;
  removed_ += done->removed;
  metrics_.pruned->inc(done->removed);
  metrics_.kept_bytes->value(found.all.bytes - found.beyond.bytes);
  metrics_.oldest_seconds->value(static_cast<double>(found.oldest_ms) / 1e3);
  if (done->removed > 0)
    log::warn("dead-letters-removed", {{"database", config_.database},
                                       {"number", done->removed},
                                       {"until", found.until}});
  else if (comes_near(found, config_.rules))
    log::warn("dead-letters-near-limit",
              {{"database", config_.database},
               {"number", found.all.number},
               {"bytes", found.all.bytes},
               {"max_bytes", config_.rules.max_bytes},
               {"oldest_s", found.oldest_ms / 1'000},
               {"keep_s", config_.rules.keep_ms / 1'000},
               {"mend", "replay or discard them with 'millrace dlq', or raise "
                        "[dead_letters]"}});
}

caf::actor spawn_keeper(caf::local_actor* parent, keeper_config config) {
  return caf::actor_cast<caf::actor>(parent->spawn<keeper>(std::move(config)));
}

} // namespace millrace
