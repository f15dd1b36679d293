// What is too large for one frame between nodes: batches that come in pieces,
// and records that are read once more.

#include "actors/cluster/log.hpp"
#include "actors/cluster/supervisor.hpp"
#include "actors/lane/lane_writer.hpp"
#include "messages/packing.hpp"

#include <memory>
#include <utility>

namespace millrace {

void lane_writer_state::receive(batch_frame& x) {
  auto from = origin_of(x.reply_to);
  auto whole = framed_[from].add(std::move(x.piece));
  if (!whole) {
    bound_frames(from);
    return;
  }
  framed_.erase(from);
  auto data = unpack<batch>(self_->system(), *whole);
  if (!data) {
    log::warn("batch-unreadable", {{"lane", to_string(config_.lane)}});
    return;
  }
  whole.reset();
  lane_batch complete{std::make_shared<const batch>(std::move(*data)), x.at,
                      std::move(x.reply_to)};
  receive(complete);
}

void lane_writer_state::bound_frames(origin latest) {
  // A batch that was dropped here is as good as lost on its way: it is sent
  // again.
  std::size_t held = 0;
  for (const auto& [from, pieces] : framed_)
    held += pieces.bytes();
  for (auto i = framed_.begin();
       held > config_.limits.queue_bytes && i != framed_.end();) {
    if (i->first == latest) {
      ++i;
      continue;
    }
    held -= i->second.bytes();
    i = framed_.erase(i);
  }
}

void lane_writer_state::fetch() {
  record_ = {};
  asked_ = core_.wanted().source;
  ++question_;
  fetch_from(0);
}

void lane_writer_state::fetch_from(uint64_t byte) {
  auto what = core_.wanted();
  auto i = consumers_.find(what.source);
  if (i == consumers_.end() || !i->second) {
    on_not_fetched("nobody reads the partition");
    return;
  }
  auto consumer = caf::actor_cast<partition_consumer_actor>(i->second);
  self_
    ->request(consumer, config_.record_timeout,
              record_request{what.source, what.at, byte})
    .then(
      [this, asked = question_](frame& x) {
        if (asked == question_)
          on_fetched(x);
      },
      [this, asked = question_](const caf::error& reason) {
        if (asked == question_)
          on_not_fetched(reason_text(reason));
      });
}

void lane_writer_state::on_fetched(frame& x) {
  auto next = x.from + x.bytes.size();
  auto more = !x.bytes.empty() && next < x.total;
  auto whole = record_.add(std::move(x));
  if (!whole && more) {
    fetch_from(next);
    return;
  }
  auto raw = whole ? unpack<record_copy>(self_->system(), *whole)
                   : std::nullopt;
  if (!raw) {
    on_not_fetched("the record's frames do not fit together");
    return;
  }
  asked_.reset();
  delays_.reset();
  core_.fetched(*raw);
  pump();
}

void lane_writer_state::on_not_fetched(const std::string& why) {
  record_ = {};
  asked_.reset();
  core_.step_failed();
  vitals_.become("waiting for a record of a dead letter", why);
  cool_down(delays_.next(std::chrono::seconds{0}, chance_));
  pump();
}

} // namespace millrace
