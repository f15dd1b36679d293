#include "actors/source/partition_reading.hpp"

#include "actors/cluster/log.hpp"
#include "actors/cluster/supervisor.hpp"
#include "actors/decode/record.hpp"

#include <caf/actor_system.hpp>
#include <caf/send.hpp>

#include <algorithm>
#include <utility>

namespace millrace {

namespace {

/// Records found where none was seen before: tried once more, then a halt.
constexpr int max_gaps = 2;

/// Stalls in a row before the client is given up.
constexpr int max_stalls = 2;

} // namespace

/// Decodes the records of one turn into the feed.
class partition_reading::visitor final : public record_visitor {
public:
  explicit visitor(partition_reading& x) : reading_{x} {
  }

  bool visit(const record_view& record) override {
    return reading_.read(record);
  }

private:
  partition_reading& reading_;
};

partition_reading::partition_reading(reading_kind which,
                                     partition_consumer_actor::pointer self,
                                     partition_reading_config config,
                                     source_actor source, partition_feed& feed,
                                     decoder& decode, owner& above)
  : which_{which},
    self_{self},
    config_{config},
    source_{std::move(source)},
    feed_{feed},
    decoder_{decode},
    owner_{above} {
}

partition_reading::~partition_reading() {
  drop_queue();
}

// -- queue --------------------------------------------------------------------

void partition_reading::assign() {
  drop_queue();
  blocked_ = false;
  // Only the last assignment counts: an older one begins elsewhere, and its
  // first record would look like a hole.
  ++assigns_;
  const auto& feed = feed_.config();
  self_
    ->request(source_, config_.source_timeout,
              assign_request{feed.topic, feed.source.number, position(),
                             which_ == reading_kind::catch_up})
    .then(
      [this, n = round_, m = assigns_](partition_queue_ptr& queue) {
        if (n == round_ && m == assigns_)
          take(std::move(queue));
      },
      [this, n = round_, m = assigns_](const caf::error& reason) {
        if (n != round_ || m != assigns_)
          return;
        if (reason == source_errc::halt)
          owner_.halt(partition_halt::source, reason_text(reason));
        else
          owner_.on_no_reader(which_, reason_text(reason));
      });
}

void partition_reading::take(partition_queue_ptr queue) {
  queue_ = std::move(queue);
  progress_ = now();
  at_end_ = false;
  owner_.on_queue(which_);
  // The queue must not keep this actor alive.
  queue_->set_wakeup([weak = self_->address()] {
    if (auto strong = caf::actor_cast<caf::actor>(weak))
      caf::anon_send(strong, records_ready_atom_v);
  });
}

void partition_reading::stop() {
  ++round_;
  drop_queue();
  holes_.clear();
  verifying_ = blocked_ = false;
}

void partition_reading::drop_queue() {
  if (queue_)
    queue_->set_wakeup({});
  queue_.reset();
}

void partition_reading::watch_for_stall(offset target) {
  // Only the main reading may rest at the end of the log.
  auto rests = at_end_ && which_ == reading_kind::main;
  if (!queue_ || blocked_ || rests || has_holes() || target <= position()
      || now() - progress_ < config_.stall)
    return;
  const auto& feed = feed_.config();
  log::warn("partition-stalled",
            {{"pipeline", feed.label()},
             {"topic", feed.topic},
             {"partition", feed.source.number.value},
             {"catch_up", which_ == reading_kind::catch_up},
             {"position", position().value},
             {"log_end", target.value}});
  if (++stalls_in_a_row_ < max_stalls) {
    assign();
    return;
  }
  // The client itself is stuck: only a new one helps, and a new SOURCE brings
  // it. We end with the old one.
  self_->send_exit(source_,
                   caf::make_error(caf::sec::runtime_error,
                                   "the Kafka client delivers nothing"));
}

void partition_reading::note_log_end(offset end) {
  if (!at_end_ || end <= position())
    return;
  at_end_ = false;
  progress_ = now();
}

// -- reading ------------------------------------------------------------------

void partition_reading::drain() {
  if (!queue_)
    return;
  blocked_ = has_to_wait();
  if (blocked_) {
    progress_ = now();
    return;
  }
  visitor turn{*this};
  auto before = events_;
  auto result = queue_->drain(config_.turn, turn);
  on_drained(result, events_ - before);
}

bool partition_reading::has_to_wait() const {
  // A catch-up that has got there only waits for its holes, and the main
  // reading for the map to change.
  auto end = feed_.cursor().ceiling(which_);
  auto arrived = end && position() >= *end;
  return arrived || (feed_.any_full(which_) && has_holes())
         || feed_.is_blocked(which_, now());
}

bool partition_reading::read(const record_view& record) {
  offset at{record.offset};
  auto verdict = feed_.begin(at, which_);
  if (verdict == record_verdict::stale)
    return true;
  if (verdict == record_verdict::beyond) {
    if (auto to = *feed_.cursor().ceiling(which_); position() < to)
      note_hole(position(), to);
    return false;
  }
  if (verdict == record_verdict::hole) {
    note_hole(position(), at);
    feed_.begin(at, which_);
  }
  if (decoder_.decode(record, feed_) == outcome::elsewhere)
    ++elsewhere_;
  feed_.end();
  last_read_ms_ = record.timestamp_ms;
  ++events_;
  return !feed_.any_full(which_);
}

void partition_reading::on_drained(const drain_result& result, int64_t events) {
  if (result.stale) {
    owner_.on_no_reader(which_, "the assignment was taken away");
    return;
  }
  if (result.records > 0 || result.at_end) {
    stalls_in_a_row_ = 0;
    progress_ = now();
    at_end_ = result.at_end;
  }
  auto end = result.position;
  if (auto ceiling = feed_.cursor().ceiling(which_))
    end = std::min(end, *ceiling);
  if (result.at_end && end > position())
    note_hole(position(), end);
  if (result.error && result.error->action != kafka_action::retry) {
    owner_.on_read_error(*result.error);
    return;
  }
  auto round = round_;
  verify_holes();
  if (round == round_)
    owner_.on_turn(which_, events, result.more);
}

// -- holes --------------------------------------------------------------------

void partition_reading::note_hole(offset from, offset to) {
  if (!holes_.empty() && holes_.back().to == from && !verifying_)
    holes_.back().to = to;
  else
    holes_.push_back({from, to});
  feed_.skip_to(to, which_);
}

bool partition_reading::may_verify() {
  switch (config_.gaps) {
    case gap_policy::verify:
      return true;
    case gap_policy::allow:
      holes_.clear();
      return false;
    case gap_policy::strict:
      owner_.halt(partition_halt::gap,
                  "offsets " + std::to_string(holes_.front().from.value)
                    + " to " + std::to_string(holes_.back().to.value - 1)
                    + " were not delivered, and gaps = \"strict\"");
      return false;
  }
  return true;
}

void partition_reading::verify_holes() {
  if (holes_.empty() || verifying_ || !may_verify())
    return;
  verifying_ = true;
  const auto& feed = feed_.config();
  offset_range all{holes_.front().from, holes_.back().to};
  self_
    ->request(source_, config_.source_timeout,
              verify_request{feed.topic, feed.source.number, all})
    .then(
      [this, n = round_, all](const std::vector<offset>& seen) {
        if (n == round_)
          on_seen(all, seen);
      },
      [this, n = round_](const caf::error& reason) {
        if (n == round_)
          owner_.start_again(reason_text(reason));
      });
}

void partition_reading::on_seen(const offset_range& all,
                                const std::vector<offset>& seen) {
  verifying_ = false;
  for (auto at : seen)
    for (const auto& hole : holes_)
      if (hole.contains(at)) {
        if (++gaps_found_ >= max_gaps)
          owner_.halt(partition_halt::gap,
                      "record " + std::to_string(at.value)
                        + " was not delivered, but a second reader sees it");
        else
          owner_.start_again("a second reader sees records in a hole");
        return;
      }
  std::erase_if(holes_,
                [&all](const offset_range& hole) { return hole.to <= all.to; });
  verify_holes();
  if (holes_.empty()) {
    gaps_found_ = 0;
    owner_.on_verified(which_);
  }
  drain();
}

// -- helpers ------------------------------------------------------------------

offset partition_reading::position() const noexcept {
  return feed_.cursor().position(which_);
}

partition_reading::clock::time_point partition_reading::now() const {
  return self_->clock().now();
}

} // namespace millrace
