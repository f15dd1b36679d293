#pragma once

// Inside of the Kafka adapter: who has what in a consumer group.

#include "actors/source/kafka.hpp"
#include "actors/source/kafka_handle.hpp"

#include <expected>
#include <string>
#include <string_view>

namespace millrace::kafka_detail {

/// Asks the group's coordinator, however long it is away: the answer comes to
/// the queue. Not for the mock, which ends who asks it (librdkafka's #5397).
queue_handle ask_shares(rd_kafka_s* client, const std::string& group);

/// Reads such an answer. Of a group that the cluster does not know: nothing.
std::expected<kafka_group_shares, kafka_error>
read_shares(rd_kafka_op_s* answer, std::string_view context);

} // namespace millrace::kafka_detail
