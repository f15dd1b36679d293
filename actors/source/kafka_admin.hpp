#pragma once

// Inside of the Kafka adapter: what the sources of kafka_client share.

#include "actors/source/kafka_client.hpp"
#include "actors/source/kafka_handle.hpp"

#include <map>
#include <optional>
#include <span>
#include <string>

struct rd_kafka_Uuid_s;
struct rd_kafka_topic_result_s;

namespace millrace {

struct kafka_client::impl {
  kafka_detail::client_handle client;

  /// Make an id up where the cluster knows none.
  bool stand_in_ids = false;

  /// What brokers said of our credentials since somebody asked.
  std::optional<kafka_error> refusal;

  /// A request just times out where brokers do not let us in: gives the reason
  /// in its place, when there is one.
  kafka_error explain(kafka_error x);

  /// By a metadata request, which every broker answers.
  std::expected<int32_t, kafka_error>
  count_partitions(const std::string& topic, std::chrono::milliseconds timeout,
                   std::string_view context) const;

  /// The topic's id as the broker tells it, or what stands in for it.
  std::optional<uuid> id_of(const std::string& topic,
                            const rd_kafka_Uuid_s* told,
                            std::chrono::milliseconds timeout) const;
};

} // namespace millrace

namespace millrace::kafka_detail {

/// Milliseconds as librdkafka takes them: at least one, at most an hour.
int to_ms(std::chrono::milliseconds timeout);

/// `what` is librdkafka's number of the command.
handle<rd_kafka_AdminOptions_s> admin_options(rd_kafka_s* client, int what,
                                              int timeout_ms);

/// Why an admin request as a whole was refused, if it was.
std::optional<kafka_error> failure_of(rd_kafka_op_s* answer,
                                      std::string_view context);

/// Waits for the answer to an admin request that was sent to `queue`.
std::expected<event_handle, kafka_error>
await(rd_kafka_queue_s* queue, int timeout_ms, std::string_view context);

/// One question to each leader. `kind` is a time in milliseconds since 1970 or
/// one of librdkafka's marks for the first and the end offsets. -1 where no
/// record is so late.
using asked_offset = std::expected<int64_t, kafka_error>;
std::expected<std::map<kafka_partition, asked_offset>, kafka_error>
list_offsets(rd_kafka_s* client, std::span<const kafka_partition> which,
             int64_t kind, int timeout_ms, std::string_view context);

/// What was told of one log. Where nobody told it anything, librdkafka gives an
/// invalid offset without an error; that is one to try again.
asked_offset read_offset(int code, int64_t found, const kafka_partition& of);

/// The first failure among per-topic results.
std::expected<void, kafka_error>
first_failure(const rd_kafka_topic_result_s** results, std::size_t n,
              std::string_view context);

/// Kafka's topic ids are UUIDs, kept by librdkafka as two big-endian halves.
std::optional<uuid> to_uuid(const rd_kafka_Uuid_s* id);

/// An id for a topic of a cluster that knows none: differs by topic and by the
/// cluster's own name. FNV-1a, the two halves from different seeds; marked as
/// version 8, "made by other means".
uuid made_up_id(std::string_view cluster, std::string_view topic);

} // namespace millrace::kafka_detail
