// The second half of a PARTITION CONSUMER: what it sends, what lanes answer,
// and its upkeep. The first half, partition_consumer.cpp, starts and reads.

#include "actors/cluster/log.hpp"
#include "actors/cluster/supervisor.hpp"
#include "actors/source/partition_consumer.hpp"

#include <caf/actor_system.hpp>
#include <caf/send.hpp>

#include <algorithm>
#include <utility>

namespace millrace {

namespace {

/// Stalls in a row before the client is given up.
constexpr int max_stalls = 2;

} // namespace

// -- sending ------------------------------------------------------------------

void partition_consumer_state::cut_idle_lanes() {
  if (holes_.empty())
    send(feed_.cut_idle(now()));
}

void partition_consumer_state::arm_linger() {
  if (lingering_ || !feed_.has_open_events())
    return;
  lingering_ = true;
  self_->run_delayed(config_.linger, [this] {
    lingering_ = false;
    // Whoever goes on reading or closes the last hole arms it again.
    if (phase_ == phase::reading && holes_.empty())
      send(feed_.cut_all(now()));
  });
}

void partition_consumer_state::send(std::vector<fed_batch> batches) {
  for (auto& x : batches) {
    if (x.data->oldest_timestamp_ms > 0)
      sent_times_.emplace_back(x.data->range.to, x.data->oldest_timestamp_ms);
    ++batches_;
    metrics_.batches_sent->inc();
    // Without a writer the batch is lost on the way, as any message may be:
    // the next route or resync sends it again.
    if (const auto& writer = writers_[x.lane])
      caf::anon_send(writer, lane_batch{std::move(x.data), slot_,
                                        caf::actor_cast<caf::actor>(self_)});
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
    follow(feed_.answer(*lane, reply, now()));
    if (phase_ != phase::reading)
      return;
  }
  cut_idle_lanes();
  arm_linger();
  if (blocked_)
    drain();
}

void partition_consumer_state::on_route(const lane_route& x) {
  if (auto lane = feed_.index_of(x.lane)) {
    writers_[*lane] = x.writer;
    feed_.writer_changed(*lane);
  }
}

void partition_consumer_state::follow(partition_feed::consequence x) {
  if (!holes_.empty() && (x.reread || !x.batches.empty())) {
    // What is open may not be sent before its holes are verified.
    start_again("a lane needs events again while holes are open");
    return;
  }
  send(std::move(x.batches));
  if (x.reread)
    assign_queue();
}

// -- upkeep -------------------------------------------------------------------

void partition_consumer_state::tick() {
  self_->run_delayed(config_.tick, [this] { tick(); });
  measure_lag();
  if (phase_ == phase::reading && queue_ && queue_->stale())
    start_again("the assignment was taken away");
  if (phase_ == phase::reading) {
    watch_for_stall();
    keep_up();
  }
}

void partition_consumer_state::watch_for_stall() {
  if (!queue_ || blocked_ || at_end_ || !log_end_
      || *log_end_ <= feed_.cursor().position()
      || now() - progress_ < config_.stall)
    return;
  ++stalls_;
  log::warn("partition-stalled",
            {{"pipeline", config_.feed.pipeline},
             {"topic", config_.feed.topic},
             {"partition", config_.feed.source.number.value},
             {"position", feed_.cursor().position().value},
             {"log_end", log_end_->value}});
  if (++stalls_in_a_row_ < max_stalls) {
    assign_queue();
    return;
  }
  // The client itself is stuck: only a new one helps, and a new SOURCE brings
  // it. We end with the old one.
  self_->send_exit(peers_.source,
                   caf::make_error(caf::sec::runtime_error,
                                   "the Kafka client delivers nothing"));
}

void partition_consumer_state::keep_up() {
  // No floor may pass a hole that is not verified (I5).
  if (asking_ || !holes_.empty())
    return;
  auto time = now();
  if (time - last_floor_ >= config_.floor_interval) {
    last_floor_ = time;
    check_log();
    self_->send(peers_.source,
                position_hint{config_.feed.topic, config_.feed.source.number,
                              feed_.durable_hint()});
  } else if (feed_.cursor().needs_resync(time)) {
    audit();
  }
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
                  {{"pipeline", config_.feed.pipeline},
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
        if (holes_.empty())
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
  follow(feed_.audit(x.view, now(), x.acks));
  if (feed_.cursor().needs_assign())
    start_again("the database has moved on, or back");
  else if (blocked_)
    drain();
}

void partition_consumer_state::measure_lag() {
  auto& cursor = feed_.cursor();
  auto lent = static_cast<int64_t>(cursor.lent_bytes() + feed_.open_bytes());
  metrics_.inflight_bytes->inc(lent - counted_bytes_);
  counted_bytes_ = lent;
  if (phase_ == phase::halted && log_end_)
    lag_.lag_messages->value(
      std::max<int64_t>(0, *log_end_ - feed_.cursor().floor()));
  if (phase_ != phase::reading)
    return;
  if (queue_)
    if (auto high = queue_->high_watermark())
      log_end_ = std::max(log_end_.value_or(*high), *high);
  auto durable = feed_.durable_hint();
  while (!sent_times_.empty() && sent_times_.front().first <= durable)
    sent_times_.pop_front();
  auto lag = log_end_ ? std::max<int64_t>(0, *log_end_ - durable) : 0;
  lag_.lag_messages->value(lag);
  auto oldest = sent_times_.empty() ? last_read_ms_
                                    : sent_times_.front().second;
  auto age_ms = lag == 0 || oldest <= 0 ? 0 : vitals::now_ms() - oldest;
  lag_.lag_seconds->value(static_cast<double>(std::max<int64_t>(0, age_ms))
                          / 1e3);
}

partition_consumer_state::clock::time_point
partition_consumer_state::now() const {
  return self_->clock().now();
}

void partition_consumer_state::drop_queue() {
  if (queue_)
    queue_->set_wakeup({});
  queue_.reset();
}

} // namespace millrace
