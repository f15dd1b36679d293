#include "actors/source/partition_consumer.hpp"

#include "actors/cluster/log.hpp"
#include "actors/cluster/supervisor.hpp"

#include <caf/actor_system.hpp>
#include <caf/send.hpp>

#include <utility>

namespace millrace {

namespace {

/// Records found where none was seen before: tried once more, then a halt.
constexpr int max_gaps = 2;

} // namespace

/// Decodes the records of one turn into the feed.
class partition_consumer_state::reader final : public record_visitor {
public:
  explicit reader(partition_consumer_state& state) : state_{state} {
  }

  bool visit(const record_view& record) override {
    auto& feed = state_.feed_;
    offset at{record.offset};
    auto verdict = feed.begin(at);
    if (verdict == record_verdict::stale)
      return true;
    if (verdict == record_verdict::hole) {
      state_.note_hole(feed.cursor().position(), at);
      feed.begin(at);
    }
    state_.decoder_.decode(record, feed);
    feed.end();
    state_.last_read_ms_ = record.timestamp_ms;
    ++state_.events_;
    return !feed.any_full();
  }

private:
  partition_consumer_state& state_;
};

partition_consumer_state::partition_consumer_state(
  partition_consumer_actor::pointer self, partition_consumer_config config,
  partition_consumer_peers peers)
  : self_{self},
    config_{std::move(config)},
    peers_{std::move(peers)},
    feed_{config_.feed},
    decoder_{config_.program},
    metrics_{make_pipeline_metrics(self->system(), config_.feed.pipeline)},
    lag_{make_partition_metrics(self->system(), config_.feed.pipeline,
                                config_.feed.topic,
                                config_.feed.source.number.value)},
    delays_{config_.delays},
    chance_{std::random_device{}()},
    writers_(config_.feed.lane_ids.size()) {
}

partition_consumer_state::~partition_consumer_state() {
  drop_queue();
  metrics_.inflight_bytes->dec(counted_bytes_);
  lag_.lag_messages->value(0);
  lag_.lag_seconds->value(0);
}

partition_consumer_actor::behavior_type
partition_consumer_state::make_behavior() {
  self_->monitor(peers_.source);
  self_->monitor(peers_.router);
  self_->set_down_handler([this](caf::down_msg& msg) {
    // A new SOURCE starts new consumers; a new ROUTER needs us to subscribe.
    if (msg.source == peers_.source.address())
      self_->quit();
    else
      self_->quit(caf::make_error(caf::sec::runtime_error, "ROUTER is gone"));
  });
  self_->send(peers_.router, caf::subscribe_atom_v,
              caf::actor_cast<caf::actor>(self_));
  start();
  self_->run_delayed(config_.tick, [this] { tick(); });
  return {
    [this](records_ready_atom) { drain(); },
    [this](const lane_answer& x) { on_answer(x); },
    [this](const lane_route& x) { on_route(x); },
    [this](const record_request& x) { return fetch(x); },
    [this](resume_atom) { start_again("resumed"); },
    [this](inspect_atom) {
      auto report = vitals_.report(
        self_,
        {{"position", feed_.cursor().position().value},
         {"floor", feed_.cursor().floor().value},
         {"events", events_},
         {"batches", batches_},
         {"lent_bytes", static_cast<int64_t>(feed_.cursor().lent_bytes())}});
      report.name = config_.feed.topic + '/'
                    + std::to_string(config_.feed.source.number.value);
      return report;
    },
  };
}

// -- start --------------------------------------------------------------------

void partition_consumer_state::start() {
  ++starts_;
  phase_ = phase::starting;
  drop_queue();
  holes_.clear();
  verifying_ = blocked_ = asking_ = checking_ = false;
  late_view_.reset();
  sent_times_.clear();
  vitals_.become("starting");
  self_
    ->request(peers_.pool, config_.store_timeout,
              view_request{config_.feed.pipeline, config_.feed.source})
    .then(
      [this, n = starts_](partition_view& view) {
        if (n == starts_)
          on_view(view);
      },
      [this, n = starts_](const caf::error& reason) {
        if (n == starts_)
          start_again(reason_text(reason));
      });
}

void partition_consumer_state::on_view(partition_view& view) {
  if (!lanes_as_made(view))
    return;
  self_
    ->request(peers_.source, config_.source_timeout,
              log_request{config_.feed.topic, config_.feed.source})
    .then(
      [this, n = starts_, view](offset_range log) {
        if (n == starts_)
          on_log(view, log);
      },
      [this, n = starts_](const caf::error& reason) {
        if (n != starts_)
          return;
        if (reason == source_errc::halt)
          halt(partition_halt::source, reason_text(reason));
        else
          start_again(reason_text(reason));
      });
}

void partition_consumer_state::on_log(const partition_view& view,
                                      offset_range log) {
  feed_.assign(view, log);
  slot_ = view.at;
  log_end_ = log.to;
  auto& cursor = feed_.cursor();
  if (cursor.halted() != partition_halt::none)
    halt(cursor.halted(), cursor.halt_reason());
  else
    first_floor_act();
}

void partition_consumer_state::first_floor_act() {
  auto act = feed_.cursor().propose();
  if (!act) {
    assign_queue();
    return;
  }
  self_
    ->request(peers_.pool, config_.store_timeout,
              floor_request{.pipeline = config_.feed.pipeline,
                            .source = config_.feed.source,
                            .act = *act,
                            .dry_run = false,
                            .active_not_below = {}})
    .then(
      [this, n = starts_, act = *act](const floor_answer& answer) {
        if (n != starts_)
          return;
        feed_.cursor().floor_answer(act, answer);
        if (feed_.cursor().needs_assign()) {
          start_again("the floor moved");
          return;
        }
        last_floor_ = now();
        assign_queue();
      },
      [this, n = starts_](const caf::error& reason) {
        if (n == starts_)
          start_again(reason_text(reason));
      });
}

void partition_consumer_state::assign_queue() {
  drop_queue();
  // Only the last assignment counts: an older one begins elsewhere, and its
  // first record would look like a hole.
  ++assigns_;
  self_
    ->request(peers_.source, config_.source_timeout,
              assign_request{config_.feed.topic, config_.feed.source.number,
                             feed_.cursor().position()})
    .then(
      [this, n = starts_, m = assigns_](partition_queue_ptr& queue) {
        if (n == starts_ && m == assigns_)
          on_queue(std::move(queue));
      },
      [this, n = starts_](const caf::error& reason) {
        if (n != starts_)
          return;
        if (reason == source_errc::halt)
          halt(partition_halt::source, reason_text(reason));
        else
          start_again(reason_text(reason));
      });
}

void partition_consumer_state::on_queue(partition_queue_ptr queue) {
  if (phase_ == phase::starting)
    log::info("partition-assigned",
              {{"pipeline", config_.feed.pipeline},
               {"topic", config_.feed.topic},
               {"partition", config_.feed.source.number.value},
               {"offset", feed_.cursor().position().value},
               {"floor_held", feed_.cursor().holds_floor()}});
  phase_ = phase::reading;
  vitals_.become("reading");
  delays_.reset();
  queue_ = std::move(queue);
  progress_ = now();
  at_end_ = false;
  // The queue must not keep this actor alive.
  queue_->set_wakeup([weak = self_->address()] {
    if (auto strong = caf::actor_cast<caf::actor>(weak))
      caf::anon_send(strong, records_ready_atom_v);
  });
}

void partition_consumer_state::start_again(const std::string& why) {
  ++starts_;
  phase_ = phase::starting;
  drop_queue();
  vitals_.become("waiting", why);
  auto delay = delays_.next(std::chrono::seconds{0}, chance_);
  log::info("partition-restart",
            {{"pipeline", config_.feed.pipeline},
             {"topic", config_.feed.topic},
             {"partition", config_.feed.source.number.value},
             {"reason", why},
             {"delay_ms", delay.count()}});
  self_->run_delayed(delay, [this, n = starts_] {
    if (n == starts_)
      start();
  });
}

void partition_consumer_state::halt(partition_halt why,
                                    const std::string& reason) {
  ++starts_;
  phase_ = phase::halted;
  drop_queue();
  feed_.cursor().halt(why, reason);
  vitals_.become("halted", reason);
  log::error("partition-halted",
             {{"pipeline", config_.feed.pipeline},
              {"topic", config_.feed.topic},
              {"partition", config_.feed.source.number.value},
              {"cause", to_string(why)},
              {"reason", reason},
              {"mend", "see docs/runbook.md, then restart the node"}});
}

// -- reading ------------------------------------------------------------------

void partition_consumer_state::drain() {
  if (phase_ != phase::reading || !queue_)
    return;
  blocked_ = !feed_.has_credit() || (feed_.any_full() && !holes_.empty());
  if (blocked_) {
    progress_ = now();
    return;
  }
  reader turn{*this};
  auto before = events_;
  auto result = queue_->drain(config_.turn, turn);
  metrics_.events_read->inc(events_ - before);
  on_drained(result);
}

void partition_consumer_state::on_drained(const drain_result& result) {
  if (result.stale) {
    start_again("the assignment was taken away");
    return;
  }
  if (result.records > 0 || result.at_end) {
    stalls_in_a_row_ = 0;
    doubts_in_a_row_ = 0;
    progress_ = now();
    at_end_ = result.at_end;
  }
  if (result.at_end && result.position > feed_.cursor().position())
    note_hole(feed_.cursor().position(), result.position);
  if (result.error && result.error->action != kafka_action::retry) {
    on_read_error(*result.error);
    return;
  }
  verify_holes();
  if (feed_.any_full() && holes_.empty())
    send(feed_.cut_full(now()));
  if (result.more)
    self_->send(self_, records_ready_atom_v);
  else
    cut_idle_lanes();
  arm_linger();
}

void partition_consumer_state::note_hole(offset from, offset to) {
  if (!holes_.empty() && holes_.back().to == from && !verifying_)
    holes_.back().to = to;
  else
    holes_.push_back({from, to});
  feed_.skip_to(to);
}

void partition_consumer_state::verify_holes() {
  if (holes_.empty() || verifying_ || !may_verify())
    return;
  verifying_ = true;
  offset_range all{holes_.front().from, holes_.back().to};
  self_
    ->request(peers_.source, config_.source_timeout,
              verify_request{config_.feed.topic, config_.feed.source.number,
                             all})
    .then(
      [this, n = starts_, all](const std::vector<offset>& seen) {
        if (n != starts_)
          return;
        verifying_ = false;
        for (auto at : seen)
          for (const auto& hole : holes_)
            if (hole.contains(at)) {
              if (++gaps_found_ >= max_gaps)
                halt(partition_halt::gap,
                     "record " + std::to_string(at.value)
                       + " was not delivered, but a second reader sees it");
              else
                start_again("a second reader sees records in a hole");
              return;
            }
        std::erase_if(holes_, [&all](const offset_range& hole) {
          return hole.to <= all.to;
        });
        verify_holes();
        if (holes_.empty())
          on_verified();
        drain();
      },
      [this, n = starts_](const caf::error& reason) {
        if (n == starts_)
          start_again(reason_text(reason));
      });
}

void partition_consumer_state::on_verified() {
  gaps_found_ = 0;
  send(feed_.cut_full(now()));
  cut_idle_lanes();
  arm_linger();
  if (late_view_)
    judge_view(*std::exchange(late_view_, std::nullopt));
  if (phase_ == phase::reading)
    keep_up();
}

caf::actor spawn_partition_consumer(caf::local_actor* parent,
                                    partition_consumer_config config,
                                    partition_consumer_peers peers) {
  return caf::actor_cast<caf::actor>(
    parent->spawn<partition_consumer>(std::move(config), std::move(peers)));
}

} // namespace millrace
