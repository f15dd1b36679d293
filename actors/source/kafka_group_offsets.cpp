// The third part of kafka_client: how far others have come, and which records
// belong to a time.

#include "actors/source/kafka_admin.hpp"
#include "actors/source/kafka_group_shares.hpp"

#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <array>
#include <format>
#include <map>

namespace millrace {

using namespace kafka_detail;

namespace {

using committed = std::map<kafka_partition, int64_t>;

/// The partitions that the group has committed an offset for.
std::expected<committed, kafka_error>
ask_committed(rd_kafka_t* client, const std::string& group,
              std::span<const kafka_partition> which, int timeout_ms,
              std::string_view context) {
  list_handle list{
    rd_kafka_topic_partition_list_new(static_cast<int>(which.size()))};
  for (const auto& x : which)
    rd_kafka_topic_partition_list_add(list.get(), x.topic.c_str(),
                                      x.number.value);
  handle<rd_kafka_ListConsumerGroupOffsets_t> wanted{
    rd_kafka_ListConsumerGroupOffsets_new(group.c_str(), list.get())};
  auto options = admin_options(client,
                               RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS,
                               timeout_ms);
  error_handle{
    rd_kafka_AdminOptions_set_require_stable_offsets(options.get(), 1)};
  queue_handle queue{rd_kafka_queue_new(client)};
  std::array<rd_kafka_ListConsumerGroupOffsets_t*, 1> all{wanted.get()};
  rd_kafka_ListConsumerGroupOffsets(client, all.data(), all.size(),
                                    options.get(), queue.get());
  auto event = await(queue.get(), timeout_ms, context);
  if (!event)
    return std::unexpected{event.error()};
  std::size_t n = 0;
  const auto* answer
    = rd_kafka_event_ListConsumerGroupOffsets_result(event->get());
  const auto** groups = rd_kafka_ListConsumerGroupOffsets_result_groups(answer,
                                                                        &n);
  committed result;
  for (std::size_t i = 0; i < n; ++i) {
    const auto* error = rd_kafka_group_result_error(groups[i]);
    if (auto code = rd_kafka_error_code(error))
      return std::unexpected{
        classify(code, context, rd_kafka_error_string(error))};
    const auto* found = rd_kafka_group_result_partitions(groups[i]);
    for (int k = 0; found != nullptr && k < found->cnt; ++k) {
      const auto& x = found->elems[k];
      if (x.err != RD_KAFKA_RESP_ERR_NO_ERROR)
        return std::unexpected{classify(x.err, context)};
      if (x.offset >= 0)
        result.emplace(kafka_partition{x.topic, {x.partition}}, x.offset);
    }
  }
  return result;
}

} // namespace

std::expected<std::vector<std::optional<offset>>, kafka_error>
kafka_client::offsets_at(std::span<const kafka_partition> which,
                         int64_t timestamp_ms,
                         std::chrono::milliseconds timeout) {
  std::vector<std::optional<offset>> result;
  if (which.empty())
    return result;
  auto context = std::format("offsets by time of {} partitions", which.size());
  auto found = list_offsets(impl_->client.get(), which, timestamp_ms,
                            to_ms(timeout), context);
  if (!found)
    return std::unexpected{found.error()};
  for (const auto& x : which) {
    auto i = found->find(x);
    if (i != found->end() && !i->second)
      return std::unexpected{i->second.error()};
    if (i != found->end() && *i->second >= 0)
      result.emplace_back(offset{*i->second});
    else
      result.emplace_back();
  }
  return result;
}

std::expected<kafka_group_offsets, kafka_error>
kafka_client::group_offsets(const std::string& group,
                            std::span<const kafka_partition> which,
                            std::chrono::milliseconds timeout) {
  auto context = std::format("offsets of consumer group '{}'", group);
  auto* client = impl_->client.get();
  auto found = ask_committed(client, group, which, to_ms(timeout), context);
  if (!found)
    return std::unexpected{impl_->explain(found.error())};
  kafka_group_offsets result{!found->empty(), {}};
  for (const auto& x : which) {
    auto i = found->find(x);
    if (i != found->end())
      result.next.emplace_back(offset{i->second});
    else
      result.next.emplace_back();
  }
  if (!result.known && !is_mock(client, to_ms(timeout))) {
    auto question = ask_shares(client, group);
    auto answer = await(question.get(), to_ms(timeout), context);
    if (!answer)
      return std::unexpected{answer.error()};
    auto told = read_shares(answer->get(), context);
    if (!told)
      return std::unexpected{told.error()};
    result.known = told->known;
  }
  return result;
}

} // namespace millrace
