#include "actors/source/kafka_producer.hpp"

#include "actors/source/kafka_handle.hpp"

#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <array>
#include <format>

namespace millrace {

using namespace kafka_detail;

namespace {

/// Longest wait for the coordinator of a transaction.
constexpr int transaction_timeout_ms = 30'000;

const kafka_properties& own_properties() {
  static const kafka_properties properties{
    {"client.id", "millrace-produce"},
    {"enable.idempotence", "true"},
    {"compression.codec", "lz4"},
    {"partitioner", "murmur2_random"},
    // Waits a little, so that batches fill; a record still goes out at once
    // when somebody flushes.
    {"linger.ms", "5"},
    {"batch.num.messages", "10000"},
    {"queue.buffering.max.messages", "500000"},
    {"queue.buffering.max.kbytes", "262144"},
    {"socket.nagle.disable", "true"},
    {"log.connection.close", "false"},
  };
  return properties;
}

} // namespace

struct kafka_producer::impl {
  std::string name;
  int64_t delivered = 0;
  int64_t failed = 0;
  std::optional<kafka_error> first_failure;
  bool transactions_ready = false;

  client_handle client;
  topic_handle topic;

  ~impl() {
    topic.reset();
    if (client) {
      // Else the destructor of the client would wait for undelivered records.
      rd_kafka_purge(client.get(),
                     RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
      rd_kafka_flush(client.get(), 1000);
    }
  }

  std::expected<void, kafka_error> judge(rd_kafka_error_t* error,
                                         std::string_view what) const {
    if (error == nullptr)
      return {};
    return std::unexpected{
      classify(error, std::format("{} on {}", what, name))};
  }
};

kafka_producer::kafka_producer(std::unique_ptr<impl> x) noexcept
  : impl_{std::move(x)} {
}

kafka_producer::kafka_producer(kafka_producer&&) noexcept = default;

kafka_producer& kafka_producer::operator=(kafka_producer&&) noexcept = default;

kafka_producer::~kafka_producer() = default;

std::expected<kafka_producer, kafka_error>
kafka_producer::open(const kafka_properties& properties,
                     const std::string& topic) {
  auto conf = make_conf(own_properties(), properties, {});
  if (!conf)
    return std::unexpected{conf.error()};
  auto self = std::make_unique<impl>();
  self->name = topic;
  rd_kafka_conf_set_opaque(conf->get(), self.get());
  rd_kafka_conf_set_dr_msg_cb(conf->get(), [](rd_kafka_t*,
                                              const rd_kafka_message_t* message,
                                              void* opaque) {
    auto& x = *static_cast<impl*>(opaque);
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
      ++x.delivered;
      return;
    }
    ++x.failed;
    if (!x.first_failure)
      x.first_failure = classify(message->err,
                                 std::format("send to {}", x.name));
  });
  auto client = make_client(client_kind::producer, std::move(*conf));
  if (!client)
    return std::unexpected{client.error()};
  self->client = std::move(*client);
  self->topic.reset(
    rd_kafka_topic_new(self->client.get(), topic.c_str(), nullptr));
  if (!self->topic)
    return std::unexpected{
      classify(rd_kafka_last_error(), std::format("open topic {}", topic))};
  return kafka_producer{std::move(self)};
}

std::expected<void, kafka_error>
kafka_producer::send(const outgoing_record& record,
                     std::chrono::milliseconds timeout) {
  constexpr std::size_t max_fields = 7;
  std::array<rd_kafka_vu_t, max_fields> fields;
  std::size_t n = 0;
  auto next = [&](rd_kafka_vtype_t type) -> auto& {
    fields[n].vtype = type;
    return fields[n++].u;
  };
  // librdkafka copies; its interface just is not const.
  auto raw = [](std::string_view x) {
    return const_cast<char*>(x.data() != nullptr ? x.data() : "");
  };
  next(RD_KAFKA_VTYPE_RKT).rkt = impl_->topic.get();
  next(RD_KAFKA_VTYPE_MSGFLAGS).i = RD_KAFKA_MSG_F_COPY;
  next(RD_KAFKA_VTYPE_PARTITION).i32 = record.where ? record.where->value
                                                    : RD_KAFKA_PARTITION_UA;
  if (record.key)
    next(RD_KAFKA_VTYPE_KEY).mem = {raw(*record.key), record.key->size()};
  if (record.value)
    next(RD_KAFKA_VTYPE_VALUE).mem = {raw(*record.value), record.value->size()};
  if (record.timestamp_ms)
    next(RD_KAFKA_VTYPE_TIMESTAMP).i64 = *record.timestamp_ms;
  headers_handle headers;
  if (!record.headers.empty()) {
    headers.reset(rd_kafka_headers_new(record.headers.size()));
    for (const auto& [name, value] : record.headers)
      rd_kafka_header_add(headers.get(), name.data(),
                          static_cast<ssize_t>(name.size()), value.data(),
                          static_cast<ssize_t>(value.size()));
    next(RD_KAFKA_VTYPE_HEADERS).headers = headers.get();
  }
  auto* client = impl_->client.get();
  auto deadline = std::chrono::steady_clock::now() + timeout;
  for (;;) {
    error_handle error{rd_kafka_produceva(client, fields.data(), n)};
    if (!error) {
      // They are the record's from now on.
      [[maybe_unused]] auto* taken = headers.release();
      rd_kafka_poll(client, 0);
      return {};
    }
    if (rd_kafka_error_code(error.get()) != RD_KAFKA_RESP_ERR__QUEUE_FULL
        || std::chrono::steady_clock::now() >= deadline)
      return std::unexpected{
        classify(error.release(), std::format("send to {}", impl_->name))};
    rd_kafka_poll(client, 10);
  }
}

std::expected<void, kafka_error>
kafka_producer::flush(std::chrono::milliseconds timeout) {
  auto ms
    = static_cast<int>(std::clamp<int64_t>(timeout.count(), 0, 86'400'000));
  auto code = rd_kafka_flush(impl_->client.get(), ms);
  if (impl_->first_failure)
    return std::unexpected{*impl_->first_failure};
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
    return std::unexpected{
      classify(code, std::format("flush to {}", impl_->name))};
  return {};
}

std::expected<void, kafka_error> kafka_producer::begin_transaction() {
  auto* client = impl_->client.get();
  if (!impl_->transactions_ready) {
    auto ready
      = impl_->judge(rd_kafka_init_transactions(client, transaction_timeout_ms),
                     "prepare transactions");
    if (!ready)
      return ready;
    impl_->transactions_ready = true;
  }
  return impl_->judge(rd_kafka_begin_transaction(client), "begin transaction");
}

std::expected<void, kafka_error> kafka_producer::commit_transaction() {
  return impl_->judge(rd_kafka_commit_transaction(impl_->client.get(),
                                                  transaction_timeout_ms),
                      "commit transaction");
}

std::expected<void, kafka_error> kafka_producer::abort_transaction() {
  return impl_->judge(rd_kafka_abort_transaction(impl_->client.get(),
                                                 transaction_timeout_ms),
                      "abort transaction");
}

int64_t kafka_producer::delivered() const noexcept {
  return impl_->delivered;
}

int64_t kafka_producer::failed() const noexcept {
  return impl_->failed;
}

} // namespace millrace
