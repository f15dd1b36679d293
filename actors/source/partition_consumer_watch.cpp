// What a PARTITION CONSUMER asks of the log while it reads (rules 3 and 9a),
// and what it makes of holes.

#include "actors/cluster/log.hpp"
#include "actors/cluster/supervisor.hpp"
#include "actors/source/partition_consumer.hpp"

#include <string>

namespace millrace {

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
                  {{"pipeline", config_.feed.pipeline},
                   {"topic", config_.feed.topic},
                   {"partition", config_.feed.source.number.value},
                   {"reason", reason_text(reason)}});
        // No floor without the check, but acks are held against the database
        // whether Kafka answers or not.
        if (!asking_ && holes_.empty())
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
  if (at_end_ && log.to > position) {
    // There is more than the client has told: it has some time to do so.
    at_end_ = false;
    progress_ = now();
  }
  if (!asking_ && holes_.empty())
    propose_floor();
}

bool partition_consumer_state::may_verify() {
  switch (config_.gaps) {
    case gap_policy::verify:
      return true;
    case gap_policy::allow:
      holes_.clear();
      return false;
    case gap_policy::strict:
      halt(partition_halt::gap,
           "offsets " + std::to_string(holes_.front().from.value) + " to "
             + std::to_string(holes_.back().to.value - 1)
             + " were not delivered, and gaps = \"strict\"");
      return false;
  }
  return true;
}

} // namespace millrace
