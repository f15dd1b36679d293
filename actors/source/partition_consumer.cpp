#include "actors/source/partition_consumer.hpp"

#include "actors/cluster/log.hpp"
#include "actors/cluster/supervisor.hpp"

#include <caf/actor_system.hpp>
#include <caf/send.hpp>

#include <utility>

namespace millrace {

namespace {

/// What a person does about it.
std::string mend_of(partition_halt why, const std::string& reason,
                    const feed_config& feed) {
  if (why == partition_halt::by_row)
    return "once mended: millrace lanes resume --partition " + feed.pipeline
           + '/' + feed.topic + '/' + std::to_string(feed.source.number.value)
           + " --reason TEXT";
  if (reason.contains("topic recreated"))
    return "to read the new one: millrace lanes adopt-topic " + feed.pipeline
           + ' ' + feed.topic + " --reason TEXT";
  return "see docs/runbook.md, then restart the node";
}

} // namespace

partition_consumer_state::partition_consumer_state(
  partition_consumer_actor::pointer self, partition_consumer_config config,
  partition_consumer_peers peers)
  : self_{self},
    config_{std::move(config)},
    peers_{std::move(peers)},
    feed_{config_.feed},
    decoder_{config_.program},
    metrics_{make_pipeline_metrics(self->system(), config_.feed.label())},
    delays_{config_.delays},
    chance_{std::random_device{}()},
    main_{reading_kind::main, self, config_.reading, peers_.source, feed_,
          decoder_,           *this},
    catch_up_{reading_kind::catch_up,
              self,
              config_.reading,
              peers_.source,
              feed_,
              decoder_,
              *this},
    writers_(config_.feed.lane_ids.size()),
    end_pace_{config_.change_interval, config_.floor_interval} {
}

partition_consumer_state::~partition_consumer_state() {
  metrics_.inflight_bytes->dec(counted_bytes_);
  metrics_.lanes_detached->dec(counted_detached_);
  if (!lag_)
    return;
  lag_->lag_messages->value(0);
  lag_->lag_seconds->value(0);
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
      const auto& cursor = feed_.cursor();
      auto catch_up = cursor.is_running()
                        ? cursor.position(reading_kind::catch_up).value
                        : int64_t{-1};
      auto report = vitals_.report(
        self_, {{"position", cursor.position().value},
                {"floor", cursor.floor().value},
                {"events", events_},
                {"batches", batches_},
                {"lent_bytes", static_cast<int64_t>(cursor.lent_bytes())},
                {"detached", static_cast<int64_t>(cursor.detached_lanes())},
                {"catch_up_position", catch_up},
                {"caught_up_events", caught_up_events_},
                {"until", until_.value_or(offset{-1}).value}});
      report.name = config_.feed.topic + '/'
                    + std::to_string(config_.feed.source.number.value);
      for (auto i : halted_lanes_) {
        auto& lane = report.children.emplace_back();
        lane.name = to_string(config_.feed.lane_ids[i]);
        lane.kind = lane_row_kind;
        lane.state = "halted";
        lane.note = "by its row, 'millrace lanes halted' tells why";
        lane.since_ms = report.since_ms;
      }
      return report;
    },
  };
}

// -- start --------------------------------------------------------------------

void partition_consumer_state::start() {
  ++starts_;
  phase_ = phase::starting;
  stop_reading();
  asking_ = checking_ = false;
  late_view_.reset();
  lost_.clear();
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
  if (view.finished()) {
    finish(view);
    return;
  }
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
  note_halted_lanes(view);
  slot_ = view.at;
  held_by_ = view.held_by;
  until_ = view.until;
  ends_ = view.ends;
  log_end_ = log.to;
  auto& cursor = feed_.cursor();
  if (cursor.halted() != partition_halt::none) {
    halt(cursor.halted(), cursor.halt_reason());
    return;
  }
  for (const auto& x : cursor.lost())
    log::error("lane-lost",
               {{"lane", to_string(cursor.lane_ids()[x.lane])},
                {"topic", config_.feed.topic},
                {"partition", config_.feed.source.number.value},
                {"reason", x.reason},
                {"mend", "see RETENTION_LOSS in docs/runbook.md"}});
  tell_lost();
  first_floor_act();
}

void partition_consumer_state::first_floor_act() {
  auto act = feed_.cursor().propose();
  if (!act) {
    main_.assign();
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
        main_.assign();
      },
      [this, n = starts_](const caf::error& reason) {
        if (n == starts_)
          start_again(reason_text(reason));
      });
}

void partition_consumer_state::stop_reading() {
  main_.stop();
  catch_up_.stop();
  feed_.stop_catch_up();
  feed_.take_changes();
}

void partition_consumer_state::start_again(const std::string& why) {
  ++starts_;
  phase_ = phase::starting;
  stop_reading();
  vitals_.become("waiting", why);
  auto delay = delays_.next(std::chrono::seconds{0}, chance_);
  log::info("partition-restart",
            {{"pipeline", config_.feed.label()},
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
  stop_reading();
  feed_.cursor().halt(why, reason);
  auto mend = mend_of(why, reason, config_.feed);
  vitals_.become("halted", reason + "; " + mend);
  log::error("partition-halted",
             {{"pipeline", config_.feed.label()},
              {"topic", config_.feed.topic},
              {"partition", config_.feed.source.number.value},
              {"cause", to_string(why)},
              {"reason", reason},
              {"mend", mend}});
  if (why == partition_halt::by_row)
    watch_row(config_.floor_interval);
}

// -- reading ------------------------------------------------------------------

void partition_consumer_state::drain() {
  if (phase_ != phase::reading)
    return;
  main_.drain();
  if (phase_ == phase::reading)
    catch_up_.drain();
}

void partition_consumer_state::on_queue(reading_kind which) {
  if (which == reading_kind::catch_up || phase_ != phase::starting)
    return;
  log::info("partition-assigned",
            {{"pipeline", config_.feed.label()},
             {"topic", config_.feed.topic},
             {"partition", config_.feed.source.number.value},
             {"offset", feed_.cursor().position().value},
             {"floor_held", feed_.cursor().holds_floor()}});
  phase_ = phase::reading;
  vitals_.become("reading");
  told_barrier_.reset();
  note_barrier();
}

void partition_consumer_state::on_turn(reading_kind which, int64_t events,
                                       bool more) {
  if (which == reading_kind::main) {
    if (events > 0)
      delays_.reset();
    if (events > 0 || main_.is_at_end())
      doubts_in_a_row_ = 0;
    events_ += events;
    metrics_.events_read->inc(events);
    metrics_.events_elsewhere->inc(main_.take_elsewhere());
  } else {
    caught_up_events_ += events;
  }
  if (feed_.any_full(which) && !reading(which).has_holes())
    send(feed_.cut_full(now(), which));
  if (more)
    self_->send(self_, records_ready_atom_v);
  else
    cut_idle_lanes(which);
  arm_linger();
  tend_catch_up();
}

void partition_consumer_state::on_verified(reading_kind which) {
  send(feed_.cut_full(now(), which));
  cut_idle_lanes(which);
  arm_linger();
  if (which == reading_kind::main) {
    if (late_view_)
      judge_view(*std::exchange(late_view_, std::nullopt));
    if (phase_ == phase::reading)
      keep_up();
  }
  tend_catch_up();
}

void partition_consumer_state::on_no_reader(reading_kind which,
                                            const std::string& why) {
  if (which == reading_kind::main) {
    start_again(why);
    return;
  }
  log::warn("catch-up-interrupted",
            {{"pipeline", config_.feed.label()},
             {"topic", config_.feed.topic},
             {"partition", config_.feed.source.number.value},
             {"reason", why}});
  catch_up_.stop();
  feed_.stop_catch_up();
  catch_up_from_ = now() + config_.catch_up_pause;
  wake_blocked();
}

void partition_consumer_state::tend_catch_up() {
  if (phase_ != phase::reading)
    return;
  auto time = now();
  auto plan = feed_.tend(!catch_up_.has_holes(), time >= catch_up_from_, time);
  if (plan.stop)
    catch_up_.stop();
  if (plan.start)
    catch_up_.assign();
  note_changes();
  wake_blocked();
}

/// Who waits is not woken by the queue; a message, because we may be within a
/// turn.
void partition_consumer_state::wake_blocked() {
  if (main_.is_due() || catch_up_.is_due())
    self_->send(self_, records_ready_atom_v);
}

void partition_consumer_state::note_changes() {
  for (const auto& x : feed_.take_changes()) {
    auto log_it = [&](std::string_view event) {
      log::info(event, {{"lane", to_string(config_.feed.lane_ids[x.lane])},
                        {"topic", config_.feed.topic},
                        {"partition", config_.feed.source.number.value},
                        {"offset", x.cut.value}});
    };
    if (x.to == lane_mode::attached)
      log_it("lane-rejoined");
    else if (x.to == lane_mode::inactive)
      log_it("lane-inactive");
    else if (x.from == lane_mode::attached || x.from == lane_mode::inactive)
      log_it("lane-detached");
  }
}

caf::actor spawn_partition_consumer(caf::local_actor* parent,
                                    partition_consumer_config config,
                                    partition_consumer_peers peers) {
  return caf::actor_cast<caf::actor>(
    parent->spawn<partition_consumer>(std::move(config), std::move(peers)));
}

} // namespace millrace
