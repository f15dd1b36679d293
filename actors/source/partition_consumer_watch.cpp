// What a PARTITION CONSUMER asks of the log while it reads (rules 3 and 9a).

#include "actors/cluster/log.hpp"
#include "actors/cluster/supervisor.hpp"
#include "actors/source/partition_consumer.hpp"

#include <algorithm>
#include <string>

namespace millrace {

namespace {

/// Starts that find nothing wrong and end with the same error.
constexpr int max_doubts = 5;

} // namespace

void partition_consumer_state::on_read_error(const kafka_error& x) {
  // What was read before may be of use, but the start judges better than we
  // can here: truncated, passed by retention, recreated, gone, or nothing.
  auto doubtful = x.code == kafka_errc::offset_out_of_range
                  || x.code == kafka_errc::topic_missing;
  if (doubtful && ++doubts_in_a_row_ < max_doubts)
    start_again(to_string(x));
  else
    halt(partition_halt::source, to_string(x));
}

/// Lanes are known by their place in the list, so nothing may be read out of a
/// view that has others.
bool partition_consumer_state::lanes_as_made(const partition_view& view) {
  if (std::ranges::equal(view.lanes, config_.feed.lane_ids, {},
                         &lane_position::lane)
      && view.map_version == config_.feed.map_version)
    return true;
  make_way();
  return false;
}

void partition_consumer_state::note_halted_lanes(const partition_view& view) {
  halted_lanes_.clear();
  for (std::size_t i = 0; i < view.lanes.size(); ++i)
    if (view.lanes[i].state != lane_state::active)
      halted_lanes_.push_back(i);
}

void partition_consumer_state::watch_row(std::chrono::milliseconds interval) {
  self_->run_delayed(interval, [this, interval, n = starts_] {
    if (n != starts_)
      return;
    self_
      ->request(peers_.pool, config_.store_timeout,
                view_request{config_.feed.pipeline, config_.feed.source})
      .then(
        [this, interval, n](const partition_view& view) {
          if (n != starts_ || !lanes_as_made(view))
            return;
          auto stays = phase_ == phase::finished ? view.finished()
                                                 : view.halted;
          if (stays)
            watch_row(interval);
          else
            start_again(phase_ == phase::finished ? "the database has gone back"
                                                  : "its row is active again");
        },
        [this, interval, n](const caf::error&) {
          if (n == starts_)
            watch_row(interval);
        });
  });
}

// -- backfills (rule 25) ------------------------------------------------------

void partition_consumer_state::finish(const partition_view& view) {
  ++starts_;
  phase_ = phase::finished;
  stop_reading();
  until_ = view.until;
  ends_ = view.ends;
  note_halted_lanes(view);
  lag().lag_messages->value(0);
  lag().lag_seconds->value(0);
  vitals_.become("finished",
                 "it has all below offset " + std::to_string(until_->value));
  log::info("backfill-finished",
            {{"pipeline", config_.feed.label()},
             {"topic", config_.feed.topic},
             {"partition", config_.feed.source.number.value},
             {"offset", until_->value}});
  // Only a failover takes it back.
  watch_row(12 * config_.floor_interval);
}

/// SOURCE finds out what the lanes are now, and makes another consumer.
void partition_consumer_state::make_way() {
  log::info("partition-lanes-changed",
            {{"pipeline", config_.feed.label()},
             {"topic", config_.feed.topic},
             {"partition", config_.feed.source.number.value}});
  ++starts_;
  phase_ = phase::starting;
  stop_reading();
  self_->send(peers_.source, lanes_changed{config_.feed.source});
  self_->quit();
}

void partition_consumer_state::check_log() {
  // The cursor remembers how far it wants to go with the floor before the
  // question is asked: only what was read before the topic was seen to be the
  // same may be claimed.
  static_cast<void>(feed_.cursor().propose());
  if (checking_)
    return;
  checking_ = true;
  self_
    ->request(peers_.source, config_.source_timeout,
              log_request{config_.feed.topic, config_.feed.source})
    .then(
      [this, n = starts_, then = feed_.cursor().position()](offset_range log) {
        if (n == starts_)
          on_checked(log, then);
      },
      [this, n = starts_](const caf::error& reason) {
        if (n != starts_)
          return;
        checking_ = false;
        if (reason == source_errc::halt) {
          halt(partition_halt::source, reason_text(reason));
          return;
        }
        log::warn("log-check-failed",
                  {{"pipeline", config_.feed.label()},
                   {"topic", config_.feed.topic},
                   {"partition", config_.feed.source.number.value},
                   {"reason", reason_text(reason)}});
        // No floor without the check, but acks are held against the database
        // whether Kafka answers or not.
        if (!asking_ && !main_.has_holes())
          audit();
      });
}

void partition_consumer_state::on_checked(offset_range log,
                                          offset position_then) {
  checking_ = false;
  log_end_ = log.to;
  auto position = feed_.cursor().position();
  if (log.to < position_then) {
    start_again("the log ends at " + std::to_string(log.to.value)
                + ", before what was read");
    return;
  }
  if (log.from > position) {
    start_again("the log begins at " + std::to_string(log.from.value)
                + ", beyond the next record to read");
    return;
  }
  main_.note_log_end(log.to);
  if (!asking_ && !main_.has_holes())
    propose_floor();
}

} // namespace millrace
