// Where a batch goes: to the queue, or back to whoever sent it (rule 12).

#include "actors/lane/lane_core.hpp"
#include "actors/lane/mutation.hpp"

#include <algorithm>
#include <utility>

namespace millrace {

void lane_core::judge(queued x, bool row_is_fresh) {
  const auto& data = *x.data;
  auto done = [this, &data] { queued_bytes_ -= size_bytes(data); };
  auto foreign
    = (data.map_version != row_->map_version && !broken(mutation::foreign_map))
      || (data.shape != row_->shape && !broken(mutation::foreign_shape));
  if (foreign
      || static_cast<std::size_t>(x.at.value) >= row_->next_off.size()) {
    // The row may have moved on since it was read: a new partition, or the
    // shape after DDL.
    if (!row_is_fresh) {
      reload_ = true;
      unjudged_.push_back(std::move(x));
      return;
    }
    done();
    reply(lane_reply::kind::hand_back, x, data.range.from);
    return;
  }
  auto end = tail(x.at);
  if (data.range.to <= row_->effective(x.at)) {
    done();
    reply(lane_reply::kind::ack, x, data.range.to);
  } else if (data.range.to <= end) {
    // Already queued or in flight: its ack will come from there.
    done();
    ++dropped_;
    if (broken(mutation::dropped_acked))
      reply(lane_reply::kind::ack, x, data.range.to);
  } else if (data.range.from > end && !broken(mutation::no_from_check)) {
    auto i = nacks_.find(x.at);
    if (i != nacks_.end() && i->second.number == data.rewind
        && i->second.at == end) {
      // The nack for this gap is on its way; if it is lost, resync heals.
      done();
      ++dropped_;
    } else if (!row_is_fresh && !broken(mutation::nack_unread)) {
      reload_ = true;
      unjudged_.push_back(std::move(x));
    } else {
      done();
      nacks_[x.at] = {data.rewind, end};
      reply(lane_reply::kind::nack, x, end);
    }
  } else {
    x.trim_below = broken(mutation::no_trim) ? offset{0} : end;
    tails_[x.at] = data.range.to;
    if (broken(mutation::ack_early))
      reply(lane_reply::kind::ack, x, data.range.to);
    queue_.push_back(std::move(x));
  }
}

void lane_core::judge_all_again() {
  auto all = take_all();
  nacks_.clear();
  for (auto& x : all)
    judge(std::move(x), true);
}

offset lane_core::tail(slot at) const {
  auto durable = row_->effective(at);
  auto i = tails_.find(at);
  if (i == tails_.end() || broken(mutation::tail_forgotten))
    return durable;
  return std::max(i->second, durable);
}

} // namespace millrace
