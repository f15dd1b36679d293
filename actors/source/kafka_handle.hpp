#pragma once

// Inside of the Kafka adapter: holders for librdkafka's handles and the set-up
// that all its clients share. Names librdkafka's types without including it.

#include "actors/source/kafka.hpp"

#include <expected>
#include <memory>

struct rd_kafka_s;
struct rd_kafka_conf_s;
struct rd_kafka_queue_s;
struct rd_kafka_message_s;
struct rd_kafka_topic_s;
struct rd_kafka_topic_partition_list_s;
struct rd_kafka_error_s;
struct rd_kafka_op_s;
struct rd_kafka_NewTopic_s;
struct rd_kafka_DeleteTopic_s;
struct rd_kafka_TopicCollection_s;
struct rd_kafka_ConfigResource_s;
struct rd_kafka_DeleteRecords_s;
struct rd_kafka_NewPartitions_s;
struct rd_kafka_AdminOptions_s;
struct rd_kafka_ListConsumerGroupOffsets_s;
struct rd_kafka_headers_s;
struct rd_kafka_metadata;

namespace millrace::kafka_detail {

struct deleter {
  void operator()(rd_kafka_s* x) const noexcept;
  void operator()(rd_kafka_conf_s* x) const noexcept;
  void operator()(rd_kafka_queue_s* x) const noexcept;
  void operator()(rd_kafka_message_s* x) const noexcept;
  void operator()(rd_kafka_topic_s* x) const noexcept;
  void operator()(rd_kafka_topic_partition_list_s* x) const noexcept;
  void operator()(rd_kafka_error_s* x) const noexcept;
  void operator()(rd_kafka_op_s* x) const noexcept;
  void operator()(rd_kafka_NewTopic_s* x) const noexcept;
  void operator()(rd_kafka_DeleteTopic_s* x) const noexcept;
  void operator()(rd_kafka_TopicCollection_s* x) const noexcept;
  void operator()(rd_kafka_ConfigResource_s* x) const noexcept;
  void operator()(rd_kafka_DeleteRecords_s* x) const noexcept;
  void operator()(rd_kafka_NewPartitions_s* x) const noexcept;
  void operator()(rd_kafka_AdminOptions_s* x) const noexcept;
  void operator()(rd_kafka_ListConsumerGroupOffsets_s* x) const noexcept;
  void operator()(rd_kafka_headers_s* x) const noexcept;
  void operator()(const rd_kafka_metadata* x) const noexcept;
};

template <class T>
using handle = std::unique_ptr<T, deleter>;

using client_handle = handle<rd_kafka_s>;
using conf_handle = handle<rd_kafka_conf_s>;
using queue_handle = handle<rd_kafka_queue_s>;
using message_handle = handle<rd_kafka_message_s>;
using topic_handle = handle<rd_kafka_topic_s>;
using list_handle = handle<rd_kafka_topic_partition_list_s>;
using error_handle = handle<rd_kafka_error_s>;
using headers_handle = handle<rd_kafka_headers_s>;
using event_handle = handle<rd_kafka_op_s>;

/// Maps librdkafka's and the brokers' error numbers to ours. `context` says
/// what was tried, `detail` what librdkafka says about it, when it does.
kafka_error classify(int native, std::string_view context,
                     std::string_view detail = {});

/// Takes the error's ownership.
kafka_error classify(rd_kafka_error_s* error, std::string_view context);

/// A configuration that holds first `ours`, then the user's properties, then
/// `fixed`, which nobody may override: a user's property of that name is an
/// error. The result's log goes nowhere unless a callback is set.
std::expected<conf_handle, kafka_error>
make_conf(const kafka_properties& ours, const kafka_properties& user,
          const kafka_properties& fixed);

enum class client_kind : uint8_t { consumer, producer };

/// Starts librdkafka's threads. `conf` is used up in any case.
std::expected<client_handle, kafka_error> make_client(client_kind kind,
                                                      conf_handle conf);

/// The cluster's own name; empty when it does not tell in time.
std::string cluster_name(rd_kafka_s* client, int timeout_ms);

/// librdkafka's mock knows no ids and no settings of topics, and describes no
/// groups; it does not answer who asks for them.
bool is_mock(rd_kafka_s* client, int timeout_ms);

/// What every consumer must be set to for the protocol to hold.
const kafka_properties& fixed_consumer_properties();

/// `topic [7]`, as messages to people name a partition.
std::string describe(const kafka_partition& x);

} // namespace millrace::kafka_detail
