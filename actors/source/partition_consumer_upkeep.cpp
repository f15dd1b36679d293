// The second half of a PARTITION CONSUMER: what it sends, what lanes answer,
// and its upkeep. The first half, partition_consumer.cpp, starts and reads.

#include "actors/cluster/log.hpp"
#include "actors/cluster/supervisor.hpp"
#include "actors/source/batch_post.hpp"
#include "actors/source/partition_consumer.hpp"

#include <caf/actor_system.hpp>
#include <caf/send.hpp>

#include <algorithm>
#include <utility>

namespace millrace {

namespace {

/// Batches whose record times are remembered one by one.
constexpr std::size_t max_sent_times = 4'096;

/// Batches that come back unwritten while none is taken.
constexpr int max_hand_backs = 3;

} // namespace

// -- sending ------------------------------------------------------------------

void partition_consumer_state::cut_idle_lanes(reading_kind which) {
  if (!reading(which).has_holes())
    send(feed_.cut_idle(now(), which));
}

void partition_consumer_state::arm_linger() {
  if (lingering_ || !feed_.has_open_events())
    return;
  lingering_ = true;
  self_->run_delayed(config_.linger, [this] {
    lingering_ = false;
    // Whoever goes on reading or closes the last hole arms it again.
    if (phase_ == phase::reading)
      for (auto which : {reading_kind::main, reading_kind::catch_up})
        if (!reading(which).has_holes())
          send(feed_.cut_all(now(), which));
  });
}

void partition_consumer_state::send(std::vector<fed_batch> batches) {
  for (auto& x : batches) {
    if (x.data->oldest_timestamp_ms > 0)
      remember_time(x.data->range.to, x.data->oldest_timestamp_ms);
    ++batches_;
    metrics_.batches_sent->inc();
    // Without a writer the batch is lost on the way, as any message may be:
    // the next route or resync sends it again.
    if (const auto& writer = writers_[x.lane])
      post_batch(writer,
                 lane_batch{std::move(x.data), slot_,
                            caf::actor_cast<caf::actor>(self_)},
                 metrics_);
  }
}

void partition_consumer_state::on_answer(const lane_answer& x) {
  auto lane = feed_.index_of(x.lane);
  if (!lane || phase_ != phase::reading)
    return;
  for (const auto& reply : x.replies) {
    if (reply.source != config_.feed.source)
      continue;
    if (reply.what == lane_reply::kind::nack)
      metrics_.batches_nacked->inc();
    if (reply.what == lane_reply::kind::ack)
      hand_backs_ = 0;
    if (reply.what == lane_reply::kind::hand_back
        && ++hand_backs_ >= max_hand_backs) {
      // Not one batch is taken: the lanes are of another map or shape.
      make_way();
      return;
    }
    follow(feed_.answer(*lane, reply, now()));
    if (phase_ != phase::reading)
      return;
  }
  for (auto which : {reading_kind::main, reading_kind::catch_up}) {
    if (reading(which).is_blocked() && !reading(which).has_holes())
      send(feed_.cut_full(now(), which));
    cut_idle_lanes(which);
  }
  arm_linger();
  tend_catch_up();
}

void partition_consumer_state::on_route(const lane_route& x) {
  if (auto lane = feed_.index_of(x.lane)) {
    writers_[*lane] = x.writer;
    feed_.writer_changed(*lane);
  }
}

void partition_consumer_state::follow(partition_feed::consequence x) {
  if (main_.has_holes() && (x.reread || !x.batches.empty())) {
    // What is open may not be sent before its holes are verified.
    start_again("a lane needs events again while holes are open");
    return;
  }
  send(std::move(x.batches));
  if (x.reread)
    main_.assign();
}

// -- upkeep -------------------------------------------------------------------

void partition_consumer_state::tick() {
  self_->run_delayed(config_.tick, [this] { tick(); });
  measure_lag();
  if (phase_ != phase::reading)
    return;
  if (main_.is_stale()) {
    start_again("the assignment was taken away");
    return;
  }
  if (catch_up_.is_stale())
    on_no_reader(reading_kind::catch_up, "the assignment was taken away");
  if (log_end_)
    main_.watch_for_stall(*log_end_);
  if (feed_.cursor().is_running())
    catch_up_.watch_for_stall(feed_.cursor().position());
  feed_.watch(now());
  // Those that waited for credit of others, or for time to pass.
  for (auto which : {reading_kind::main, reading_kind::catch_up})
    if (!config_.feed.credit.empty() && !reading(which).has_holes())
      send(feed_.cut_full(now(), which));
  arm_linger();
  tend_catch_up();
  keep_up();
}

void partition_consumer_state::keep_up() {
  // No floor may pass a hole that is not verified (I5).
  if (asking_ || main_.has_holes())
    return;
  auto time = now();
  if (time - last_floor_ >= look_interval()) {
    last_floor_ = time;
    if (waits_at_end())
      end_pace_.saw(feed_.cursor().floor().value);
    else
      end_pace_.reset();
    check_log();
    self_->send(peers_.source,
                position_hint{config_.feed.topic, config_.feed.source.number,
                              feed_.durable_hint()});
  } else if (feed_.cursor().needs_resync(time)) {
    audit();
  }
}

/// For a backfill, or, in one that has read all that is for it, for the lanes:
/// that may take hours.
bool partition_consumer_state::waits_at_end() const {
  return !held_by_.empty()
         || (ends_ && until_ && feed_.cursor().position() >= *until_);
}

std::chrono::milliseconds partition_consumer_state::look_interval() const {
  auto result = config_.floor_interval;
  if (waits_at_end())
    result = end_pace_.interval();
  else if (feed_.cursor().barrier())
    // A command waits for the floor.
    result = config_.change_interval;
  return std::min(config_.floor_interval, result);
}

void partition_consumer_state::propose_floor() {
  auto act = feed_.cursor().propose();
  if (!act) {
    audit();
    return;
  }
  asking_ = true;
  auto kind = act->full ? "full" : "touched";
  self_
    ->request(peers_.pool, config_.store_timeout,
              floor_request{.pipeline = config_.feed.pipeline,
                            .source = config_.feed.source,
                            .act = *act,
                            .dry_run = false,
                            .active_not_below = {}})
    .then(
      [this, n = starts_, act = *act, kind](const floor_answer& answer) {
        floor_acts_counter(self_->system(), kind,
                           answer.accepted ? "accepted" : "refused")
          ->inc();
        if (n != starts_)
          return;
        asking_ = false;
        feed_.cursor().floor_answer(act, answer);
        if (feed_.cursor().needs_assign())
          start_again("the floor moved");
        else
          audit();
      },
      [this, n = starts_](const caf::error& reason) {
        if (n != starts_)
          return;
        asking_ = false;
        log::warn("floor-act-failed",
                  {{"pipeline", config_.feed.label()},
                   {"topic", config_.feed.topic},
                   {"partition", config_.feed.source.number.value},
                   {"reason", reason_text(reason)}});
      });
}

void partition_consumer_state::audit() {
  asking_ = true;
  self_
    ->request(peers_.pool, config_.store_timeout,
              view_request{config_.feed.pipeline, config_.feed.source})
    .then(
      [this, n = starts_, acks = feed_.cursor().acks()](partition_view& view) {
        if (n != starts_)
          return;
        asking_ = false;
        asked_view asked{std::move(view), acks};
        // What is open may not be cut before its holes are verified.
        if (!main_.has_holes())
          judge_view(asked);
        else
          late_view_ = std::move(asked);
      },
      [this, n = starts_](const caf::error&) {
        // The store is away; acks stay overdue and the next tick asks again.
        if (n == starts_)
          asking_ = false;
      });
}

void partition_consumer_state::judge_view(const asked_view& x) {
  if (!lanes_as_made(x.view))
    return;
  note_halted_lanes(x.view);
  follow(feed_.audit(x.view, now(), x.acks));
  if (feed_.cursor().needs_assign()) {
    start_again("the database has moved on, or back");
    return;
  }
  if (!main_.has_holes())
    send(feed_.cut_behind(now(), [this](std::size_t lane) {
      return writers_[lane] != nullptr;
    }));
  tell_lost();
  held_by_ = x.view.held_by;
  until_ = x.view.until;
  ends_ = x.view.ends;
  if (x.view.finished() && feed_.cursor().lent_bytes() == 0) {
    finish(x.view);
    return;
  }
  tend_barrier();
  tend_catch_up();
}

// -- changes of the map (rule 25) ---------------------------------------------

void partition_consumer_state::note_barrier() {
  auto barrier = feed_.cursor().barrier();
  if (barrier == told_barrier_)
    return;
  log::info(!barrier           ? "partition-goes-on"
            : held_by_.empty() ? "partition-waits-for-map"
                               : "partition-waits-for-backfill",
            {{"pipeline", config_.feed.pipeline},
             {"topic", config_.feed.topic},
             {"partition", config_.feed.source.number.value},
             {"offset", barrier.value_or(feed_.cursor().position()).value}});
  vitals_.become(barrier ? "at a barrier" : "reading",
                 barrier && !held_by_.empty()
                   ? "backfill " + held_by_ + " has to come to offset "
                       + std::to_string(barrier->value) + " first"
                   : "");
  told_barrier_ = barrier;
}

void partition_consumer_state::tend_barrier() {
  note_barrier();
  if (feed_.cursor().is_stuck_at_barrier() && !feed_.has_open_events())
    start_again("the floor has to come to where the reading stops");
  else if (feed_.cursor().ceiling(reading_kind::main))
    // Who waits at a barrier or end has not stalled.
    self_->send(self_, records_ready_atom_v);
}

void partition_consumer_state::tell_lost() {
  if (!lost_.empty())
    return;
  lost_ = feed_.cursor().lost();
  tell_next_lost();
}

/// One at a time: there may be thousands.
void partition_consumer_state::tell_next_lost() {
  if (lost_.empty())
    return;
  // After an error the next audit finds the row active still, and we ask again.
  auto next = [this, n = starts_] {
    if (n != starts_)
      return;
    lost_.pop_back();
    tell_next_lost();
  };
  const auto& x = lost_.back();
  self_
    ->request(peers_.pool, config_.store_timeout,
              retention_halt_request{config_.feed.lane_ids[x.lane], slot_,
                                     x.effective, x.reason})
    .then([next](const lane_row&) { next(); },
          [next](const caf::error&) { next(); });
}

void partition_consumer_state::measure_lag() {
  auto& cursor = feed_.cursor();
  auto lent = static_cast<int64_t>(cursor.lent_bytes() + feed_.open_bytes());
  metrics_.inflight_bytes->inc(lent - counted_bytes_);
  counted_bytes_ = lent;
  auto detached = static_cast<int64_t>(cursor.detached_lanes());
  metrics_.lanes_detached->inc(detached - counted_detached_);
  counted_detached_ = detached;
  if (phase_ == phase::halted && log_end_)
    lag().lag_messages->value(
      std::max<int64_t>(0, *log_end_ - feed_.cursor().floor()));
  if (phase_ != phase::reading)
    return;
  if (auto high = main_.high_watermark())
    log_end_ = std::max(log_end_.value_or(*high), *high);
  auto end = log_end_;
  if (end && until_)
    end = std::min(*end, *until_);
  auto durable = feed_.durable_hint();
  while (!sent_times_.empty() && sent_times_.front().first <= durable)
    sent_times_.pop_front();
  if (!end)
    return;
  auto missing = std::max<int64_t>(0, *end - durable);
  lag().lag_messages->value(missing);
  auto oldest = sent_times_.empty() ? main_.last_read_ms()
                                    : sent_times_.front().second;
  auto age_ms = missing == 0 || oldest <= 0 ? 0 : vitals::now_ms() - oldest;
  lag().lag_seconds->value(static_cast<double>(std::max<int64_t>(0, age_ms))
                           / 1e3);
}

partition_metrics& partition_consumer_state::lag() {
  if (!lag_)
    lag_ = make_partition_metrics(self_->system(), config_.feed.label(),
                                  config_.feed.topic,
                                  config_.feed.source.number.value);
  return *lag_;
}

void partition_consumer_state::remember_time(offset to, int64_t oldest_ms) {
  if (sent_times_.size() < max_sent_times)
    sent_times_.emplace_back(to, oldest_ms);
  else
    // Rather too old than forgotten.
    sent_times_.back().first = std::max(sent_times_.back().first, to);
}

partition_consumer_state::clock::time_point
partition_consumer_state::now() const {
  return self_->clock().now();
}

} // namespace millrace
