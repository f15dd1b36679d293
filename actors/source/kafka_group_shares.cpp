#include "actors/source/kafka_group_shares.hpp"

#include "actors/source/kafka_admin.hpp"

#include <librdkafka/rdkafka.h>

#include <array>
#include <utility>

namespace millrace::kafka_detail {

namespace {

void add_member(kafka_group_shares& to,
                const rd_kafka_MemberDescription_t* member) {
  const char* name = rd_kafka_MemberDescription_group_instance_id(member);
  if (name == nullptr)
    name = rd_kafka_MemberDescription_consumer_id(member);
  to.members.emplace_back(name != nullptr ? name : "");
  const auto* has = rd_kafka_MemberAssignment_partitions(
    rd_kafka_MemberDescription_assignment(member));
  for (int i = 0; has != nullptr && i < has->cnt; ++i)
    to.taken.push_back({has->elems[i].topic, {has->elems[i].partition}});
}

kafka_group_shares read(const rd_kafka_ConsumerGroupDescription_t* group) {
  auto state = rd_kafka_ConsumerGroupDescription_state(group);
  kafka_group_shares result;
  result.known = state != RD_KAFKA_CONSUMER_GROUP_STATE_DEAD;
  result.stable = state == RD_KAFKA_CONSUMER_GROUP_STATE_STABLE;
  auto n = rd_kafka_ConsumerGroupDescription_member_count(group);
  for (std::size_t i = 0; i < n; ++i)
    add_member(result, rd_kafka_ConsumerGroupDescription_member(group, i));
  return result;
}

} // namespace

queue_handle ask_shares(rd_kafka_t* client, const std::string& group) {
  constexpr int untimed = 0;
  auto options = admin_options(client, RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS,
                               untimed);
  queue_handle queue{rd_kafka_queue_new(client)};
  std::array<const char*, 1> names{group.c_str()};
  rd_kafka_DescribeConsumerGroups(client, names.data(), names.size(),
                                  options.get(), queue.get());
  return queue;
}

std::expected<kafka_group_shares, kafka_error>
read_shares(rd_kafka_event_t* answer, std::string_view context) {
  if (auto why = failure_of(answer, context))
    return std::unexpected{std::move(*why)};
  std::size_t n = 0;
  const auto** groups = rd_kafka_DescribeConsumerGroups_result_groups(
    rd_kafka_event_DescribeConsumerGroups_result(answer), &n);
  if (n == 0)
    return kafka_group_shares{};
  const auto* error = rd_kafka_ConsumerGroupDescription_error(groups[0]);
  auto code = rd_kafka_error_code(error);
  // What newer brokers say where older ones call the group dead.
  if (code == RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND)
    return kafka_group_shares{};
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
    return std::unexpected{
      classify(code, context, rd_kafka_error_string(error))};
  return read(groups[0]);
}

} // namespace millrace::kafka_detail
