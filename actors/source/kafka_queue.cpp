#include "actors/source/kafka_queue.hpp"

#include "actors/decode/record.hpp"

#include <librdkafka/rdkafka.h>

#include <format>

namespace millrace::kafka_detail {

namespace {

/// Messages taken from librdkafka at a time. Each take locks its queue.
constexpr std::size_t take = 500;

void call_wakeup(rd_kafka_t*, void* opaque) {
  (*static_cast<std::function<void()>*>(opaque))();
}

/// Reads the headers of a message that is still held.
class message_headers final : public header_loader {
public:
  explicit message_headers(rd_kafka_message_t& message) : message_{message} {
  }

  std::span<const header_view> load() override {
    rd_kafka_headers_t* headers = nullptr;
    if (rd_kafka_message_headers(&message_, &headers)
        != RD_KAFKA_RESP_ERR_NO_ERROR)
      return {};
    views_.clear();
    const char* name = nullptr;
    const void* value = nullptr;
    std::size_t size = 0;
    for (std::size_t i = 0;
         rd_kafka_header_get_all(headers, i, &name, &value, &size)
         == RD_KAFKA_RESP_ERR_NO_ERROR;
         ++i) {
      auto& view = views_.emplace_back(name, std::nullopt);
      if (value != nullptr)
        view.value.emplace(static_cast<const char*>(value), size);
    }
    return views_;
  }

private:
  rd_kafka_message_t& message_;
  std::vector<header_view> views_;
};

std::optional<std::string_view> view(const void* data, std::size_t size) {
  if (data == nullptr)
    return std::nullopt;
  return std::string_view{static_cast<const char*>(data), size};
}

} // namespace

assigned_queue::assigned_queue(rd_kafka_s* client, kafka_assignment wanted,
                               kafka_generation generation,
                               topic_changes changes)
  : which_{std::move(wanted.which)},
    generation_{generation},
    changes_{std::move(changes)},
    changes_then_{*changes_},
    client_{client},
    queue_{rd_kafka_queue_get_partition(client, which_.topic.c_str(),
                                        which_.number.value)},
    position_{wanted.start},
    held_(take) {
  if (queue_)
    rd_kafka_queue_forward(queue_.get(), nullptr);
}

assigned_queue::~assigned_queue() {
  retire();
}

void assigned_queue::retire() noexcept {
  std::lock_guard lock{mutex_};
  if (!queue_)
    return;
  rd_kafka_queue_cb_event_enable(queue_.get(), nullptr, nullptr);
  drop_held();
  queue_.reset();
  client_ = nullptr;
}

const kafka_partition& assigned_queue::which() const noexcept {
  return which_;
}

kafka_generation assigned_queue::generation() const noexcept {
  return generation_;
}

void assigned_queue::set_wakeup(std::function<void()> wakeup) {
  std::function<void()> first_call;
  {
    std::lock_guard lock{mutex_};
    if (!queue_)
      return;
    // librdkafka calls back under its queue's lock, so once this returns no
    // call of the former function is running.
    rd_kafka_queue_cb_event_enable(queue_.get(), nullptr, nullptr);
    wakeup_ = std::move(wakeup);
    if (!wakeup_)
      return;
    rd_kafka_queue_cb_event_enable(queue_.get(), call_wakeup, &wakeup_);
    first_call = wakeup_;
  }
  first_call();
}

drain_result assigned_queue::drain(const drain_limits& limits,
                                   record_visitor& visitor) {
  std::lock_guard lock{mutex_};
  drain_result result;
  result.position = position_;
  result.stale = !queue_ || is_other_topic();
  if (result.stale || paused_)
    return result;
  for (bool go_on = true; go_on;) {
    if (held_next_ == held_end_ && !refill())
      break;
    // Asked once the records are here: they were fetched before.
    if (is_other_topic()) {
      drop_held();
      result.stale = true;
      break;
    }
    message_handle message{held_[held_next_++]};
    go_on = message->err == RD_KAFKA_RESP_ERR_NO_ERROR
              ? deliver(*message, visitor, result)
              : note(*message, result);
    go_on = go_on && result.records < limits.records
            && result.bytes < limits.bytes;
  }
  result.position = position_;
  result.more = held_next_ != held_end_
                || rd_kafka_queue_length(queue_.get()) > 0;
  return result;
}

bool assigned_queue::refill() {
  auto n = rd_kafka_consume_batch_queue(queue_.get(), 0, held_.data(),
                                        held_.size());
  held_next_ = 0;
  held_end_ = n > 0 ? static_cast<std::size_t>(n) : 0;
  return held_end_ > 0;
}

bool assigned_queue::deliver(rd_kafka_message_s& message,
                             record_visitor& visitor, drain_result& result) {
  // Already handed out: would be a second time.
  if (message.offset < position_.value)
    return true;
  message_headers headers{message};
  rd_kafka_timestamp_type_t type = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
  record_view record{
    .topic = which_.topic,
    .partition = which_.number.value,
    .offset = message.offset,
    .timestamp_ms = rd_kafka_message_timestamp(&message, &type),
    .key = view(message.key, message.key_len),
    .value = view(message.payload, message.len),
    .headers = {},
    .lazy_headers = &headers,
  };
  if (type == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE)
    record.timestamp_ms = -1;
  // Counted before the call: a visitor that throws has had the record.
  position_ = offset{message.offset + 1};
  ++result.records;
  result.bytes += message.len + message.key_len;
  result.at_end = false;
  return visitor.visit(record);
}

bool assigned_queue::note(rd_kafka_message_s& message, drain_result& result) {
  if (message.err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
    if (message.offset > position_.value)
      position_ = offset{message.offset};
    result.at_end = message.offset >= position_.value;
    return true;
  }
  const char* text = rd_kafka_message_errstr(&message);
  result.error = classify(message.err,
                          std::format("read {} at offset {}", describe(which_),
                                      position_.value),
                          text != nullptr ? text : "");
  result.at_end = false;
  return false;
}

bool assigned_queue::is_other_topic() const noexcept {
  return *changes_ != changes_then_;
}

void assigned_queue::drop_held() noexcept {
  for (; held_next_ != held_end_; ++held_next_)
    rd_kafka_message_destroy(held_[held_next_]);
}

void assigned_queue::pause() {
  std::lock_guard lock{mutex_};
  paused_ = true;
}

void assigned_queue::resume() {
  std::function<void()> wakeup;
  {
    std::lock_guard lock{mutex_};
    if (!paused_)
      return;
    paused_ = false;
    if (queue_)
      wakeup = wakeup_;
  }
  if (wakeup)
    wakeup();
}

bool assigned_queue::paused() const noexcept {
  std::lock_guard lock{mutex_};
  return paused_;
}

bool assigned_queue::stale() const noexcept {
  std::lock_guard lock{mutex_};
  return !queue_ || is_other_topic();
}

std::optional<offset> assigned_queue::high_watermark() const {
  std::lock_guard lock{mutex_};
  if (client_ == nullptr)
    return std::nullopt;
  int64_t low = 0;
  int64_t high = 0;
  auto code = rd_kafka_get_watermark_offsets(client_, which_.topic.c_str(),
                                             which_.number.value, &low, &high);
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR || high < 0)
    return std::nullopt;
  return offset{high};
}

} // namespace millrace::kafka_detail
