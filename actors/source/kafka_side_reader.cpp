#include "actors/source/kafka_side_reader.hpp"

#include "actors/lane/mutation.hpp"

#include <algorithm>
#include <utility>

namespace millrace {

kafka_side_reader::kafka_side_reader(kafka_consumer_config config,
                                     std::chrono::milliseconds idle_close)
  : config_{std::move(config)},
    idle_close_{idle_close} {
  // Of that group nothing is committed: this one reads where it is told to.
  if (broken(mutation::kafka_resume))
    config_.group += "-side";
}

std::expected<partition_queue_ptr, kafka_error>
kafka_side_reader::assign(const kafka_assignment& wanted,
                          clock::time_point now) {
  last_used_ = now;
  if (!consumer_) {
    auto consumer = kafka_consumer::open(config_);
    if (!consumer)
      return std::unexpected{consumer.error()};
    consumer_ = std::move(*consumer);
  }
  auto queue = consumer_->assign(wanted);
  if (!queue)
    return queue;
  // A handle of its own, which tells us when its last holder is gone.
  partition_queue_ptr handle{queue->get(),
                             [held = *queue](partition_queue*) {}};
  lent_[wanted.which] = handle;
  return handle;
}

std::vector<kafka_error> kafka_side_reader::poll(clock::time_point now) {
  if (!consumer_)
    return {};
  std::vector<kafka_partition> gone;
  for (const auto& [which, queue] : lent_)
    if (queue.expired())
      gone.push_back(which);
  for (const auto& which : gone)
    lent_.erase(which);
  if (!gone.empty()) {
    consumer_->unassign(gone);
    last_used_ = now;
  }
  auto faults = consumer_->poll();
  auto useless = std::ranges::any_of(faults, [](const kafka_error& x) {
    return x.action == kafka_action::quit;
  });
  if (useless || consumer_->spoilt()
      || (lent_.empty() && now - last_used_ >= idle_close_))
    close();
  return faults;
}

void kafka_side_reader::take_away(std::span<const kafka_partition> which) {
  if (consumer_)
    consumer_->unassign(which);
}

void kafka_side_reader::close() noexcept {
  consumer_.reset();
  lent_.clear();
}

} // namespace millrace
